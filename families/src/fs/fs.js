// The `fs` capability of guests. Method names and signatures are those of Deno. Every method passes its arguments to
// one op. The op converts them once, decides on them, and uses exactly the values of the decision.
({ Capability, calls, opened, options, text, bytes: copied, withRoom, room, ReadableStream, WritableStream }) => {
  const secret = Symbol("fs");
  const illegal = (token) => {
    if (token !== secret) throw new TypeError("Illegal constructor");
  };

  const openToRead = withRoom(calls.openToRead);
  const openToWrite = withRoom(calls.openToWrite);
  const openWalk = withRoom(calls.walk);
  const openWatch = withRoom(calls.watch);
  const flags = (bag, names) => {
    const read = options(bag, names);
    const chosen = [];
    for (const name of names) if (read[name] !== undefined && Boolean(read[name])) chosen.push(name);
    return chosen;
  };

  const { apply } = Reflect;
  const { subarray } = Uint8Array.prototype;
  const { getTime } = Date.prototype;
  const { isSafeInteger } = Number;
  const { endsWith, lastIndexOf, slice } = String.prototype;
  const integer = (value, what) => {
    const number = typeof value === "bigint" ? Number(value) : value;
    if (!isSafeInteger(number)) throw new TypeError(`${what} must be an integer`);
    return number;
  };
  /** Returns a time in milliseconds since 1970. Like in Deno, a number is seconds. */
  const time = (value, what) => {
    if (typeof value === "number") return value * 1000;
    try {
      return apply(getTime, value, []);
    } catch {
      throw new TypeError(`${what} must be a Date, or the number of seconds since 1970`);
    }
  };

  const temporary = (bag) => {
    const { dir, prefix = "", suffix = "" } = options(bag, ["dir", "prefix", "suffix"]);
    if (dir === undefined) throw new TypeError('the folder of the new name is missing: { dir: "./tmp" }');
    return [text(dir, "dir"), text(prefix, "prefix"), text(suffix, "suffix")];
  };

  class FileInfo {
    constructor(token, raw) {
      illegal(token);
      const [kind, size, modified, accessed, created, mode] = raw;
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
      this.mode = mode;
      Object.freeze(this);
    }
  }

  // The size of the chunks in which an open file is iterated.
  const CHUNK = 65536;

  class FsFile {
    #file;
    #readable;
    #writable;
    #isReadable;
    constructor(token, file, isReadable) {
      illegal(token);
      this.#file = file;
      this.#isReadable = isReadable;
      Object.freeze(this);
    }
    /** Reads into `buffer`. Returns the number of bytes read, or null at the end of the file. */
    async read(buffer) {
      if (!(buffer instanceof Uint8Array)) throw new TypeError("read needs a Uint8Array");
      const { byteLength } = buffer;
      const count = await calls.fileRead(this.#file, buffer);
      return count === 0 && byteLength > 0 ? null : count;
    }
    /** Writes all of `data`. Returns its length. */
    async write(data) {
      return await calls.fileWrite(this.#file, copied(data, "data"));
    }
    /** Moves the position: 0 from the start, 1 from the position, 2 from the end. Returns the new position. */
    async seek(offset, whence = 0) {
      if (whence !== 0 && whence !== 1 && whence !== 2) {
        throw new TypeError("seek: whence must be 0 (from the start), 1 (from the position) or 2 (from the end)");
      }
      const by = integer(offset, "the offset");
      return await (this.#isReadable ? calls.fileSeek : calls.fileSeekFromStart)(this.#file, by, whence);
    }
    async stat() {
      return new FileInfo(secret, await calls.fileStat(this.#file));
    }
    /** Sets the size. New bytes are zero. */
    async truncate(size = 0) {
      await calls.fileTruncate(this.#file, integer(size, "the size"));
    }
    /** Waits until the content, the times and the mode are on the disk. */
    async sync() {
      await calls.fileSync(this.#file, ["all"]);
    }
    /** Waits until the content is on the disk. */
    async syncData() {
      await calls.fileSync(this.#file, []);
    }
    async utime(accessed, modified) {
      await calls.fileTimes(this.#file, time(accessed, "atime"), time(modified, "mtime"));
    }
    /** Waits for the lock: shared with other readers, or exclusive. */
    async lock(exclusive = false) {
      await (exclusive ? calls.fileLock : calls.fileLockShared)(this.#file, ["wait"]);
    }
    /** Returns true if the file is locked now, and false if another handle has a lock that excludes this one. */
    async tryLock(exclusive = false) {
      return await (exclusive ? calls.fileLock : calls.fileLockShared)(this.#file, []);
    }
    async unlock() {
      await (this.#isReadable ? calls.fileUnlockShared : calls.fileUnlock)(this.#file);
    }
    close() {
      calls.fileClose(this.#file);
    }
    /** Reads chunks from the position to the end. Each is a new `Uint8Array`. The file stays open. */
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = new Uint8Array(CHUNK);
        const count = await this.read(chunk);
        if (count === null) return;
        yield count === CHUNK ? chunk : apply(subarray, chunk, [0, count]);
      }
    }
    /** The stream of the chunks from the position to the end. It closes the file at its end (V8). */
    get readable() {
      const file = this;
      return this.#readable ??= new (streams(ReadableStream))({
        type: "bytes",
        autoAllocateChunkSize: CHUNK,
        async pull(controller) {
          const request = controller.byobRequest;
          const { buffer, byteOffset, byteLength } = request.view;
          const count = await calls.fileRead(file.#file, new Uint8Array(buffer, byteOffset, byteLength));
          if (count === 0) {
            file.close();
            controller.close();
          }
          request.respond(count);
        },
        cancel: () => this.close(),
      });
    }
    /** A stream that writes each chunk at the position. It closes the file at its end (V8). */
    get writable() {
      return this.#writable ??= new (streams(WritableStream))({
        write: async (chunk) => void await this.write(chunk),
        close: () => this.close(),
        abort: () => this.close(),
      });
    }
    [Symbol.dispose ?? Symbol.for("dispose")]() {
      this.close();
    }
    async [Symbol.asyncDispose ?? Symbol.for("asyncDispose")]() {
      this.close();
    }
  }

  const streams = (Stream) => {
    if (Stream === undefined) throw new TypeError("this engine has no streams; use read and write, or iterate over the file");
    return Stream;
  };

  class FsWatch {
    #watch;
    #target;
    #events = [];
    #isDone = false;
    #isLast = false;
    constructor(token, watch, target) {
      illegal(token);
      this.#watch = watch;
      this.#target = target;
      Object.freeze(this);
    }
    /** Waits for the next change: `{ kind, paths }`. */
    async next() {
      while (this.#events.length === 0 && !this.#isDone) {
        if (this.#isLast) {
          this.#close();
          break;
        }
        let found;
        try {
          found = await calls.watchNext(this.#watch);
        } catch (error) {
          this.#close();
          throw error;
        }
        if (found === null) {
          this.#isDone = true;
          break;
        }
        const [events, isLast] = found;
        const target = this.#target;
        for (const [kind, name] of events) {
          const whole = name === "" ? target : apply(endsWith, target, ["/"]) ? target + name : `${target}/${name}`;
          this.#events.push({ kind, paths: [whole] });
        }
        if (isLast) this.#isLast = true;
      }
      if (this.#isDone) return { value: undefined, done: true };
      return { value: this.#events.shift(), done: false };
    }
    /** Ends the watch, and calls of `next` that wait. */
    async return(value) {
      this.#close();
      return { value, done: true };
    }
    #close() {
      this.#isDone = true;
      this.#events = [];
      calls.watchClose(this.#watch);
    }
    [Symbol.asyncIterator]() {
      return this;
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
    /** Like `stat`, but of a link itself. */
    async lstat(path) {
      return new FileInfo(secret, await calls.lstat(this, text(path, "path")));
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
    async copyFile(from, to) {
      await calls.copyFile(this, text(from, "path"), text(to, "path"));
    }
    async truncate(path, size = 0) {
      await calls.truncate(this, text(path, "path"), integer(size, "the size"));
    }
    async chmod(path, mode) {
      await calls.chmod(this, text(path, "path"), integer(mode, "the mode"));
    }
    async utime(path, accessed, modified) {
      await calls.utime(this, text(path, "path"), time(accessed, "atime"), time(modified, "mtime"));
    }
    /** Makes the link `path`, which leads to `target`: a relative path without `..`. */
    async symlink(target, path) {
      await calls.symlink(this, text(path, "path"), text(target, "target"));
    }
    /** Gives the file at `from` the second name `to`. */
    async link(from, to) {
      await calls.link(this, text(from, "path"), text(to, "path"));
    }
    async readLink(path) {
      return await calls.readLink(this, text(path, "path"));
    }
    /** Yields everything below a folder, each folder before its entries. Links are not followed. */
    async *walk(path, bag) {
      const folder = text(path, "path");
      const { maxDepth } = options(bag, ["maxDepth"]);
      const depth = maxDepth === undefined || maxDepth === Infinity ? null : integer(maxDepth, "maxDepth");
      const [walk] = opened(await openWalk(this, folder, depth));
      try {
        for (let more = true; more;) {
          let found;
          [found, more] = await calls.walkNext(walk);
          for (const [below, kind] of found) {
            yield {
              path: apply(endsWith, folder, ["/"]) ? folder + below : `${folder}/${below}`,
              name: apply(slice, below, [apply(lastIndexOf, below, ["/"]) + 1]),
              isFile: kind === 0,
              isDirectory: kind === 1,
              isSymlink: kind === 2,
            };
          }
        }
      } finally {
        calls.walkClose(walk);
      }
    }
    /** Begins to watch a file, or a folder and the entries in it. Returns an iterator of the changes. */
    async watch(path) {
      const target = text(path, "path");
      const [watch] = opened(await openWatch(this, target));
      return new FsWatch(secret, watch, target);
    }
    /** Makes an empty file in the folder `dir`. Returns its path. */
    async makeTempFile(bag) {
      return await calls.makeTempFile(this, ...temporary(bag));
    }
    async makeTempDir(bag) {
      return await calls.makeTempDir(this, ...temporary(bag));
    }
    async open(path, bag) {
      const chosen = bag === undefined
        ? ["read"]
        : flags(bag, ["read", "write", "append", "truncate", "create", "createNew"]);
      const isReadable = chosen.includes("read");
      const [file] = opened(await (isReadable ? openToRead : openToWrite)(this, text(path, "path"), chosen));
      return new FsFile(secret, file, isReadable);
    }
  }
  return { capability: FileSystem, objects: [FsFile, FsWatch, FileInfo] };
}
