// Takes chance from `Math.random`. A module's own `Math` uses its own capability. The shared global always refuses.
"use strict";
((globalThis) => {
  const { hidden, tamed, nobody } = globalThis.__secure;
  const { create, defineProperty, getOwnPropertyDescriptor } = Object;
  const { ownKeys } = Reflect;

  const makeMath = (random) => {
    const own = create(Object.prototype);
    for (const key of ownKeys(Math)) {
      if (key === "random") defineProperty(own, key, hidden({ random: () => random() }.random));
      else defineProperty(own, key, getOwnPropertyDescriptor(Math, key));
    }
    return own;
  };
  tamed.makeMath = makeMath;
  defineProperty(Math, "random", hidden({ random: nobody("Math.random", "random") }.random));
})(globalThis);
