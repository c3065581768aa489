//! Imports that are rejected, and their messages: spec/graph.md, "Resolution".

use secure_runtime_loaders::resolve::{ImportProblem, LockError};

use crate::fixture::{Fixture, names, shape};
use crate::resolve::marked;

/// Returns the problem of the one import that cannot be resolved.
pub(crate) fn problem(fixture: &Fixture) -> ImportProblem {
    match fixture.lock() {
        Err(
            LockError::Import { problem, .. }
            | LockError::Entry { problem, .. }
            | LockError::ImportMap { problem, .. },
        ) => *problem,
        other => panic!("{other:?}"),
    }
}

/// Returns a short name for a problem.
pub(crate) fn kind(problem: &ImportProblem) -> String {
    let text = format!("{problem:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// GRAPH-31, GRAPH-33, attacks 60 and A73: imports that first-party modules must not use.
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
        ("import './page.tsx'", "Extension"),
        ("import './old.cts'", "Extension"),
        ("import './types.d.ts'", "DeclarationFile"),
        ("import './types.d.mts'", "DeclarationFile"),
        ("import './enum.ts'", "Syntax"),
        ("import './enum.ts' with { type: 'json' }", "NotJson"),
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
            ("page.tsx", ""),
            ("old.cts", ""),
            ("types.d.ts", ""),
            ("types.d.mts", ""),
            ("enum.ts", "enum A { B }"),
            ("old.cjs", ""),
            ("broken.js", "let a = = 1;"),
        ] {
            fixture.write(path, content);
        }
        std::fs::write(fixture.path("binary.js"), [b'/', b'/', 0xff]).unwrap();
        assert_eq!(kind(&problem(&fixture)), expected, "{source}");
    }
}

/// Attack 75 and similar ones: symbolic links cannot bring in files from outside.
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
    // A link inside the project is the file that it leads to, not a second module.
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

/// GRAPH-35: imports that packages must not use, and the source of their dependencies.
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
        ("import 'commonjs'", "Syntax"),
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
        fixture.write("node_modules/commonjs/index.js", "with (module) exports = 1");
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

/// GRAPH-34: packages without `exports`, resolved like in bundlers and Node.js.
#[test]
fn main_files() {
    let table = [
        (r#"{"module":"m.js","main":"c.js"}"#, Ok("p/m.js")),
        (r#"{"main":"./m"}"#, Ok("p/m.js")),
        (r#"{"main":"lib"}"#, Ok("p/lib/index.js")),
        (r#"{"main":"lib/"}"#, Ok("p/lib/index.js")),
        (r#"{"main":"none.js","type":"module"}"#, Ok("p/index.js")),
        (r#"{}"#, Ok("p/index.js")),
        (r#"{"main":"c.js"}"#, Ok("p/c.js")),
        (r#"{"main":"s.js"}"#, Err("Syntax")),
        (r#"{"main":"c.cjs"}"#, Ok("p/c.cjs")),
        (r#"{"main":"../../main.js"}"#, Err("LeavesPackage")),
        (r#"{"main":"node_modules/q/index.js"}"#, Err("NodeModules")),
        (r#"{"main":5}"#, Ok("p/index.js")),
        (r#"{"exports":null}"#, Ok("p/index.js")),
        (r#"{"exports":{}}"#, Err("NotExported")),
        (r#"{"exports":"./none.js"}"#, Err("NotFound")),
        (
            r#"{"exports":{"deno":"./m.js","node":"./m.js"}}"#,
            Err("NotExported"),
        ),
        ("[]", Err("PackageJson")),
        ("", Err("PackageJson")),
        ("\u{feff}{}", Ok("p/index.js")),
        ("\u{feff}\u{feff}{}", Err("PackageJson")),
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

/// A hostile package cannot end the process through deeply nested source.
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
        // The validity does not matter here.
        let _ = fixture.lock();
    }
}
