export interface Random extends Capability<Random, "read"> {
  bytes(length: number): Uint8Array;
  /** From 0 up to, and not including, 1. */
  number(): number;
}
