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
}

/** Of a FIFO, a socket and a device, all three are false. */
export interface DirEntry {
  name: string;
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
}

export interface FsFile extends Disposable {
  /** The number of bytes read, or null at the end of the file. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** The number of bytes written: all of them. */
  write(data: Uint8Array): Promise<number>;
  close(): void;
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
