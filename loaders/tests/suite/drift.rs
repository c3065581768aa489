//! Drift: files that influence the resolution of imports and have no hash.

use secure_runtime_loaders::resolve::{Drift, drift, installed_since};

use crate::fixture::Fixture;

/// Returns a program with two packages in `node_modules`, one of which is CommonJS.
fn fixture() -> Fixture {
    Fixture::new(&[
        (
            "main.js",
            "import 'esm'; import 'cjs'; import './lib/own.js'; import '#alias/x.js'; import 'folder';",
        ),
        ("lib/own.js", ""),
        ("lib/x.js", ""),
        ("vendor/index.js", "import './part.js';"),
        ("vendor/part.js", ""),
        (
            "node_modules/esm/package.json",
            r##"{"type":"module","version":"1.0.0","exports":{".":"./index.js"},"imports":{"#in":"./in.js"},"browser":{"./in2.js":"./in3.js"}}"##,
        ),
        ("node_modules/esm/index.js", "import '#in'; import './in2.js'; import 'deep';"),
        ("node_modules/esm/in.js", ""),
        ("node_modules/esm/in2.js", ""),
        ("node_modules/esm/in3.js", ""),
        (
            "node_modules/cjs/package.json",
            r#"{"version":"1.0.0","main":"./main","browser":{"fs":false}}"#,
        ),
        (
            "node_modules/cjs/main.js",
            "require('./part'); require('./folder'); require('fs'); require('deep'); import('deep');",
        ),
        ("node_modules/cjs/part.json", "{}"),
        ("node_modules/cjs/folder/index.json", "{}"),
        (
            "node_modules/deep/package.json",
            r#"{"version":"1.0.0","exports":{"require":"./deep.cjs","import":"./deep.mjs"}}"#,
        ),
        ("node_modules/deep/deep.cjs", ""),
        ("node_modules/deep/deep.mjs", ""),
    ])
    .import("esm", "npm:esm@1.0.0")
    .import("cjs", "npm:cjs")
    .import("folder", "./vendor/")
    .import("#alias/", "./lib/")
}

/// Returns the drift after this change of the files, one line each.
fn after(change: impl FnOnce(&Fixture)) -> Vec<String> {
    let fixture = fixture();
    let graph = fixture.lock().unwrap().graph;
    assert_eq!(drift(&graph, &fixture.project()), Vec::<Drift>::new());
    change(&fixture);
    drift(&graph, &fixture.project())
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn replace(fixture: &Fixture, path: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(fixture.path(path)).unwrap();
    assert!(text.contains(from), "{path}: {from}");
    fixture.write(path, &text.replace(from, to));
}

/// GRAPH-93: every input of the resolution, and the text that is reported for it.
#[test]
fn every_input_of_a_resolution_is_compared() {
    let json = "node_modules/esm/package.json";
    type Change = Box<dyn Fn(&Fixture)>;
    let edit = |path: &'static str, from: &'static str, to: &'static str| -> Change {
        Box::new(move |fixture| replace(fixture, path, from, to))
    };
    let write = |path: &'static str| -> Change { Box::new(move |fixture| fixture.write(path, "{}")) };
    let table: Vec<(&str, Change, &str)> = vec![
        (
            "exports",
            edit(json, "\"./index.js\"", "\"./in.js\""),
            "app:/main.js: \"esm\" was locked as \"esm/index.js\", and now resolves to node_modules/esm/in.js",
        ),
        (
            "no exports",
            edit(json, "{\".\":\"./index.js\"}", "{}"),
            "resolves to nothing: the package's package.json does not export",
        ),
        (
            "imports",
            edit(json, "\"#in\":\"./in.js\"", "\"#in\":\"./in2.js\""),
            "esm/index.js: \"#in\" was locked as \"esm/in.js\"",
        ),
        (
            "browser",
            edit(json, "./in3.js", "./in.js"),
            "esm/index.js: \"./in2.js\" was locked as \"esm/in3.js\"",
        ),
        (
            "no browser",
            edit(json, "\"browser\"", "\"Browser\""),
            "esm/index.js: \"./in2.js\" was locked as \"esm/in3.js\"",
        ),
        (
            "version",
            edit(json, "1.0.0", "1.0.1"),
            "[imports] \"esm\": version 1.0.0 is wanted but 1.0.1",
        ),
        (
            "version without a pin",
            edit("node_modules/cjs/package.json", "1.0.0", "1.0.1"),
            "package cjs has the version \"1.0.1\", and the lock records \"1.0.0\"",
        ),
        (
            "no package.json",
            Box::new(|fixture| std::fs::write(fixture.path("node_modules/cjs/package.json"), "[]").unwrap()),
            "cjs",
        ),
        (
            "main",
            edit("node_modules/cjs/package.json", "./main", "./folder"),
            "app:/main.js: \"cjs\" was locked as \"cjs/main.js\"",
        ),
        (
            "no longer omitted",
            edit(
                "node_modules/cjs/package.json",
                "\"fs\":false",
                "\"fs\":\"./part\"",
            ),
            "cjs/main.js: \"fs\" was locked as nothing, and now resolves to node_modules/cjs/part.json",
        ),
        (
            "omitted, of another specifier",
            edit("node_modules/cjs/package.json", "\"fs\":false", "\"x\":false"),
            "cjs/main.js: \"fs\" was locked as nothing, and now resolves to nothing",
        ),
        (
            "an ending that comes first",
            write("node_modules/cjs/part.js"),
            "cjs/main.js: \"./part\" was locked as \"cjs/part.json\", and now resolves to node_modules/cjs/part.js",
        ),
        (
            "an index that comes first",
            write("node_modules/cjs/folder/index.js"),
            "cjs/main.js: \"./folder\" was locked as",
        ),
        (
            "a file before a folder",
            write("node_modules/cjs/folder.js"),
            "cjs/main.js: \"./folder\" was locked as",
        ),
        (
            "a package.json in a folder",
            Box::new(|fixture| {
                fixture.write("node_modules/cjs/folder/package.json", "{\"main\":\"other.js\"}");
                fixture.write("node_modules/cjs/folder/other.js", "");
            }),
            "cjs/main.js: \"./folder\" was locked as",
        ),
        (
            "a nearer package",
            Box::new(|fixture| {
                fixture.write(
                    "node_modules/esm/node_modules/deep/package.json",
                    "{\"type\":\"module\",\"exports\":\"./near.js\"}",
                );
                fixture.write("node_modules/esm/node_modules/deep/near.js", "");
            }),
            "esm/index.js: \"deep\" was locked as",
        ),
        (
            "a nearer package for one of two",
            Box::new(|fixture| {
                fixture.write(
                    "node_modules/cjs/node_modules/deep/package.json",
                    "{\"version\":\"1.0.0\",\"exports\":\"./deep.cjs\"}",
                );
                fixture.write("node_modules/cjs/node_modules/deep/deep.cjs", "");
            }),
            "\"deep\" was locked as",
        ),
        (
            "conditions",
            edit(
                "node_modules/deep/package.json",
                "\"import\":\"./deep.mjs\"",
                "\"import\":\"./deep.cjs\"",
            ),
            "esm/index.js: \"deep\" was locked as",
        ),
        (
            "a link that leads out",
            Box::new(|fixture| {
                std::fs::rename(fixture.path("node_modules/esm"), fixture.outside().join("esm")).unwrap();
                fixture.link("node_modules/esm", fixture.outside().join("esm"));
            }),
            "[imports] \"esm\": ",
        ),
    ];
    for (name, change, part) in table {
        let found = after(|fixture| change(fixture));
        assert!(
            found.iter().any(|line| line.contains(part)),
            "{name}: {part}: {found:#?}"
        );
    }
}

/// GRAPH-93: missing files are no drift.
#[test]
fn missing_files_are_not_compared() {
    for gone in [
        "node_modules",
        "node_modules/deep",
        "vendor",
        "lib",
        "node_modules/cjs/folder",
        "node_modules/esm/in3.js",
    ] {
        let found = after(|fixture| {
            let path = fixture.path(gone);
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            removed.unwrap();
        });
        assert_eq!(found, Vec::<String>::new(), "{gone}");
    }
    let found = after(|fixture| std::fs::remove_file(fixture.path("main.js")).unwrap());
    assert_eq!(found, Vec::<String>::new());
}

/// GRAPH-93: a package that a CommonJS module requires, and that is installed after locking. Only the text of the
/// module names it. Comments and text of other modules require nothing, and `drift` reports modules that are left out.
#[test]
fn packages_that_were_required_in_vain_are_compared() {
    // The text of a module that is not CommonJS may contain what a CommonJS module is wrapped in.
    let wrapper = "(function(exports,require,module){require('./later.js');\n})";
    let fixture = Fixture::new(&[
        ("main.js", "import 'cjs'; import './typed.ts';"),
        ("typed.ts", wrapper),
        (
            "node_modules/cjs/package.json",
            r#"{"browser":{"omitted":false}}"#,
        ),
        (
            "node_modules/cjs/index.js",
            "// require('commented')\ntry { require('extra'); } catch {}\nrequire('omitted');",
        ),
    ])
    .import("cjs", "npm:cjs");
    let locked = fixture.lock().unwrap();
    let text = |found: &[Drift]| found.iter().map(ToString::to_string).collect::<Vec<_>>();
    let installed = || {
        let bytes = locked.bytes.iter().map(AsRef::as_ref);
        text(&installed_since(&locked.graph, &fixture.project(), bytes))
    };
    assert_eq!(installed(), [""; 0]);
    fixture.write("node_modules/cjs/package.json", "{}");
    fixture.write("later.js", "");
    for package in ["commented", "extra", "omitted"] {
        fixture.write(&format!("node_modules/{package}/package.json"), "{}");
        fixture.write(&format!("node_modules/{package}/index.js"), "");
    }
    let line = |package: &str| {
        format!(
            "cjs/index.js: \"{package}\" was locked as nothing, and now resolves to node_modules/{package}/index.js"
        )
    };
    assert_eq!(installed(), [line("extra")]);
    assert_eq!(text(&drift(&locked.graph, &fixture.project())), [line("omitted")]);
}

/// GRAPH-89, GRAPH-93: the import map, entry by entry.
#[test]
fn the_import_map_is_compared() {
    let fixture = fixture();
    let graph = fixture.lock().unwrap().graph;
    let map: Vec<(&str, &str)> = graph
        .import_map()
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        map,
        [
            ("#alias/", "./lib/"),
            ("cjs", "npm:cjs"),
            ("esm", "npm:esm@1.0.0"),
            ("folder", "./vendor")
        ]
    );
    let other = fixture
        .import("#alias/", "./vendor/../lib/")
        .import("esm", "npm:esm")
        .import("more", "npm:more@1.0.0");
    let found: Vec<String> = drift(&graph, &other.project())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "[imports] \"esm\" is \"npm:esm\", and the lock records \"npm:esm@1.0.0\"",
            "[imports] \"more\" is \"npm:more@1.0.0\", and the lock records nothing"
        ]
    );
}
