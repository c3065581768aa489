/*---
id = "A23b"
title = "patching functions of text, paths or bytes does not make a check see another value than the used one"
boundary = "program"
elsewhere = { ses = "files and network come from the embedder of SES" }
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = ["18 times denied fs read ${base}/secret.txt"]
---*/
import { fs } from "cap:self";

const says = (value) => function () { return value; };
const patches = [
  [TextEncoder.prototype, "encode", says(new Uint8Array([100, 97, 116, 97, 47, 97, 46, 116, 120, 116]))], [String.prototype, "normalize", says("data/a.txt")],
  [String.prototype, "startsWith", says(true)], [String.prototype, "endsWith", says(true)], [String.prototype, "includes", says(true)],
  [String.prototype, "indexOf", says(0)], [String.prototype, "slice", says("data/a.txt")], [String.prototype, "replace", says("data/a.txt")],
  [String.prototype, "replaceAll", says("data/a.txt")], [String.prototype, "toString", says("data/a.txt")], [String.prototype, "valueOf", says("data/a.txt")],
  [String.prototype, "charCodeAt", says(47)], [RegExp.prototype, "test", says(true)], [RegExp.prototype, "exec", says(null)], [Array.prototype, "includes", says(true)],
  [Array.prototype, "some", says(true)], [Object.getPrototypeOf(Uint8Array.prototype), "subarray", says(new Uint8Array())],
  [URL.prototype, "toString", says("file:///data/a.txt")],
];

export async function attack() {
  let gained = "";
  for (const [owner, key, value] of patches) {
    const before = Object.getOwnPropertyDescriptor(owner, key);
    try {
      Object.defineProperty(owner, key, { value, configurable: true, writable: true });
    } catch {
      // Frozen, as it should be.
    }
    let text = "";
    try {
      text = await fs.readTextFile("secret.txt");
    } catch {
      // Refused, as it should be.
    }
    try {
      Object.defineProperty(owner, key, before);
    } catch {
      // It is as it was.
    }
    if (text !== "") gained += `${key}: it read ${text}; `;
  }
  return gained;
}

export async function control() {
  return (await fs.readTextFile("data/a.txt")) === "public\n";
}
//// data/a.txt
public
//// secret.txt
secret
