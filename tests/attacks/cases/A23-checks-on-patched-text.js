/*---
id = "A23"
title = "a check uses the value that it received, not the results of patched or own methods"
boundary = "modules"
elsewhere = "A23b tries the same with fewer functions"
grants = ["fs.read=./data/**", "net.connect=${server}"]
expect = "nothing"
audit = [
  "denied fs read ${base}/secret.txt", "denied net connect http://127.0.0.1:9", "denied net connect http://127.0.0.1:9",
  "denied net connect http://127.0.0.1:9", "denied fs read ${base}/secret.txt",
]
---*/
import { fs, net } from "cap:self";

export async function attack({ server, denied, refuses }) {
  let gained = "";
  const says = (text) => function () { return text; };
  const patches = [
    [TextEncoder.prototype, "encode", () => new Uint8Array([100, 97, 116, 97])], [String.prototype, "normalize", says("data/a.txt")],
    [String.prototype, "startsWith", () => true], [String.prototype, "split", () => ["data", "a.txt"]],
    [String.prototype, "replaceAll", says("data/a.txt")], [String.prototype, "toString", says("data/a.txt")],
    [URL.prototype, "toString", says(`${server}/ok`)], [RegExp.prototype, "exec", () => null], [RegExp.prototype, "test", () => true],
    [Array.prototype, "includes", () => true], [Uint8Array.prototype, "utf8Write", () => 0],
  ];
  for (const [owner, key, value] of patches) {
    gained += await refuses(String(key), "TypeError", () => Object.defineProperty(owner, key, { value }));
  }
  for (const key of ["href", "origin", "host", "protocol"]) {
    gained += await refuses(key, "TypeError", () => Object.defineProperty(URL.prototype, key, { get: says(server) }));
  }
  gained += await denied("path", () => fs.readTextFile("data/../secret.txt"));
  // What an object of one's own says of itself is one text, which is decided on.
  const url = new URL("http://127.0.0.1:9/");
  for (const key of ["href", "origin", "host"]) Object.defineProperty(url, key, { get: says(server) });
  gained += await denied("own properties", () => net.fetch(url));
  gained += await denied("subclass", () => net.fetch(new (class extends URL { get href() { return server; } })("http://127.0.0.1:9/")));
  gained += await denied("own text", () => net.fetch({ href: server, toString: says("http://127.0.0.1:9/") }));
  class Text extends String { toString() { return "data/a.txt"; } }
  gained += await refuses("a text of its own", "TypeError", () => fs.readTextFile(new Text("secret.txt")));
  return gained + (await denied("the same again", () => fs.readTextFile("secret.txt")));
}

export async function control({ server }) {
  return (await (await net.fetch(new URL(`${server}/ok`))).text()) === "hello" && (await fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
//// secret.txt
secret
