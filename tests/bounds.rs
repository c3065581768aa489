//! Functions that the realm replaces to limit their memory behave like those of the engine.

use crate::support::Scene;

/// RUN-86: the functions have the names, lengths and source text that the engine's have. They convert each argument
/// once, also when it is no text.
#[test]
fn replaced_functions_look_like_those_of_the_engine() {
    let source = r#"
        const shown = (name, value, length) => {
          const text = String(value).replaceAll(/\s+/g, " ");
          const is = value.length === length && value.name === name && /^function [\w ]*\(\) \{ \[native code\] \}$/.test(text);
          if (!is) console.log(name, value.length, value.name, text);
        };
        const { normalize, localeCompare, match, matchAll, search } = String.prototype;
        for (const [value, length] of [[normalize, 0], [localeCompare, 1], [match, 1], [matchAll, 1], [search, 1]]) {
          shown(value.name, value, length);
          if ("prototype" in value || !Object.isFrozen(value)) console.log(value.name);
        }
        shown("parse", JSON.parse, 2);
        shown("encodeURI", encodeURI, 1);
        shown("encodeURIComponent", encodeURIComponent, 1);
        shown("toString", Function.prototype.toString, 0);
        shown("RegExp", RegExp, 2);
        const counted = (text) => { let count = 0; return { toString() { count++; return text; }, get count() { return count; } }; };
        const called = (call, text) => { const value = counted(text); const result = call(value); return `${result} ${value.count}`; };
        console.log(called((value) => normalize.call(value), "e\u0301") === "\u00e9 1");
        console.log(called((value) => localeCompare.call("a", value), "a"));
        console.log(called((value) => JSON.parse(value), "[1]"));
        console.log(called(encodeURI, "\u00e9"));
        console.log(called((value) => new RegExp(value).source, "a+"));
        console.log(called((value) => "ba".match(value).index, "a"));
        const errors = [
          () => normalize.call(null), () => "a".normalize("x"), () => JSON.parse(Symbol()), () => encodeURI("\ud800"),
          () => new RegExp("("), () => "a".matchAll(/a/), () => search.call(undefined, "a"), () => Function.prototype.toString.call({}),
        ];
        console.log(errors.map((call) => { try { return call(); } catch (error) { return error.name; } }).join());
        class Kind extends RegExp { get [Symbol.toStringTag]() { return "Kind"; } }
        const kind = new Kind("b", "g");
        const same = /a/;
        console.log(kind instanceof Kind, kind.test("ab"), RegExp(same) === same, new RegExp(same) !== same, new RegExp(same, "g").flags,
          "a,b;c".split(/[,;]/).length, /a/.constructor === RegExp, RegExp.prototype.constructor === RegExp, RegExp[Symbol.species] === RegExp);
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    assert_eq!(
        ran.out,
        "true\n0 1\n1 1\n%C3%A9 1\na+ 1\n1 1\n\
         TypeError,RangeError,TypeError,URIError,SyntaxError,TypeError,TypeError,TypeError\n\
         true true true true g 3 true true true\n"
    );
}

/// RUN-86: `structuredClone` copies what the standard copies, although it does not use the engine's serialisation.
#[test]
fn a_structured_clone_has_the_parts_of_its_value() {
    let source = r#"
        const value = {
          list: [1, , 3], date: new Date(5), map: new Map([[{ x: 1 }, new Set([1])]]), expression: /x/gi,
          error: new TypeError("boom", { cause: { y: 1 } }), bytes: new Uint8Array([1, 2, 3]).subarray(1), boxed: Object(5),
          nothing: undefined, big: 5n, get read() { return "once"; }, ["__proto__"]: 7, constructor: 8,
        };
        value.self = value;
        value.list.extra = "e";
        value.expression.lastIndex = 1;
        const copy = structuredClone(value);
        console.log(copy !== value, copy.self === copy, copy.list.length, 1 in copy.list, copy.list.extra, copy.date.getTime());
        const [[key, set]] = copy.map;
        console.log(key.x, set.has(1), String(copy.expression), copy.expression.lastIndex, copy.error instanceof TypeError, copy.error.message);
        console.log(copy.error.cause.y, copy.error.stack === value.error.stack, copy.bytes.join(), copy.bytes.buffer.byteLength);
        console.log(typeof copy.boxed, copy.boxed == 5, "nothing" in copy, copy.big, copy.read, Object.keys(copy).includes("__proto__"), copy.constructor);
        const shared = { a: 1 };
        const [first, second] = structuredClone([shared, shared]);
        console.log(first === second, Object.getPrototypeOf(structuredClone(new (class { x = 1; })())) === Object.prototype);
        const buffer = new ArrayBuffer(2);
        const views = structuredClone([new Uint8Array(buffer), new DataView(buffer)]);
        console.log(views[0].buffer === views[1].buffer, views[0].buffer !== buffer);
        const refused = [() => {}, Symbol("s"), new WeakMap(), Promise.resolve(), new Proxy({}, {}), [{ a() {} }]];
        console.log(refused.map((value) => { try { return structuredClone(value); } catch (error) { return typeof error; } }).join());
    "#;
    let ran = Scene::of_main(&[], source).run(&[]).completed();
    assert_eq!(
        ran.out,
        "true true 3 false e 5\n1 true /x/gi 0 true boom\n1 true 2,3 3\n\
         object true true 5n once true 8\ntrue true\ntrue true\nobject,object,object,object,object,object\n"
    );
}
