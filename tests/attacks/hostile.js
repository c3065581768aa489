// Calls every operation and many other functions with hostile arguments. The bytes of the input determine the calls,
// their order and their arguments. The calls end with the input. So a prefix of an input makes the first of its calls.
import { fs, net, env, clock, random, kv, http, secrets, log, seal } from "cap:self";
import { echo } from "p";

export default async ([hex, server, rows]) => {
  let at = 0;
  const byte = () => Number.parseInt(hex.slice(at, (at += 2)), 16) || 0;
  const next = (most) => (most <= 256 ? byte() : byte() * 256 + byte()) % most;
  const pick = (list) => list[next(list.length)];

  const detached = new Uint8Array(64);
  detached.buffer.transfer();
  const shrinking = new ArrayBuffer(64, { maxByteLength: 1 << 16 });
  const outside = new Uint8Array(shrinking, 32, 32);
  const tracking = new Uint8Array(shrinking);
  shrinking.resize(16);
  const evil = new Proxy({}, {
    get: (_, name) => (name === "then" ? undefined : () => { throw name; }),
    ownKeys: () => Array.from({ length: 1000 }, (_, n) => "k" + n),
    getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
  });
  const changing = { toString: () => "data/" + next(9), valueOf: () => next(9) };
  const resizing = { [Symbol.toPrimitive]: () => { shrinking.resize(next(1 << 16)); return "data/a"; } };
  const headers = (count) => Array.from({ length: count }, (_, n) => ["x-" + n, "v"]);
  const values = [
    undefined, null, true, 0, -0, NaN, Infinity, -Infinity, -1, 1.5, 2 ** 31, 2 ** 32, -(2 ** 31), 2 ** 53, 2 ** 64, 1e308, 5e-324,
    5n, -1n, 2n ** 64n, "", "\0", "\ud800", "a\udc00b", "\u{10ffff}", "data/a", "data/big", "data/new", "data", ".", "/", "..", "x".repeat(256),
    "x".repeat(5000), "/x".repeat(3000), "x".repeat(1 << 20), "\u0001".repeat(1 << 18), "é".repeat(1 << 20), "\ud800".repeat(1 << 18),
    server + "/x", server + "/" + "\u0001".repeat(1 << 16), "http://[::1]:99999/", "http://" + "a.".repeat(300) + "b/", "https://" + "x".repeat(1 << 16), "10m", "1e99y",
    "9".repeat(400) + "s", Symbol("x"), Symbol.iterator, [], [[]], headers(25_000), headers(1_024), Array(1 << 16).fill("data/a"), { length: 2 ** 32 }, {},
    Object.create(null), evil, changing, resizing, () => 1, class {}, new Uint8Array(0), detached, outside, tracking, shrinking, new DataView(new ArrayBuffer(9)),
    new Uint8Array(1 << 20), new Float64Array(8), new Date(NaN), /x/g, new Map([[1, 2]]), new Set([1]), Promise.resolve(1), new Error("x".repeat(1 << 16)), new WeakMap(),
    new AbortController().signal, AbortSignal.abort(), new URLSearchParams("a=b"), fs, net, env, clock, random, kv, http, secrets, log, "ed25519/" + "7a".repeat(32), "ed25519:" + "0".repeat(64), "blake3:" + "07".repeat(32), "blake3:",
  ];
  const keys = [
    "read", "write", "create", "createNew", "truncate", "append", "recursive", "method", "headers", "body", "redirect", "signal", "expires", "connect",
    "holder", "prefix", "fatal", "ignoreBOM", "stream", "maxByteLength", "cause",
  ];
  const bag = () => {
    const made = {};
    for (let n = next(4); n >= 0; n--) made[pick(keys)] = pick(values);
    return made;
  };
  const argument = () => (next(4) === 0 ? bag() : pick(values));

  // The callable functions: the object and the name of each.
  const targets = [];
  const known = new Set();
  const add = (object) => {
    if ((typeof object !== "object" && typeof object !== "function") || object === null || known.size > 400 || known.has(object)) return;
    known.add(object);
    for (let at = object; at !== null && at !== Object.prototype && at !== Function.prototype; at = Object.getPrototypeOf(at)) {
      for (const name of Reflect.ownKeys(at)) targets.push([object, name]);
    }
  };
  for (const object of [fs, net, env, clock, random, kv, http, secrets, log]) add(object);
  add({ seal, echo, structuredClone, atob, btoa, setTimeout: (f, ms, ...rest) => clearTimeout(setTimeout(f, ms, ...rest)), clearTimeout, queueMicrotask: () => queueMicrotask(() => {}) });
  add(console);
  add({
    url: (...given) => new URL(...given), params: (...given) => new URLSearchParams(...given), encode: (text) => new TextEncoder().encode(text),
    into: (text, bytes) => new TextEncoder().encodeInto(text, bytes), decode: (...given) => new TextDecoder().decode(...given), decoder: (...given) => new TextDecoder(...given),
    abort: (why) => { const c = new AbortController(); c.abort(why); return c.signal; }, any: (...given) => AbortSignal.any(given), buffer: (...given) => new ArrayBuffer(...given),
    error: (...given) => new Error(...given).stack, url2: (text, ...given) => { const url = new URL("https://a/"); url[pick(["href", "host", "port", "search", "hash", "pathname", "username"])] = text; return url; },
    load: (name) => import(name),
  });

  // The operations of the host's table are first. Each has its name.
  // A server that listens would keep the program running.
  const servers = {
    serve: (...given) => http.serve(...given).shutdown(),
    shutdown: (...given) => http.serve({ port: 0 }, () => {}).shutdown(...given),
    attenuate: (...given) => http.attenuate(...given),
    revocable: () => http.revocable(),
  };
  const { attenuate, connect, connectTls, fetch, resolve, revocable, webSocket } = net;
  const of = (call) => (...given) => Reflect.apply(call, net, given);
  const place = (call) => (hostname, port, ...rest) => Reflect.apply(call, net, [{ hostname, port, caCerts: rest[0], alpnProtocols: rest[1] }]);
  const sockets = {
    fetch: of(fetch), webSocket: of(webSocket), resolve: of(resolve), attenuate: of(attenuate), revocable: of(revocable), connect: place(connect), connectTls: place(connectTls),
    listen: (hostname, port) => net.listen({ hostname, port }).close(),
    listenDatagram: (hostname, port, ...rest) => {
      const socket = net.listenDatagram({ hostname, port });
      return socket.send(...rest).finally(() => socket.close());
    },
  };
  const owners = { fs, net: sockets, env, clock, random, kv, http: servers, secrets, log };
  const operations = rows.split("\n").map((row) => {
    const [, sealed] = /^seal\((\w+)\)$/.exec(row) ?? [];
    if (sealed) return [{ call: (...given) => seal({ http, net }[sealed] ?? owners[sealed], ...given) }, "call"];
    const [owner, name] = row.split(" ")[0].split(".");
    if (typeof owners[owner]?.[name] !== "function") throw new Error(`nobody knows how to call ${row}`);
    return [owners[owner], name];
  });

  const pending = [];
  let calls = 0;
  let thrown = 0;
  while (at < hex.length) {
    const [object, name] = operations[calls] ?? pick(targets);
    calls++;
    const given = Array.from({ length: next(5) }, argument);
    // Half of the calls have a valid first argument, so that the other arguments are reached.
    if (next(2) === 0) given[0] = pick(["data/a", "data/big", server + "/x", "key", 16]);
    try {
      const member = object[name];
      const made = typeof member === "function" ? Reflect.apply(member, next(16) === 0 ? argument() : object, given) : (object[name] = given[0]);
      if (typeof made?.then === "function") pending.push(Promise.resolve(made).then(add, () => { thrown++; }));
      else add(made);
    } catch { thrown++; }
    if (pending.length >= 50) await Promise.race([Promise.all(pending.splice(0)), new Promise((done) => setTimeout(done, 200))]);
    if (calls === operations.length) console.info(`hostile: all ${calls} operations were called`);
  }
  await Promise.race([Promise.all(pending), new Promise((done) => setTimeout(done, 500))]);
  console.info(`hostile: ${calls} calls, ${thrown} refused`);
};
