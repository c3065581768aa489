/*---
id = "A82b"
title = "the bytes of a token are available only by sealing a capability for a named holder"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "denied fs seal blake3:0707070707070707070707070707070707070707070707070707070707070707",
  "denied fs seal blake3:0707070707070707070707070707070707070707070707070707070707070707",
  "denied env seal blake3:0707070707070707070707070707070707070707070707070707070707070707",
  "denied fs seal ed25519:0707070707070707070707070707070707070707070707070707070707070707",
]
---*/
import { fs, env, seal } from "cap:self";

const digits = "07".repeat(32);
const holder = `blake3:${digits}`;

export async function attack({ denied, refuses }) {
  let gained = "";
  // Nobody outside could verify it: this program was given no token.
  gained += await denied("own", () => seal(fs, { holder }));
  gained += await denied("narrowed", () => seal(fs.attenuate({ read: ["./data/**"] }), { holder }));
  gained += await denied("another family", () => seal(env, { holder }));
  gained += await denied("a key", () => seal(fs, { holder: `ed25519:${digits}` }));
  const forms = {
    "no bag": undefined,
    "no holder": {},
    "inherited": Object.create({ holder }),
    "undefined": { holder: undefined },
    "null": { holder: null },
    "object": { holder: new String(holder) },
    "array": { holder: [holder] },
    "upper case": { holder: holder.toUpperCase() },
    "short": { holder: holder.slice(0, -2) },
    "line": { holder: `${holder}\n` },
    "NUL": { holder: `${holder}\0` },
    "surrogate": { holder: `blake3:\ud800${digits}` },
    "several": { holder: `${holder} ${holder}` },
  };
  for (const [what, bag] of Object.entries(forms)) gained += await refuses(what, "TypeError", () => seal(fs, bag));
  const forged = [
    undefined, null, 1, "fs", Symbol("fs"), {}, () => {}, Object.create(fs), Object.create(Object.getPrototypeOf(fs)),
    new Proxy(fs, {}), { ...fs }, { __proto__: fs, holder }, [fs], fs.readTextFile, seal,
  ];
  for (const object of forged) gained += await refuses("forged", "TypeError", () => seal(object, { holder }));
  gained += await refuses("frozen", "TypeError", () => { Object.prototype.holder = holder; });
  if (!Object.isFrozen(seal)) gained += "seal is not frozen; ";
  for (const key of Reflect.ownKeys(seal)) if (key !== "length" && key !== "name") gained += `seal.${String(key)}; `;
  return gained;
}

export async function control() {
  return (await fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
