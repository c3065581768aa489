//! Packages that declare replacements for environments without Node.js: spec/graph.md, GRAPH-39 and GRAPH-75 to
//! GRAPH-79.

use secure_runtime_loaders::resolve::ImportProblem;
use secure_runtime_loaders::resolve::LockError;
use secure_runtime_loaders::{Transformation, verify};

use crate::fixture::{Fixture, names, shape};

/// Returns a program that imports the package `p` with these files.
fn package(package_json: &str, files: &[(&str, &str)]) -> Fixture {
    let fixture = Fixture::new(&[("main.js", "import 'p'")]).import("p", "npm:p");
    fixture.write("node_modules/p/package.json", package_json);
    for (path, content) in files {
        fixture.write(&format!("node_modules/{path}"), content);
    }
    fixture
}

/// Returns the file that `specifier` resolves to in the module `importer`.
fn meaning(fixture: &Fixture, importer: &str, specifier: &str) -> String {
    let locked = fixture.lock().unwrap();
    shape(&locked)[importer][specifier].clone()
}

/// GRAPH-39: a key is a path relative to the folder of its package.json, not to the importing file. `yaml` depends on
/// this.
#[test]
fn keys_are_paths_from_the_folder_of_the_package_json() {
    let files = [
        ("p/dist/index.js", "export const parse = 1"),
        ("p/browser/dist/index.js", "export const parse = 2"),
        (
            "p/browser/index.js",
            "import * as X from './dist/index.js'; export default X; export * from './dist/index.js'",
        ),
    ];
    let manifest = r#"{"type":"module","exports":{"node":"./dist/index.js","default":"./browser/index.js"},
        "browser":{"./dist/index.js":"./browser/index.js"}}"#;
    let fixture = package(manifest, &files);
    assert_eq!(
        meaning(&fixture, "p/browser/index.js", "./dist/index.js"),
        "p/browser/dist/index.js"
    );
    // Every spelling of a key and of an import of the same file.
    for key in ["./lib/x.js", "./lib/x", "lib/x.js", "lib/x"] {
        for specifier in ["./lib/x.js", "./lib/x", "./web/../lib/x"] {
            let manifest = format!(r#"{{"browser":{{"{key}":"./web/x.js"}}}}"#);
            let index = format!("require('{specifier}')");
            let files = [("p/index.js", &*index), ("p/lib/x.js", ""), ("p/web/x.js", "")];
            assert_eq!(
                meaning(&package(&manifest, &files), "p/index.js", specifier),
                "p/web/x.js",
                "{key} {specifier}"
            );
        }
    }
    // The nearest package.json with such a field applies, also to a folder's index file and to a file that does not
    // exist.
    let files = [
        (
            "p/index.js",
            "require('./sub/a'); require('./folder'); require('./gone')",
        ),
        (
            "p/sub/package.json",
            r#"{"browser":{"./b.js":"./c.js","q":"./d.js","up":"../web.js","cap:self":"./d.js"}}"#,
        ),
        ("p/sub/deep/package.json", r#"{"type":"commonjs"}"#),
        (
            "p/sub/a.js",
            "require('./b'); require('./deep/e'); require('q'); require('up'); require('cap:self')",
        ),
        ("p/sub/b.js", ""),
        ("p/sub/c.js", ""),
        ("p/sub/d.js", ""),
        ("p/sub/deep/e.js", "require('../b'); require('q')"),
        ("p/folder/index.js", ""),
        ("p/web.js", ""),
    ];
    let manifest = r#"{"browser":{"./folder":"./web.js","./gone.js":"./web.js","./sub/b.js":"./web.js"}}"#;
    let locked = package(manifest, &files).lock().unwrap();
    let shape = shape(&locked);
    assert_eq!(shape["p/index.js"]["./folder"], "p/web.js");
    assert_eq!(shape["p/index.js"]["./gone"], "p/web.js");
    assert_eq!(shape["p/sub/a.js"]["./b"], "p/sub/c.js");
    assert_eq!(shape["p/sub/a.js"]["q"], "p/sub/d.js");
    assert_eq!(shape["p/sub/a.js"]["up"], "p/web.js");
    assert!(!shape["p/sub/a.js"].contains_key("cap:self"));
    assert_eq!(shape["p/sub/deep/e.js"]["../b"], "p/sub/c.js");
    assert_eq!(shape["p/sub/deep/e.js"]["q"], "p/sub/d.js");
}

/// GRAPH-39: a file can be replaced by a package, and a package by a file that is written without `./`.
#[test]
fn files_and_packages_replace_each_other() {
    let manifest =
        r#"{"browser":{"./own.js":"q","net":"lib/net.js","events":"./events.js","./no.js":"../../main.js"}}"#;
    let files = [
        (
            "p/index.js",
            "require('./own'); require('net'); require('node:net'); require('./events')",
        ),
        ("p/own.js", ""),
        ("p/lib/net.js", ""),
        ("p/events.js", ""),
        ("q/index.js", ""),
    ];
    let fixture = package(manifest, &files);
    let locked = fixture.lock().unwrap();
    let shape = shape(&locked);
    assert_eq!(shape["p/index.js"]["./own"], "p>q/index.js");
    assert_eq!(shape["p/index.js"]["net"], "p/lib/net.js");
    assert_eq!(shape["p/index.js"]["node:net"], "p/lib/net.js");
    assert_eq!(shape["p/index.js"]["./events"], "p/events.js");
    // Replacements outside of the package's folder are rejected.
    fixture.write("node_modules/p/index.js", "import './no.js'; export {}");
    fixture.write("node_modules/p/no.js", "");
    let error = fixture.lock().unwrap_err();
    assert!(
        matches!(&error, LockError::Import { problem, .. } if matches!(**problem, ImportProblem::LeavesPackage)),
        "{error}"
    );
}

/// GRAPH-75: `import` of a module that is left out returns an empty module with the requested names.
#[test]
fn left_out_modules_are_empty() {
    let manifest =
        r#"{"type":"module","main":"./index.js","browser":{"crypto":false,"./lib/node.js":false}}"#;
    let index = "import c, { randomBytes, 'a-b' as x } from 'crypto'; import * as n from 'node:crypto'; import './lib/node.js';
        import './old.cjs'; export { webcrypto as w } from 'crypto'; n.notAsked; import('crypto')";
    let files = [
        ("p/index.js", index),
        ("p/lib/node.js", "import 'fs'"),
        ("p/old.cjs", "require('crypto'); import('./lib/node.js')"),
    ];
    let fixture = package(manifest, &files);
    let locked = fixture.lock().unwrap();
    let shape = shape(&locked);
    let imports = &shape["p/index.js"];
    assert_eq!(imports["crypto"], "p/browser:false/crypto");
    assert_eq!(imports["node:crypto"], "p/browser:false/crypto");
    assert_eq!(imports["./lib/node.js"], "p/browser:false/lib/node.js");
    assert_eq!(shape["p/old.cjs"]["./lib/node.js"], "p/browser:false/lib/node.js");
    let modules = locked.graph.modules();
    let module = |name: &str| modules.iter().find(|module| module.name == name).unwrap();
    let origin = module("p/browser:false/crypto").origin.as_ref().unwrap();
    assert_eq!(origin.transformation, Transformation::LeftOut);
    assert_eq!(origin.exports, ["a-b", "randomBytes", "webcrypto"]);
    assert_eq!(origin.size, 0);
    assert_eq!(module("p/old.cjs").origin.as_ref().unwrap().omitted, ["crypto"]);
    // It has no file, and verification makes it again. A file at its path has no meaning and cannot be imported.
    let report = verify(&locked.graph, None, Some(&fixture.project())).unwrap();
    assert_eq!(report.in_project, modules.len());
    fixture.write("node_modules/p/browser:false/crypto", "export default 'evil'");
    assert_eq!(fixture.lock().unwrap().graph, locked.graph);
    verify(&locked.graph, None, Some(&fixture.project())).unwrap();
    fixture.write("node_modules/p/browser:false/a.js", "");
    fixture.write("node_modules/p/index.js", "import './browser:false/a.js'");
    let error = fixture.lock().unwrap_err().to_string();
    assert!(
        error.contains("a name that is reserved for modules that are left out"),
        "{error}"
    );
}

/// GRAPH-34: `worker` is the condition for environments with neither Node.js nor a DOM.
#[test]
fn the_condition_worker() {
    let manifest = r#"{"type":"module","exports":{"deno":"./x.js","workerd":"./x.js","worker":"./i.js","browser":"./dom.js","default":"./x.js"}}"#;
    let files = [
        ("p/i.js", ""),
        ("p/x.js", ""),
        ("p/dom.js", "document.createElement('i')"),
    ];
    assert_eq!(meaning(&package(manifest, &files), "app:/main.js", "p"), "p/i.js");
}

/// GRAPH-76: if a browser file needs a DOM, a file that needs neither a DOM nor Node.js is used instead.
#[test]
fn files_that_need_a_dom() {
    let manifests = [
        r#"{"type":"module","exports":{"browser":"./dom.js","default":"./plain.js"}}"#,
        r#"{"type":"module","exports":{".":{"browser":{"import":"./dom.js"},"import":"./plain.js"}}}"#,
        r#"{"type":"module","main":"./plain.js","browser":"./dom.js"}"#,
        r#"{"type":"module","main":"./plain.js","browser":{"./plain.js":"./dom.js"}}"#,
    ];
    let own = "export default 1";
    let table: &[(&str, &str, &str, bool)] = &[
        (
            "const e = document.createElement('i'); export default e",
            own,
            "",
            true,
        ),
        ("export const f = () => window.document.title", own, "", true),
        (
            "export const parse = (text) => new DOMParser().parseFromString(text)",
            own,
            "",
            true,
        ),
        ("import './more.js'", own, "document.title", true),
        // A file that tests with `typeof` if a DOM exists does not need one.
        (
            "export default typeof document === 'undefined' ? 1 : document.title",
            own,
            "",
            false,
        ),
        ("export default (document) => document.title", own, "", false),
        ("export default 'document'", own, "", false),
        // The other file needs Node.js, which does not exist here either.
        (
            "document.title",
            "import fs from 'fs'; export default fs",
            "",
            false,
        ),
        ("document.title", "import 'node:fs'", "", false),
        (
            "document.title",
            "import './more.js'",
            "import 'fs'; export {}",
            false,
        ),
        ("document.title", "export default Buffer.from('x')", "", false),
        ("document.title", "export default document.body", "", false),
        ("document.title", "import 'none'", "", false),
    ];
    for manifest in manifests {
        for (dom, plain, more, is_plain) in table {
            let files = [("p/dom.js", *dom), ("p/plain.js", *plain), ("p/more.js", *more)];
            let fixture = package(manifest, &files);
            let expected = if *is_plain { "p/plain.js" } else { "p/dom.js" };
            assert_eq!(
                meaning(&fixture, "app:/main.js", "p"),
                expected,
                "{manifest} {dom} {plain} {more}"
            );
        }
    }
    // Files that were only examined are not in the graph, and neither are their packages.
    let files = [
        ("p/dom.js", "import 'q'; export default document"),
        ("p/plain.js", "import 'r'"),
        ("q/index.js", ""),
        ("r/index.js", ""),
    ];
    let locked = package(manifests[0], &files).lock().unwrap();
    assert_eq!(names(&locked), ["app:/main.js", "p/plain.js", "p>r/index.js"]);
}

/// GRAPH-77: bundlers accept JSON without an attribute, so packages use it. The program's own files need the attribute.
#[test]
fn json_without_an_attribute() {
    let files = [
        (
            "p/index.js",
            "import d from './d.json'; import('./e.json'); export * from './d.json'",
        ),
        ("p/d.json", "{}"),
        ("p/e.json", "{}"),
    ];
    let fixture = package(r#"{"type":"module","main":"./index.js"}"#, &files);
    let locked = fixture.lock().unwrap();
    assert_eq!(
        names(&locked),
        ["app:/main.js", "p/d.json", "p/e.json", "p/index.js"]
    );
    fixture.write("main.js", "import 'p/d.json'");
    assert!(fixture.lock().is_ok());
    fixture.write("d.json", "{}");
    fixture.write("main.js", "import './d.json'");
    let error = fixture.lock().unwrap_err().to_string();
    assert!(error.contains("add `with { type: \"json\" }`"), "{error}");
}

/// GRAPH-78: a byte order mark at the beginning of a package.json and of CommonJS with `#!`.
#[test]
fn byte_order_marks() {
    let manifest = "\u{feff}{\"main\":\"./lib/i.js\",\"version\":\"1.0.0\"}";
    let files = [
        ("p/lib/i.js", "\u{feff}#!/usr/bin/env node\nrequire('./d.json')"),
        ("p/lib/d.json", "\u{feff}{\"v\":7}"),
    ];
    let locked = package(manifest, &files).lock().unwrap();
    assert_eq!(names(&locked), ["app:/main.js", "p/lib/d.json", "p/lib/i.js"]);
    assert_eq!(locked.graph.packages()[1].version.as_deref(), Some("1.0.0"));
}

/// GRAPH-31: names that begin with `#/`.
#[test]
fn internal_names_with_a_slash() {
    let files = [
        ("p/index.js", "import '#/lib/x.js'; import '#/y'"),
        ("p/src/lib/x.js", ""),
        ("p/y.js", ""),
    ];
    let manifest = r##"{"type":"module","main":"./index.js","imports":{"#/*":"./src/*","#/y":"./y.js"}}"##;
    let locked = package(manifest, &files).lock().unwrap();
    assert_eq!(shape(&locked)["p/index.js"]["#/lib/x.js"], "p/src/lib/x.js");
    assert_eq!(shape(&locked)["p/index.js"]["#/y"], "p/y.js");
    let own = Fixture::new(&[("main.js", "import '#/a.js'"), ("src/a.js", "")]).import("#/", "./src/");
    assert_eq!(names(&own.lock().unwrap()), ["app:/main.js", "app:/src/a.js"]);
}

/// GRAPH-79: npm, pnpm and yarn link the packages of a workspace into node_modules, and these packages import each
/// other that way.
#[test]
fn workspaces() {
    let layouts: &[&[(&str, &str)]] = &[
        // npm and yarn: all links are in one folder.
        &[
            ("node_modules/a", "../packages/a"),
            ("node_modules/@scope/b", "../../packages/b"),
        ],
        // pnpm: each package has links to the packages that it imports.
        &[
            ("node_modules/a", "../packages/a"),
            ("packages/a/node_modules/@scope/b", "../../../b"),
            ("packages/b/node_modules/a", "../../a"),
        ],
    ];
    let mut locks = Vec::new();
    for links in layouts {
        let fixture = Fixture::new(&[
            ("main.js", "import 'a'"),
            (
                "packages/a/package.json",
                r#"{"name":"a","version":"1.0.0","type":"module","main":"i.ts"}"#,
            ),
            ("packages/a/i.ts", "import '@scope/b'; export const a: number = 1"),
            (
                "packages/b/package.json",
                r#"{"name":"@scope/b","version":"1.0.0","type":"module","exports":"./b.js"}"#,
            ),
            ("packages/b/b.js", "import 'a'; import '@scope/b'"),
            ("packages/none/b.js", ""),
        ])
        .import("a", "npm:a@1.0.0");
        for (path, target) in *links {
            fixture.link(path, target);
        }
        let locked = fixture.lock().unwrap();
        assert_eq!(names(&locked), ["app:/main.js", "a/i.ts", "a>@scope/b/b.js"]);
        assert_eq!(shape(&locked)["a>@scope/b/b.js"]["a"], "a/i.ts");
        let report = verify(&locked.graph, None, Some(&fixture.project())).unwrap();
        assert_eq!(report.in_project, 3);
        locks.push(locked.graph.encode());
        // A module of a package has the package's grants under every name.
        fixture.write("main.js", "import './packages/a/i.ts'");
        let error = fixture.lock().unwrap_err().to_string();
        assert!(error.contains("it belongs to the package \"a\""), "{error}");
        // A link may not lead to the project itself, to a folder without a package.json, or out of the project.
        std::fs::create_dir(fixture.outside().join("other")).unwrap();
        std::fs::write(fixture.outside().join("other/package.json"), "{}").unwrap();
        fixture.write("package.json", "{}");
        fixture.write("main.js", "import 'a'");
        for target in ["..", ".", "../packages/none", "../../other"] {
            std::fs::remove_file(fixture.path("node_modules/a")).unwrap();
            fixture.link("node_modules/a", target);
            assert!(fixture.lock().is_err(), "{target}");
        }
    }
    assert_eq!(locks[0], locks[1]);
}

/// GRAPH-34: an error about `exports` names the conditions that were tried.
#[test]
fn conditions_are_named() {
    let fixture = package(r#"{"exports":{".":{"node":"./n.js"}}}"#, &[("p/n.js", "")]);
    let error = fixture.lock().unwrap_err().to_string();
    assert!(
        error.ends_with(
            "does not export \".\" under any of the conditions that are tried here: secure-runtime, import, module, worker, browser, default"
        ),
        "{error}"
    );
}
