/*---
id = "A12"
title = "a getter, a trap or a callback inside the victim's call has the attacker's rights"
boundary = "modules"
expect = "nothing"
audit = [
  "denied fs read ${base}/data/secret.txt",
  "denied fs read ${base}/data/secret.txt",
  "denied fs read ${base}/data/secret.txt",
  "allowed fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/secret.txt",
]
control_grants = ["fs.read=./data/**"]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";

const steal = () => fs.readTextFile("data/secret.txt");

export async function attack({ a, denied }) {
  let gained = "";
  gained += await denied("getter", () => a.pathOf({ get path() { return steal(); } }));
  gained += await denied("trap", () => a.pathOf(new Proxy({}, { get: () => steal() })));
  gained += await denied("callback", () => a.each(["x"], steal));
  gained += await denied("thenable", () => a.readWhenReady({ then: (resolve) => resolve(steal()) }));
  return gained;
}

export async function control() {
  return (await steal()).trim() === "secret";
}
//// a/index.js
import { fs } from "cap:self";
export const pathOf = async (options) => await options.path;
export const each = async (list, callback) => await Promise.all(list.map(callback));
export const readWhenReady = async (ready) => {
  await fs.readTextFile("data/a.txt");
  return await ready;
};
//// data/a.txt
public
//// data/secret.txt
secret
