/*---
id = "A07"
title = "concurrent operations of two modules each belong to their own module, whichever ends first"
boundary = "modules"
expect = "nothing"
audit = [
  "denied fs read ${base}/data/secret.txt by suspect/index.js", "allowed fs read ${base}/data/secret.txt by a/index.js",
  "denied fs read ${base}/data/secret.txt by suspect/index.js", "allowed fs read ${base}/data/secret.txt by a/index.js",
  "denied fs read ${base}/data/secret.txt by suspect/index.js", "denied fs read ${base}/data/secret.txt by suspect/index.js",
]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";

const path = "data/secret.txt";

export async function attack({ a, denied }) {
  // Begun before and between the victim's, and gone on with when the victim's end.
  const own = denied("before", () => fs.readTextFile(path));
  const first = a.length(path);
  const between = denied("between", () => fs.readTextFile(path));
  const second = a.length(path);
  let gained = await denied("as the victim's ends", () => first.then(() => fs.readTextFile(path)));
  await second;
  gained += await denied("after an await of the victim's", async () => {
    await second;
    return fs.readTextFile(path);
  });
  return gained + (await own) + (await between);
}

export async function control({ a }) {
  return (await Promise.all([a.length(path), a.length(path)])).every((length) => length > 0);
}
//// a/index.js
import { fs } from "cap:self";
export const length = async (path) => (await fs.readTextFile(path)).length;
//// data/secret.txt
secret
