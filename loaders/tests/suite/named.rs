//! The names that CommonJS exports: spec/graph.md, GRAPH-72 and GRAPH-73.

use std::collections::BTreeMap;

use secure_runtime_loaders::Locked;
use secure_runtime_loaders::resolve::LockWarning;

use crate::fixture::Fixture;

/// Locks a program with these files in node_modules.
fn locked(main: &str, files: &[(&str, &str)]) -> Locked {
    let fixture = Fixture::new(&[("main.js", main)])
        .import("p", "npm:p")
        .import("q", "npm:q");
    fixture.write("node_modules/p/package.json", "{}");
    fixture.write("node_modules/q/package.json", "{}");
    for (path, content) in files {
        fixture.write(&format!("node_modules/{path}"), content);
    }
    fixture.lock().unwrap()
}

fn exports(locked: &Locked) -> BTreeMap<String, Vec<String>> {
    let modules = locked.graph.modules().iter();
    modules
        .filter_map(|module| Some((module.name.clone(), module.origin.as_ref()?.exports.clone())))
        .collect()
}

const EMITTER: &str =
    "function EventEmitter() {} module.exports = EventEmitter; EventEmitter.EventEmitter = EventEmitter;
    ['on', 'off'].forEach((name) => { module.exports[name] = 1 }); module.exports.once = 2";

/// GRAPH-72: names that are imported are exported, even if the text does not show them.
#[test]
fn imported_names_are_exported() {
    let table: &[(&str, &[&str])] = &[
        ("import p from 'p'", &["once"]),
        ("import { EventEmitter } from 'p'", &["EventEmitter", "once"]),
        (
            "import { EventEmitter as E, 'on' as f } from 'p'",
            &["EventEmitter", "on", "once"],
        ),
        ("export { off } from 'p'", &["off", "once"]),
        ("import { on } from 'p'; export { on }", &["on", "once"]),
        ("import { default as p } from 'p'", &["once"]),
        (
            "import * as all from 'p'; all.EventEmitter; all['on']; const { off, ...rest } = all",
            &["EventEmitter", "off", "on", "once"],
        ),
        // A name that occurs in no text is not searched for.
        (
            "import * as all from 'p'; all.nothing; (all) => all.EventEmitter",
            &["once"],
        ),
        ("import('p')", &["once"]),
        (
            "import { 'module.exports' as whole } from 'p'",
            &["module.exports", "once"],
        ),
    ];
    for (main, expected) in table {
        let locked = locked(main, &[("p/index.js", EMITTER), ("q/index.js", "")]);
        assert_eq!(exports(&locked)["p/index.js"], *expected, "{main}");
    }
}

/// GRAPH-72: this works through `export *` too, but two modules never provide the same name.
#[test]
fn names_through_whole_exports() {
    let all = "export * from 'p'; export * from 'q'; export * from './own.js'; export const mine = 1";
    let files = [
        ("r/index.js", all),
        ("r/own.js", "export const on = 1"),
        ("p/index.js", EMITTER),
        ("q/index.js", "module.exports = f; f.off = 1; f.only = 1"),
    ];
    for (names, of_p, of_q) in [
        ("EventEmitter, mine, on", vec!["EventEmitter", "once"], vec![]),
        ("off, only", vec!["off", "once"], vec!["only"]),
        ("once", vec!["once"], vec![]),
    ] {
        let fixture =
            Fixture::new(&[("main.js", &format!("import {{ {names} }} from 'r'"))]).import("r", "npm:r");
        fixture.write("node_modules/r/package.json", r#"{"type":"module"}"#);
        for (path, content) in files {
            fixture.write(&format!("node_modules/{path}"), content);
        }
        let found = exports(&fixture.lock().unwrap());
        assert_eq!(found["r>p/index.js"], of_p, "{names}");
        assert_eq!(found["r>q/index.js"], of_q, "{names}");
    }
}

/// GRAPH-72: a name that occurs nowhere in the text causes a warning.
#[test]
fn a_name_that_no_text_has_is_a_warning() {
    let files = [
        ("p/index.js", "module.exports = require('./lib')"),
        (
            "p/lib/index.js",
            "const f = module.exports = () => 1; f.deep = require('./d.json')",
        ),
        ("p/lib/d.json", "{\"inJson\":1}"),
        ("q/index.js", ""),
    ];
    let locked = locked("import { deep, inJson, emiter } from 'p'", &files);
    assert_eq!(
        locked.warnings[..1],
        [LockWarning::UnknownName {
            file: "main.js".into(),
            specifier: "p".into(),
            name: "emiter".into()
        }]
    );
    assert_eq!(exports(&locked)["p/index.js"], ["deep", "emiter", "inJson"]);
}

/// GRAPH-73: any text can be a name. Generated names are not among the exports, except if a CommonJS module that is
/// part of a cycle requires the file.
#[test]
fn names_of_any_form() {
    let files = [
        (
            "p/index.js",
            "exports['a-b'] = exports.größe = exports['c d'] = 1; exports['\\ud800'] = 2; exports['require()'] = 3",
        ),
        ("q/index.js", "require('p')"),
    ];
    let found = locked("import 'p'; import 'q'", &files);
    assert_eq!(exports(&found)["p/index.js"], ["a-b", "c d", "größe"]);
    let text = |locked: &Locked, name: &str| {
        let at = locked
            .graph
            .modules()
            .iter()
            .position(|module| module.name == name);
        String::from_utf8(locked.bytes[at.unwrap()].to_vec()).unwrap()
    };
    assert!(!text(&found, "p/index.js").contains("as\"require()\""));
    assert!(text(&found, "p/index.js").contains("export{$cjs_e0 as \"a-b\"}"));
    let files = [
        ("p/index.js", "exports.early = 1; require('./a')"),
        ("p/a.js", "exports.early = require('./index').early"),
        ("q/index.js", ""),
    ];
    let found = locked("import 'p'", &files);
    assert_eq!(exports(&found)["p/index.js"], ["early", "require()"]);
}
