// The exports of "cap:self", for TypeScript. runtime.md defines their meaning. A test compares the names with those
// that guests find.

declare module "cap:self" {
  /** Scopes as a manifest has them. What is not named is not held; with `expires` alone the rights stay. */
  export type Narrowing<Action extends string> = { [action in Action]?: string | string[] } & {
    /** A duration such as "10m". */
    expires?: string;
  };

  export interface Capability<Self, Action extends string> {
    attenuate(narrowing: Narrowing<Action>): Self;
    revocable(): { capability: Self; revoke: () => void };
  }

  /** The bytes of a token that gives the capability to a holder outside the program. */
  export function seal(
    capability: AnyCapability,
    options: { holder: `ed25519:${string}` | `blake3:${string}` },
  ): Uint8Array;

  /**
   * Defines a kind of capability that this module makes. `methodsOf` returns the methods of one capability. They keep
   * what they need in their closures, and are called without `this`.
   */
  export function defineCapability<Given extends unknown[], Methods extends Record<string, (...given: never[]) => unknown>>(
    name: string,
    methodsOf: (...given: Given) => Methods,
  ): {
    /** A frozen object with the methods and nothing else. */
    readonly make: (...given: Given) => Readonly<Methods>;
    /** True only for objects that this `make` has returned. */
    readonly is: (value: unknown) => boolean;
  };

  export class CapabilityError extends Error {
    readonly code: "denied" | "expired" | "revoked" | "limit";
    readonly family: string;
    readonly action: string;
    readonly resource: string;
    readonly module: string;
  }

  /**
   * The exports of a package with its own isolate, as an importer finds them: `Isolated<typeof import("name")>`.
   * Functions are asynchronous. Everything else is a copy.
   */
  export type Isolated<Exports> = {
    readonly [name in keyof Exports]: Exports[name] extends (...args: infer Arguments) => infer Result
      ? (...args: Arguments) => Promise<Awaited<Result>>
      : Exports[name] extends AnyCapability | Date | Map<unknown, unknown>
          | Set<unknown> | ArrayBuffer | ArrayBufferView | readonly unknown[]
        ? Exports[name]
      : Exports[name] extends object ? Isolated<Exports[name]>
      : Exports[name];
  };

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

  export interface SocketAddress {
    readonly transport: "tcp" | "udp";
    readonly hostname: string;
    readonly port: number;
  }

  /** A connection. Each read and write is decided again. */
  export interface Connection extends Disposable, AsyncDisposable, AsyncIterable<Uint8Array> {
    readonly localAddr: SocketAddress;
    readonly remoteAddr: SocketAddress;
    /** The protocol that the server chose of `alpnProtocols`, or null. */
    readonly alpnProtocol: string | null;
    /** The number of bytes read, or null after the other side has ended. */
    read(buffer: Uint8Array): Promise<number | null>;
    /** The number of bytes written: all of them. */
    write(data: Uint8Array): Promise<number>;
    /** Tells the other side that nothing more is written. */
    closeWrite(): Promise<void>;
    /** Sends small pieces at once. */
    setNoDelay(on?: boolean): void;
    /** Closes the connection. Calls that wait for it fail. */
    close(): void;
    /** The stream of received chunks. If it is cancelled, the connection is closed (V8). */
    readonly readable: ReadableStream<Uint8Array>;
    /** At its end nothing more is written. If it is aborted, the connection is closed (V8). */
    readonly writable: WritableStream<Uint8Array>;
  }

  /** Its connections are yielded until it is closed. */
  export interface Listener extends Disposable, AsyncDisposable, AsyncIterable<Connection> {
    readonly addr: SocketAddress;
    accept(): Promise<Connection>;
    /** Accepted connections stay open. */
    close(): void;
  }

  /** Its datagrams are yielded until it is closed. */
  export interface DatagramSocket extends Disposable, AsyncDisposable, AsyncIterable<[Uint8Array, SocketAddress]> {
    readonly addr: SocketAddress;
    /** Waits for a datagram of anyone. */
    receive(): Promise<[Uint8Array, SocketAddress]>;
    /** Needs the right to connect to the destination, `udp://hostname:port`. */
    send(data: Uint8Array, to: { hostname?: string; port: number }): Promise<number>;
    close(): void;
  }

  export interface Network extends Capability<Network, "connect" | "listen" | "resolve"> {
    /** Opens a TCP connection, to 127.0.0.1 by default. Needs the right to connect to `tcp://hostname:port`. */
    connect(options: { hostname?: string; port: number }): Promise<Connection>;
    /**
     * Like `connect`, with TLS and the right to connect to `tls://hostname:port`. The server's certificate must have
     * the host's name. `caCerts` are texts with certificates as PEM. They are trusted instead of those of the host.
     */
    connectTls(options: { hostname?: string; port: number; caCerts?: string[]; alpnProtocols?: string[] }): Promise<Connection>;
    /**
     * Listens on 127.0.0.1 by default. With port 0, the operating system chooses the port: see `addr`. Needs the right
     * to listen on `tcp://hostname:port`.
     */
    listen(options: { hostname?: string; port: number }): Listener;
    /** Like `listen`, for datagrams and with the right to listen on `udp://hostname:port`. */
    listenDatagram(options: { hostname?: string; port: number }): DatagramSocket;
    /** Returns the addresses of a name. The type is "A" if it is not given. */
    resolve(name: string, type?: "A" | "AAAA"): Promise<string[]>;
    /** Sends a request, like `fetch` of the web. */
    fetch(input: string | URL, init?: {
      method?: string;
      headers?: Record<string, string> | [string, string][];
      body?: string | ArrayBufferView | ArrayBuffer | URLSearchParams;
      redirect?: "follow" | "error" | "manual";
      signal?: AbortSignal;
    }): Promise<NetResponse>;
    /**
     * Opens a socket, like `new WebSocket(url, protocols)` of the web. `ws:` needs the right for `http:`, and `wss:`
     * that for `https:`. V8 only.
     */
    webSocket(url: string | URL, protocols?: string | string[]): WebSocket;
  }

  export interface NetResponse {
    readonly status: number;
    readonly statusText: string;
    readonly ok: boolean;
    readonly url: string;
    readonly redirected: boolean;
    readonly headers: Iterable<[string, string]> & { get(name: string): string | null; has(name: string): boolean };
    readonly body: AsyncIterable<Uint8Array>;
    readonly bodyUsed: boolean;
    text(): Promise<string>;
    json(): Promise<unknown>;
    bytes(): Promise<Uint8Array>;
    arrayBuffer(): Promise<ArrayBuffer>;
  }

  export interface Environment extends Capability<Environment, "read"> {
    get(name: string): string | undefined;
    has(name: string): boolean;
  }

  export interface Clock extends Capability<Clock, "read"> {
    /** Milliseconds since the Unix epoch, rounded down to the resolution that is held. */
    now(): number;
  }

  export interface Random extends Capability<Random, "read"> {
    bytes(length: number): Uint8Array;
    /** From 0 up to, and not including, 1. */
    number(): number;
  }

  export interface KvEntry {
    readonly key: string;
    readonly value: string | Uint8Array;
    readonly versionstamp: string;
  }

  export interface KvNoEntry {
    readonly key: string;
    readonly value: undefined;
    readonly versionstamp: null;
  }

  export interface KvRange {
    prefix?: string;
    start?: string;
    end?: string;
    cursor?: string;
    reverse?: boolean;
    limit?: number;
  }

  export interface KvCheck {
    key: string;
    versionstamp: string | null;
    value?: unknown;
  }

  export interface KvAtomic {
    check(...checks: KvCheck[]): KvAtomic;
    set(key: string, value: string | ArrayBufferView | ArrayBuffer, options?: { expireIn?: number }): KvAtomic;
    delete(key: string): KvAtomic;
    commit(): Promise<{ ok: boolean }>;
  }

  export interface KeyValue extends Capability<KeyValue, "read" | "write"> {
    get(key: string): Promise<string | Uint8Array | undefined>;
    getEntry(key: string): Promise<KvEntry | KvNoEntry>;
    set(key: string, value: string | ArrayBufferView | ArrayBuffer, options?: { expireIn?: number }): Promise<void>;
    delete(key: string): Promise<void>;
    list(options?: KvRange): AsyncIterable<string>;
    entries(options?: KvRange): AsyncIterable<KvEntry>;
    atomic(): KvAtomic;
    watch(key: string): AsyncIterableIterator<KvEntry | KvNoEntry>;
    watch(keys: readonly string[]): AsyncIterableIterator<(KvEntry | KvNoEntry)[]>;
  }

  export interface HttpContext {
    /** The identity of the request in logs. */
    readonly requestId: string;
    /** The parts of the URL that a route names. */
    readonly params: Readonly<Record<string, string>>;
    /** Aborted when the client goes away. */
    readonly signal: AbortSignal;
    /**
     * Turns the request into a WebSocket. The handler must return the response. `idleTimeout` is in seconds, 120
     * without it, and 0 for none.
     */
    upgrade(options?: { protocol?: string; idleTimeout?: number }): { readonly socket: WebSocket; readonly response: Response };
    /** Lets the request stay in progress until the promise is settled, also after the response. */
    waitUntil(promise: unknown): void;
  }

  export type HttpHandler = (request: Request, context: HttpContext) => Response | Promise<Response>;

  export interface HttpServer {
    readonly addr: { readonly hostname: string; readonly port: number };
    /** Settled when the server has ended. */
    readonly finished: Promise<void>;
    /** Accepts no more connections, and waits until the open requests have ended. */
    shutdown(): Promise<void>;
  }

  export interface Http extends Capability<Http, "listen"> {
    /** Listens on 127.0.0.1:8000, and answers requests with the handler. */
    serve(handler: HttpHandler): HttpServer;
    /** Listens on an address of this machine. With port 0, the operating system chooses the port: see `addr`. */
    serve(options: { hostname?: string; port?: number; cert?: string; key?: string; maxBody?: number }, handler: HttpHandler): HttpServer;
  }

  export interface Secrets extends Capability<Secrets, "send" | "key"> {
    /**
     * Returns a text to use as an API key. `fetch` replaces it by the secret, in headers of requests to this origin. No
     * other request with it is sent.
     */
    placeholder(name: string, origin: string): string;
    /** Returns a key for this algorithm, such as `HMAC-SHA-256`. It cannot be exported. On QuickJS, there is none. */
    key(name: string, algorithm: string): Promise<CryptoKey>;
  }

  export interface Log extends Capability<Log, "write"> {
    /** Writes a record. Fields are data: null, booleans, numbers, texts, lists and plain objects. */
    debug(message: string, fields?: Record<string, unknown>): void;
    info(message: string, fields?: Record<string, unknown>): void;
    warn(message: string, fields?: Record<string, unknown>): void;
    error(message: string, fields?: Record<string, unknown>): void;
  }

  export const fs: FileSystem;
  export const net: Network;
  export const env: Environment;
  export const clock: Clock;
  export const random: Random;
  export const kv: KeyValue;
  export const http: Http;
  export const secrets: Secrets;
  export const log: Log;

  export type AnyCapability = FileSystem | Network | Environment | Clock | Random | KeyValue | Http | Secrets | Log;
}
