// Two guests that share the realm share no state (RUN-2). Both create the same objects of the web's interfaces. The
// program collects everything that a guest reaches from its objects, by reflection, prototypes and getters. What both
// reach must be frozen. No object may have a key that is a symbol, except for the symbols of the language, because code
// of another module that gets the object could read and replace what is under it.

const { getOwnPropertyDescriptor, getPrototypeOf, isFrozen } = Object;
const { ownKeys } = Reflect;
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
const known = new Set(ownKeys(Symbol).map((name) => Symbol[name]).filter((value) => typeof value === "symbol"));
// The frames of an error on QuickJS. The runtime freezes them.
known.add(Symbol.for("v82jsc_private:deno_core::call_site_evals"));

/** Returns everything that leads from an object, with a path to each. */
function reached(root) {
  const seen = new Map();
  const queue = [];
  const visit = (value, path) => {
    if (!isObject(value) || seen.has(value)) return;
    seen.set(value, path);
    queue.push(value);
  };
  visit(root, "root");
  for (const object of queue) {
    const path = seen.get(object);
    visit(getPrototypeOf(object), `${path}.__proto__`);
    for (let owner = object; owner !== null; owner = getPrototypeOf(owner)) {
      for (const key of ownKeys(owner)) {
        const { value, get, set } = getOwnPropertyDescriptor(owner, key);
        const name = `${path}.${String(key)}`;
        if (owner === object) {
          visit(value, name);
          visit(get, `${name} get`);
          visit(set, `${name} set`);
        }
        if (get === undefined || object === root) continue;
        try {
          const held = Reflect.apply(get, object, []);
          if (held instanceof Promise) held.catch(() => {});
          visit(held, `${name}()`);
        } catch {
          // It is the getter of another class.
        }
      }
    }
  }
  return seen;
}

/** Returns what is wrong with two guests' objects. */
function faults(first, second) {
  const wrong = [];
  const [ours, theirs] = [reached(first), reached(second)];
  for (const [object, path] of ours) {
    for (const key of ownKeys(object)) {
      if (typeof key === "symbol" && !known.has(key)) wrong.push(`${path} has the key ${String(key)}`);
    }
    if (theirs.has(object) && !isFrozen(object) && object !== globalThis) wrong.push(`${path} is shared and open`);
  }
  return wrong;
}

// Functions that create objects, by name. Some interfaces do not exist on each engine.
const makers = {
  signal: () => new AbortController(),
  "signal of many": () => AbortSignal.any([AbortSignal.abort()]),
  "signal with listeners": () => {
    const { signal } = new AbortController();
    signal.addEventListener("abort", () => {});
    signal.onabort = () => {};
    return signal;
  },
  "signal of a listener": () => {
    let event;
    const controller = new AbortController();
    controller.signal.addEventListener("abort", (given) => event = given);
    controller.abort();
    return event;
  },
  url: () => new URL("https://user@a.test:1/b?c=d#e"),
  params: () => new URL("https://a.test/?c=d").searchParams,
  "iterator of params": () => new URLSearchParams("a=b").entries(),
  pattern: () => new URLPattern({ pathname: "/:a" }),
  "match of a pattern": () => new URLPattern({ pathname: "/:a" }).exec("https://a.test/b"),
  event: () => new Event("a"),
  "event with details": () => new CustomEvent("a", { detail: {} }),
  "event of a target": () => {
    const target = new EventTarget();
    const event = new MessageEvent("a", { data: {} });
    target.addEventListener("a", () => {});
    target.dispatchEvent(event);
    return { target, event, path: event.composedPath() };
  },
  "other events": () => [
    new ErrorEvent("error"), new CloseEvent("close"), new ProgressEvent("progress"),
    new PromiseRejectionEvent("a", { promise: Promise.resolve(), reason: {} }),
  ],
  exception: () => new DOMException("a", "AbortError"),
  "exception about a quota": () => new QuotaExceededError("a"),
  encoder: () => new TextEncoder(),
  decoder: () => {
    const decoder = new TextDecoder();
    decoder.decode(new Uint8Array([0xe2]), { stream: true });
    return decoder;
  },
  stream: () => {
    const stream = new ReadableStream({ start: (controller) => controller.enqueue({}) });
    return { stream, reader: stream.getReader() };
  },
  "controllers of streams": () => {
    const made = [];
    const keep = (controller) => void made.push(controller);
    new ReadableStream({ start: keep });
    new ReadableStream({ start: keep, type: "bytes" });
    new WritableStream({ start: keep });
    new TransformStream({ start: keep });
    return made;
  },
  "stream of bytes": () => {
    let request;
    const stream = new ReadableStream({ type: "bytes", pull: (controller) => void (request = controller.byobRequest) });
    const reader = stream.getReader({ mode: "byob" });
    reader.read(new Uint8Array(8)).catch(() => {});
    return { stream, reader, request };
  },
  "halves of a stream": () => new ReadableStream().tee(),
  "iterator of a stream": () => new ReadableStream().values(),
  writer: () => {
    const stream = new WritableStream();
    const writer = stream.getWriter();
    writer.write({});
    return { stream, writer };
  },
  transform: () => {
    const { readable, writable } = new TransformStream();
    return { readable, writable };
  },
  strategies: () => [new CountQueuingStrategy({ highWaterMark: 1 }), new ByteLengthQueuingStrategy({ highWaterMark: 1 })],
  "streams of text": () => [new TextEncoderStream(), new TextDecoderStream()],
  "streams that compress": () => [new CompressionStream("gzip"), new DecompressionStream("deflate")],
  blob: () => new Blob(["a", new Uint8Array(2)], { type: "a/b" }),
  "stream of a blob": () => new Blob(["a"]).stream(),
  file: () => new File(["a"], "b"),
  form: () => {
    const form = new FormData();
    form.append("a", new Blob(["b"]));
    return { form, iterator: form.entries() };
  },
  headers: () => {
    const headers = new Headers({ a: "b" });
    return { headers, iterator: headers.keys() };
  },
  request: () => {
    const request = new Request("https://a.test/", { method: "POST", body: "a" });
    return { request, copy: request.clone(), stream: request.body };
  },
  response: () => {
    const response = new Response(new ReadableStream());
    return { response, copy: response.clone(), other: Response.error(), data: Response.json({}) };
  },
  channel: () => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {};
    return channel;
  },
  "exception of base64": () => {
    try {
      atob("?");
    } catch (error) {
      return error;
    }
  },
};
const create = () => {
  const made = {};
  for (const [name, make] of Object.entries(makers)) {
    try {
      made[name] = make();
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
    }
  }
  return made;
};

const [first, second] = [create(), create()];
if (Object.keys(first).length < 10) throw new Error("objects are missing");
const wrong = faults(first, second);
if (wrong.length > 0) throw new Error(wrong.join("\n"));

// The same functions notice a planted fault of each kind.
const shared = {};
const planted = faults({ ...create(), a: { shared } }, { ...create(), b: [shared] });
if (planted.join() !== "root.a.shared is shared and open") throw new Error(planted.join());
const keyed = faults({ a: Object.defineProperty({}, Symbol.for("state"), { value: 1 }) }, {});
if (keyed.join() !== "root.a has the key Symbol(state)") throw new Error(keyed.join());

// No member writes to an object that all modules share. A member that did could be a channel between modules.
const classes = Reflect.ownKeys(globalThis).map((name) => globalThis[name]).filter((Class) => isObject(Class?.prototype));
for (const Class of [...classes, AbortSignal.abort().reason.constructor, getPrototypeOf(AbortSignal)]) {
  const { prototype } = Class;
  const members = ownKeys(prototype).map((key) => [key, getOwnPropertyDescriptor(prototype, key)]);
  for (const victim of [Math, prototype]) {
    const read = () =>
      members.map(([key, { get }]) => {
        try {
          const held = get === undefined ? "" : Reflect.apply(get, victim, []);
          if (held instanceof Promise) held.catch(() => {});
          return `${String(key)} ${String(held)}`;
        } catch {
          return `${String(key)} throws`;
        }
      }).join();
    const before = read();
    for (const [key, { value, set }] of members) {
      // Setters that restore properties throw for a shared object (RUN-3).
      for (const call of [set, key === "constructor" ? undefined : value]) {
        if (typeof call !== "function") continue;
        for (const given of [[true], ["a", () => {}], [{ type: "a" }]]) {
          try {
            const result = Reflect.apply(call, victim, given);
            if (result instanceof Promise) result.catch(() => {});
          } catch {
            // It is a member of another class.
          }
        }
      }
    }
    if (read() !== before) throw new Error(`members of ${Class.name} write to a shared object: ${before} ${read()}`);
  }
}

// No member acts on an object that it chooses itself: that would be a channel too.
const ofTheLanguage = [Object, Function, Array, Map, Set, String, RegExp, Iterator];
for (const Class of classes.filter((Class) => !ofTheLanguage.includes(Class))) {
  for (const key of ownKeys(Class.prototype)) {
    const { value } = getOwnPropertyDescriptor(Class.prototype, key);
    if (typeof value !== "function" || key === "constructor") continue;
    let result;
    try {
      result = value.call(undefined, "a", () => {});
    } catch {
      continue;
    }
    if (!(result instanceof Promise)) throw new Error(`${Class.name}.prototype.${String(key)} works without an object`);
    const isRejected = await result.then(() => false, () => true);
    if (!isRejected) throw new Error(`${Class.name}.prototype.${String(key)} works without an object`);
  }
}

// A proxy learns no key from the methods that are called with it.
const keys = [];
const trap = (target, key) => {
  if (typeof key === "symbol" && !known.has(key)) keys.push(String(key));
};
for (const object of Object.values(first)) {
  const proxy = new Proxy(object, {
    get: (target, key, receiver) => (trap(target, key), Reflect.get(target, key, receiver)),
    has: (target, key) => (trap(target, key), key in target),
    set: (target, key, value) => (trap(target, key), Reflect.set(target, key, value)),
    defineProperty: (target, key, descriptor) => (trap(target, key), Reflect.defineProperty(target, key, descriptor)),
    getOwnPropertyDescriptor: (target, key) => (trap(target, key), Reflect.getOwnPropertyDescriptor(target, key)),
  });
  for (let owner = object; owner !== null && owner !== Object.prototype; owner = getPrototypeOf(owner)) {
    for (const key of ownKeys(owner)) {
      const { value, get } = getOwnPropertyDescriptor(owner, key);
      for (const call of [value, get]) {
        if (typeof call !== "function" || key === "constructor") continue;
        try {
          const result = Reflect.apply(call, proxy, ["a", () => {}, {}]);
          if (result instanceof Promise) result.catch(() => {});
        } catch {
          // A proxy is no object of the class.
        }
      }
    }
  }
}
if (keys.length > 0) throw new Error(`a proxy sees ${keys.join()}`);
