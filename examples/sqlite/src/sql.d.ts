export type SqlValue = null | boolean | number | string | ArrayBufferView | ArrayBuffer;

export interface Databases extends Capability<Databases, "read" | "write"> {
  query(
    database: string,
    statement: string,
    parameters?: SqlValue[],
    options?: { signal?: AbortSignal },
  ): Promise<Record<string, null | number | string | Uint8Array>[]>;
  execute(
    database: string,
    statement: string,
    parameters?: SqlValue[],
    options?: { signal?: AbortSignal },
  ): Promise<number>;
}
