/*---
id = "A28b"
title = "prototypes of all results and errors of operations are frozen"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**", "fs.write=./data/**", "net.connect=${server}", "random=true"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data",
  "allowed fs read ${base}/data",
  "allowed fs read ${base}/data/missing", "allowed fs read ${base}/data/a.txt/b", "allowed fs read ${base}/data",
  "allowed fs write ${base}/data/a.txt", "allowed fs write ${base}/data/full",
  "denied fs read /etc/passwd", "allowed net connect ${server}", "allowed net connect ${server}",
  "allowed random read os",
]
---*/
import { fs, net, random } from "cap:self";

const errorOf = async (call) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
};

/** Everything that an operation gives, each made here and now. */
async function results({ server }) {
  const given = {
    "an open file": await fs.open("data/a.txt"),
    "file info": await fs.stat("data/a.txt"),
    "a listing": fs.readDir("data"),
    "a narrowed capability": fs.attenuate({ read: ["./data/**"] }),
    "NotFound": null,
  };
  for await (const entry of fs.readDir("data")) given["an entry"] = entry;
  for await (const _ of given["a listing"]) break;
  given.NotFound = await errorOf(() => fs.readTextFile("data/missing"));
  given.NotADirectory = await errorOf(() => fs.readTextFile("data/a.txt/b"));
  given.IsADirectory = await errorOf(() => fs.readTextFile("data"));
  given.AlreadyExists = await errorOf(() => fs.mkdir("data/a.txt"));
  given.Busy = await errorOf(() => fs.remove("data/full"));
  given.CapabilityError = await errorOf(() => fs.readTextFile("/etc/passwd"));
  given["a response"] = await net.fetch(`${server}/ok`);
  given.headers = given["a response"].headers;
  given["header entries"] = given.headers.entries();
  given["header names"] = given.headers.keys();
  given["header values"] = given.headers.values();
  given["a body"] = given["a response"].body;
  given["an iterator of a body"] = given["a body"][Symbol.asyncIterator]();
  given["a chunk"] = (await given["an iterator of a body"].next()).value;
  given.bytes = random.bytes(1);
  given.TypeError = await errorOf(() => fs.readTextFile(1));
  given.RangeError = await errorOf(async () => random.bytes(-1));
  given.DataCloneError = await errorOf(async () => structuredClone(() => {}));
  given.timer = setTimeout(() => {}, 0);
  given["a signal"] = new AbortController().signal;
  given["an abort reason"] = AbortSignal.abort().reason;
  given["an event"] = await new Promise((resolve) => {
    const controller = new AbortController();
    controller.signal.addEventListener("abort", resolve);
    controller.abort();
  });
  given["search parameters"] = new URL("https://example.com/?a=b").searchParams;
  given["their entries"] = given["search parameters"].entries();
  given["a decoder"] = new TextDecoder();
  return given;
}

export async function attack(help) {
  let gained = "";
  for (const [name, value] of Object.entries(await results(help))) {
    if (Object(value) !== value) gained += `${name} is ${String(value)}; `;
    for (let step = Object.getPrototypeOf(value), depth = 1; step !== null; step = Object.getPrototypeOf(step), depth++) {
      if (!Object.isFrozen(step)) gained += `prototype ${depth} of ${name} can be changed; `;
      const { constructor } = step;
      if (constructor !== undefined && !Object.isFrozen(constructor)) gained += `the class of ${name} can be changed; `;
    }
  }
  return gained;
}

export async function control(help) {
  return Object.keys(await results(help)).length > 20;
}
//// data/a.txt
public
//// data/full/b.txt
public
