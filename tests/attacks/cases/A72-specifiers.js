/*---
id = "A72"
title = "a specifier is converted once, and no specifier breaks the host"
boundary = "program"
elsewhere = "names and locations of modules are not secret there"
expect = "nothing"
audit = []
---*/
const odd = () => [
  "\ud800", "a\ud800b", "\0", "./\0.js", "x".repeat(1 << 20), "/".repeat(1 << 16), "[", "http://[", "%", "cap:self\0", " cap:self", "cap:self ",
  "CAP:SELF", "cap:SELF", "cap:self?", "cap:self#", "cap:self/", "cap:self/x", "cap:self/99999999999", "cap:self/-1", "\u202ecap:self",
];

export async function attack({ refuses }) {
  let gained = "";
  for (const specifier of odd()) {
    gained += await refuses(`import ${JSON.stringify(specifier.slice(0, 20))}`, "TypeError", () => import(specifier));
    gained += await refuses(`resolve ${JSON.stringify(specifier.slice(0, 20))}`, "TypeError", () => import.meta.resolve(specifier));
  }
  let looks = 0;
  gained += await refuses("object", "TypeError", () => import({ toString: () => (looks++ === 0 ? "app:/main.js" : "./locked.js") }));
  if (looks !== 1) gained += `looked at ${looks} times; `;
  gained += await refuses("symbol", "TypeError", () => import(Symbol("x")));
  gained += await refuses("throwing", "RangeError", () => import({ toString() { throw new RangeError("mine"); } }));
  for (const specifier of [null, undefined, 1, {}, []]) gained += await refuses(String(specifier), "TypeError", () => import(specifier));
  return gained;
}

export async function control() {
  return (await import("./locked.js")).answer === 42 && "fs" in (await import("cap:self"));
}
//// suspect/locked.js
export const answer = 42;
