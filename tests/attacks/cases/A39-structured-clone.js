/*---
id = "A39"
title = "cloning, serialising, printing or wrapping a capability does not reveal its token"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = []
---*/
import { clock, env, fs, net, random } from "cap:self";

export async function attack() {
  let gained = "";
  const target = { fs, net, env, clock, random };
  const printed = [JSON.stringify(target), JSON.stringify([...Object.values(target)]), String(fs), `${net}`, Object.prototype.toString.call(fs)];
  for (const text of printed) {
    if (text.length > 120 || /[A-Za-z0-9_+/-]{40}/.test(text)) gained += `${text}; `;
  }
  const copy = structuredClone(target);
  for (const [name, capability] of Object.entries(copy)) {
    if (Object.getPrototypeOf(capability) !== Object.prototype) gained += `${name} kept its prototype; `;
  }
  const timer = setTimeout(() => {}, 0);
  for (const key of Reflect.ownKeys(timer)) gained += `timer.${String(key)}; `;
  for (const weak of [new WeakRef(fs).deref(), new Map([[fs, 1]]).keys().next().value]) {
    if (weak !== fs) gained += "not the same; ";
  }
  try {
    structuredClone(fs.readTextFile);
    gained += "a method was cloned; ";
  } catch {
    // The engines name the error differently.
  }
  return gained;
}

export async function control() {
  const copy = structuredClone({ when: new Date(0), map: new Map([[1, { deep: [1, 2] }]]) });
  return copy.map.get(1).deep[1] === 2 && copy.when.getTime() === 0;
}
