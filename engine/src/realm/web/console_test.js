// Tests of the output of `console`, on the engine before lockdown. The script throws if anything differs.
"use strict";
((globalThis) => {
  let printed = [];
  const make = (label) => globalThis.__web.makeConsole(label, (text, isError) => printed.push([text, isError]));
  const plain = make(null);
  const labelled = make("marked/lib/x.js");

  function shows(expected, action, isError = false) {
    printed = [];
    action();
    const text = printed.map(([part]) => part).join("");
    if (text !== `${expected}\n`) {
      throw new Error(`expected ${JSON.stringify(`${expected}\n`)}, got ${JSON.stringify(text)}`);
    }
    if (printed.some(([, error]) => error !== isError)) throw new Error(`wrong stream for ${text}`);
  }
  const logs = (expected, ...values) => shows(expected, () => plain.log(...values));
  const bomb = () => {
    throw new Error("a guest's code ran");
  };

  // Values
  logs("");
  logs("text  more", "text ", "more");
  logs("1 -0 2n true null undefined NaN Symbol(s)", 1, -0, 2n, true, null, undefined, NaN, Symbol("s"));
  logs('[1, "a\\nb", [], {}]', [1, "a\nb", [], {}]);
  logs('{ a: 1, "b c": 2, [Symbol(k)]: 3 }', { a: 1, "b c": 2, [Symbol("k")]: 3 });
  logs("[1, <2 empty items>, 4]", [1, , , 4]);
  logs("{ a: { b: { c: { d: { e: [Object] } } } } }", { a: { b: { c: { d: { e: { f: 1 } } } } } });
  logs('Map(1) { "a" => Set(2) { 1, 2 } }', new Map([["a", new Set([1, 2])]]));
  logs("Uint8Array(3) [1, 2, 3]", new Uint8Array([1, 2, 3]));
  logs("ArrayBuffer { byteLength: 4 }", new ArrayBuffer(4));
  logs("1970-01-01T00:00:00.000Z Invalid Date", new Date(0), new Date(NaN));
  logs("/a\\/b/gi", /a\/b/gi);
  logs("[Number: 1] [String: \"s\"] [Symbol: Symbol(x)]", Object(1), Object("s"), Object(Symbol("x")));
  logs("[Function: named] [Function (anonymous)] [class Sub extends Base]", function named() {}, (() => () => {})(),
    (() => { class Base {} class Sub extends Base {} return Sub; })());
  logs("Point { x: 1 }", new (class Point { x = 1; })());
  logs("[Object: null prototype] {}", Object.create(null));
  logs("Promise {} WeakMap {}", Promise.resolve(1), new WeakMap());
  logs("URL { https://a.test/ } URLSearchParams { a=1 }", new globalThis.__web.URL("https://a.test"),
    new globalThis.__web.URLSearchParams("a=1"));
  {
    const loop = { list: [] };
    loop.list.push(loop);
    logs("{ list: [[Circular]] }", loop);
  }
  {
    const error = new TypeError("boom", { cause: 1 });
    const stack = "TypeError: boom\n    at guest (main.js:1:1)\n    at host (ext:sr_web/console.js:1:1)";
    Object.defineProperty(error, "stack", { value: stack });
    logs("TypeError: boom\n    at guest (main.js:1:1)\nCaused by: 1", error);
    Object.defineProperty(error, "stack", { value: undefined });
    logs("{\n  error: [TypeError: boom]\n  Caused by: 1\n}", { error });
  }

  // No function of the guest runs, and none of its exceptions escapes.
  logs("{ a: [Getter], b: [Setter], c: [Getter/Setter] }", {
    get a() { return bomb(); },
    set b(_) { bomb(); },
    get c() { return bomb(); },
    set c(_) { bomb(); },
  });
  logs("{ toString: [Function: toString], toJSON: [Function: toJSON] }", { toString() { bomb(); }, toJSON() { bomb(); } });
  logs("[object that cannot be shown]", new Proxy({}, { ownKeys: bomb }));
  logs("[object that cannot be shown]", new Proxy({}, { getPrototypeOf: bomb }));
  logs("[object that cannot be shown]", (() => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  })());
  logs("{ [Symbol(Symbol.toStringTag)]: [Getter] }", { get [Symbol.toStringTag]() { return bomb(); } });
  logs("Map {}", Object.create(Map.prototype));
  {
    const error = new Error("safe");
    for (const key of ["stack", "name", "cause"]) Object.defineProperty(error, key, { get: bomb });
    logs("[Error: safe]", error);
  }
  {
    const endless = () => new Proxy({}, { getPrototypeOf: endless });
    logs("[Object: null prototype] {}", endless());
  }

  // Formats
  logs("a 1 2.5 3 100% {} b", "%s %d %f %i 100%% %o %s", "a", 1, "2.5", 3.9, {}, "b");
  logs("%s", "%s");
  logs("%x 1 [2]", "%x", 1, [2]);
  logs("{ toJSON: [Function: toJSON] } styled", "%j %cstyled", { toJSON() { bomb(); } }, "color: red");
  logs("NaN NaN 7n", "%d %i %d", { valueOf: bomb }, Symbol("x"), 7n);
  logs("{ toString: [Function: toString] }", "%s", { toString() { bomb(); } });

  // No output can imitate that of another module, move the cursor or change the direction of text.
  shows("[marked/lib/x.js] a\n[marked/lib/x.js] [main.js] b", () => labelled.log("a\n[main.js] b"));
  shows("[marked/lib/x.js] \\x1b[2J\\x0d\\x08\\x9b \\u202e \\u2066 \\u2028 \t|", () =>
    labelled.log("\x1b[2J\r\b\x9b \u202e \u2066 \u2028 \t|"));
  shows("[evil\\x1b[0m x] text", () => make("evil\x1b[0m\nx").log("text"));
  logs('{ "\\x1b[31m": "\\x1b[0m" }', { "\x1b[31m": "\x1b[0m" });
  logs("\ufffd", "\ud800");

  // Size
  {
    printed = [];
    labelled.log("\n".repeat(1_000_000));
    labelled.log("x".repeat(1_000_000));
    labelled.log("\x1b".repeat(1_000_000));
    labelled.log(Array.from({ length: 1000 }, () => "y".repeat(1000)));
    labelled.log(...Array.from({ length: 1000 }, () => "z".repeat(1000)));
    const wide = (depth) => depth === 0 ? "leaf" : new Proxy([], {
      getOwnPropertyDescriptor: (_, key) => key === "length"
        ? { value: 2 ** 32 - 1, writable: true, configurable: false, enumerable: false }
        : { value: wide(depth - 1), writable: true, configurable: true, enumerable: true },
    });
    labelled.log(wide(5));
    for (const [text] of printed) {
      if (text.length > 103 * 1024) throw new Error(`${text.length} characters were printed`);
    }
    if (!printed[1][0].endsWith("(cut: one call prints at most 100 KiB)\n")) throw new Error("the cut is not named");
    printed = [];
    plain.log(Array.from({ length: 500 }, () => 0));
    if (!printed[0][0].includes("... 400 more items")) throw new Error(printed[0][0]);
  }

  // The other methods
  shows("bad", () => plain.error("bad"), true);
  shows("careful", () => plain.warn("careful"), true);
  shows("Assertion failed: x 1", () => plain.assert(false, "x %d", 1), true);
  printed = [];
  plain.assert(true, "x");
  if (printed.length !== 0) throw new Error("a true assertion printed");
  shows("a: 1\na: 2\na: 1", () => {
    plain.count("a");
    plain.count("a");
    plain.countReset("a");
    plain.count("a");
  });
  shows("Count for 'none' does not exist", () => plain.countReset("none"), true);
  shows("outer\n  in\n  ner\nafter", () => {
    plain.group("outer");
    plain.log("in\nner");
    plain.groupEnd();
    plain.groupEnd();
    plain.log("after");
  });
  shows(
    [
      "┌─────────┬───┬─────┬────────┐",
      "│ (index) │ a │ b   │ Values │",
      "├─────────┼───┼─────┼────────┤",
      '│ 0       │ 1 │ "x" │        │',
      "│ 1       │   │     │ 5      │",
      "└─────────┴───┴─────┴────────┘",
    ].join("\n"),
    () => plain.table([{ a: 1, b: "x" }, 5]),
  );
  printed = [];
  plain.trace("here %d", 1);
  if (!printed[0][0].startsWith("Trace: here 1\n")) throw new Error(printed[0][0]);
  if (plain.time !== undefined || plain.timeEnd !== undefined) throw new Error("console has a clock");
  if (!Object.isFrozen(plain) || !Object.isFrozen(plain.log)) throw new Error("console can be changed");
})(globalThis);
