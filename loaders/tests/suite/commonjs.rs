//! CommonJS: spec/graph.md, "Resolution" and "Transformations".

use secure_runtime_loaders::resolve::LockWarning;
use secure_runtime_loaders::{
    Layered, LoadError, LocalStore, Locked, ModuleKind, Origin, Transformation, load_modules, verify,
};

use crate::fixture::{Fixture, names, shape};

/// Returns a program whose package `p` has this `index.js` and further files.
fn package(index: &str, files: &[(&str, &str)]) -> Fixture {
    let fixture = Fixture::new(&[
        ("main.js", "import 'p'"),
        ("node_modules/p/package.json", r#"{"version":"1.0.0"}"#),
        ("node_modules/p/index.js", index),
    ])
    .import("p", "npm:p");
    for (path, content) in files {
        fixture.write(&format!("node_modules/{path}"), content);
    }
    fixture
}

fn origin(locked: &Locked, name: &str) -> Origin {
    let modules = locked.graph.modules().iter();
    let module = modules.into_iter().find(|module| module.name == name).unwrap();
    module.origin.clone().unwrap()
}

fn exports(index: &str, files: &[(&str, &str)]) -> Vec<String> {
    origin(&package(index, files).lock().unwrap(), "p/index.js").exports
}

/// GRAPH-34: the files that are CommonJS.
#[test]
fn which_files_are_common_js() {
    let table = [
        ("index.js", "{}", "module.exports = 1", true),
        ("index.js", "{}", "", true),
        ("index.js", "{}", "import('x')", true),
        ("index.js", "{}", "return", true),
        ("index.js", "{}", "export default 1", false),
        ("index.js", "{}", "import.meta.url", false),
        ("index.js", r#"{"type":"module"}"#, "exports", false),
        ("index.js", r#"{"type":"commonjs"}"#, "export default 1", false),
        (
            "index.cjs",
            r#"{"type":"module","main":"index.cjs"}"#,
            "exports.a = 1",
            true,
        ),
        ("index.mjs", r#"{"main":"index.mjs"}"#, "exports", false),
        ("index.js", "{}", "'export default 1'", true),
    ];
    for (file, package_json, source, expected) in table {
        let fixture = Fixture::new(&[
            ("main.js", "import 'p'"),
            ("node_modules/p/package.json", package_json),
            (&format!("node_modules/p/{file}"), source),
        ])
        .import("p", "npm:p");
        let locked = fixture.lock().unwrap();
        let found = locked.graph.modules()[1].origin.as_ref();
        let found = found.is_some_and(|origin| origin.transformation.is_common_js());
        assert_eq!(found, expected, "{file} {package_json} {source}");
    }
    // The program's own modules are ECMAScript modules, except `.cjs` files.
    let fixture = Fixture::new(&[("main.cjs", "require('./a')"), ("a.js", "exports")]).entry("main.cjs");
    let locked = fixture.lock().unwrap();
    assert_eq!(locked.graph.modules()[0].origin, None);
    assert_eq!(
        origin(&locked, "app:/main.cjs").transformation,
        Transformation::ImportedCommonJs
    );
}

/// GRAPH-37: `require` resolves like in Node.js.
#[test]
fn require_resolves_like_node() {
    let files = [
        (
            "p/lib/a.js",
            "require('..'); require('./'); require('../lib'); require('../lib/')",
        ),
        (
            "p/lib/index.js",
            "require('../data'); require('./b'); require('../sub')",
        ),
        ("p/lib/b.json", "{}"),
        ("p/data.json", "{}"),
        ("p/sub/package.json", r#"{"main":"../lib/c"}"#),
        (
            "p/lib/c.js",
            "require('q'); require('q/extra'); require('@s/q/x/'); require('punycode/')",
        ),
        (
            "q/package.json",
            r#"{"exports":{".":{"import":"./m.mjs","require":"./c.cjs"},"./extra":"./e.js"}}"#,
        ),
        ("q/m.mjs", "export default 1"),
        ("q/c.cjs", "exports.c = 1"),
        ("q/e.js", "exports.e = 1"),
        ("@s/q/x/index.js", "exports.x = 1"),
        (
            "punycode/package.json",
            r#"{"main":"punycode.js","module":"punycode.es6.js"}"#,
        ),
        ("punycode/punycode.js", "exports.p = 1"),
        ("punycode/punycode.es6.js", "export default 1"),
        ("p/lib.js", "// a file comes before the folder"),
    ];
    let locked = package(
        "require('./lib/a'); require('./lib/a.js'); require('./lib')",
        &files,
    )
    .lock()
    .unwrap();
    assert_eq!(locked.warnings, []);
    let shape = shape(&locked);
    let table = [
        ("p/index.js", "./lib/a", "p/lib/a.js"),
        ("p/index.js", "./lib/a.js", "p/lib/a.js"),
        ("p/index.js", "./lib", "p/lib.js"),
        ("p/lib/a.js", "..", "p/index.js"),
        ("p/lib/a.js", "./", "p/lib/index.js"),
        ("p/lib/a.js", "../lib", "p/lib.js"),
        ("p/lib/a.js", "../lib/", "p/lib/index.js"),
        ("p/lib/index.js", "../data", "p/data.json"),
        ("p/lib/index.js", "./b", "p/lib/b.json"),
        ("p/lib/index.js", "../sub", "p/lib/c.js"),
        ("p/lib/c.js", "q", "p>q/c.cjs"),
        ("p/lib/c.js", "q/extra", "p>q/e.js"),
        ("p/lib/c.js", "@s/q/x/", "p>@s/q/x/index.js"),
        ("p/lib/c.js", "punycode/", "p>punycode/punycode.js"),
    ];
    for (module, specifier, expected) in table {
        assert_eq!(shape[module][specifier], expected, "{module} {specifier}");
    }
    assert!(!names(&locked).contains(&"p>q/m.mjs"));
}

/// GRAPH-37: a `require` that cannot be resolved is a warning in a package, and an error in the program's own files.
#[test]
fn unresolved_requires() {
    let source = "try { require('none') } catch {}\nrequire('fs'); require('node:fs'); require('../../main.js');\n\
                  require('./none'); require('./%61'); require('./native.node'); require(''); require('./sloppy')";
    let fixture = package(source, &[("p/native.node", ""), ("p/sloppy.js", "with (x) y")]);
    let locked = fixture.lock().unwrap();
    assert_eq!(names(&locked), ["app:/main.js", "p/index.js"]);
    let texts: Vec<String> = locked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 9, "{texts:#?}");
    assert!(texts[0].starts_with(
        "node_modules/p/index.js:1:15: require(\"none\") will throw if it runs: the package none"
    ));
    assert!(
        locked
            .warnings
            .iter()
            .all(|warning| matches!(warning, LockWarning::UnresolvedRequire { .. }))
    );
    let own = Fixture::new(&[("main.cjs", "require('fs')")]).entry("main.cjs");
    assert!(
        own.lock()
            .unwrap_err()
            .to_string()
            .starts_with("main.cjs:1:9: cannot import \"fs\"")
    );
}

/// GRAPH-37: only a call of the wrapper's own `require` with a literal counts.
#[test]
fn only_literal_requires_count() {
    let table = [
        ("require('./a')", true),
        ("require(`./a`)", true),
        ("var r = require; typeof require; (require)", false),
        ("require('./' + 'a')", false),
        ("require('./a', 1)", false),
        ("function f(require) { require('./a') }", false),
        ("(function () { var require = 1; require('./a') })", false),
        ("x.require('./a'); 'require(\"./a\")' // require('./a')", false),
        ("if (x) { y(() => require('./a')) }", true),
        ("require\n('./a')", true),
    ];
    for (source, expected) in table {
        let locked = package(source, &[("p/a.js", "")]).lock().unwrap();
        assert_eq!(names(&locked).contains(&"p/a.js"), expected, "{source}");
    }
}

/// GRAPH-62, GRAPH-19: the names that ECMAScript modules can import.
#[test]
fn exported_names() {
    let table: &[(&str, &[&str])] = &[
        (
            "exports.a = 1; module.exports.b = 2; exports['c'] = 3",
            &["a", "b", "c"],
        ),
        (
            "module.exports = { a, 'b': 2, c() {}, ['d']: 1, ...e, get f() {} }",
            &["a", "b", "c", "f"],
        ),
        ("module.exports = function () {}; module.exports.x = 1", &["x"]),
        (
            "exports = module.exports = f; exports.a = exports.b = void 0",
            &["a", "b"],
        ),
        (
            "Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 1",
            &["__esModule"],
        ),
        (
            "Object.defineProperty(exports, 'a', { get: function () { return 1 } })",
            &["a"],
        ),
        ("0 && (module.exports = { a, b })", &["a", "b"]),
        (
            "(function (g, f) { f(exports) })(this, function (exports) { exports.a = 1 })",
            &["a"],
        ),
        ("if (x) { exports.a = 1 } // exports.b = 2", &["a"]),
        ("module.exports = require('./x')", &["x", "y"]),
        ("module.exports = { ...require('./x'), a: 1 }", &["a", "x", "y"]),
        ("__exportStar(require('./x'), exports)", &["x", "y"]),
        ("tslib_1.__exportStar(require('./x'), exports)", &["x", "y"]),
        (
            "var _x = require('./x'); Object.keys(_x).forEach(function (key) { exports[key] = _x[key] })",
            &["x", "y"],
        ),
        (
            "var _x = _interop(require('./x')); Object.keys(_x).forEach((key) => { exports[key] = _x[key] })",
            &["x", "y"],
        ),
        (
            "exports['a b'] = 1; exports['default'] = 2; exports.größe = 3; exports.if = 4; exports['a\\n'] = 5",
            &["a b", "größe", "if"],
        ),
        ("other.a = 1; exports[a] = 1; module.a = 1; this.a = 1", &[]),
        ("module.exports = require('./esm.mjs')", &[]),
    ];
    let files = [
        ("p/x.js", "exports.x = 1; module.exports = require('./y')"),
        ("p/y.js", "exports.y = 1; module.exports = require('./x')"),
        ("p/esm.mjs", "export const e = 1"),
    ];
    for (source, expected) in table {
        assert_eq!(exports(source, &files), *expected, "{source}");
    }
}

/// GRAPH-18: the wrapper's parameters are not globals. Everything else is like in any module.
#[test]
fn globals() {
    let table: &[(&str, &[&str])] = &[
        ("exports.a = require; module.b; global.c", &["global"]),
        (
            "new Date(); Math.random(); globalThis",
            &["Date", "Math", "globalThis"],
        ),
        ("if (process.env.NODE_ENV !== 'production') x()", &["x"]),
        ("process.env.NODE_ENV; process.env.HOME", &[]),
        ("process.env.NODE_ENV; process.env['HOME']", &["process"]),
        ("(function () { var Date; Date })", &[]),
    ];
    for (source, expected) in table {
        let locked = package(source, &[]).lock().unwrap();
        assert_eq!(locked.graph.modules()[1].globals, *expected, "{source}");
    }
}

/// GRAPH-39: the files that a package provides for environments without Node.js.
#[test]
fn browser_fields() {
    let package_json = r#"{"main":"./node.js","module":"./node.mjs","browser":{
        "./node.js":"./web","./node.mjs":"./web.js","./lib/tty.js":"./lib/plain.js","fs":false,"./lib/none.js":false,
        "path":"./lib/path.js","net":"q","./lib/same.js":"./lib/same.js"}}"#;
    let files = [
        ("p/package.json", package_json),
        ("p/node.js", "require('fs')"),
        (
            "p/web.js",
            "require('./lib/tty'); exports.a = [require('fs'), require('./lib/none'), require('path'), require('net')]",
        ),
        ("p/lib/tty.js", ""),
        ("p/lib/plain.js", "require('./same'); require('os')"),
        ("p/lib/same.js", ""),
        ("p/lib/none.js", "require('fs')"),
        ("p/lib/path.js", ""),
        (
            "q/package.json",
            r#"{"main":"./node.js","browser":"./lib/web.js"}"#,
        ),
        ("q/lib/web.js", ""),
    ];
    let fixture = package("", &files);
    let locked = fixture.lock().unwrap();
    let shape = shape(&locked);
    assert_eq!(shape["app:/main.js"]["p"], "p/web.js");
    let expected = [
        ("./lib/tty", "p/lib/plain.js"),
        ("net", "p>q/lib/web.js"),
        ("path", "p/lib/path.js"),
    ];
    let found: Vec<_> = shape["p/web.js"]
        .iter()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(shape["p/lib/plain.js"]["./same"], "p/lib/same.js");
    assert_eq!(origin(&locked, "p/web.js").omitted, ["./lib/none", "fs"]);
    // An import that is not left out is still unresolved.
    assert_eq!(locked.warnings.len(), 1, "{:?}", locked.warnings);
    let report = verify(&locked.graph, None, Some(&fixture.project())).unwrap();
    assert_eq!(report.in_project, locked.graph.modules().len());
}

/// GRAPH-60, GRAPH-61: the module is the source between two generated texts, and its lines keep their positions.
#[test]
fn the_source_stays_on_its_lines() {
    let source =
        "#!/usr/bin/env node\n'use strict';\nexports.$cjs_x = process.env.NODE_ENV\n  === 'x' // end";
    let locked = package(source, &[]).lock().unwrap();
    let module = std::str::from_utf8(&locked.bytes[1]).unwrap();
    let lines: Vec<&str> = module.lines().collect();
    assert!(
        lines[0].ends_with("(function(exports,require,module){///usr/bin/env node"),
        "{module}"
    );
    assert_eq!(lines[1], "'use strict';");
    assert_eq!(lines[2], "exports.$cjs_x = \"production\"        ");
    assert_eq!(lines[3], "  === 'x' // end");
    assert!(lines[4].starts_with("}).call("));
    // Generated names do not occur in the source.
    assert!(
        lines[0].starts_with("var $$cjs_module;function $$cjs_find"),
        "{module}"
    );
}

/// GRAPH-61: an error that only strict mode causes mentions strict mode.
#[test]
fn errors_of_strict_code_say_so() {
    let words = "CommonJS runs as strict code here";
    for (source, is_told) in [
        ("with (a) b", true),
        ("exports.a = 010", true),
        ("delete a", true),
        ("let static = 1", true),
        ("'use strict'; with (a) b", false),
        ("let a = = 1", false),
        ("}); ({", false),
    ] {
        let own = Fixture::new(&[("main.cjs", source)]).entry("main.cjs");
        let error = own.lock().unwrap_err().to_string();
        assert_eq!(error.contains(words), is_told, "{source}: {error}");
    }
}

/// A source cannot close the function that wraps it.
#[test]
fn unbalanced_sources_are_refused() {
    for source in [
        "})",
        "}); (function () {",
        "}), (function () {",
        "}, function () {",
        "}); export default 1; (function () {",
        "/*",
        "`",
        "} {",
        "})//",
    ] {
        let locked = package(source, &[]).lock();
        assert!(locked.unwrap_err().to_string().contains("line 1"), "{source}");
    }
}

/// GRAPH-63: an ECMAScript module of a package that reads `NODE_ENV`.
#[test]
fn constants_in_modules() {
    let source = "export default process.env.NODE_ENV; const { env } = process";
    let locked = package(source, &[]).lock().unwrap();
    assert_eq!(
        origin(&locked, "p/index.js").transformation,
        Transformation::Constants
    );
    assert_eq!(
        std::str::from_utf8(&locked.bytes[1]).unwrap(),
        "export default \"production\"        ; const { env } = process"
    );
    assert_eq!(locked.graph.modules()[1].globals, ["process"]);
    let source = "if (process.env.NODE_DEBUG || process.env\n.MY_NODE_ENV) f(typeof process.env.A, process.env.B = 1, process.platform === w, process.platformer); export {}";
    let locked = package(source, &[]).lock().unwrap();
    assert_eq!(
        std::str::from_utf8(&locked.bytes[1]).unwrap(),
        "if ((void 0)               || (void 0)   \n            ) f(typeof (void 0)     , process.env.B = 1, (void 0)         === w, process.platformer); export {}"
    );
    for source in [
        "export default 'process.env.NODE_ENV'",
        "import process from 'q'; export default process.env.NODE_ENV",
        "export default process?.env.NODE_ENV; process.env.NODE_ENV = 1; process.env['NODE_ENV']",
    ] {
        let locked = package(source, &[("q/index.js", "")]).lock().unwrap();
        let modules = locked.graph.modules().iter();
        let index = modules
            .into_iter()
            .find(|module| module.name == "p/index.js")
            .unwrap();
        assert_eq!(index.origin, None, "{source}");
    }
    // The program's own modules are not changed.
    let own = Fixture::new(&[("main.js", "export default process.env.NODE_ENV")]);
    assert_eq!(own.lock().unwrap().graph.modules()[0].origin, None);
}

/// GRAPH-38: files as text and as bytes.
#[test]
fn text_and_bytes() {
    let fixture = Fixture::new(&[
        (
            "main.js",
            "import a from './a.txt' with { type: 'text' }; import b from './b.bin' with { type: 'bytes' }",
        ),
        ("a.txt", "größe"),
    ]);
    std::fs::write(fixture.path("b.bin"), [0xff, 0]).unwrap();
    let locked = fixture.lock().unwrap();
    let kinds: Vec<ModuleKind> = locked.graph.modules().iter().map(|module| module.kind).collect();
    assert_eq!(
        kinds,
        [ModuleKind::Text, ModuleKind::Bytes, ModuleKind::JavaScript]
    );
    std::fs::write(fixture.path("a.txt"), [0xff]).unwrap();
    assert!(fixture.lock().unwrap_err().to_string().contains("not UTF-8"));
    fixture.write("a.txt", "a");
    fixture.write(
        "main.js",
        "import './a.txt' with { type: 'text' }; import './a.txt' with { type: 'bytes' }",
    );
    assert!(
        fixture
            .lock()
            .unwrap_err()
            .to_string()
            .contains("a.txt is imported as text elsewhere in the program, and here as bytes")
    );
}

fn quiet(_: usize) {}

/// GRAPH-50, GRAPH-51, GRAPH-53, GRAPH-60: a module is loaded from a store, or made again from the project's file, and
/// is verified in both cases.
#[tokio::test]
async fn loading() {
    let files = [
        ("p/lib.js", "exports.a = require('./d.json'); exports.b = global"),
        ("p/d.json", "{}"),
        ("p/esm.mjs", "export default process.env.NODE_ENV"),
    ];
    let fixture = package(
        "module.exports = require('./lib'); require('./esm.mjs'); require('cap:self')",
        &files,
    );
    let locked = fixture.lock().unwrap();
    let project = fixture.project();
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    for bytes in &locked.bytes {
        store.put(bytes).unwrap();
    }
    let local = Layered::new().with_local(store.clone());
    for (store, project) in [
        (&Layered::new(), Some(&project)),
        (&local, None),
        (&local, Some(&project)),
    ] {
        let loaded = load_modules(&locked.graph, store, project, &quiet).await.unwrap();
        assert_eq!(loaded, locked.bytes);
    }
    assert_eq!(
        verify(&locked.graph, Some(&store), Some(&project))
            .unwrap()
            .in_project,
        5
    );

    // A changed source is detected even if the store has the module.
    let path = fixture.path("node_modules/p/lib.js");
    let source = std::fs::read(&path).unwrap();
    std::fs::write(&path, "exports.a = 1").unwrap();
    let error = load_modules(&locked.graph, &local, Some(&project), &quiet).await;
    assert!(
        matches!(error.unwrap_err(), LoadError::Changed { expected, .. } if expected == origin(&locked, "p/lib.js").hash)
    );
    std::fs::write(&path, source).unwrap();

    // A lock that records a wrong result of a transformation is detected.
    let mut modules = locked.graph.modules().to_vec();
    let lib = modules
        .iter()
        .position(|module| module.name == "p/lib.js")
        .unwrap();
    modules[lib].hash = secure_runtime_loaders::ContentHash::of(b"evil()");
    let packages = locked.graph.packages().to_vec();
    let forged = secure_runtime_loaders::Graph::new(locked.graph.entry(), packages, modules).unwrap();
    store.put(b"evil()").unwrap();
    let error = verify(&forged, None, Some(&project)).unwrap_err();
    assert!(
        matches!(&error, LoadError::Transformed { module, .. } if module == "p/lib.js"),
        "{error}"
    );
    assert!(error.is_integrity());
    let error = load_modules(&forged, &Layered::new(), Some(&project), &quiet)
        .await
        .unwrap_err();
    assert!(matches!(error, LoadError::Transformed { .. }));
}
