export interface KeyValue extends Capability<KeyValue, "read" | "write"> {
  get(key: string): Promise<string | Uint8Array | undefined>;
  set(key: string, value: string | ArrayBufferView | ArrayBuffer): Promise<void>;
  delete(key: string): Promise<void>;
  list(options?: { prefix?: string }): AsyncIterable<string>;
}
