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
