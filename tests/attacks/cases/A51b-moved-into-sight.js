/*---
# RUN-22
id = "A51b"
title = "a file that a module may not read cannot be moved to a readable place: by fewer rights, by another module or through links"
boundary = "modules"
elsewhere = "there is nothing to narrow, and one module's rights are all modules' rights"
grants = ["fs.read=./w/pub/**", "fs.read=./w/one.txt", "fs.write=./w/**"]
app_grants = ["fs.read=./w/**"]
control_grants = ["fs.read=./w/**", "fs.write=./w/**"]
expect = "nothing"
audit = [
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/s.txt by suspect/index.js",
  "denied fs write ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/one.txt by suspect/index.js",
  "denied fs write ${base}/w/one.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret by suspect/index.js",
  "allowed fs write ${base}/w/pub/secret by suspect/index.js",
  "denied fs write ${base}/w/pub/secret by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/alias/s.txt by suspect/index.js",
  "denied fs write ${base}/w/alias/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/back/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/s.txt by suspect/index.js",
  "denied fs write ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/s.txt by suspect/index.js",
  "denied fs write ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/one.txt by suspect/index.js",
  "denied fs write ${base}/w/one.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret by suspect/index.js",
  "allowed fs write ${base}/w/pub/secret by suspect/index.js",
  "denied fs write ${base}/w/pub/secret by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/alias/s.txt by suspect/index.js",
  "denied fs write ${base}/w/alias/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/back/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/s.txt by suspect/index.js",
  "denied fs write ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/s.txt by suspect/index.js",
  "denied fs write ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "denied fs write ${base}/w/one.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret by suspect/index.js",
  "allowed fs write ${base}/w/pub/secret by suspect/index.js",
  "denied fs write ${base}/w/pub/secret by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/alias/s.txt by suspect/index.js",
  "denied fs write ${base}/w/alias/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/back/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "denied fs write ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "allowed fs write ${base}/w/one.txt by suspect/index.js",
  "denied fs write ${base}/w/one.txt by suspect/index.js",
  "denied fs write ${base}/w/secret by suspect/index.js",
  "allowed fs write ${base}/w/secret/s.txt by suspect/index.js",
  "denied fs write ${base}/w/alias/s.txt by suspect/index.js",
  "denied fs write ${base}/w/pub/back/s.txt by suspect/index.js",
  "allowed fs read ${base}/w/pub/s.txt by a/index.js",
  "allowed fs read ${base}/w/pub/s.txt by suspect/index.js",
  "allowed fs read ${base}/w/one.txt by a/index.js",
  "allowed fs read ${base}/w/one.txt by suspect/index.js",
  "allowed fs read ${base}/w/pub/secret/s.txt by a/index.js",
  "allowed fs read ${base}/w/pub/secret/s.txt by suspect/index.js",
  "allowed fs read ${base}/w/pub/back/s.txt by a/index.js",
  "allowed fs read ${base}/w/pub/back/s.txt by suspect/index.js",
  "denied fs read ${base}/w/alias/s.txt by a/index.js",
  "denied fs read ${base}/w/alias/s.txt by suspect/index.js",
]
[a]
grants = ["fs.read=./w/pub/**", "fs.read=./w/one.txt"]
[links]
"w/alias" = "pub"
"w/pub/back" = "../secret"
---*/
import { fs } from "cap:self";

export async function attack({ a, denied, refuses }) {
  const less = {
    "all rights": fs,
    "write alone": fs.attenuate({ write: ["./w/**"] }),
    "two scopes": fs.attenuate({ read: ["./w/pub/**"], write: ["./w/secret/**", "./w/pub/**", "./w/alias/**"] }),
    "single paths": fs.attenuate({ read: ["./w/one.txt"], write: ["./w/secret/s.txt", "./w/one.txt"] }),
  };
  const moves = [
    ["w/secret/s.txt", "w/pub/s.txt"],
    ["w/secret/s.txt", "w/one.txt"],
    ["w/secret", "w/pub/secret"],
    ["w/secret/s.txt", "w/alias/s.txt"],
  ];
  let gained = "";
  for (const [name, capability] of Object.entries(less)) {
    for (const [from, to] of moves) gained += await denied(`${name}: ${from} to ${to}`, () => capability.rename(from, to));
    // Through a link within what is read; where only its folder may be written, it leads out of that.
    const kind = name === "two scopes" ? "PermissionDenied" : "CapabilityError";
    gained += await refuses(`${name}: through a link`, kind, () => capability.rename("w/pub/back/s.txt", "w/pub/s.txt"));
  }
  for (const path of ["w/pub/s.txt", "w/one.txt", "w/pub/secret/s.txt", "w/pub/back/s.txt", "w/alias/s.txt"]) {
    for (const reader of [a.read, (path) => fs.readTextFile(path)]) {
      try {
        gained += `${path} is read: ${await reader(path)}; `;
      } catch {}
    }
  }
  return gained;
}

export async function control({ a }) {
  // Who may read it may show it.
  await fs.rename("w/secret/s.txt", "w/pub/s.txt");
  await fs.attenuate({ read: ["./w/pub/**"], write: ["./w/pub/**"] }).rename("w/pub/s.txt", "w/pub/t.txt");
  return (await a.read("w/pub/t.txt")).trim() === "secret";
}
//// a/index.js
import { fs } from "cap:self";
export const read = (path) => fs.readTextFile(path);
//// w/secret/s.txt
secret
//// w/pub/a.txt
public
