/*---
id = "A42"
title = "open resources cannot be listed, and have no numbers"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**", "net.connect=${server}"]
expect = "nothing"
audit = ["allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data", "allowed net connect ${server}", "allowed net connect ${server}", "allowed net connect ${server}"]
[a]
grants = ["fs.read=./data/**"]
---*/
import * as own from "cap:self";

/** Returns every property up to the first prototype that all objects have, with its value if it can be read. */
function properties(value) {
  const found = new Map();
  for (let step = value; step !== null && step !== Object.prototype && step !== Function.prototype; step = Object.getPrototypeOf(step)) {
    for (const key of Reflect.ownKeys(step)) {
      const { value: plain, get } = Reflect.getOwnPropertyDescriptor(step, key);
      let given = plain;
      try {
        given = get === undefined ? plain : get.call(value);
      } catch {
        // An accessor that wants more.
      }
      if (!found.has(key)) found.set(key, given);
    }
  }
  return found;
}

export async function attack({ a, server }) {
  let gained = "";
  const { fs, net } = own;
  const response = await Promise.all([fs.open("data/a.txt"), fs.readDir("data").next()]).then(async ([file]) => {
    const given = { file, response: await net.fetch(`${server}/ok`) };
    for (const [key, value] of properties(given.file)) {
      if (typeof value === "number") gained += `file.${String(key)} is ${value}; `;
    }
    given.file.close();
    return given.response;
  });
  for (const [key, value] of [...properties(response), ...properties(response.body)]) {
    if (typeof value === "number" && key !== "status") gained += `response.${String(key)} is ${value}; `;
  }
  await response.text();
  const all = { ...own, file: null, response, body: response.body, globalThis, "the victim": a };
  for (const [name, value] of Object.entries(all)) {
    if (value === null || Object(value) !== value) continue;
    for (const key of properties(value).keys()) {
      if (/^(rid|fd|resources?|handles?|core|ops|close|tryClose|inspect|getProxyDetails|memoryUsage)$/i.test(String(key))) gained += `${name}.${String(key)}; `;
    }
  }
  return gained;
}

export async function control({ a }) {
  const file = await own.fs.open("data/a.txt");
  return ["read", "write", "close"].every((name) => properties(file).has(name)) && (await a.length()) > 0;
}
//// a/index.js
import { fs } from "cap:self";
export const length = async () => (await fs.readTextFile("data/a.txt")).length;
//// data/a.txt
public
