// `structuredClone` (HTML, section 2.7.3). Of the transferable objects, it transfers buffers and, on V8, message ports.
//
// The engine's own function writes the value into a buffer and reads it again. It writes a text as often as the value
// contains it. So a list of a few MiB could take any amount of memory, which no limit counts. Here, the copy shares its
// texts with the value, and is made on the engine's heap.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { core, ops, isQuickJs } = secure;
  const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, keys } = Object;
  // The results of `op_sr_kind`.
  const [PLAIN, ARRAY, DATE, REG_EXP, BUFFER, TYPED_ARRAY, DATA_VIEW, MAP, SET, ERROR, BOOLEAN, NUMBER, STRING, BIG_INT] =
    Array(14).keys();
  const ObjectPrototype = Object.prototype;
  const {
    getter, method, timeOf, mapEach, setEach, TypedArray, arrayKind, arrayBuffer, arrayOffset, arrayLength, viewBuffer, viewOffset, viewLength,
    arrayKinds,
  } = secure.intrinsics;
  const [mapGet, mapSet, setAdd] = [method(Map.prototype, "get"), method(Map.prototype, "set"), method(Set.prototype, "add")];
  const bytesSet = method(TypedArray.prototype, "set");
  const isResizable = "resizable" in ArrayBuffer.prototype ? getter(ArrayBuffer.prototype, "resizable") : () => false;
  const mostBytes = getter(ArrayBuffer.prototype, "maxByteLength");
  const boxes = {
    __proto__: null,
    [BOOLEAN]: method(Boolean.prototype, "valueOf"),
    [NUMBER]: method(Number.prototype, "valueOf"),
    [STRING]: method(String.prototype, "valueOf"),
    [BIG_INT]: method(BigInt.prototype, "valueOf"),
  };
  const NativeDate = Date;
  const NativeBuffer = ArrayBuffer;
  const errorKinds = { __proto__: null };
  for (const Kind of [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) errorKinds[Kind.name] = Kind;

  const own = (object, key, value, enumerable) => {
    defineProperty(object, key, { __proto__: null, value, writable: true, enumerable, configurable: true });
  };
  const web = (globalThis.__web ??= {});
  const refused = (message) => new web.DOMException(message, "DataCloneError");
  // Throws a DataCloneError for a value that cannot be cloned. For an object without properties that can, it returns
  // the clone.
  const { structuredClone: engineClone } = core;
  const native = (value) => {
    let message = "the value could not be cloned";
    try {
      // QuickJS would clone the target of a proxy.
      if (!isQuickJs || !core.isProxy(value)) return engineClone(value);
    } catch (error) {
      if (error instanceof RangeError) throw error; // the stack is exhausted
      if (typeof value === "symbol" || typeof value === "function") message = `a ${typeof value} could not be cloned`;
    }
    throw refused(message);
  };

  const bufferOf = (value) => {
    const bytes = new Uint8Array(value); // throws if the buffer is detached
    const { length } = bytes;
    const made = isResizable(value) ? secure.resizableBuffer(length, mostBytes(value)) : new NativeBuffer(length);
    bytesSet(new Uint8Array(made), bytes);
    return made;
  };

  const isDetached = getter(NativeBuffer.prototype, "detached");
  const transferred = method(NativeBuffer.prototype, "transfer");
  const isObject = (value) => typeof value === "object" && value !== null;
  /**
   * Returns a clone, and what the objects in `transfer` have become. It moves the contents of those objects, unless it
   * throws.
   */
  const cloneOf = (root, transfer) => {
    const seen = new Map();
    const moved = [];
    for (let at = 0; at < transfer.length; at++) {
      const value = transfer[at];
      const make = isObject(value) ? web.transferable?.(value) : undefined;
      if (make === undefined && !core.isArrayBuffer(value)) throw refused("`transfer` has an object that cannot be transferred");
      for (let before = 0; before < at; before++) {
        if (transfer[before] === value) throw refused("an object is in `transfer` twice");
      }
      if (make !== undefined) mapSet(seen, value, moved[at] = make());
    }
    const properties = (made, value, list) => {
      for (let at = 0; at < list.length; at++) {
        const key = list[at];
        // A getter may have removed the property.
        if (!hasOwn(value, key)) continue;
        const item = copied(value[key]);
        if (key in made) own(made, key, item, true);
        else made[key] = item;
      }
      return made;
    };
    const fill = (value) => {
      const is = (made) => {
        mapSet(seen, value, made);
        return made;
      };
      const kind = ops.op_sr_kind(value);
      switch (kind) {
        case PLAIN: {
          const made = web.cloneOfObject?.(value);
          if (made !== undefined) return is(made);
          const list = keys(value);
          const prototype = getPrototypeOf(value);
          if (list.length === 0 && prototype !== ObjectPrototype && prototype !== null) return is(native(value));
          return properties(is({}), value, list);
        }
        case ARRAY: {
          const made = is([]);
          const { length } = value;
          const list = keys(value);
          // Then the keys are all indices: they come first, in order.
          if (list.length === length && (length === 0 || list[length - 1] === `${length - 1}`)) {
            for (let at = 0; at < length; at++) {
              const item = value[at];
              // A getter may have removed the element.
              if (item !== undefined || hasOwn(value, at)) made[at] = copied(item);
            }
            made.length = length;
            return made;
          }
          made.length = length;
          return properties(made, value, list);
        }
        case DATE:
          return is(new NativeDate(timeOf(value)));
        case REG_EXP:
          return is(new RegExp(value));
        case BUFFER:
          return is(bufferOf(value));
        case TYPED_ARRAY: {
          const Kind = arrayKinds[arrayKind(value)];
          const [offset, length] = [arrayOffset(value), arrayLength(value)];
          return is(new Kind(copied(arrayBuffer(value)), offset, length));
        }
        case DATA_VIEW: {
          const [offset, length] = [viewOffset(value), viewLength(value)];
          return is(new DataView(copied(viewBuffer(value)), offset, length));
        }
        case MAP: {
          const made = is(new Map());
          const entries = [];
          mapEach(value, (item, key) => entries[entries.length] = [key, item]);
          for (let at = 0; at < entries.length; at++) mapSet(made, copied(entries[at][0]), copied(entries[at][1]));
          return made;
        }
        case SET: {
          const made = is(new Set());
          const items = [];
          setEach(value, (item) => items[items.length] = item);
          for (let at = 0; at < items.length; at++) setAdd(made, copied(items[at]));
          return made;
        }
        case ERROR: {
          const exception = web.cloneOfException?.(value);
          if (exception !== undefined) {
            const { stack } = value;
            if (typeof stack === "string") own(exception, "stack", stack, false);
            return is(exception);
          }
          const Kind = errorKinds[`${value.name}`] ?? Error;
          const message = getOwnPropertyDescriptor(value, "message");
          const cause = getOwnPropertyDescriptor(value, "cause");
          const { stack } = value;
          const made = is(new Kind());
          if (message !== undefined && "value" in message) own(made, "message", `${message.value}`, false);
          if (typeof stack === "string") own(made, "stack", stack, false);
          if (cause !== undefined && "value" in cause) own(made, "cause", copied(cause.value), false);
          return made;
        }
        case BOOLEAN:
        case NUMBER:
        case STRING:
        case BIG_INT:
          return is(Object(boxes[kind](value)));
        default:
          if (isQuickJs) throw refused("the value could not be cloned");
          return native(value);
      }
    };
    const copied = (value) => {
      switch (typeof value) {
        case "function":
        case "symbol":
          return native(value);
        case "object":
          return value === null ? null : mapGet(seen, value) ?? fill(value);
        default:
          return value;
      }
    };
    const clone = copied(root);
    for (let at = 0; at < transfer.length; at++) {
      if (moved[at] === undefined && isDetached(transfer[at])) throw refused("a buffer in `transfer` is detached");
    }
    for (let at = 0; at < transfer.length; at++) {
      if (moved[at] !== undefined) web.move(transfer[at], moved[at]);
      else {
        const copy = mapGet(seen, transfer[at]);
        transferred(transfer[at]);
        moved[at] = copy;
      }
    }
    return [clone, moved];
  };
  secure.cloneOf = cloneOf;
  // A method, because unlike other functions it has no `prototype`, which would be another object that all modules
  // share. A function with a rest parameter has the length of the standard's.
  ({ structuredClone: secure.structuredClone } = {
    structuredClone(value, ...rest) {
      if (arguments.length === 0) throw new TypeError("structuredClone: 1 argument required, 0 given");
      const options = rest[0];
      if (options === undefined || options === null) return cloneOf(value, [])[0];
      if (typeof options !== "object" && typeof options !== "function") {
        throw new TypeError("structuredClone: options must be an object");
      }
      const { transfer } = options;
      return cloneOf(value, transfer === undefined ? [] : [...transfer])[0];
    },
  });
})(globalThis);
