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
