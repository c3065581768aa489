//! Packages that assign to properties which their objects inherit from frozen intrinsics.

use crate::support::Scene;

/// RUN-3: classes in the style of old compilers get their own `constructor`, for every class that can be extended.
#[test]
fn classes_of_old_compilers_have_their_own_constructor() {
    let source = r#"
        // The styles of TypeScript for ES5, and of Node.js's util.inherits and much handwritten code.
        const ways = {
          typescript(Child, Base) { function Made() { this.constructor = Child; } Made.prototype = Base.prototype; Child.prototype = new Made(); },
          byHand(Child, Base) { Child.prototype = Object.create(Base.prototype); Child.prototype.constructor = Child; },
        };
        const bases = {
          Object, Error, TypeError, RangeError, AggregateError, Date, Promise, RegExp, Map, Set, WeakMap, WeakSet, Uint8Array,
          TypedArray: Object.getPrototypeOf(Int8Array), EventTarget: Object.getPrototypeOf(AbortSignal), Array,
        };
        for (const [name, Base] of Object.entries(bases)) {
          const came = Object.values(ways).map((extend) => {
            function Child() {}
            try { extend(Child, Base); } catch (error) { return error.name; }
            const child = new Child();
            return child.constructor === Child && child instanceof Base && Object.hasOwn(Child.prototype, "constructor");
          });
          // For dates, the constructor is the one that belongs to no module.
          console.log(name, ...came, Base.prototype.constructor === (name === "Date" ? globalThis.Date : Base));
        }
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 16);
    for line in &lines {
        assert!(line.ends_with(" true true true"), "{line}");
    }
}

/// RUN-3: packages can assign to inherited properties of their objects, classes, functions and prototypes, with every
/// kind of assignment.
#[test]
fn inherited_properties_can_be_assigned() {
    let source = r#"
        const failed = [];
        const assign = (what, object, ...keys) => {
          for (const key of keys) {
            try {
              const had = Object.hasOwn(object, key);
              object[key] = "own";
              const { value, enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(object, key);
              if (value !== "own" || !writable || !configurable || enumerable === had) failed.push(`${what}.${String(key)} kept`);
            } catch (error) { failed.push(`${what}.${String(key)}: ${error.message}`); }
          }
        };
        const methods = (prototype, ...without) => Reflect.ownKeys(prototype).filter((key) => {
          try { return typeof prototype[key] === "function" && !without.includes(key); } catch { return false; }
        });
        const { iterator, toStringTag, asyncIterator } = Symbol;
        assign("object", {}, "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
          "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", toStringTag, iterator);
        assign("function", function () {}, "apply", "bind", "call", "toString", "constructor", "valueOf");
        assign("arrow", () => 1, "bind", "constructor");
        assign("async function", async () => 1, "constructor", toStringTag, "bind");
        assign("generator function", function* () {}, "constructor", toStringTag, "call");
        const error = new TypeError("a");
        assign("error", error, "message", "name", "toString", "constructor");
        assign("array", [], "constructor", iterator, "push", "map", "concat", "slice", "splice", "toString", "forEach", "indexOf", "join", "filter", "at", "with");
        assign("array iterator", [].values(), "next", toStringTag, iterator, "map");
        assign("map iterator", new Map().values(), "next", iterator);
        assign("set iterator", new Set().values(), "next");
        assign("string iterator", ""[iterator](), "next");
        assign("match iterator", "a".matchAll(/a/g), "next");
        assign("helper", [].values().map(String), "next", "return");
        assign("generator", (function* () {})(), "next", "return", "throw", iterator, "constructor");
        assign("async generator", (async function* () {})(), "next", "return", "throw", asyncIterator);
        assign("generator prototype", (function* () {}).prototype, "next", "return", "throw", toStringTag);
        assign("promise", Promise.resolve(), "then", "catch", "finally", "constructor", toStringTag);
        assign("map", new Map(), "get", "set", "has", "delete", "clear", "forEach", "keys", "values", "entries", iterator, toStringTag, "constructor");
        assign("set", new Set(), "add", "has", "delete", "clear", "forEach", "union", iterator, toStringTag);
        assign("weak map", new WeakMap(), "get", "set", "has", "delete", toStringTag);
        assign("weak set", new WeakSet(), "add", "has", "delete");
        assign("weak reference", new WeakRef({}), "deref");
        assign("date", new Date(0), "toString", "getTime", "toISOString", "setHours", "constructor", "toLocaleDateString");
        assign("expression", /x/, "exec", "test", "toString", Symbol.replace, Symbol.match, Symbol.split, "constructor");
        assign("bytes", new Uint8Array(1), "slice", "set", "fill", "toString", "subarray", "map", iterator, "constructor");
        for (const Kind of [Int8Array, Uint8ClampedArray, Float64Array, BigInt64Array]) assign(Kind.name, new Kind(1), "constructor", "indexOf");
        assign("buffer", new ArrayBuffer(1), "slice", "constructor");
        assign("view", new DataView(new ArrayBuffer(1)), "constructor");
        for (const [name, object] of Object.entries({ string: new String("a"), number: new Number(1), boolean: new Boolean(true) })) {
          assign(name, object, "valueOf", "toString", "constructor");
        }
        assign("address", new URL("a:b"), "toString", "toJSON", "constructor");
        assign("parameters", new URLSearchParams(), "get", "append", "toString", iterator);
        assign("controller", new AbortController(), "abort");
        assign("signal", new AbortController().signal, "addEventListener", "dispatchEvent", "throwIfAborted");
        assign("encoder", new TextEncoder(), "encode");
        // Prototypes of classes in the style of old compilers, and of objects that inherit from an intrinsic.
        for (const Base of [Array, Map, Set, WeakMap, Promise, RegExp, Date, Error, Uint8Array, URL, ArrayBuffer]) {
          const { prototype } = class extends Base {};
          assign(`class of ${Base.name}`, prototype, ...methods(Base.prototype, Symbol.toPrimitive, "getOrInsert", "getOrInsertComputed",
            "toTemporalInstant", "setFromBase64", "setFromHex", "toBase64", "toHex", "compile", "getYear", "setYear", "toGMTString"));
          assign(`made of ${Base.name}`, Object.create(Base.prototype), "constructor", "toString", "valueOf", "hasOwnProperty");
        }
        // Reflect.set, Object.assign, and objects with a proxy in their prototype chain.
        if (!Reflect.set(Object.create(Map.prototype), "get", 1)) failed.push("Reflect.set");
        Object.assign(Object.create(Promise.prototype), { then: 1, constructor: 2 });
        assign("beneath a proxy", Object.create(new Proxy(Array.prototype, {})), "push");
        // Code that reads property descriptors finds the original value.
        const { get } = Object.getOwnPropertyDescriptor(RegExp.prototype, "exec");
        if (get.originalValue !== RegExp.prototype.exec || !Object.isFrozen(get)) failed.push("originalValue");
        console.log(failed.join("; ") || "none");
        // The intrinsics still work.
        console.log([..."ab", ...[1, 2].map((x) => x + 1), ...new Set([3]), ...new Map([[4, 5]])].join());
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    assert_eq!(
        ran.out,
        "none
a,b,2,3,3,4,5
"
    );
}

/// RUN-3: the setter of a repaired property never changes an object that modules share, whatever the receiver is.
#[test]
fn a_repaired_property_of_an_intrinsic_never_changes() {
    let source = r#"
        const attempt = (call) => { try { call(); return "done"; } catch (error) { return error.name; } };
        const setters = [];
        const owners = [Object.prototype, Map.prototype, Promise.prototype, Object.getPrototypeOf(Int8Array.prototype), Error.prototype, Array.prototype];
        for (const owner of owners) {
          const { set } = Object.getOwnPropertyDescriptor(owner, "constructor");
          setters.push(attempt(() => { owner.constructor = 1; }), attempt(() => set.call(owner, 1)), attempt(() => set.call(undefined, 1)),
            attempt(() => set.call(Set.prototype, 1)), attempt(() => set.call(Object.freeze({}), 1)));
        }
        console.log([...new Set(setters)].join(), Object.prototype.constructor === Object, Map.prototype.constructor === Map);
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    assert_eq!(ran.out, "TypeError true true\n");
}
