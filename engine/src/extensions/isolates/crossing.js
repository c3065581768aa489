// Messages between the isolates of a program. Values are copied by structured cloning (HTML, section 2.7). Capabilities
// become capabilities of the receiving isolate. Functions are sent in one case only: as exports of a module. The
// importer gets functions that call them.
//
// The text of a message is JSON: a list of nodes. The first node is the value. A primitive is itself, or ["tag", ...].
// An object is ["r", index of its node], so that object identity and cycles are preserved.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { core, ops, families, withRoom, room } = secure;
  const {
    isArrayBuffer, isDataView, isDate, isMap, isNativeError, isPromise, isProxy, isRegExp, isSet, isTypedArray, isWeakMap,
    isWeakSet,
  } = core;
  const { freeze, defineProperty, keys } = Object;
  const { apply } = Reflect;
  const { parse, stringify } = JSON;
  const { isArray } = Array;
  const {
    getter, timeOf, mapEach, setEach, arrayKind, arrayBuffer, arrayOffset, arrayLength, viewBuffer, viewOffset, viewLength, arrayKinds,
  } = secure.intrinsics;
  const sourceOf = getter(RegExp.prototype, "source");
  const flagsOf = getter(RegExp.prototype, "flags");
  const NativeDate = Date;
  const errorKinds = { __proto__: null, CapabilityError: secure.CapabilityError };
  for (const Kind of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) errorKinds[Kind.name] = Kind;
  for (const [name, Kind] of Object.entries(secure.systemErrors)) errorKinds[name] = Kind;
  // Properties of the runtime's own errors besides the message.
  const details = ["code", "family", "action", "resource", "module"];

  // Ops that create Rust objects. `withRoom` checks that enough stack is left.
  const makeMessage = withRoom((text, bytes, isThrown, capabilities) => {
    const sent = ops.op_sr_message(text, bytes, isThrown);
    for (const handle of capabilities) ops.op_sr_message_put(sent, handle);
    return sent;
  });
  const arrived = withRoom((sent, index) => {
    const family = ops.op_sr_message_family(sent, index);
    const kind = families.kinds.find(({ name }) => name === family);
    return kind.make(ops.op_sr_message_capability(sent, index));
  });
  const call = withRoom(ops.op_sr_isolate_call);
  const argumentsOf = withRoom(ops.op_sr_isolate_arguments);

  const own = (object, key, value) => defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  const uncloneable = (what) => new TypeError(`${what} cannot cross to another isolate; data and capabilities can`);

  // The exported functions of this isolate, with the objects that they are methods of.
  const exported = [];

  /** Returns a message with the value. Functions are allowed only in the exports of a module. */
  const pack = (value, isThrown, withFunctions) => {
    const nodes = [];
    const seen = new Map();
    const pieces = [];
    const capabilities = [];
    let size = 0;
    // A value may contain one long text many times. The JSON contains each of them, and Rust copies the JSON.
    let characters = 0;
    const counted = (text) => {
      characters += text.length;
      room(characters * 2, "a value for another isolate");
      return text;
    };
    const primitive = (value) => {
      switch (typeof value) {
        case "string":
          return counted(value);
        case "boolean":
          return value;
        case "undefined":
          return ["u"];
        case "bigint":
          return ["b", counted(String(value))];
        case "number":
          return Number.isFinite(value) && !Object.is(value, -0) ? value : ["n", Object.is(value, -0) ? "-0" : String(value)];
        case "symbol":
          throw uncloneable("a symbol");
        default:
          return value === null ? null : undefined;
      }
    };
    const encode = (value, owner) => {
      const simple = primitive(value);
      if (simple !== undefined) return simple;
      const before = seen.get(value);
      if (before !== undefined) return ["r", before];
      const index = nodes.length;
      seen.set(value, index);
      nodes.push(null);
      const node = [];
      own(nodes, index, node);
      fill(node, value, owner);
      return ["r", index];
    };
    const add = (node, ...values) => {
      for (const value of values) own(node, node.length, value);
    };
    const buffer = (value) => {
      const { length } = new Uint8Array(value);
      // The view has the current length, and is copied once below. If the buffer shrinks until then, the missing bytes
      // are zeros.
      const at = size;
      add(pieces, [new Uint8Array(value, 0, length), at]);
      size += length;
      return [at, length];
    };
    const fill = (node, value, owner) => {
      if (typeof value === "function") {
        if (!withFunctions) throw uncloneable("a function");
        add(exported, [value, owner]);
        return add(node, "f", exported.length - 1, counted(String(value.name)));
      }
      if (families.kindOf(value) !== undefined) {
        add(capabilities, families.handleOf(value));
        return add(node, "c", capabilities.length - 1);
      }
      if (isProxy(value)) throw uncloneable("a proxy");
      if (isArray(value)) {
        add(node, "a", value.length);
        for (const key of keys(value)) add(node, [counted(key), encode(value[key], value)]);
      } else if (isDate(value)) add(node, "d", encode(timeOf(value)));
      else if (isRegExp(value)) add(node, "x", counted(sourceOf(value)), flagsOf(value));
      else if (isMap(value)) {
        const entries = [];
        mapEach(value, (item, key) => add(entries, [key, item]));
        add(node, "m");
        for (const [key, item] of entries) add(node, [encode(key), encode(item, value)]);
      } else if (isSet(value)) {
        const items = [];
        setEach(value, (item) => add(items, item));
        add(node, "s");
        for (const item of items) add(node, encode(item, value));
      } else if (isArrayBuffer(value)) add(node, "y", ...buffer(value));
      else if (isTypedArray(value)) {
        add(node, "t", arrayKind(value), encode(arrayBuffer(value)), arrayOffset(value), arrayLength(value));
      } else if (isDataView(value)) add(node, "v", encode(viewBuffer(value)), viewOffset(value), viewLength(value));
      else if (isNativeError(value)) {
        const text = (name) => {
          const found = value[name];
          return typeof found === "string" ? counted(found) : "";
        };
        add(node, "e", text("name"), text("message"), Object.hasOwn(value, "cause") ? [encode(value.cause)] : null, secure.markOf(value));
        for (const name of details) {
          const found = Object.hasOwn(value, name) ? value[name] : undefined;
          if (typeof found === "string") add(node, [name, counted(found)]);
        }
      } else if (isPromise(value) || isWeakMap(value) || isWeakSet(value)) throw uncloneable("such an object");
      // Its state is in no property, so a copy of its properties would be empty.
      else if (web.isOfInterface?.(value)) throw uncloneable("an object of the web's interfaces");
      else {
        add(node, "o");
        for (const key of keys(value)) add(node, [counted(key), encode(value[key], value)]);
      }
    };
    const root = encode(value);
    const bytes = new Uint8Array(size);
    for (const [piece, at] of pieces) bytes.set(piece, at);
    return makeMessage(stringify([root, nodes]), bytes, isThrown, capabilities);
  };

  /**
   * Returns the value of a message. `functions` returns a function that calls the exported function with this number
   * and name.
   */
  const unpack = (sent, functions) => {
    const [root, nodes] = parse(ops.op_sr_message_text(sent));
    const bytes = ops.op_sr_message_bytes(sent);
    const made = [];
    const decode = (part) => {
      if (!isArray(part)) return part;
      const [tag, said] = part;
      if (tag === "r") return object(said);
      if (tag === "u") return undefined;
      if (tag === "b") return BigInt(said);
      return Number(said);
    };
    const object = (index) => {
      if (Object.hasOwn(made, index)) return made[index];
      const [tag, ...said] = nodes[index];
      const is = (value) => {
        own(made, index, value);
        return value;
      };
      switch (tag) {
        case "f":
          return is(functions(said[0], said[1]));
        case "c":
          return is(arrived(sent, said[0]));
        case "a": {
          const [length, ...entries] = said;
          const array = is([]);
          array.length = length;
          for (const [key, item] of entries) own(array, key, decode(item));
          return array;
        }
        case "d":
          return is(new NativeDate(decode(said[0])));
        case "x":
          return is(new RegExp(said[0], said[1]));
        case "m": {
          const map = is(new Map());
          for (const [key, item] of said) map.set(decode(key), decode(item));
          return map;
        }
        case "s": {
          const set = is(new Set());
          for (const item of said) set.add(decode(item));
          return set;
        }
        case "y":
          return is(bytes.slice(said[0], said[0] + said[1]).buffer);
        case "t":
          return is(new arrayKinds[said[0]](decode(said[1]), said[2], said[3]));
        case "v":
          return is(new DataView(decode(said[0]), said[1], said[2]));
        case "e": {
          const [name, message, cause, mark, ...more] = said;
          const error = is(new (errorKinds[name] ?? Error)(message));
          const hidden = (key, value) => defineProperty(error, key, { value, writable: true, enumerable: false, configurable: true });
          secure.marked(error, mark);
          if (error.name !== name) hidden("name", name);
          if (cause !== null) hidden("cause", decode(cause[0]));
          for (const [key, text] of more) own(error, key, text);
          return error;
        }
        default: {
          const plain = is({});
          for (const [key, item] of said) own(plain, key, decode(item));
          return plain;
        }
      }
    };
    return decode(root);
  };

  /** Passes the exports of a module to Rust. */
  const describe = (namespace) => {
    const names = keys(namespace).sort();
    const values = { __proto__: null };
    for (const name of names) values[name] = namespace[name];
    ops.op_sr_isolate_describe(names, pack(values, false, true));
  };

  const thrown = (error) => {
    try {
      return pack(error, true, false);
    } catch {
      return pack(new Error("the error that was thrown cannot cross to another isolate"), true, false);
    }
  };

  /** Completes the call with this number. Never throws: an exception of the function is the response. */
  const serve = async (number) => {
    let answer;
    try {
      const [called, owner] = exported[ops.op_sr_isolate_function(number)];
      const args = unpack(argumentsOf(number));
      answer = pack(await apply(called, owner, args), false, false);
    } catch (error) {
      answer = thrown(error);
    }
    try {
      ops.op_sr_isolate_answer(number, answer);
    } catch (error) {
      ops.op_sr_isolate_answer(number, thrown(error));
    }
  };

  /** Returns the exports of a module in another isolate: copies, and functions that call its functions. */
  const remote = (isolate, sent) =>
    freeze(unpack(sent, (number, name) => {
      const called = { [name]: async (...args) => {
        const answer = ops.op_sr_isolate_answered(await call(isolate, number, pack(args, false, false)));
        const isThrown = ops.op_sr_message_is_thrown(answer);
        const value = unpack(answer);
        if (isThrown) throw value;
        return value;
      } }[name];
      return freeze(called);
    }));

  secure.isolates = { describe, serve, remote };
})(globalThis);
