/*---
id = "A83b"
title = "a revoked capability stays revoked, and revoking gives no other rights"
boundary = "modules"
elsewhere = "there is nothing to narrow or revoke; under SES, the embedder provides it"
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt",
  "denied fs seal blake3:0707070707070707070707070707070707070707070707070707070707070707",
  "denied fs read ${base}/data/a.txt",
]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs, seal } from "cap:self";

const holder = `blake3:${"07".repeat(32)}`;

export async function attack({ a, denied, refuses }) {
  const { lent, revoke } = a.lend();
  const narrower = lent.attenuate({ read: ["./data/**"] });
  const own = lent.revocable();
  const read = lent.readTextFile;
  const file = await lent.open("data/a.txt");
  a.stop();
  let gained = "";
  gained += await denied("lent", () => read.call(lent, "data/a.txt"));
  gained += await denied("narrowed before", () => narrower.readTextFile("data/a.txt"));
  gained += await denied("revocable of revocable", () => own.capability.readTextFile("data/a.txt"));
  gained += await denied("open before", () => file.read(new Uint8Array(1)));
  gained += await denied("narrowed after", () => lent.attenuate({ expires: "1h" }).readTextFile("data/a.txt"));
  gained += await denied("sealed after", () => seal(lent, { holder }));
  gained += await denied("revocable after", () => lent.revocable().capability.readTextFile("data/a.txt"));
  // The function that revokes leads to nothing and says nothing.
  for (const object of [revoke, a.pair()]) if (!Object.isFrozen(object)) gained += "not frozen; ";
  for (const key of Reflect.ownKeys(revoke)) if (key !== "length" && key !== "name") gained += `revoke.${String(key)}; `;
  if (revoke.prototype !== undefined || revoke() !== undefined || revoke.call(fs, lent) !== undefined) gained += "revoke gives; ";
  gained += await refuses("new", "TypeError", () => new revoke());
  gained += await refuses("forged", "TypeError", () => lent.revocable.call({}));
  gained += await refuses("proxied", "TypeError", () => new Proxy(lent, {}).revocable());
  return gained;
}

export async function control({ a }) {
  const { lent } = a.lend();
  return (await lent.readTextFile("data/a.txt")).trim() === "public";
}
//// a/index.js
import { fs } from "cap:self";
let last;
export const lend = () => {
  last = fs.revocable();
  return { lent: last.capability, revoke: last.revoke };
};
export const stop = () => last.revoke();
export const pair = () => last;
//// data/a.txt
public
