/*---
id = "A17"
title = "a capability reveals nothing, and cannot be changed or copied"
boundary = "modules"
elsewhere = "about this project's own objects"
app_grants = ["fs.read=./data/**"]
control_grants = ["fs.read=./data/**"]
expect = "nothing"
audit = []
---*/
import * as own from "cap:self";

export async function attack({ refuses }) {
  let gained = "";
  for (const family of ["fs", "net", "env", "clock", "random"]) {
    const capability = own[family];
    if (Reflect.ownKeys(capability).length !== 0) gained += `${family} has own properties; `;
    if (!Object.isFrozen(capability)) gained += `${family} can be changed; `;
    const prototype = Object.getPrototypeOf(capability);
    if (!Object.isFrozen(prototype)) gained += `${family}'s prototype can be changed; `;
    if (Object.hasOwn(prototype, "constructor")) gained += `${family}'s class can be had; `;
    if (JSON.stringify(capability) !== "{}") gained += `${family} as JSON; `;
    const copy = structuredClone(capability);
    if (typeof copy.attenuate === "function") gained += `${family} was copied; `;
    gained += await refuses("assign", "TypeError", () => { capability.extra = 1; });
    gained += await refuses("prototype", "TypeError", () => Object.setPrototypeOf(capability, {}));
    gained += await refuses("method", "TypeError", () => { prototype.attenuate = () => capability; });
    gained += await refuses("namespace", "TypeError", () => { own[family] = {}; });
  }
  return gained;
}

export async function control() {
  return (await own.fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
