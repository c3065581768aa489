//! Evaluation of transformed files: spec/graph.md, "Transformations".

use crate::support::{Scene, manifest};

/// Creates a program whose package `p` has these files.
fn scene(main: &str, files: &[(&str, &str)]) -> Scene {
    let start = Scene::new()
        .file("secure.toml", manifest(&[], "[imports]\np = \"npm:p\"\n"))
        .file("main.js", main)
        .file("node_modules/p/package.json", "{}");
    files.iter().fold(start, |scene, (path, content)| {
        scene.file(&format!("node_modules/p/{path}"), content)
    })
}

fn out(main: &str, files: &[(&str, &str)]) -> String {
    scene(main, files).run(&[]).completed().out
}

/// GRAPH-61: CommonJS has `this`, `module`, JSON, ECMAScript modules and capabilities, and nothing else of Node.js.
#[test]
fn names_that_common_js_finds() {
    let index = "
        exports.own = [this === exports, module.exports === exports, typeof global, global === globalThis];
        exports.json = require('./d.json').x;
        exports.esm = require('./e.mjs').default;
        exports.self = typeof require('cap:self').fs.readTextFile;
        exports.none = [typeof __dirname, typeof Buffer, typeof process, typeof require.resolve, typeof require.cache];
        exports.environment = process.env.NODE_ENV;
        for (const text of ['fs', './' + 'd.json', './none']) {
          try { exports.found = require(text).x } catch (error) { exports[text] = error.code + ' ' + error.message }
        }
        try { undeclared = 1 } catch (error) { exports.strict = error.name }
        try { require('fs'); } catch {}
        try { require('./none'); } catch {}";
    let files = [
        ("index.js", index),
        ("d.json", "{\"x\":7}"),
        ("e.mjs", "export default 8"),
    ];
    assert_eq!(
        out("import p from 'p'; console.log(JSON.stringify(p))", &files),
        "{\"own\":[true,true,\"object\",true],\"json\":7,\"esm\":8,\"self\":\"function\",\
         \"none\":[\"undefined\",\"undefined\",\"undefined\",\"undefined\",\"undefined\"],\
         \"environment\":\"production\",\"fs\":\"MODULE_NOT_FOUND Cannot find module 'fs'\",\"found\":7,\
         \"./none\":\"MODULE_NOT_FOUND Cannot find module './none'\",\"strict\":\"ReferenceError\"}\n"
    );
}

/// GRAPH-61: a file is evaluated once, when it is first required. In import cycles, `require` returns the exports so
/// far.
#[test]
fn order_and_import_cycles() {
    let files = [
        (
            "index.js",
            "log('index'); exports.early = 1; const b = require('./b'); log('b had ' + b.had); exports.late = 1; require('./b'); if (false) require('./never')",
        ),
        (
            "b.js",
            "log('b'); exports.had = Object.keys(require('./index')).join(); require('./c.mjs')",
        ),
        ("c.mjs", "log('c')"),
        ("never.js", "log('never')"),
    ];
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(path, source)| (*path, source.replace("log(", "console.log(")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, source)| (*path, source.as_str()))
        .collect();
    assert_eq!(
        out(
            "import p from 'p'; import { early, late } from 'p'; console.log(early, late, p.early)",
            &files
        ),
        "[p/c.mjs] c\n[p/index.js] index\n[p/b.js] b\n[p/index.js] b had early\n1 1 1\n"
    );
    // Two files that require each other, both of which are imported as well.
    let both = [
        (
            "index.js",
            "exports.a = 1; exports.b = require('./b').b; exports.again = () => require('./b').a",
        ),
        (
            "b.js",
            "const { a } = require('./index'); exports.b = 2; exports.a = a",
        ),
    ];
    assert_eq!(
        out(
            "import b from 'p/b.js'; import p from 'p'; console.log(p.a, p.b, p.again(), b.a)",
            &both
        ),
        "1 2 1 1\n"
    );
}

/// GRAPH-61: if the evaluation of a file throws an error, the next `require` evaluates it again.
#[test]
fn a_file_that_throws_is_evaluated_again() {
    let files = [
        (
            "index.js",
            "for (let n = 0; n < 3; n++) { try { exports.n = require('./b').n } catch (e) { exports['e' + n] = e.message } }",
        ),
        (
            "b.js",
            "const c = require('./c'); exports.n = ++c.n; if (c.n < 3) throw new Error('at ' + c.n)",
        ),
        ("c.js", "exports.n = 0"),
    ];
    assert_eq!(
        out("import p from 'p'; console.log(JSON.stringify(p))", &files),
        "{\"e0\":\"at 1\",\"e1\":\"at 2\",\"n\":3}\n"
    );
}

/// GRAPH-62: `default` is the whole value. Names have their values at the end of evaluation, and missing ones are
/// undefined.
#[test]
fn imports_of_common_js() {
    let files = [
        (
            "index.js",
            "module.exports = make; function make() { return 5 } make.a = 1; if (0) module.exports.b = 2; make.c = 0; make.c = 3; module.exports.c = 4; module.exports.a",
        ),
        ("null.js", "module.exports = null; if (0) exports.x = 1"),
    ];
    let main = "import p, { b, c } from 'p'; import * as all from 'p'; import none, { x } from 'p/null';
        console.log(p(), p.a, b, c, all.default === p, none, x)";
    assert_eq!(out(main, &files), "5 1 undefined 4 true null undefined\n");
}

/// GRAPH-61: errors in CommonJS have the line numbers of the source file.
#[test]
fn errors_have_the_lines_of_the_source() {
    let files = [("index.js", "exports.f = () => {\n\n  throw new Error('x')\n}")];
    let printed = out(
        "import { f } from 'p'; try { f() } catch (e) { console.log(e.stack) }",
        &files,
    );
    assert!(printed.contains("p/index.js:3:9"), "{printed}");
}

/// GRAPH-61: a CommonJS entry is evaluated, and its function is called like that of any entry.
#[test]
fn an_entry_of_common_js() {
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(&["clock=1ms"], "").replace("main.js", "main.cjs"),
        )
        .file(
            "main.cjs",
            "module.exports = (args) => console.log(args.length, Date.now() > 0)",
        );
    assert_eq!(scene.run(&["a", "b"]).completed().out, "2 true\n");
}

/// GRAPH-38: text and bytes can be imported, only with the matching attribute.
#[test]
fn text_and_bytes() {
    let program = |main: &str| {
        let scene = Scene::of_main(&[], main);
        scene
            .file("a.txt", "\u{feff}größe")
            .file("b.bin", [0xff_u8, 0, 7])
    };
    let main = "import text from './a.txt' with { type: 'text' }; import bytes from './b.bin' with { type: 'bytes' };
        console.log(text, text.length, bytes instanceof Uint8Array, [...bytes].join());
        const again = await import('./b.bin', { with: { type: 'bytes' } });
        console.log(again.default === bytes);
        try { await import('./a.' + 'txt') } catch (error) { console.log(error.message.includes('type: \"text\"')) }
        if (false) await import('./a.txt', { with: { type: 'text' } });";
    assert_eq!(
        program(main).run(&[]).completed().out,
        "größe 5 true 255,0,7\ntrue\ntrue\n"
    );
}

/// GRAPH-39, GRAPH-61: a missing optional module is an empty object, a new one for each `require`.
#[test]
fn missing_optional_modules_are_new_empty_objects() {
    let files = [
        ("package.json", r#"{"browser":{"fs":false}}"#),
        (
            "index.js",
            "const a = require('fs'); a.x = 1; exports.x = [typeof a, Object.keys(require('fs')).length]",
        ),
    ];
    assert_eq!(
        out("import p from 'p'; console.log(p.x.join())", &files),
        "object,0\n"
    );
}

/// RUN-9: packages find the global object under its names in Node.js and browsers.
#[test]
fn names_of_the_global_object() {
    let files = [
        (
            "index.js",
            "exports.same = [global === globalThis, self === globalThis, typeof window]",
        ),
        (
            "m.mjs",
            "export const same = [global === globalThis, self === globalThis]",
        ),
    ];
    let main = "import p from 'p'; import { same } from 'p/m.mjs';
        console.log(p.same.join(), same.join(), typeof global, typeof self)";
    assert_eq!(
        out(main, &files),
        "true,true,undefined true,true undefined undefined\n"
    );
}

/// RUN-9: each package has its own global object, which defines the free names of its modules.
#[test]
fn global_objects_of_packages() {
    let index = "
        globalThis.mine = 1; self.setTimeout = 2;
        const same = globalThis === global && global === self && globalThis.Math === Math && globalThis.Date === Date;
        const kept = [globalThis.mine, setTimeout === 2, typeof globalThis.Array, Object.keys(globalThis).join()];
        const frozen = [Object.isFrozen(globalThis.Array), Object.isFrozen(globalThis.Array.prototype)];
        let denied; try { globalThis.Date.now() } catch (error) { denied = error.name }
        exports.found = [same, ...kept, ...frozen, denied, typeof Deno, 'process' in globalThis].join(' ');
        exports.other = require('./other').found";
    let files = [
        ("index.js", index),
        (
            "other.js",
            "exports.found = [typeof globalThis.mine, globalThis.setTimeout === setTimeout].join()",
        ),
    ];
    let main = "import p from 'p'; console.log(p.found); console.log(p.other);
        console.log(typeof globalThis.mine, typeof global, Object.isFrozen(globalThis), globalThis.setTimeout === setTimeout)";
    assert_eq!(
        out(main, &files),
        "true 1 false function mine true true CapabilityError undefined false\nnumber,false\nundefined undefined true true\n"
    );
}

/// GRAPH-63: packages see the constant values that they were built for.
#[test]
fn packages_see_built_in_constants() {
    let files = [(
        "index.js",
        "export const mode = process.env.NODE_ENV; export const kind = typeof process",
    )];
    assert_eq!(
        out("import { mode, kind } from 'p'; console.log(mode, kind)", &files),
        "production undefined\n"
    );
}
