export interface Network extends Capability<Network, "connect"> {
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
