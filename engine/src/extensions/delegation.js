// Delegation, which every capability object supports beside its family's operations: attenuation, revocation and
// sealing.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { ops, options, text, narrowing, withRoom } = secure;
  const { freeze, keys } = Object;

  // Functions by family name. Each returns the chain behind an object of its family. For all other values, including a
  // proxy of such an object, it returns undefined.
  const chainOf = Object.create(null);

  secure.delegation = {
    chainOf,
    // Returns the handle of an `fs` object, which its files are opened beneath. fs.js sets it.
    handleOf: undefined,
    isObject: (value) => typeof value === "object" && value !== null,
    /** Returns the chain with one more block, made from the argument of `attenuate(bag)`. */
    narrowed: withRoom((chain, family, actions, bag) => {
      const [grants, expires] = narrowing(bag, actions);
      return ops.op_sr_attenuate(chain, family, grants, expires);
    }),
    /**
     * Returns the result of `revocable()`. The revoking function keeps the chain in its closure, so guests cannot reach
     * the chain through it.
     */
    revocable: withRoom((chain, make) => {
      const own = ops.op_sr_revocable(chain);
      const revoke = freeze(() => void ops.op_sr_revoke(own));
      return freeze({ capability: make(own), revoke });
    }),
  };

  /** Returns the bytes of a token that delegates the capability to `holder`, who is outside of the program. */
  const seal = (capability, bag) => {
    const { holder } = options(bag, ["holder"]);
    for (const family of keys(chainOf)) {
      const chain = chainOf[family](capability);
      if (chain === undefined) continue;
      if (holder === undefined) {
        throw new TypeError('seal needs a holder: { holder: "ed25519:..." } or { holder: "blake3:..." }');
      }
      return ops.op_sr_seal(chain, family, text(holder, "holder"));
    }
    throw new TypeError('seal needs a capability, such as `fs` from "cap:self"');
  };
  secure.seal = seal;
  secure.named["%seal%"] = seal;
})(globalThis);
