// The `fs` capability of guests. Method names and signatures are those of Deno. Every method passes its arguments to
// one op. The op converts them once, decides on them, and uses exactly the values of the decision.
"use strict";
((globalThis) => {
  const { ops, often, options, text, bytes: copied, families, delegation, withRoom, room } = globalThis.__secure;
  const secret = Symbol("fs");
  const illegal = (token) => {
    if (token !== secret) throw new TypeError("Illegal constructor");
  };

  const openFile = withRoom(ops.op_sr_fs_open);
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
      this.mtime = modified === null ? null : new NativeDate(modified);
      this.atime = accessed === null ? null : new NativeDate(accessed);
      this.birthtime = created === null ? null : new NativeDate(created);
      Object.freeze(this);
    }
  }
  const NativeDate = Date;

  class FsFile {
    #handle;
    constructor(token, handle) {
      illegal(token);
      this.#handle = handle;
      Object.freeze(this);
    }
    /** Reads into `buffer`. Returns the number of bytes read, or null at the end of the file. */
    async read(buffer) {
      if (!(buffer instanceof Uint8Array)) throw new TypeError("read needs a Uint8Array");
      const bytes = await ops.op_sr_fs_file_read(this.#handle, buffer.byteLength);
      if (bytes.byteLength === 0 && buffer.byteLength > 0) return null;
      buffer.set(bytes); // throws if the guest shrank the buffer meanwhile; nothing is written past its end
      return bytes.byteLength;
    }
    /** Writes all of `data`. Returns its length. */
    async write(data) {
      return await ops.op_sr_fs_file_write(this.#handle, copied(data, "data"));
    }
    close() {
      ops.op_sr_fs_file_close(this.#handle);
    }
    [Symbol.dispose ?? Symbol.for("dispose")]() {
      this.close();
    }
  }

  class FileSystem {
    #chain;
    #handle;
    static {
      delegation.chainOf.fs = (object) => delegation.isObject(object) && #chain in object ? object.#chain : undefined;
      delegation.handleOf = (object) => object.#handle;
    }
    constructor(token, chain, parent = null) {
      illegal(token);
      this.#chain = chain;
      this.#handle = ops.op_sr_fs(chain, parent);
      Object.freeze(this);
    }
    async readTextFile(path) {
      return await often.op_sr_fs_read_text_file(this.#handle, text(path, "path"));
    }
    async readFile(path) {
      return await often.op_sr_fs_read_file(this.#handle, text(path, "path"));
    }
    async writeTextFile(path, data, bag) {
      const content = String(data);
      room(content.length, "writeTextFile");
      await ops.op_sr_fs_write_text_file(this.#handle, text(path, "path"), content, flags(bag, ["append", "createNew"]));
    }
    async writeFile(path, data, bag) {
      await ops.op_sr_fs_write_file(this.#handle, text(path, "path"), copied(data, "data"), flags(bag, ["append", "createNew"]));
    }
    async *readDir(path) {
      for (const [name, kind] of await ops.op_sr_fs_read_dir(this.#handle, text(path, "path"))) {
        yield { name, isFile: kind === 0, isDirectory: kind === 1, isSymlink: kind === 2 };
      }
    }
    async stat(path) {
      return new FileInfo(secret, await ops.op_sr_fs_stat(this.#handle, text(path, "path")));
    }
    async mkdir(path, bag) {
      await ops.op_sr_fs_mkdir(this.#handle, text(path, "path"), flags(bag, ["recursive"]));
    }
    async remove(path, bag) {
      await ops.op_sr_fs_remove(this.#handle, text(path, "path"), flags(bag, ["recursive"]));
    }
    async rename(from, to) {
      await ops.op_sr_fs_rename(this.#handle, text(from, "path"), text(to, "path"));
    }
    async open(path, bag) {
      const chosen = bag === undefined
        ? ["read"]
        : flags(bag, ["read", "write", "append", "truncate", "create", "createNew"]);
      return new FsFile(secret, ops.op_sr_fs_opened(await openFile(this.#handle, text(path, "path"), chosen)));
    }
    /**
     * Returns a new capability with fewer rights: `{ read: [scope], write: [scope], expires: "10m" }`. Rights that are
     * not named are lost.
     */
    attenuate(bag) {
      return new FileSystem(secret, delegation.narrowed(this.#chain, "fs", ["read", "write"], bag), this.#handle);
    }
    /** Returns `{ capability, revoke }`: a copy of this capability that works until `revoke()` is called. */
    revocable() {
      return delegation.revocable(this.#chain, (chain) => new FileSystem(secret, chain, this.#handle));
    }
  }
  for (const Class of [FileSystem, FsFile, FileInfo]) delete Class.prototype.constructor;

  families.fs = (chain, parent) => new FileSystem(secret, chain, parent);
  Object.assign(globalThis.__secure.named, {
    "%FileSystemPrototype%": FileSystem.prototype,
    "%FsFilePrototype%": FsFile.prototype,
    "%FileInfoPrototype%": FileInfo.prototype,
  });
})(globalThis);
