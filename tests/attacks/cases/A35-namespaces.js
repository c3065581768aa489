/*---
id = "A35"
title = "an importing module cannot replace a module's exports"
boundary = "modules"
expect = "nothing"
audit = []
[a]
grants = ["fs.read=./data/**"]
---*/
export async function attack({ a, refuses }) {
  let gained = "";
  gained += await refuses("assign", "TypeError", () => { a.allowed = () => true; });
  gained += await refuses("define", "TypeError", () => Object.defineProperty(a, "allowed", { value: () => true }));
  gained += await refuses("delete", "TypeError", () => { delete a.allowed; });
  gained += await refuses("add", "TypeError", () => { a.extra = 1; });
  gained += await refuses("prototype", "TypeError", () => Object.setPrototypeOf(a, {}));
  try {
    if (Reflect.set(a, "allowed", 1)) gained += "Reflect.set; ";
  } catch {
    // It throws instead of saying no.
  }
  if (a.ask("anything")) gained += "the victim asked the attacker; ";
  return gained;
}

export async function control({ a }) {
  return a.ask("yes") && a.allowed("yes");
}
//// a/index.js
export let allowed = (text) => text === "yes";
export const ask = (text) => allowed(text);
