/*---
id = "A160"
title = "a module that gets another module's stream, body, form or port reads only what its methods give, once, and changes no state"
boundary = "modules"
engine = "v8"
elsewhere = "state of streams is under symbols that every module can list"
expect = "nothing"
audit = []
[a]
grants = []
---*/
export async function attack({ a }) {
  let gained = "";
  const fails = async (what, call) => {
    try {
      const result = await call();
      gained += `${what}: ${String(result)}; `;
    } catch {
      // As it should be.
    }
  };
  // A stream that the victim reads.
  const { locked } = a;
  await fails("a reader of a locked stream", () => locked.getReader());
  await fails("a copy of a locked stream", () => locked.tee());
  await fails("an iterator of a locked stream", () => locked.values().next());
  await fails("the end of a locked stream", () => locked.cancel());
  await fails("a pipe from a locked stream", () => locked.pipeTo(new WritableStream()));
  await fails("a response of a locked stream", () => new Response(locked).text());
  await fails("a request of a locked stream", () => new Request("https://a.test/", { method: "POST", duplex: "half", body: locked }).text());
  await fails("a clone of a stream", () => structuredClone(locked));
  await fails("a transferred stream", () => structuredClone(locked, { transfer: [locked] }));
  // No key leads to its state, also not through a proxy, a subclass or another object of the class.
  if (Reflect.ownKeys(locked).length > 0) gained += "a stream has keys; ";
  const seen = [];
  const proxy = new Proxy(locked, { get: (target, key) => (seen.push(key), Reflect.get(target, key)), has: (target, key) => (seen.push(key), key in target) });
  await fails("a proxy of a stream", () => ReadableStream.prototype.getReader.call(proxy));
  if (seen.some((key) => typeof key === "symbol")) gained += `a proxy saw ${seen.map(String)}; `;
  await fails("an object that looks like a stream", () => ReadableStream.prototype.getReader.call(Object.create(locked)));
  // The iterators of streams keep a reader as streams do. Their methods act on iterators only.
  const iterators = Object.getPrototypeOf(new ReadableStream().values());
  await fails("the next step of a stream", () => iterators.next.call(locked));
  await fails("the end of a stream", () => iterators.return.call(locked));
  // Another prototype does not make an object one of another class.
  const { controller } = a;
  const before = Object.getPrototypeOf(controller);
  Object.setPrototypeOf(controller, ReadableStreamDefaultReader.prototype);
  await fails("a controller as a reader", () => controller.read());
  Object.setPrototypeOf(controller, before);
  Object.setPrototypeOf(a.lockedBytes, ReadableStreamBYOBRequest.prototype);
  await fails("a stream as a request for bytes", () => a.lockedBytes.respondWithNewView(new Uint8Array(4).fill(88)));
  Object.setPrototypeOf(a.lockedBytes, WritableStream.prototype);
  await fails("a readable stream as a writable one", () => a.lockedBytes.getWriter());
  await fails("a pipe to a readable stream", () => new ReadableStream().pipeTo(a.lockedBytes));
  // What these errors inherit from is frozen.
  try {
    await iterators.return.call(locked);
  } catch (error) {
    for (let step = Object.getPrototypeOf(error); step !== null; step = Object.getPrototypeOf(step)) {
      if (!Object.isFrozen(step) || !Object.isFrozen(step.constructor)) gained += "errors inherit from an open object; ";
    }
  }
  // A body that the victim has read, or is reading.
  await fails("a body that was read", () => a.read.text());
  await fails("a clone of a body that was read", () => a.read.clone());
  await fails("a request from one that was read", () => new Request(a.requestRead));
  // Bytes of a body and of a Blob are those of their making.
  (await a.kept.clone().bytes()).fill(0);
  new Uint8Array(await a.blob.arrayBuffer()).fill(0);
  (await a.blob.slice(0, 2).bytes()).fill(0);
  a.file.slice().type;
  await fails("new bytes of a Blob", () => a.blob.bytes.call(new Blob([]).slice.call(a.locked)));
  // Headers that the runtime sealed, and members of other classes.
  await fails("a header of a redirect", () => a.redirect.headers.set("location", "https://evil.test/"));
  await fails("headers as a form", () => FormData.prototype.append.call(a.kept.headers, "a", "b"));
  await fails("a request as a response", () => Object.getOwnPropertyDescriptor(Response.prototype, "headers").get.call(new Request("https://a.test/")));
  // A port does not come out of nothing, and a message is a copy.
  await fails("a port", () => new MessagePort());
  await fails("a port of a prototype", () => MessagePort.prototype.postMessage.call(Object.create(MessagePort.prototype), 1));
  const message = { list: [1] };
  a.port.postMessage(message);
  message.list.push(2);
  await fails("what the victim holds", () => {
    if (!a.isUnchanged()) return "it was changed";
    throw new Error("unchanged");
  });
  if (await a.received() !== "[1]") gained += "a message changed; ";
  if (a.isForged()) gained += "the victim read forged bytes; ";
  if ((await a.finish()) !== "secret") gained += "the victim's stream was read; ";
  return gained;
}

export async function control({ a }) {
  // What the victim gives can be read, once.
  const reader = a.open.getReader();
  const { value } = await reader.read();
  return value === "given" && (await a.kept.text()) === "kept" && (await a.blob.text()) === "blob" && (await a.finish()) === "secret";
}
//// a/index.js
export const open = new ReadableStream({ start: (controller) => controller.enqueue("given") });
export let controller;
export const locked = new ReadableStream({ start: (own) => {
  controller = own;
  own.enqueue("secret");
} });
export const lockedBytes = new ReadableStream({ type: "bytes" });
lockedBytes.getReader({ mode: "byob" }).read(new Uint8Array(4)).then(({ value }) => forged = value);
let forged;
export const isForged = () => forged !== undefined;
const reader = locked.getReader();
export const finish = async () => (await reader.read()).value;
export const read = new Response("read");
await read.text();
export const requestRead = new Request("https://a.test/", { method: "POST", body: "x" });
await requestRead.text();
export const kept = new Response("kept");
export const blob = new Blob(["blob"]);
export const file = new File(["file"], "a.txt");
export const redirect = Response.redirect("https://a.test/");
const { port1, port2 } = new MessageChannel();
export const port = port1;
const message = new Promise((resolve) => port2.onmessage = ({ data }) => resolve(data));
export const received = async () => JSON.stringify((await message).list);
export const isUnchanged = () => redirect.headers.get("location") === "https://a.test/" && kept.status === 200 && file.name === "a.txt";
