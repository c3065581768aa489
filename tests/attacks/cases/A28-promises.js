/*---
id = "A28"
title = "a promise with the attacker's constructor, species or `then` has no effect"
boundary = "modules"
grants = []
expect = "nothing"
audit = ["allowed fs read ${base}/data/secret.txt"]
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ a }) {
  const stolen = [];
  class Thief extends Promise {
    static get [Symbol.species]() {
      return Thief;
    }
    then(...callbacks) {
      stolen.push("then");
      return super.then(...callbacks);
    }
  }
  const promise = a.answer();
  Object.defineProperty(promise, "constructor", { value: Thief });
  Object.defineProperty(promise, "then", {
    value(...callbacks) {
      stolen.push("own then");
      return Promise.prototype.then.apply(this, callbacks);
    },
  });
  await Promise.all([promise]);
  // Those two are the attacker's own object. What the victim awaits is not.
  stolen.length = 0;
  await a.useSecret();
  return stolen.join(", ");
}

export async function control({ a }) {
  return (await a.useSecret()) === "used" && (await a.answer()) === 42;
}
//// a/index.js
import { fs } from "cap:self";
export const answer = async () => 42;
export const useSecret = async () => {
  const secret = await fs.readTextFile("data/secret.txt");
  return secret.length > 0 ? "used" : "empty";
};
//// data/secret.txt
secret
