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
