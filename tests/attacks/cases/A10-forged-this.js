/*---
id = "A10"
title = "methods of capabilities work only on capabilities: no forged, borrowed or proxied `this`"
boundary = "modules"
elsewhere = "about this project's own objects"
app_grants = ["fs.read=./data/**"]
control_grants = ["fs.read=./data/**"]
expect = "nothing"
audit = []
---*/
import { clock, env, fs, net, random } from "cap:self";

const forgeries = (victim) => [
  undefined, null, {}, Object.create(victim), { __proto__: victim }, new Proxy(victim, {}), structuredClone(victim),
  JSON.parse(JSON.stringify(victim)), Object.assign(Object.create(Object.getPrototypeOf(victim)), victim), globalThis, fs.readTextFile,
];

export async function attack({ refuses }) {
  let gained = "";
  for (const forged of forgeries(fs)) {
    gained += await refuses("fs.readTextFile", "TypeError", () => fs.readTextFile.call(forged, "data/a.txt"));
    gained += await refuses("fs.open", "TypeError", () => fs.open.call(forged, "data/a.txt"));
    gained += await refuses("fs.attenuate", "TypeError", () => fs.attenuate.call(forged, { read: ["./data/**"] }));
    gained += await refuses("fs.readDir", "TypeError", () => fs.readDir.call(forged, "data").next());
  }
  // One family's method on another family's capability.
  for (const other of [net, env, clock, random]) {
    gained += await refuses("fs.readTextFile", "TypeError", () => fs.readTextFile.call(other, "data/a.txt"));
  }
  for (const forged of forgeries(clock)) gained += await refuses("clock.now", "TypeError", () => clock.now.call(forged));
  for (const forged of forgeries(env)) gained += await refuses("env.get", "TypeError", () => env.get.call(forged, "HOME"));
  for (const forged of forgeries(net)) gained += await refuses("net.fetch", "TypeError", () => net.fetch.call(forged, "http://127.0.0.1"));
  for (const forged of forgeries(random)) gained += await refuses("random.bytes", "TypeError", () => random.bytes.call(forged, 1));
  return gained;
}

export async function control() {
  return (await fs.readTextFile.call(fs, "data/a.txt")).trim() === "public";
}
//// data/a.txt
public
