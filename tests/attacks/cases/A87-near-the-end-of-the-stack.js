/*---
id = "A87"
title = "an exhausted stack inside the runtime leaves nothing half done: capabilities, timers, signals and text work as before"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**", "kv.read=*", "kv.write=*"]
expect = "nothing"
audit = ["denied fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt", "allowed kv write k", "allowed kv read k"]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs, kv } from "cap:self";

/** Calls it at every depth from the stack's end upwards, until it works. */
function atTheEnd(call) {
  let result;
  const descend = () => {
    try {
      descend();
    } catch {
      // Too deep, or the call below did not work there.
    }
    if (result === undefined) {
      const value = call();
      result = { value };
    }
  };
  descend();
  return result?.value;
}

export async function attack({ a, denied }) {
  let gained = "";
  const { capability, revoke } = fs.revocable();
  atTheEnd(() => revoke() ?? true);
  gained += await denied("revoked near the end", () => capability.readTextFile("data/a.txt"));
  const narrowed = atTheEnd(() => fs.attenuate({ read: ["./data/**"] }));
  const controller = new AbortController();
  let events = 0;
  controller.signal.addEventListener("abort", () => { events++; });
  atTheEnd(() => controller.abort("enough") ?? true);
  if (!controller.signal.aborted || controller.signal.reason !== "enough") gained += "the signal is half aborted; ";
  let fired = 0;
  const timer = atTheEnd(() => setTimeout(() => { fired++; }, 0));
  const cancelled = setTimeout(() => { gained += "a cancelled timer fired; "; }, 1);
  atTheEnd(() => clearTimeout(cancelled) ?? true);
  const text = atTheEnd(() => new TextDecoder().decode(new TextEncoder().encode("text")));
  const clone = atTheEnd(() => structuredClone({ a: [1, { b: 2 }] }));
  const url = atTheEnd(() => new URL("../x?y=1", "http://127.0.0.1/a/b").href);
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (timer === undefined || fired !== 1) gained += `the timer fired ${fired} times; `;
  if (text !== "text" || clone.a[1].b !== 2 || url !== "http://127.0.0.1/x?y=1") gained += `${text} ${JSON.stringify(clone)} ${url}; `;
  if ((await narrowed.readTextFile("data/a.txt")).trim() !== "public") gained += "the narrowed one; ";
  atTheEnd(() => a.transfer(5));
  if (a.total() !== 100) gained += `the victim's ${a.total()}; `;
  await kv.set("k", "v");
  return gained + ((await kv.get("k")) === "v" ? "" : "kv; ");
}

export async function control({ a }) {
  return a.transfer(5) === 5 && a.total() === 100 && atTheEnd(() => 1) === 1;
}
//// a/index.js
const balance = { from: 100, to: 0 };
// Written so that it cannot be interrupted between its two halves: both are one assignment.
export const transfer = (amount) => {
  const next = { from: balance.from - amount, to: balance.to + amount };
  Object.assign(balance, next);
  return amount;
};
export const total = () => balance.from + balance.to;
//// data/a.txt
public
