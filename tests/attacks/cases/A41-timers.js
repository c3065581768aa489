/*---
id = "A41"
title = "a module cannot cancel or see another module's timers or their callbacks"
boundary = "modules"
elsewhere = { ses = "timers come from the embedder of SES" }
expect = "nothing"
audit = []
[a]
grants = []
---*/
export async function attack({ a, refuses }) {
  let gained = "";
  const fired = a.start();
  for (const handle of [...Array(2000).keys(), "1", 1n, null, undefined, {}, [], new Proxy({}, {}), globalThis]) {
    for (const clear of [clearTimeout, clearInterval]) {
      try {
        clear(handle);
      } catch {
        // It takes no such value.
      }
    }
  }
  const own = setTimeout(() => {}, 1);
  const forged = Object.create(Object.getPrototypeOf(own));
  clearTimeout(forged);
  if (Reflect.ownKeys(own).length > 0 || !Object.isFrozen(own)) gained += "a handle can be looked into; ";
  if (Object.hasOwn(Object.getPrototypeOf(own), "constructor")) gained += "the class of handles can be had; ";
  if (Number(own) === Number(own)) gained += `a handle is the number ${Number(own)}; `;
  // The receiver of a callback must not be the engine's own timer record.
  await new Promise((resolve) => setTimeout(function () {
    if (this !== undefined) gained += `this is ${String(this)}; `;
    resolve();
  }, 1));
  for (const delay of [Infinity, -1, NaN, 2 ** 53, 2 ** 31, -0, 1e308]) clearTimeout(setTimeout(() => {}, delay));
  gained += await refuses("delay", "TypeError", () => setTimeout(() => {}, Symbol()));
  let tooLate;
  const late = new Promise((resolve) => { tooLate = setTimeout(resolve, 2000, "late"); });
  const came = await Promise.race([fired, late]);
  clearTimeout(tooLate);
  if (came !== "fired") gained += "the victim's timer was cancelled; ";
  return gained;
}

export async function control({ a }) {
  const handle = setTimeout(() => { throw new Error("not cancelled"); }, 1);
  clearTimeout(handle);
  return (await a.start()) === "fired";
}
//// a/index.js
export const start = () => new Promise((resolve) => setTimeout(() => resolve("fired"), 5));
