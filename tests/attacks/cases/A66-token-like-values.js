/*---
id = "A66"
title = "no error, event, callback, handle or description contains anything like a token or a key"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**", "net.connect=${server}"]
expect = "nothing"
audit = [
  "denied fs read /etc/passwd", "denied net connect http://127.0.0.1:9", "denied env read HOME", "denied clock read 1s", "denied random read os",
  "denied kv read key",
  "denied fs seal blake3:0707070707070707070707070707070707070707070707070707070707070707",
  "allowed fs read ${base}/data/missing", "allowed net connect ${server}", "allowed fs read ${base}/data/a.txt",
]
---*/
import * as own from "cap:self";

const errorOf = async (call) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
};
const suspicious = (text) => /[A-Za-z0-9_-]{80,}|[0-9a-f]{64}|biscuit|ed25519-private|sturdy|signature/i.test(text.replaceAll("07".repeat(32), ""));

/** Returns a value that an accessor made. Some accessors that want another receiver return a rejected promise. */
const heard = (value) => {
  if (value instanceof Promise) value.catch(() => {});
  return value;
};

/** Everything that is to be had of these values by properties, accessors and conversions. */
function* texts(values) {
  const seen = new Set(values);
  for (const value of seen) {
    if (typeof value === "string") yield value;
    if (Object(value) !== value) continue;
    for (const convert of [String, (each) => JSON.stringify(each, (_, part) => heard(part)), (each) => each.stack, (each) => each.toString?.(), (each) => Object.prototype.toString.call(each)]) {
      try {
        const text = convert(value);
        if (typeof text === "string") yield text;
      } catch {
        // It does not convert.
      }
    }
    for (const key of Reflect.ownKeys(value)) {
      yield String(key);
      const { value: plain, get } = Reflect.getOwnPropertyDescriptor(value, key);
      try {
        seen.add(get === undefined ? plain : heard(get.call(value)));
      } catch {
        // An accessor that wants another receiver.
      }
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== null) seen.add(prototype);
  }
}

export async function attack({ server, shared }) {
  const { fs, net, env, clock, random, kv, seal } = own;
  const file = await errorOf(() => fs.readTextFile("/etc/passwd"));
  const values = [
    file, await errorOf(() => net.fetch("http://127.0.0.1:9/")), await errorOf(() => env.get("HOME")), await errorOf(() => clock.now()),
    await errorOf(() => random.bytes(1)), await errorOf(() => kv.get("key")), await errorOf(() => seal(fs, { holder: `blake3:${"07".repeat(32)}` })),
    await errorOf(() => fs.readTextFile("data/missing")), await errorOf(() => fs.attenuate(null)), await net.fetch(`${server}/ok`),
    await fs.stat("data/a.txt"), fs.attenuate({ read: [] }), fs.revocable(), { ...own }, shared, import.meta, setTimeout(() => {}, 0), new Error("mine"),
  ];
  await new Promise((resolve) => setTimeout(function (...given) {
    values.push(this, given);
    resolve();
  }, 0));
  const controller = new AbortController();
  controller.signal.addEventListener("abort", function (...given) { values.push(this, given); });
  controller.abort();
  let gained = "";
  for (const text of texts(values)) if (suspicious(text)) gained += `${text.slice(0, 200)}; `;
  return gained;
}

export async function control() {
  const hidden = { deep: [{ get secret() { return "f".repeat(64); } }] };
  return [...texts([hidden])].some(suspicious) && (await own.fs.readTextFile("data/a.txt")).trim() === "public";
}
//// data/a.txt
public
