export interface Log extends Capability<Log, "write"> {
  /** Writes a record. Fields are data: null, booleans, numbers, texts, lists and plain objects. */
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}
