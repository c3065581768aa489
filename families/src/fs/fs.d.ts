export interface FileInfo {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly isSymlink: boolean;
  readonly isFifo: boolean;
  readonly isSocket: boolean;
  readonly isCharDevice: boolean;
  readonly isBlockDevice: boolean;
  /** In bytes. */
  readonly size: number;
  readonly mtime: Date | null;
  readonly atime: Date | null;
  readonly birthtime: Date | null;
  /** The permission bits, with setuid, setgid and sticky. */
  readonly mode: number;
}

/** Of a FIFO, a socket and a device, all three are false. */
export interface DirEntry {
  name: string;
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
}

export interface WalkEntry extends DirEntry {
  /** The path of the folder that was walked through, `/`, and the path below it. */
  path: string;
}

/** A change of a file. */
export interface FsEvent {
  kind: "create" | "modify" | "remove";
  paths: string[];
}

/** Chunks are read from the position on, each into a new array. The file stays open. */
export interface FsFile extends Disposable, AsyncDisposable, AsyncIterable<Uint8Array> {
  /** The number of bytes read, or null at the end of the file. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** The number of bytes written: all of them. */
  write(data: Uint8Array): Promise<number>;
  /**
   * Moves the position: 0 from the start, 1 from the position, 2 from the end. Returns the new one. A file that was
   * not opened for reading seeks only from the start.
   */
  seek(offset: number | bigint, whence?: 0 | 1 | 2): Promise<number>;
  /** Needs a file that was opened for reading. */
  stat(): Promise<FileInfo>;
  /** Sets the size. New bytes are zero. */
  truncate(size?: number): Promise<void>;
  /** Waits until the content, the times and the mode are on the disk. */
  sync(): Promise<void>;
  /** Waits until the content is on the disk. */
  syncData(): Promise<void>;
  /** A number is seconds since 1970. */
  utime(atime: Date | number, mtime: Date | number): Promise<void>;
  /**
   * Waits for a lock, which others who lock the file respect. A shared lock needs a file that was opened for
   * reading, and an exclusive one a file that was opened for writing.
   */
  lock(exclusive?: boolean): Promise<void>;
  /** Returns false if another handle has a lock that excludes this one. */
  tryLock(exclusive?: boolean): Promise<boolean>;
  unlock(): Promise<void>;
  close(): void;
  /** The chunks from the position on, on V8. The stream closes the file at its end, or when it is cancelled. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Writes chunks at the position, on V8. The stream closes the file at its end, or when it is aborted. */
  readonly writable: WritableStream<Uint8Array>;
}

export interface FileSystem extends Capability<FileSystem, "read" | "write"> {
  readTextFile(path: string): Promise<string>;
  readFile(path: string): Promise<Uint8Array>;
  writeTextFile(path: string, data: string, options?: { append?: boolean; createNew?: boolean }): Promise<void>;
  writeFile(
    path: string,
    data: ArrayBufferView | ArrayBuffer,
    options?: { append?: boolean; createNew?: boolean },
  ): Promise<void>;
  readDir(path: string): AsyncIterable<DirEntry>;
  stat(path: string): Promise<FileInfo>;
  mkdir(path: string, options?: { recursive?: boolean }): Promise<void>;
  remove(path: string, options?: { recursive?: boolean }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Like `stat`, but of a symbolic link itself. */
  lstat(path: string): Promise<FileInfo>;
  /** A new file has the permissions of the source, without setuid and setgid. */
  copyFile(from: string, to: string): Promise<void>;
  /** Sets the size. New bytes are zero. */
  truncate(path: string, size?: number): Promise<void>;
  /** The mode is 0 to 0o777. */
  chmod(path: string, mode: number): Promise<void>;
  /** A number is seconds since 1970. */
  utime(path: string, atime: Date | number, mtime: Date | number): Promise<void>;
  /** The target is a relative path without `..`, so the link leads to its own folder or below. */
  symlink(target: string, path: string): Promise<void>;
  /** Gives a regular file a second name. Needs `read` and `write` for it. */
  link(from: string, to: string): Promise<void>;
  readLink(path: string): Promise<string>;
  /** Everything below a folder that may be read, each folder before its entries. Links are not followed. */
  walk(path: string, options?: { maxDepth?: number }): AsyncIterable<WalkEntry>;
  /**
   * Begins to watch a file, or a folder and the entries in it that may be read, but not those in folders below. The
   * iterator ends when nothing is at the path any more.
   */
  watch(path: string): Promise<AsyncIterableIterator<FsEvent>>;
  /** Makes an empty file with a new name, which only the user of the process may read. Returns its path. */
  makeTempFile(options: { dir: string; prefix?: string; suffix?: string }): Promise<string>;
  makeTempDir(options: { dir: string; prefix?: string; suffix?: string }): Promise<string>;
  open(
    path: string,
    options?: {
      read?: boolean;
      write?: boolean;
      append?: boolean;
      truncate?: boolean;
      create?: boolean;
      createNew?: boolean;
    },
  ): Promise<FsFile>;
}
