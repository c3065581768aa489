//! Packages for Node.js or bundlers, and the features that they need.

use std::sync::{Arc, Mutex};

use secure_runtime::{Exit, OpenOptions, Program, Runtime};
use secure_runtime_loaders::Graph;

use crate::support::{Scene, manifest};

/// Creates a program with a `node_modules` folder with these files.
fn scene(imports: &str, main: &str, files: &[(&str, &str)]) -> Scene {
    let start = Scene::new()
        .file("secure.toml", manifest(&[], &format!("[imports]\n{imports}")))
        .file("main.js", main);
    files.iter().fold(start, |scene, (path, content)| {
        scene.file(&format!("node_modules/{path}"), content)
    })
}

fn out(main: &str, files: &[(&str, &str)]) -> String {
    scene("p = \"npm:p\"\n", main, files).run(&[]).completed().out
}

/// GRAPH-74: `require` of an ECMAScript module returns the same value as in Node.js.
#[test]
fn require_of_an_ecmascript_module() {
    let index = "
        'use strict';
        Object.defineProperty(exports, '__esModule', { value: true });
        const interop = (found) => found && found.__esModule ? found : { default: found };
        const whole = require('./default.mjs'), named = require('./named.mjs'), replaced = require('./replaced.mjs');
        const marked = require('./marked.mjs'), loop = require('./loop.mjs');
        exports.out = [
          interop(whole).default(2), whole.named, Object.keys(whole).sort().join(), whole === require('./default.mjs'),
          Object.prototype.toString.call(whole), interop(named).default === named, named.__esModule, replaced, marked.__esModule, marked.default,
          loop.late(), loop.__esModule,
        ].join(' ');
        try { whole.named = 3 } catch (error) { exports.fixed = error.name }
        whole.count(); exports.live = whole.counted;
        ";
    let files = [
        ("p/package.json", "{}"),
        ("p/index.js", index),
        (
            "p/default.mjs",
            "export default function twice(x) { return x * 2 } export const named = 1;
             export let counted = 0; export const count = () => { counted++ }",
        ),
        ("p/named.mjs", "export const a = 1"),
        (
            "p/replaced.mjs",
            "const whole = 'whole'; export { whole as 'module.exports' }; export default 1",
        ),
        (
            "p/marked.mjs",
            "export const __esModule = 'own'; export default 2",
        ),
        // It imports the module that requires it.
        (
            "p/loop.mjs",
            "import p from './index.js'; export default 1; export const late = () => typeof p",
        ),
    ];
    let main = "import p from 'p'; console.log(p.out); console.log(p.fixed, p.live)";
    assert_eq!(
        out(main, &files),
        "4 1 __esModule,count,counted,default,named true [object Module] true  whole own 2 undefined true\n\
         TypeError 1\n"
    );
}

/// GRAPH-72: a name that only importers mention has the value of the module's property after evaluation.
#[test]
fn names_that_only_importers_know() {
    let files = [
        ("p/package.json", r#"{"type":"module","main":"i.js","dependencies":{"events":"*"}}"#),
        (
            "p/i.js",
            "import { EventEmitter, once } from 'events'; import * as all from 'events';
             export default [typeof EventEmitter, typeof once, typeof all.off, 'gone' in all, Object.keys(all).join()].join(' ')",
        ),
        ("events/package.json", r#"{"main":"events.js"}"#),
        (
            "events/events.js",
            "function EventEmitter() {} module.exports = EventEmitter; module.exports.once = function () {};
             EventEmitter.EventEmitter = EventEmitter; for (const name of ['on', 'off']) EventEmitter[name] = () => {}",
        ),
    ];
    assert_eq!(
        out("import p from 'p'; console.log(p)", &files),
        "function function function false EventEmitter,default,off,once\n"
    );
}

/// GRAPH-61, GRAPH-62, GRAPH-73: a namespace contains exactly the names of the module, and names of any form can be
/// imported.
#[test]
fn namespaces_have_the_names_of_the_module() {
    let files = [
        ("p/package.json", "{}"),
        (
            "p/index.js",
            "exports['a-b'] = 1; exports.isA = () => 'A'; exports.größe = 2; require('./other')",
        ),
        ("p/other.js", "exports.o = 1"),
        (
            "p/asks.js",
            "exports.found = require('./index').isA() + require('./other').o",
        ),
    ];
    let main = "import * as all from 'p'; import { 'a-b' as ab, größe, 'module.exports' as whole } from 'p'; import asks from 'p/asks.js';
        import * as other from 'p/other.js';
        console.log(Object.keys(all).join(), ab, größe, whole === all.default, asks.found, Object.keys(other).join())";
    assert_eq!(
        out(main, &files),
        "a-b,default,größe,isA,module.exports 1 2 true A1 default,o\n"
    );
}

/// GRAPH-61: in import cycles of CommonJS, some of which is imported, `require` returns the exports so far.
#[test]
fn import_cycles_through_imported_files() {
    let files = [
        ("p/package.json", "{}"),
        (
            "p/a.js",
            "exports.early = 1; exports.b = require('./b').saw; exports.c = require('./c').name",
        ),
        (
            "p/b.js",
            "exports.saw = Object.keys(require('./a')).join(); exports.c = require('./c').name",
        ),
        ("p/c.js", "exports.name = 'c'"),
    ];
    for (order, saw) in [
        (["a", "b", "c"], "undefined"),
        (["c", "b", "a"], "early"),
        (["b", "a", "c"], "early"),
    ] {
        let imports: String = order
            .iter()
            .map(|name| format!("import {name} from 'p/{name}.js';"))
            .collect();
        let main = format!("{imports} console.log(String(a.b), a.c, b.c, c.name)");
        assert_eq!(out(&main, &files), format!("{saw} c c c\n"), "{order:?}");
    }
}

/// GRAPH-75: a missing optional module is an empty object with undefined names, separate for each package.
#[test]
fn missing_optional_modules_are_empty() {
    let files = [
        ("p/package.json", r#"{"type":"module","main":"./i.js","browser":{"crypto":false,"./node.js":false}}"#),
        (
            "p/i.js",
            "import c, { randomBytes } from 'crypto'; import * as all from 'crypto'; import n from './node.js'; import old from './old.cjs';
             c.mine = 1; export default [typeof c, Object.keys(c).join(), typeof randomBytes, typeof all.default, typeof n, n === c, old].join(' ')",
        ),
        ("p/node.js", "import 'fs'"),
        ("p/old.cjs", "module.exports = Object.keys(require('crypto')).length"),
    ];
    assert_eq!(
        out("import p from 'p'; console.log(p)", &files),
        "object mine undefined object object false 0\n"
    );
}

/// GRAPH-77, GRAPH-78: JSON that is imported without an attribute has the same value, and has the property names as
/// exports.
#[test]
fn json_without_an_attribute() {
    let files = [
        ("p/package.json", r#"{"type":"module","main":"./i.js","version":"1.2.3"}"#),
        (
            "p/i.js",
            "import data, { a, 'b c' as b } from './d.json'; import same from './d.json' with { type: 'json' };
             import { version } from './package.json'; import list from './list.json'; import old from './old.cjs';
             const later = await import('./d.json');
             export default [a, b, data === same, later.a, old === data, version, list.length].join(' ')",
        ),
        ("p/d.json", "\u{feff}{\"a\":1,\"b c\":2,\"default\":3}"),
        ("p/list.json", "[1, 2]"),
        ("p/old.cjs", "module.exports = require('./d.json')"),
    ];
    assert_eq!(
        out("import p from 'p'; console.log(p)", &files),
        "1 2 true 1 true 1.2.3 2\n"
    );
}

/// GRAPH-39, GRAPH-76: the field `browser`, and files that need a DOM.
#[test]
fn files_for_browsers() {
    let files = [
        (
            "p/package.json",
            r#"{"type":"module","exports":{"browser":"./browser/index.js","default":"./plain.js"},"browser":{"./dist/index.js":"./browser/index.js"}}"#,
        ),
        ("p/plain.js", "export const parse = () => 'plain'"),
        ("p/dist/index.js", "export const parse = () => 'node'"),
        ("p/browser/dist/index.js", "export const parse = () => 'parsed'"),
        (
            "p/browser/index.js",
            "import * as all from './dist/index.js'; export default all; export * from './dist/index.js'",
        ),
    ];
    let main = "import { parse } from 'p'; console.log(parse())";
    assert_eq!(out(main, &files), "parsed\n");
    let mut files = files;
    files[3].1 = "const e = document.createElement('i'); export const parse = () => e.tagName";
    assert_eq!(out(main, &files), "plain\n");
}

/// RUN-9: the modules of a package share a global object, which no other package sees.
#[test]
fn one_global_object_for_a_package() {
    let files = [
        ("p/package.json", r#"{"type":"module","main":"./w.js"}"#),
        (
            "p/w.js",
            "import './i.js'; import './old.cjs'; import q from 'q';
             export default [globalThis[Symbol.for('p')], self.old, globalThis.mine, q, typeof globalThis.Date].join()",
        ),
        (
            "p/i.js",
            "Object.defineProperty(globalThis, Symbol.for('p'), { value: 'shared' }); globalThis.mine = 'p'",
        ),
        ("p/old.cjs", "global.old = 'old'"),
        ("q/package.json", "{}"),
        ("q/index.js", "module.exports = typeof globalThis.mine + typeof globalThis[Symbol.for('p')]; globalThis.mine = 'q'"),
    ];
    assert_eq!(
        out(
            "import p from 'p'; console.log(p, typeof globalThis.mine)",
            &files
        ),
        "shared,old,p,undefinedundefined,function undefined\n"
    );
}

/// RUN-9, RUN-93, A130: modules of a package with different rights do not share a global object. So a module never uses
/// its rights with values that a module with other rights put there. Modules of other packages do not share it either.
#[test]
fn modules_with_different_rights_share_no_global_object() {
    let scene = scene(
        "p = \"npm:p\"\n",
        "import p from 'p'; console.log(p)",
        &[
            ("p/package.json", r#"{"type":"module","main":"./i.js"}"#),
            (
                "p/i.js",
                "import './evil.js'; import './same.js'; export default [typeof globalThis.evil, globalThis.Math.max(1, 2), typeof globalThis.same].join()",
            ),
            (
                "p/evil.js",
                "globalThis.evil = 1; globalThis.Math = { max: () => 'evil' }; globalThis.same = 1",
            ),
            ("p/same.js", "globalThis.same = 1"),
        ],
    );
    let run = |grants: Option<Vec<String>>| {
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(async {
            let program = Program::open(scene.base(), &OpenOptions::default())
                .await
                .unwrap();
            let graph = program.graph();
            let mut modules = graph.modules().to_vec();
            for module in &mut modules {
                if module.name == "p/evil.js" {
                    module.grants.clone_from(&grants);
                }
            }
            let graph = Graph::new(graph.entry(), graph.packages().to_vec(), modules).unwrap();
            let printed = Arc::new(Mutex::new(String::new()));
            let lines = printed.clone();
            let runtime = Runtime::builder()
                .base(program.base())
                .shared_store(program.store())
                .console(move |line| lines.lock().unwrap().push_str(line.text))
                .build()
                .unwrap();
            let outcome = runtime.run(&graph, &[]).await.unwrap();
            assert!(matches!(outcome.exit, Exit::Completed), "{:?}", outcome.exit);
            let printed = printed.lock().unwrap();
            printed.clone()
        })
    };
    assert_eq!(run(None), "number,evil,number\n");
    assert_eq!(run(Some(Vec::new())), "undefined,2,number\n");
}
