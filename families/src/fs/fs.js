// The `fs` capability of guests. Method names and signatures are those of Deno. Every method passes its arguments to
// one op. The op converts them once, decides on them, and uses exactly the values of the decision.
({ Capability, calls, opened, options, text, bytes: copied, withRoom, room }) => {
  const secret = Symbol("fs");
  const illegal = (token) => {
    if (token !== secret) throw new TypeError("Illegal constructor");
  };

  const openToRead = withRoom(calls.openToRead);
  const openToWrite = withRoom(calls.openToWrite);
  const flags = (bag, names) => {
    const read = options(bag, names);
    const chosen = [];
    for (const name of names) if (read[name] !== undefined && Boolean(read[name])) chosen.push(name);
    return chosen;
  };

  class FileInfo {
    constructor(token, raw) {
      illegal(token);
      const [kind, size, modified, accessed, created] = raw;
      this.isFile = kind === 0;
      this.isDirectory = kind === 1;
      this.isSymlink = kind === 2;
      this.isFifo = kind === 3;
      this.isSocket = kind === 4;
      this.isCharDevice = kind === 5;
      this.isBlockDevice = kind === 6;
      this.size = size;
      this.mtime = modified === null ? null : new Date(modified);
      this.atime = accessed === null ? null : new Date(accessed);
      this.birthtime = created === null ? null : new Date(created);
      Object.freeze(this);
    }
  }

  class FsFile {
    #file;
    constructor(token, file) {
      illegal(token);
      this.#file = file;
      Object.freeze(this);
    }
    /** Reads into `buffer`. Returns the number of bytes read, or null at the end of the file. */
    async read(buffer) {
      if (!(buffer instanceof Uint8Array)) throw new TypeError("read needs a Uint8Array");
      const bytes = await calls.fileRead(this.#file, buffer.byteLength);
      if (bytes.byteLength === 0 && buffer.byteLength > 0) return null;
      buffer.set(bytes); // throws if the guest shrank the buffer meanwhile; nothing is written past its end
      return bytes.byteLength;
    }
    /** Writes all of `data`. Returns its length. */
    async write(data) {
      return await calls.fileWrite(this.#file, copied(data, "data"));
    }
    close() {
      calls.fileClose(this.#file);
    }
    [Symbol.dispose ?? Symbol.for("dispose")]() {
      this.close();
    }
  }

  class FileSystem extends Capability {
    async readTextFile(path) {
      return await calls.readTextFile(this, text(path, "path"));
    }
    async readFile(path) {
      return await calls.readFile(this, text(path, "path"));
    }
    async writeTextFile(path, data, bag) {
      const content = String(data);
      room(content.length, "writeTextFile");
      await calls.writeTextFile(this, text(path, "path"), content, flags(bag, ["append", "createNew"]));
    }
    async writeFile(path, data, bag) {
      await calls.writeFile(this, text(path, "path"), copied(data, "data"), flags(bag, ["append", "createNew"]));
    }
    async *readDir(path) {
      for (const [name, kind] of await calls.readDir(this, text(path, "path"))) {
        yield { name, isFile: kind === 0, isDirectory: kind === 1, isSymlink: kind === 2 };
      }
    }
    async stat(path) {
      return new FileInfo(secret, await calls.stat(this, text(path, "path")));
    }
    async mkdir(path, bag) {
      await calls.mkdir(this, text(path, "path"), flags(bag, ["recursive"]));
    }
    async remove(path, bag) {
      await calls.remove(this, text(path, "path"), flags(bag, ["recursive"]));
    }
    async rename(from, to) {
      await calls.rename(this, text(from, "path"), text(to, "path"));
    }
    async open(path, bag) {
      const chosen = bag === undefined
        ? ["read"]
        : flags(bag, ["read", "write", "append", "truncate", "create", "createNew"]);
      const [file] = opened(await (chosen.includes("read") ? openToRead : openToWrite)(this, text(path, "path"), chosen));
      return new FsFile(secret, file);
    }
  }
  return { capability: FileSystem, objects: [FsFile, FileInfo] };
}
