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
