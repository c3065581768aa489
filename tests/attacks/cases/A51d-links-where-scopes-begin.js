/*---
# RUN-23
id = "A51d"
title = "a link that is moved to the root of a module's or a lent capability's scope is not followed"
boundary = "modules"
elsewhere = "one module's rights are all modules' rights"
grants = ["fs.read=./w/link", "fs.read=./w/file", "fs.write=./w/**"]
app_grants = ["fs.read=./w/**"]
expect = "nothing"
audit = [
  "allowed fs write ${base}/w/lent by suspect/index.js",
  "allowed fs write ${base}/w/single by suspect/index.js",
  "allowed fs write ${base}/w/link by suspect/index.js",
  "allowed fs write ${base}/w/lent by suspect/index.js",
  "allowed fs write ${base}/w/file by suspect/index.js",
  "allowed fs write ${base}/w/single by suspect/index.js",
  "allowed fs read ${base}/w/lent/s.txt by a/index.js",
  "allowed fs read ${base}/w/single/s.txt by a/index.js",
  "allowed fs read ${base}/w/lent/s.txt by a/index.js",
  "allowed fs read ${base}/w/lent by a/index.js",
]
[a]
grants = ["fs.read=./w/lent/**", "fs.read=./w/single/s.txt"]
[links]
"w/link" = "secret"
"w/file" = "secret"
---*/
import { fs } from "cap:self";

export async function attack({ a, refuses }) {
  await a.lend();
  await fs.remove("w/lent", { recursive: true });
  await fs.remove("w/single", { recursive: true });
  await fs.rename("w/link", "w/lent");
  await fs.rename("w/file", "w/single");
  let gained = "";
  gained += await refuses("a folder", "NotADirectory", () => a.read("w/lent/s.txt"));
  gained += await refuses("a single path", "NotADirectory", () => a.read("w/single/s.txt"));
  gained += await refuses("what was lent", "NotADirectory", () => a.readLent("w/lent/s.txt"));
  gained += await refuses("listing", "NotADirectory", () => a.list("w/lent"));
  return gained;
}

export async function control({ a }) {
  await a.lend();
  return [await a.read("w/lent/a.txt"), await a.readLent("w/lent/a.txt"), await a.read("w/single/s.txt")].join("") === "public\npublic\nsingle\n";
}
//// a/index.js
import { fs } from "cap:self";
let lent;
export const read = (path) => fs.readTextFile(path);
export const readLent = (path) => lent.readTextFile(path);
export const list = async (path) => await fs.readDir(path).next();
export const lend = async () => {
  lent = fs.attenuate({ read: ["./w/lent/**"] });
};
//// w/lent/a.txt
public
//// w/single/s.txt
single
//// w/secret/s.txt
secret
