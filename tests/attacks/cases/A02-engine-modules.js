/*---
id = "A02"
title = "only locked modules can be imported, by any name"
boundary = "program"
elsewhere = "its built-in modules can be imported there, and check each use"
app_grants = ["fs.read=./**"]
expect = "nothing"
audit = []
---*/
const names = (base, server) => [
  "ext:core/mod.js", "ext:core/ops", "ext:sr_prepare/prepare.js", "checkin:x", "node:fs", "node:process", "std", "os",
  "file:///etc/passwd", `file://${base}/main.js`, `${base}/main.js`, "/main.js", "../main.js", "../secret.js",
  "./secret.js", "./index.js?again", "./index.js#again", "app:/main.js", "app:/secret.js", "package:/suspect/index.js",
  "data:text/javascript,export default 1", "blob:null/1", `${server}/exfiltrate.js`, "https://example.com/x.js",
  "cap:self/0", "cap:self/1", "cap:bindings/0", "cap:value/cap:self/0", "cap:value/cap:bindings/0", "cap:evaluation/0", "cap:evaluation/1",
  "cap:other", "",
];

export async function attack({ base, server, refuses }) {
  let gained = "";
  for (const name of names(base, server)) {
    gained += await refuses(`import ${name}`, "TypeError", () => import(name));
    gained += await refuses(`resolve ${name}`, "TypeError", () => import.meta.resolve(name));
    for (const type of ["json", "text", "bytes", "css", "secure-runtime"]) {
      gained += await refuses(`import ${name} as ${type}`, "TypeError", () => import(name, { with: { type } }));
    }
  }
  return gained;
}

export async function control() {
  const { answer } = await import("./locked.js");
  return answer === 42 && import.meta.resolve("./locked.js").endsWith("suspect/locked.js");
}
//// suspect/locked.js
export const answer = 42;
//// suspect/secret.js
export const answer = "a file of the package that nothing imports";
//// secret.js
export const answer = "a file of the program that nothing imports";
