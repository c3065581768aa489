//! Which file each specifier means: spec/graph.md, "Resolution".

use crate::fixture::{Fixture, names, shape};
use secure_runtime_loaders::resolve::{ImportProblem, LockError, LockWarning};
use secure_runtime_loaders::{ContentHash, ModuleKind};

const MARKED: &[(&str, &str)] = &[
    (
        "main.js",
        "import { parse } from 'marked'; import './lib/a.js'; export default parse;",
    ),
    (
        "lib/a.js",
        "export * from '../lib/b.js'; import data from './d.json' with { type: 'json' };",
    ),
    ("lib/b.js", "export const b = 1; import './a.js';"),
    ("lib/d.json", "{}"),
    (
        "node_modules/marked/package.json",
        r#"{"name":"marked","version":"15.0.0","exports":{".":{"import":"./lib/m.js","require":"./lib/m.cjs"}}}"#,
    ),
    (
        "node_modules/marked/lib/m.js",
        "import x from './n.js'; import 'dep'; export const parse = x;",
    ),
    ("node_modules/marked/lib/n.js", "export default 1;"),
    (
        "node_modules/dep/package.json",
        r#"{"version":"1.0.0","type":"module","main":"main"}"#,
    ),
    ("node_modules/dep/main.js", "globalThis.x;"),
];

fn marked() -> Fixture {
    Fixture::new(MARKED).import("marked", "npm:marked@15.0.0")
}

#[test]
fn a_program_with_packages() {
    let mut fixture = marked();
    fixture.input().app_grants = vec!["fs write ./out/**".into(), "fs read ./data/**".into()];
    fixture.input().package_grants = [("marked".to_owned(), vec!["random".to_owned()])].into();
    fixture.input().module_grants = [("./lib/a.js".to_owned(), vec![])].into();
    let locked = fixture.lock().unwrap();
    let graph = &locked.graph;
    assert_eq!(
        names(&locked),
        [
            "app:/lib/a.js",
            "app:/lib/b.js",
            "app:/lib/d.json",
            "app:/main.js",
            "marked/lib/m.js",
            "marked/lib/n.js",
            "marked>dep/main.js",
        ]
    );
    let shape = shape(&locked);
    assert_eq!(shape["app:/main.js"]["marked"], "marked/lib/m.js");
    assert_eq!(shape["app:/lib/a.js"]["../lib/b.js"], "app:/lib/b.js");
    assert_eq!(shape["marked/lib/m.js"]["dep"], "marked>dep/main.js");
    assert_eq!(graph.module(graph.entry()).unwrap().name, "app:/main.js");
    let packages: Vec<_> = graph
        .packages()
        .iter()
        .map(|package| (package.name.as_str(), package.version.as_deref()))
        .collect();
    assert_eq!(
        packages,
        [
            ("", None),
            ("marked", Some("15.0.0")),
            ("marked>dep", Some("1.0.0"))
        ]
    );
    assert_eq!(
        graph.packages()[0].grants,
        ["fs read ./data/**", "fs write ./out/**"]
    );
    assert_eq!(graph.packages()[1].grants, ["random"]);
    assert!(graph.packages()[2].grants.is_empty());
    assert_eq!(graph.modules()[0].grants, Some(vec![]));
    assert_eq!(graph.modules()[1].grants, None);
    assert_eq!(graph.modules()[2].kind, ModuleKind::Json);
    for ((module, source), bytes) in graph.modules().iter().zip(&locked.sources).zip(&locked.bytes) {
        assert_eq!(std::fs::read(source).unwrap(), *bytes);
        assert_eq!(module.hash, ContentHash::of(bytes));
        assert_eq!(module.size, bytes.len() as u64);
    }
    assert_eq!(locked.warnings, []);
}

/// GRAPH-3: a graph depends on content alone.
#[test]
fn two_prefixes_and_two_orders_give_the_same_bytes() {
    let first = marked().lock().unwrap().graph;
    let reversed: Vec<_> = MARKED.iter().rev().copied().collect();
    let second = Fixture::new(&reversed)
        .import("marked", "npm:marked@15.0.0")
        .lock()
        .unwrap()
        .graph;
    assert_eq!(first.encode(), second.encode());
    assert_eq!(first.hash(), second.hash());
}
