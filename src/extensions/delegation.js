// What every capability object can do besides its family's operations: be narrowed, be revoked, and leave the program.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { ops, options, text, narrowing, withRoom } = secure;
  const { freeze, keys } = Object;

  // Family name -> the chain behind an object of that family; undefined for anything else, a proxy of one included.
  const chainOf = Object.create(null);

  secure.delegation = {
    chainOf,
    // Of an `fs`, what its files are opened beneath: set by fs.js.
    handleOf: undefined,
    isObject: (value) => typeof value === "object" && value !== null,
    /** The chain with one more block, as `attenuate(bag)` says. */
    narrowed: withRoom((chain, family, actions, bag) => {
      const [grants, expires] = narrowing(bag, actions);
      return ops.op_sr_attenuate(chain, family, grants, expires);
    }),
    /** What `revocable()` returns. The function that revokes leads to nothing: it keeps the chain in its closure. */
    revocable: withRoom((chain, make) => {
      const own = ops.op_sr_revocable(chain);
      const revoke = freeze(() => void ops.op_sr_revoke(own));
      return freeze({ capability: make(own), revoke });
    }),
  };

  /** The bytes of a token that gives the capability to `holder`, who is outside the program. */
  const seal = (capability, bag) => {
    const { holder } = options(bag, ["holder"]);
    for (const family of keys(chainOf)) {
      const chain = chainOf[family](capability);
      if (chain === undefined) continue;
      if (holder === undefined) {
        throw new TypeError('seal needs to know for whom: { holder: "ed25519:..." } or { holder: "blake3:..." }');
      }
      return ops.op_sr_seal(chain, family, text(holder, "holder"));
    }
    throw new TypeError('seal needs a capability, such as `fs` from "cap:self"');
  };
  secure.seal = seal;
  secure.named["%seal%"] = seal;
})(globalThis);
