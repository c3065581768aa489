export interface Clock extends Capability<Clock, "read"> {
  /** Milliseconds since the Unix epoch, rounded down to the resolution that is held. */
  now(): number;
}
