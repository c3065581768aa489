/*---
id = "A19"
title = "a finaliser or a weak reference to a revoked capability gives no access"
boundary = "modules"
elsewhere = "there is nothing to narrow or revoke; under SES, the embedder provides it"
expect = "nothing"
audit = ["denied fs read ${base}/data/a.txt by a/index.js", "denied fs read ${base}/data/a.txt by suspect/index.js"]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";

const path = "data/a.txt";

export async function attack({ a, denied }) {
  const { lent, revoke } = a.lend();
  const weak = new WeakRef(lent);
  let collected = () => {};
  const wait = new Promise((resolve) => { collected = resolve; });
  // Engines run finalisers when they like: this is tried once, by one if there is any in time.
  let tried;
  const attempt = () => {
    tried ??= denied("lent", () => (weak.deref() ?? lent).readTextFile(path)).then(async (gained) =>
      gained + (await denied("own", () => fs.readTextFile(path))));
    tried.then(collected);
  };
  const registry = new FinalizationRegistry(attempt);
  revoke();
  for (let turn = 0; turn < 20 && tried === undefined; turn++) {
    for (let count = 0; count < 100; count++) registry.register({ filler: new Array(200).fill(turn) }, count);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  attempt();
  return await wait;
}

export async function control({ a }) {
  const { lent } = a.lend();
  return (await new WeakRef(lent).deref().readTextFile(path)).trim() === "public";
}
//// a/index.js
import { fs } from "cap:self";
export const lend = () => {
  const { capability, revoke } = fs.revocable();
  return { lent: capability, revoke };
};
//// data/a.txt
public
