//! The file that each specifier resolves to: spec/graph.md, "Resolution".

use crate::fixture::{Fixture, names, shape};
use secure_runtime_loaders::resolve::{LockError, LockWarning};
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

pub(crate) fn marked() -> Fixture {
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

/// Only packages may try imports that may fail.
#[test]
fn optional_imports_of_packages() {
    let fixture = marked();
    fixture.write(
        "node_modules/marked/lib/m.js",
        "export const parse = 1;\ntry { await import('node:fs'); await import(parse); } catch {}",
    );
    let locked = fixture.lock().unwrap();
    assert_eq!(
        names(&locked),
        [
            "app:/lib/a.js",
            "app:/lib/b.js",
            "app:/lib/d.json",
            "app:/main.js",
            "marked/lib/m.js"
        ]
    );
    let warnings: Vec<String> = locked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2);
    assert!(
        locked
            .warnings
            .iter()
            .any(|warning| matches!(warning, LockWarning::ComputedImport { place }
        if place.line == 2 && place.file == "node_modules/marked/lib/m.js"))
    );
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("import(\"node:fs\") will fail if it runs"))
    );
}

/// GRAPH-40: names of packages. Two packages with the same name are not the same package.
#[test]
fn transitive_packages_have_names_of_their_own() {
    let files = [
        ("main.js", "import 'a'; import 'b'; import 'left';"),
        ("node_modules/a/index.mjs", ""),
        ("node_modules/a/package.json", r#"{"main":"index.mjs"}"#),
        ("node_modules/a/index.mjs", "import 'left'; import 'shared';"),
        (
            "node_modules/a/node_modules/left/package.json",
            r#"{"type":"module","version":"2.0.0"}"#,
        ),
        (
            "node_modules/a/node_modules/left/index.js",
            "import 'shared'; import 'deep'",
        ),
        ("node_modules/b/package.json", r#"{"type":"module"}"#),
        ("node_modules/b/index.js", "import 'left'; import 'shared';"),
        (
            "node_modules/left/package.json",
            r#"{"type":"module","version":"1.0.0"}"#,
        ),
        ("node_modules/left/index.js", "1"),
        ("node_modules/shared/package.json", r#"{"type":"module"}"#),
        ("node_modules/shared/index.js", "1"),
        ("node_modules/deep/package.json", r#"{"type":"module"}"#),
        ("node_modules/deep/index.js", "1"),
    ];
    let mut fixture = Fixture::new(&files)
        .import("a", "npm:a")
        .import("b", "npm:b")
        .import("left", "npm:left@1.0.0");
    fixture.input().package_grants = [("left".to_owned(), vec!["random".to_owned()])].into();
    let locked = fixture.lock().unwrap();
    let shape = shape(&locked);
    assert_eq!(shape["a/index.mjs"]["left"], "a>left/index.js");
    assert_eq!(shape["b/index.js"]["left"], "left/index.js");
    assert_eq!(shape["a/index.mjs"]["shared"], "a>shared/index.js");
    assert_eq!(shape["b/index.js"]["shared"], "a>shared/index.js");
    assert_eq!(shape["a>left/index.js"]["deep"], "a>left>deep/index.js");
    let grants: Vec<_> = locked
        .graph
        .packages()
        .iter()
        .filter(|package| !package.grants.is_empty())
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(grants, ["left"]);
    // Grants for a transitive package are given by its own name.
    fixture.input().package_grants = [("a>left".to_owned(), vec!["random".to_owned()])].into();
    assert_eq!(fixture.lock().unwrap().graph.packages()[2].name, "a>left");
    fixture.input().package_grants = [("deep".to_owned(), vec![])].into();
    let error = fixture.lock().unwrap_err();
    assert!(
        matches!(&error, LockError::UnknownPackage { known, .. } if known.contains(&"a>left>deep".to_owned()))
    );
}

/// pnpm's layout: node_modules contains links into another folder.
#[test]
fn pnpm_layout() {
    let store = "node_modules/.pnpm";
    let fixture = marked();
    std::fs::remove_dir_all(fixture.path("node_modules")).unwrap();
    for (path, content) in MARKED {
        for (name, version) in [("marked", "15.0.0"), ("dep", "1.0.0")] {
            if let Some(rest) = path.strip_prefix(&format!("node_modules/{name}/")) {
                fixture.write(
                    &format!("{store}/{name}@{version}/node_modules/{name}/{rest}"),
                    content,
                );
            }
        }
    }
    fixture.link("node_modules/marked", ".pnpm/marked@15.0.0/node_modules/marked");
    fixture.link(
        &format!("{store}/marked@15.0.0/node_modules/dep"),
        "../../dep@1.0.0/node_modules/dep",
    );
    assert_eq!(
        fixture.lock().unwrap().graph.encode(),
        marked().lock().unwrap().graph.encode()
    );
}

#[test]
fn unused_packages_are_a_warning() {
    let mut fixture = marked();
    fixture.write("main.js", "1");
    fixture.input().package_grants = [("marked".to_owned(), vec!["random".to_owned()])].into();
    let locked = fixture.lock().unwrap();
    assert_eq!(
        locked.warnings,
        [LockWarning::UnusedPackage {
            name: "marked".into()
        }]
    );
    assert_eq!(locked.graph.packages().len(), 1);
}

/// Attack 61: cycles and self-imports are accepted.
#[test]
fn cycles() {
    let fixture = Fixture::new(&[
        ("main.js", "import './main.js'; import './a.js'"),
        ("a.js", "import './b.js'"),
        ("b.js", "import './a.js'; import './main.js'"),
    ]);
    assert_eq!(
        names(&fixture.lock().unwrap()),
        ["app:/a.js", "app:/b.js", "app:/main.js"]
    );
}

/// `cap:` belongs to the host and does not appear in the graph.
#[test]
fn host_specifiers_are_left_alone() {
    let fixture = Fixture::new(&[("main.js", "import { fs } from 'cap:self'; import 'cap:other';")]);
    let locked = fixture.lock().unwrap();
    assert!(locked.graph.modules()[0].imports.is_empty());
}
