// Walks all objects that a module of a package reaches. Prints one line for each object: its path, and the names of its
// properties. Functions with only a name and a length are skipped. There are three kinds of roots: the global object,
// objects that only syntax leads to, and values that guests receive (results, errors, module namespaces). Values of the
// last kind belong to the guest, so only the objects that they inherit from must be frozen.
import * as self from "cap:self";
import * as namespace from "./namespace.js";
import data from "./data.json" with { type: "json" };
import { wasm } from "./wasm.js";

const symbols = new Map(
  Reflect.ownKeys(Symbol).map((name) => [Symbol[name], `@@${name}`]).filter(([symbol]) => typeof symbol === "symbol"),
);
const nameOf = (key) => typeof key === "string" ? key : symbols.get(key) ?? `@@(${String(key.description)})`;
// The frames of an error, which QuickJS's bindings create for each error. The runtime freezes them.
const frames = Symbol.for("v82jsc_private:deno_core::call_site_evals");
const keysOf = (value) => Reflect.ownKeys(value).filter((key) => key !== frames);
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
const thrown = async (call) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error(`nothing was thrown: ${call}`);
};

const seen = new Set();
const queue = [];
const prototypes = [];
const loose = [];
const visit = (path, value, isOwn = false) => {
  if (!isObject(value) || seen.has(value)) return;
  seen.add(value);
  queue.push([path, value, isOwn]);
};
const line = (path, value) => {
  const isFunction = typeof value === "function";
  // `originalValue` is the value of a repaired property without its accessor (RUN-3).
  const known = isFunction ? ["name", "length", ...(path.endsWith(" get") ? ["originalValue"] : [])] : [];
  const names = keysOf(value).map(nameOf).filter((name) => !known.includes(name));
  if (!isFunction || names.length > 0) console.log(`${path}: ${names.sort().join(" ")}`.trimEnd());
};
const parts = (path, value, isOwn) => {
  for (const key of keysOf(value)) {
    const { get, set } = Object.getOwnPropertyDescriptor(value, key);
    visit(`${path}.${nameOf(key)} get`, get);
    visit(`${path}.${nameOf(key)} set`, set);
    let held;
    try {
      held = value[key];
    } catch {
      // The getter requires an instance.
      continue;
    }
    // If a getter creates a value for each call, modules cannot share it. Some getters require an instance and return a
    // rejected promise.
    const again = get === undefined ? held : value[key];
    for (const made of get === undefined ? [] : [held, again]) if (made instanceof Promise) made.catch(() => {});
    if (held === again) visit(`${path}.${nameOf(key)}`, held, isOwn);
  }
  prototypes.push([`${path}.[[Prototype]]`, Object.getPrototypeOf(value)]);
};
const walk = () => {
  for (const [path, value, isOwn] of queue) {
    if (!isOwn && !Object.isFrozen(value)) loose.push(path);
    line(path, value);
    parts(path, value, isOwn);
  }
  queue.length = 0;
};
/** Walks the prototypes last, because most of them have a name under which they were found before. */
const walkPrototypes = () => {
  for (const [path, value] of prototypes) {
    visit(path, value);
    walk();
  }
};
/** Walks an intrinsic that no global leads to, and the objects that it leads to. */
const root = (path, value) => {
  if (value === undefined) return;
  visit(path, value);
  walk();
};
/**
 * Walks an object that was created for this guest only. The guest may change it, but not its prototypes or accessors.
 */
const made = (path, value) => {
  visit(`(${path})`, value, true);
  walk();
};

/**
 * Finds objects that engines create when a function is first called. Calls each function with values of every kind.
 * Prints the unfrozen objects that the results inherit from, except those in the arguments. There is no asynchronous
 * generator among the arguments, because a synchronous iteration over one does not end.
 */
const callAll = (functions) => {
  const formats = Object.values(globalThis.Intl ?? {}).filter((Kind) => typeof Kind === "function").map((Kind) =>
    new Kind("en", { type: "region" })
  );
  const make = () => [
    undefined, 1n, "a b", () => {}, async () => {}, function* () {}, class {}, {}, [[1, 2]], /a/g, new Map([[1, 2]]), new Set([1]),
    new WeakMap(), new WeakRef({}), new Uint8Array(2), new ArrayBuffer(2), new DataView(new ArrayBuffer(2)), Promise.resolve(), new Date(0),
    new Error("x"), { next: () => ({ done: true }) }, [].values(), new Map().entries(), new Set().keys(), "a".matchAll(/a/g),
    [1].values().map((x) => x), (function* () {})(), new URL("http://a/?b=1"), new URLSearchParams("a=1"),
    new TextEncoder(), new TextDecoder(), new AbortController(), ...formats,
  ];
  const given = new Set();
  const results = (call) => {
    let result;
    try {
      result = call();
    } catch (error) {
      result = error;
    }
    if (!isObject(result)) return [];
    try {
      Promise.prototype.then.call(result, undefined, () => {});
    } catch {
      // The result is not a promise.
    }
    return [result, ...Reflect.ownKeys(result).slice(0, 9).map((key) => Reflect.getOwnPropertyDescriptor(result, key)?.value)];
  };
  let count = 0;
  for (const called of functions) {
    const samples = make();
    const lists = [[], [1], ["en"], [samples[3]], [{}], [[[1, 2]]], [new Map()], [[].values(), samples[3]]];
    for (const sample of [...samples, ...lists.flat()]) {
      if (isObject(sample)) given.add(sample).add(sample.prototype).add(Object.getPrototypeOf(sample));
    }
    const calls = lists.flatMap((list) => [
      () => Reflect.construct(called, list), ...samples.map((self) => () => Reflect.apply(called, self, list)),
    ]);
    for (const result of calls.flatMap(results)) {
      count++;
      for (let from = isObject(result) ? Object.getPrototypeOf(result) : null; from !== null; from = Object.getPrototypeOf(from)) {
        if (given.has(from) || Object.isFrozen(from)) continue;
        given.add(from);
        console.log(`not frozen: what a result of ${called.name} inherits from, with ${Reflect.ownKeys(from).map(nameOf)}`);
      }
    }
  }
  if (count < 10_000) console.log(`only ${count} results`);
};

export default async function walkAll(shared, { folder, server }) {
  const { fs, net, env, clock, random, kv, http, secrets, log, seal, CapabilityError } = self;
  line("globalThis", shared);
  seen.add(shared);
  if (!Object.isFrozen(shared)) loose.push("globalThis");
  for (const key of Reflect.ownKeys(shared)) visit(nameOf(key), shared[key]);
  walk();

  const proto = Object.getPrototypeOf;
  root("%GlobalPrototype%", proto(shared));
  // ---- objects that only syntax leads to
  root("%AsyncFunction%", proto(async () => {}).constructor);
  root("%GeneratorFunction%", proto(function* () {}).constructor);
  root("%AsyncGeneratorFunction%", proto(async function* () {}).constructor);
  root("%TypedArray%", proto(Int8Array));
  root("%AsyncIteratorPrototype%", proto(proto(proto((async function* () {})()))));
  root("%ArrayIteratorPrototype%", proto([].values()));
  root("%MapIteratorPrototype%", proto(new Map().values()));
  root("%SetIteratorPrototype%", proto(new Set().values()));
  root("%StringIteratorPrototype%", proto(""[Symbol.iterator]()));
  root("%RegExpStringIteratorPrototype%", proto("".matchAll(/./g)));
  root("%IteratorHelperPrototype%", proto([].values().map((value) => value)));
  root("%WrapForValidIteratorPrototype%", proto(Iterator.from({ next() {} })));
  root("%IteratorConcatPrototype%", proto(Iterator.concat()));
  if (globalThis.Intl) {
    const segments = new Intl.Segmenter().segment("a");
    root("%SegmentsPrototype%", proto(segments));
    root("%SegmentIteratorPrototype%", proto(segments[Symbol.iterator]()));
    made("segment", [...segments][0]);
  }
  const own = new Set([...Object.values(shared.console), shared.setTimeout, shared.setInterval]);
  const intrinsics = [...seen].filter((value) => typeof value === "function" && !own.has(value));
  made("arguments", (function () { return arguments; })(1));
  made("template", ((strings) => strings)`a${1}b`);
  made("match", /(?<a>a)/d.exec("a"));
  made("resolvers", Promise.withResolvers());
  made("revocable-proxy", Proxy.revocable({}, {}));
  made("iteration", [1].values().next());
  made("class", class {});
  made("function", function () {});
  made("arrow", () => {});
  made("method", { method() {} }.method);
  made("generator", function* () {});
  made("async-function", async () => {});
  made("async-generator", async function* () {});
  made("bound", (() => {}).bind());
  made("import.meta", import.meta);
  made("namespace", namespace);
  made("import()", await import("./namespace.js"));
  made("JSON-module", data);
  made("clone", structuredClone({ list: [1], map: new Map() }));
  if (globalThis.CryptoKey) {
    made("CryptoKey", await crypto.subtle.importKey("raw", new Uint8Array(1), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]));
  }

  // ---- the global object of a package's module, and the definitions of its free names
  root("(console)", console);
  root("(Date)", Date);
  root("(Math)", Math);
  root("(Intl)", globalThis.Intl);
  if (globalThis.EventSource) root("%EventSourcePrototype%", globalThis.EventSource.prototype);
  if (globalThis.WebSocket) root("%WebSocketPrototype%", globalThis.WebSocket.prototype);
  for (const name of ["fetch", "crypto", "performance", "setTimeout", "setInterval", "clearTimeout", "clearInterval"]) {
    root(`(${name})`, globalThis[name]);
  }
  made("globalThis", globalThis);

  // ---- errors
  made("error", new Error("x", { cause: 1 }));
  made("aggregate", new AggregateError([], "x"));
  if (globalThis.SuppressedError) made("suppressed", new SuppressedError(1, 2, "x"));
  made("engine-error", await thrown(() => null.x));
  made("stack-exhausted", await thrown(() => (function again() { again(); })()));
  made("refused-code", await thrown(() => Function("")));
  made("refused-import", await thrown(() => import("nowhere")));
  made("refused-time", await thrown(() => shared.Date.now()));

  // ---- capabilities
  root("%CapabilityError%", CapabilityError);
  root("%seal%", seal);
  const classes = { FileSystem: fs, Network: net, Environment: env, Clock: clock, Random: random, KeyValue: kv, Http: http, Secrets: secrets, Log: log };
  for (const [name, object] of Object.entries(classes)) {
    root(`%${name}Prototype%`, proto(object));
    root(`(${name})`, object);
    root(`(${name}.attenuate())`, object.attenuate({ expires: "1m" }));
    root(`(${name}.revocable())`, object.revocable());
  }
  root("%CapabilityPrototype%", proto(proto(self.fs)));
  root("%HolderPrototype%", proto(proto(proto(self.fs))));
  made("cap:self", self);
  const file = `${folder}/file`;
  await fs.writeTextFile(file, "text");
  const open = await fs.open(file, { read: true, write: true });
  root("%FsFilePrototype%", proto(open));
  made("FsFile", open);
  made("FsFile.read()", open.read(new Uint8Array(1)));
  made("FsFile.write()", open.write(new Uint8Array(1)));
  made("FsFile.stat()", await open.stat());
  made("FsFile-chunks", open[Symbol.asyncIterator]());
  const changes = await fs.watch(folder);
  root("%FsWatchPrototype%", proto(changes));
  made("FsWatch", changes);
  const change = changes.next();
  await fs.writeTextFile(file, "text");
  made("FsWatch.next()", await change);
  await changes.return();
  made("fs.walk()", fs.walk(folder));
  made("fs.walk()-entry", (await fs.walk(folder).next()).value);
  await Promise.resolve();
  const information = await fs.stat(file);
  root("%FileInfoPrototype%", proto(information));
  made("FileInfo", information);
  made("FileInfo.mtime", information.mtime);
  made("fs.readFile()", await fs.readFile(file));
  made("fs.readFile()-promise", fs.readFile(file));
  made("fs.readDir()", fs.readDir(folder));
  made("fs.readDir()-entry", (await fs.readDir(folder).next()).value);
  made("fs.mkdir()-promise", fs.mkdir(`${folder}/made`));
  const response = await net.fetch(`${server}/ok`);
  root("%ResponseBodyPrototype%", proto(response.body));
  root("%ResponsePrototype%", proto(response));
  root("%HeadersPrototype%", proto(response.headers));
  made("Response", response);
  made("Headers", response.headers);
  made("Headers.entries()", response.headers.entries());
  made("Headers.entries()-entry", response.headers.entries().next().value);
  made("Response.body", response.body);
  made("Response.bytes()", await (await net.fetch(`${server}/ok`)).bytes());
  made("Response.arrayBuffer()", await (await net.fetch(`${server}/ok`)).arrayBuffer());
  const listener = net.listen({ port: 0 });
  const connection = await net.connect({ port: listener.addr.port });
  const arrived = await listener.accept();
  root("%ConnectionPrototype%", proto(connection));
  root("%ListenerPrototype%", proto(listener));
  made("Connection", arrived);
  made("Connection.localAddr", connection.localAddr);
  made("Connection-chunks", connection[Symbol.asyncIterator]());
  made("Listener", listener);
  const datagrams = net.listenDatagram({ port: 0 });
  root("%DatagramSocketPrototype%", proto(datagrams));
  made("DatagramSocket", datagrams);
  await datagrams.send(new Uint8Array(1), datagrams.addr);
  made("DatagramSocket.receive()", await datagrams.receive());
  made("net.resolve()", await net.resolve("localhost"));
  for (const socket of [listener, connection, arrived, datagrams]) socket.close();
  await kv.set("key", new Uint8Array(1));
  made("kv.get()", await kv.get("key"));
  made("kv.getEntry()", await kv.getEntry("key"));
  made("kv.list()", kv.list());
  made("kv.entries()", kv.entries());
  made("kv.entries()-entry", (await kv.entries().next()).value);
  const commit = kv.atomic();
  root("%KvAtomicPrototype%", proto(commit));
  made("kv.atomic()", commit);
  made("kv.atomic().commit()", await commit.set("key", "").commit());
  const watch = kv.watch("key");
  root("%KvWatchPrototype%", proto(watch));
  made("kv.watch()", watch);
  made("kv.watch().next()", await watch.next());
  made("kv.watch().next()-several", (await kv.watch(["key"]).next()).value);
  // On QuickJS, this is a class of the runtime.
  if (proto(shared.Response) !== Function.prototype) root("%Body%", proto(shared.Response));
  let received;
  const serving = http.serve({ port: 0 }, (...given) => {
    received = given;
    return new Response("answer");
  });
  root("%HttpServerPrototype%", proto(serving));
  made("HttpServer", serving);
  await (await net.fetch(`http://127.0.0.1:${serving.addr.port}/`)).text();
  await serving.shutdown();
  root("%RequestContextPrototype%", proto(received[1]));
  if (proto(received[0]) !== shared.Request?.prototype) root("%RequestPrototype%", proto(received[0]));
  made("RequestContext", received[1]);
  made("ReceivedRequest", received[0]);
  made("random.bytes()", random.bytes(1));
  made("refused-seal", await thrown(() => seal(fs, { holder: `blake3:${"0".repeat(64)}` })));
  made("denied", await thrown(() => fs.readFile("/elsewhere")));
  made("denied-synchronously", await thrown(() => env.get("OTHER")));
  made("denied-by-kv", await thrown(() => kv.attenuate({ read: [] }).get("key")));
  made("illegal-argument", await thrown(() => fs.readFile(1)));
  made("no-connection", await thrown(() => net.fetch("http://127.0.0.1:1/")));
  made("no-response", await thrown(() => net.fetch(`${server}/redirect/302/file:///x`)));
  made("forged-this", await thrown(() => fs.readFile.call({})));
  for (const [name, call] of Object.entries({
    NotFound: () => fs.readFile(`${folder}/missing`),
    AlreadyExists: () => fs.writeFile(file, new Uint8Array(), { createNew: true }),
    NotADirectory: () => fs.mkdir(`${file}/below`),
    IsADirectory: () => fs.readFile(folder),
  })) {
    const error = await thrown(call);
    root(`%${error.name}%`, proto(error).constructor);
    made(error.name, error);
    if (error.name !== name) console.log(`${name} was ${error.name}: ${error.message}`);
  }

  // ---- web APIs
  const timer = setTimeout(() => {}, 0);
  root("%TimeoutPrototype%", proto(timer));
  made("timer", timer);
  const controller = new AbortController();
  made("AbortController", controller);
  made("AbortSignal", controller.signal);
  let event;
  controller.signal.addEventListener("abort", (aborted) => { event = aborted; });
  controller.abort();
  root("%EventTarget%", proto(AbortSignal));
  root("%Event%", proto(event).constructor);
  root("%DOMException%", proto(controller.signal.reason).constructor);
  made("Event", event);
  made("DOMException", controller.signal.reason);
  root("%URLSearchParamsIteratorPrototype%", proto(new URLSearchParams().entries()));
  if (shared.ReadableStream !== undefined) {
    root("%HeadersIteratorPrototype%", proto(new Headers().entries()));
    root("%FormDataIteratorPrototype%", proto(new FormData().entries()));
    root("%ReadableStreamAsyncIteratorPrototype%", proto(new ReadableStream().values()));
    root("%CountQueuingStrategySize%", new CountQueuingStrategy({ highWaterMark: 1 }).size);
    root("%ByteLengthQueuingStrategySize%", new ByteLengthQueuingStrategy({ highWaterMark: 1 }).size);
  }
  made("URL", new URL("a:b"));
  made("URL.searchParams", new URL("a:b").searchParams);
  made("TextEncoder", new TextEncoder());
  made("TextEncoder.encodeInto()", new TextEncoder().encodeInto("a", new Uint8Array(1)));
  made("TextDecoder", new TextDecoder());
  made("invalid-URL", await thrown(() => new URL("")));
  made("not-base64", await thrown(() => atob("*")));

  // ---- exports of WebAssembly modules, if the engine supports them
  if (wasm !== undefined) {
    root("%WebAssembly.Memory.prototype%", proto(wasm.memory));
    root("%WebAssembly.Table.prototype%", proto(wasm.table));
    const trap = await thrown(() => wasm.trap());
    root("%WebAssembly.RuntimeError%", proto(trap).constructor);
    made("trap", trap);
    made("memory", wasm.memory);
    made("memory.buffer", wasm.memory.buffer);
    made("table", wasm.table);
    made("exported-function", wasm.trap);
    for (const value of [wasm.memory, wasm.memory.buffer, wasm.table, wasm.trap]) {
      if (!Object.isFrozen(value)) console.log(`not frozen: ${Object.prototype.toString.call(value)} of WebAssembly`);
    }
  }
  walkPrototypes();
  // `reportError` would end the program.
  callAll(intrinsics.filter((called) => called !== reportError));
  for (const path of loose) console.log(`not frozen: ${path}`);
}
