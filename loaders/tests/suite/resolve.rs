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

/// The problem of the one import that cannot be resolved.
fn problem(fixture: &Fixture) -> ImportProblem {
    match fixture.lock() {
        Err(
            LockError::Import { problem, .. }
            | LockError::Entry { problem, .. }
            | LockError::ImportMap { problem, .. },
        ) => *problem,
        other => panic!("{other:?}"),
    }
}

/// A short name for a problem.
fn kind(problem: &ImportProblem) -> String {
    let text = format!("{problem:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// GRAPH-31, GRAPH-33, attacks 60 and A73: what first-party modules cannot import.
#[test]
fn first_party_imports_that_are_refused() {
    let table = [
        ("import 'node:fs'", "Scheme"),
        ("import 'fs'", "Scheme"),
        ("import 'left-pad'", "NotListed"),
        ("import 'https://example.com/a.js'", "Scheme"),
        ("import 'data:text/javascript,1'", "Scheme"),
        ("import 'blob:null/x'", "Scheme"),
        ("import 'file:///etc/passwd'", "Scheme"),
        ("import 'ext:core/mod.js'", "Scheme"),
        ("import 'npm:marked'", "Scheme"),
        ("import '/etc/passwd'", "Absolute"),
        ("import '../outside.js'", "LeavesPackage"),
        ("import './%2e%2e/outside.js'", "LeavesPackage"),
        ("import './lib%2fa.js'", "Encoding"),
        ("import './lib/../../outside.js'", "LeavesPackage"),
        ("import './none.js'", "NotFound"),
        ("import './lib/a'", "NotFound"),
        ("import './lib'", "Extension"),
        ("import './lib/'", "Folder"),
        ("import './lib/a.js?x=1'", "QueryOrFragment"),
        ("import './lib/a.js#x'", "QueryOrFragment"),
        ("import './lib/d.json'", "JsonNeedsAttribute"),
        ("import './lib/a.js' with { type: 'json' }", "NotJson"),
        ("import './style.css' with { type: 'css' }", "Attribute"),
        ("import './style.css'", "Extension"),
        ("import './native.node'", "Extension"),
        ("import './types.ts'", "Extension"),
        ("import './old.cjs'", "CommonJs"),
        ("import './node_modules/marked/lib/m.js'", "NodeModules"),
        ("import './vendor/x/index.js'", "OtherPackage"),
        ("import '#none'", "NotInternal"),
        ("import 'marked/lib/m.js'", "NotExported"),
        ("import 'dep'", "NotListed"),
        ("import './broken.js'", "Syntax"),
        ("import './binary.js'", "NotText"),
        ("import './odd%20%3f.js'", "Encoding"),
        ("import ''", "Empty"),
        ("await import('node:fs')", "Scheme"),
        ("await import('./none.js')", "NotFound"),
        ("export * from 'node:fs'", "Scheme"),
        ("import defer * as a from './lib/a.js'", "Phase"),
    ];
    for (source, expected) in table {
        let fixture = marked().import("x", "./vendor/x/");
        for (path, content) in [
            ("main.js", source),
            ("vendor/x/index.js", "export default 1"),
            ("../outside.js", "export default 1"),
            ("style.css", ""),
            ("native.node", ""),
            ("types.ts", ""),
            ("old.cjs", ""),
            ("broken.js", "let a = = 1;"),
        ] {
            fixture.write(path, content);
        }
        std::fs::write(fixture.path("binary.js"), [b'/', b'/', 0xff]).unwrap();
        assert_eq!(kind(&problem(&fixture)), expected, "{source}");
    }
}

/// Attack 75 and the like: symbolic links cannot bring in files from outside.
#[test]
fn links_that_lead_outside_are_refused() {
    let fixture = marked();
    fixture.write("../outside/secret.js", "export default 1");
    fixture.link("link.js", "../outside/secret.js");
    fixture.link("folder", "../outside");
    fixture.link("absolute.js", fixture.outside().join("outside/secret.js"));
    fixture.link("inside.js", "lib/b.js");
    fixture.link("loop.js", "loop.js");
    fixture.link("dangling.js", "none.js");
    for (source, expected) in [
        ("import './link.js'", "SymbolicLink"),
        ("import './folder/secret.js'", "SymbolicLink"),
        ("import './absolute.js'", "SymbolicLink"),
        ("import './loop.js'", "File"),
        ("import './dangling.js'", "NotFound"),
    ] {
        fixture.write("main.js", source);
        assert_eq!(kind(&problem(&fixture)), expected, "{source}");
    }
    // A link inside is the file that it leads to, not a second module.
    fixture.write("main.js", "import './inside.js'; import './lib/b.js';");
    let locked = fixture.lock().unwrap();
    let shape = shape(&locked);
    assert_eq!(shape["app:/main.js"]["./inside.js"], "app:/lib/b.js");
    assert_eq!(shape["app:/main.js"]["./lib/b.js"], "app:/lib/b.js");
}

#[test]
fn special_files_are_refused() {
    let fixture = marked();
    fixture.write("main.js", "import './pipe.js'");
    std::process::Command::new("mkfifo")
        .arg(fixture.path("pipe.js"))
        .status()
        .unwrap();
    assert_eq!(kind(&problem(&fixture)), "File");
    fixture.write("main.js", "import './folder.js'");
    std::fs::create_dir(fixture.path("folder.js")).unwrap();
    assert_eq!(kind(&problem(&fixture)), "File");
}

/// GRAPH-35: what packages cannot import, and from where they get their dependencies.
#[test]
fn package_imports_that_are_refused() {
    let table = [
        ("import 'node:fs'", "Scheme"),
        ("import 'fs'", "Scheme"),
        ("import '../../../main.js'", "LeavesPackage"),
        ("import '../../dep/main.js'", "LeavesPackage"),
        ("import './node_modules/own/index.js'", "NodeModules"),
        ("import '../link.js'", "SymbolicLink"),
        ("import '#app'", "NotInternal"),
        ("import 'none'", "NotInstalled"),
        ("import 'commonjs'", "CommonJs"),
        ("import 'empty'", "NoEntry"),
        ("import 'broken'", "PackageJson"),
        ("import 'linked'", "SymbolicLink"),
        ("import 'climber'", "LeavesPackage"),
    ];
    for (source, expected) in table {
        let fixture = marked();
        fixture.write("node_modules/marked/lib/m.js", source);
        fixture.write(
            "node_modules/marked/lib/node_modules/own/index.js",
            "export default 1",
        );
        fixture.link("node_modules/marked/link.js", "../../main.js");
        fixture.write("node_modules/commonjs/index.js", "module.exports = require('fs')");
        fixture.write("node_modules/empty/package.json", "{}");
        fixture.write("node_modules/broken/package.json", "{");
        fixture.write(
            "node_modules/climber/package.json",
            r#"{"main":"../../main.js","type":"module"}"#,
        );
        fixture.write("../elsewhere/index.js", "export default 1");
        fixture.link("node_modules/linked", "../../elsewhere");
        assert_eq!(kind(&problem(&fixture)), expected, "{source}");
    }
    // A package above the project is not found.
    let fixture = marked();
    fixture.write("../node_modules/above/index.js", "export default 1");
    fixture.write("node_modules/marked/lib/m.js", "import 'above'");
    assert_eq!(kind(&problem(&fixture)), "NotInstalled");
}

/// What only packages may do: try an import that may fail.
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

/// GRAPH-40: names of packages; the same name twice is not the same package.
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

/// pnpm's layout: node_modules has links into a folder of its own.
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

/// Packages in the project itself: folders and single files.
#[test]
fn vendored_packages() {
    let files = [
        (
            "main.js",
            "import 'table'; import 'table/extra'; import one from 'one'; import '#lib/a.js'; import 'dep';",
        ),
        ("lib/a.js", "import '#one'"),
        ("lib/one.js", "1"),
        (
            "vendor/table/package.json",
            r##"{"name":"table","exports":{".":"./src/t.js","./extra":"./src/e.js"},"imports":{"#x":"./src/x.js","#dep":"dep"}}"##,
        ),
        (
            "vendor/table/src/t.js",
            "import './e.js'; import '#x'; import 'table/extra'; export {}",
        ),
        (
            "vendor/table/src/e.js",
            "export default 1; import 'dep'; import '#dep'",
        ),
        ("vendor/table/src/x.js", "export default 1"),
        ("vendor/one.js", "import 'dep'; export default 1"),
        ("node_modules/dep/package.json", r#"{"type":"module"}"#),
        ("node_modules/dep/index.js", "1"),
    ];
    let fixture = || {
        Fixture::new(&files)
            .import("table", "./vendor/table/")
            .import("one", "./vendor/one.js")
            .import("#lib/", "./lib/")
            .import("#one", "./lib/one.js")
            .import("dep", "npm:dep")
    };
    let locked = fixture().lock().unwrap();
    let shape = shape(&locked);
    assert_eq!(
        names(&locked),
        [
            "app:/lib/a.js",
            "app:/lib/one.js",
            "app:/main.js",
            "dep/index.js",
            "one/one.js",
            "table/src/e.js",
            "table/src/t.js",
            "table/src/x.js",
        ]
    );
    assert_eq!(shape["app:/main.js"]["#lib/a.js"], "app:/lib/a.js");
    assert_eq!(shape["table/src/t.js"]["table/extra"], "table/src/e.js");
    assert_eq!(shape["table/src/e.js"]["#dep"], "dep/index.js");
    assert_eq!(shape["one/one.js"]["dep"], "dep/index.js");

    fixture().write("vendor/one.js", "import './table/src/t.js'; export default 1");
    let single = fixture();
    single.write("vendor/one.js", "import './table/src/t.js'; export default 1");
    assert_eq!(kind(&problem(&single)), "SingleFile");
    let extra = fixture();
    extra.write("main.js", "import 'one/x.js'");
    assert_eq!(kind(&problem(&extra)), "SingleFile");
    let entry = fixture().entry("vendor/table/src/t.js");
    assert_eq!(kind(&problem(&entry)), "OtherPackage");
    let twice = fixture().import("again", "./vendor/../vendor/table");
    assert!(matches!(twice.lock(), Err(LockError::SameFiles { .. })));
    for (value, expected) in [
        ("./", "WholeProject"),
        ("./vendor/none/", "NotFound"),
        ("npm:none", "NotInstalled"),
        ("npm:dep@1.0.0", "Version"),
        ("npm:dep@^1.0.0", "VersionRange"),
        ("../x/", "LeavesPackage"),
        ("https://example.com/", "Value"),
    ] {
        assert_eq!(
            kind(&problem(&fixture().import("bad", value))),
            expected,
            "{value}"
        );
    }
}

/// GRAPH-34: packages without `exports`, as bundlers and Node find them.
#[test]
fn main_files() {
    let table = [
        (r#"{"module":"m.js","main":"c.js"}"#, Ok("p/m.js")),
        (r#"{"main":"./m"}"#, Ok("p/m.js")),
        (r#"{"main":"lib"}"#, Ok("p/lib/index.js")),
        (r#"{"main":"lib/"}"#, Ok("p/lib/index.js")),
        (r#"{"main":"none.js","type":"module"}"#, Ok("p/index.js")),
        (r#"{}"#, Ok("p/index.js")),
        (r#"{"main":"c.js"}"#, Err("CommonJs")),
        (r#"{"main":"s.js"}"#, Err("CommonJs")),
        (r#"{"main":"c.cjs"}"#, Err("CommonJs")),
        (r#"{"main":"../../main.js"}"#, Err("LeavesPackage")),
        (r#"{"main":"node_modules/q/index.js"}"#, Err("NodeModules")),
        (r#"{"main":5}"#, Ok("p/index.js")),
        (r#"{"exports":null}"#, Ok("p/index.js")),
        (r#"{"exports":{}}"#, Err("NotExported")),
        (r#"{"exports":"./none.js"}"#, Err("NotFound")),
        (
            r#"{"exports":{"browser":"./m.js","node":"./m.js"}}"#,
            Err("NotExported"),
        ),
        ("[]", Err("PackageJson")),
        ("", Err("PackageJson")),
        ("\u{feff}{}", Err("PackageJson")),
        (r#"{"a":1} x"#, Err("PackageJson")),
    ];
    for (package_json, expected) in table {
        let files = [
            ("main.js", "import 'p'"),
            ("node_modules/p/package.json", package_json),
            ("node_modules/p/m.js", "export default 1"),
            ("node_modules/p/c.js", "module.exports = 1"),
            ("node_modules/p/c.cjs", "module.exports = 1"),
            ("node_modules/p/s.js", "with (a) { var x = 010 } exports.x = 1"),
            ("node_modules/p/lib/index.js", "export default 1"),
            ("node_modules/p/index.js", "export default 1"),
            ("node_modules/p/node_modules/q/index.js", "export default 1"),
        ];
        let fixture = Fixture::new(&files).import("p", "npm:p");
        match expected {
            Ok(name) => assert_eq!(names(&fixture.lock().unwrap())[1], name, "{package_json}"),
            Err(name) => assert_eq!(kind(&problem(&fixture)), name, "{package_json}"),
        }
    }
}

#[test]
fn messages_say_where_and_what_to_do() {
    let fixture = marked();
    fixture.write(
        "main.js",
        "import a from './lib/a.js';\nimport fs from 'node:fs';\n",
    );
    assert_eq!(
        fixture.lock().unwrap_err().to_string(),
        "main.js:2:16: cannot import \"node:fs\": Node's modules do not exist here; rights are imported from \
         \"cap:self\""
    );
    fixture.write("main.js", "import 'dep';");
    assert_eq!(
        fixture.lock().unwrap_err().to_string(),
        "main.js:1:8: cannot import \"dep\": the manifest does not import it; add to secure.toml: [imports] \
         dep = \"npm:dep@1.0.0\""
    );
    fixture.write("main.js", "import './lib/a';");
    assert_eq!(
        fixture.lock().unwrap_err().to_string(),
        "main.js:1:8: cannot import \"./lib/a\": there is no file lib/a; did you mean a.js?"
    );
    fixture.write("main.js", "let a = 1;\nlet b = = 2;");
    assert_eq!(
        fixture.lock().unwrap_err().to_string(),
        "the entry \"main.js\": main.js: line 2, column 9: Unexpected token\n  let b = = 2;\n          ^"
    );
    fixture.write("main.js", "import './lib/a.js';");
    let fixture = fixture.entry("none.js");
    assert_eq!(
        fixture.lock().unwrap_err().to_string(),
        "the entry \"none.js\": there is no file none.js"
    );
}

#[test]
fn grants_for_unknown_modules() {
    let mut fixture = marked();
    fixture.input().module_grants = [("./lib/none.js".to_owned(), vec![])].into();
    let error = fixture.lock().unwrap_err();
    assert!(
        matches!(&error, LockError::UnknownModule { known, .. } if known.contains(&"./lib/a.js".to_owned()))
    );
    fixture.input().module_grants.clear();
    fixture.input().package_grants = [("mraked".to_owned(), vec![])].into();
    let error = fixture.lock().unwrap_err();
    assert!(error.to_string().contains("marked, marked>dep"), "{error}");
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

/// Attack 61: cycles and self-imports are no problem.
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

/// `cap:` is the host's: nothing about it is in the graph.
#[test]
fn host_specifiers_are_left_alone() {
    let fixture = Fixture::new(&[("main.js", "import { fs } from 'cap:self'; import 'cap:other';")]);
    let locked = fixture.lock().unwrap();
    assert!(locked.graph.modules()[0].imports.is_empty());
}

/// A hostile package cannot end the process by the depth of its source.
#[test]
fn deep_nesting() {
    let table = [
        ("(", ")", 20_000),
        ("(", ")", 400_000),
        ("[", "]", 400_000),
        ("({a:", "})", 100_000),
        ("class{[", "]}", 20_000),
        ("`${", "}`", 20_000),
        ("!", "", 400_000),
        ("a=>", "", 20_000),
        ("a?", ":0", 20_000),
    ];
    for (open, close, depth) in table {
        let source = format!("{}1{};export default 1", open.repeat(depth), close.repeat(depth));
        let fixture = Fixture::new(&[("main.js", source.as_str())]);
        // Whether it is valid is not the point.
        let _ = fixture.lock();
    }
}
