//! The graph's text: spec/graph.md, "Text".
//!
//! A second implementation reads the text back, with the help of the specification only. If it returns the same graph,
//! then the text determines every field.

use std::collections::BTreeMap;

use proptest::prelude::*;
use secure_runtime_loaders::{
    FileError, Graph, LockFileError, Module, ModuleKind, Origin, Package, Transformation, check_lock_text,
    read_lock, write_lock_text,
};

use crate::fixture::Fixture;
use crate::graph::{accepted, graph};

/// Reads a quoted text, and returns the rest of the line.
fn quoted(line: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = line.strip_prefix('"').unwrap().chars();
    loop {
        match characters.next().unwrap() {
            '"' => return (text, characters.as_str()),
            '\\' => match characters.next().unwrap() {
                'u' => {
                    let (number, rest) = characters.as_str().split_once('}').unwrap();
                    let number = number.strip_prefix('{').unwrap();
                    text.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
                    characters = rest.chars();
                }
                escaped => text.push(escaped),
            },
            character => text.push(character),
        }
    }
}

/// Reads one quoted text, which ends the line.
fn one(line: &str) -> String {
    let (text, rest) = quoted(line);
    assert_eq!(rest, "");
    text
}

/// Reads two quoted texts with an arrow between them.
fn two(line: &str) -> (String, String) {
    let (from, rest) = quoted(line);
    (from, one(rest.strip_prefix(" -> ").unwrap()))
}

fn kind(word: &str) -> ModuleKind {
    match word {
        "javascript" => ModuleKind::JavaScript,
        "json" => ModuleKind::Json,
        "text" => ModuleKind::Text,
        "bytes" => ModuleKind::Bytes,
        "wasm" => ModuleKind::Wasm,
        other => panic!("{other}"),
    }
}

fn transformation(word: &str) -> Transformation {
    match word {
        "commonjs" => Transformation::CommonJs,
        "imported-commonjs" => Transformation::ImportedCommonJs,
        "constants" => Transformation::Constants,
        "typescript" => Transformation::TypeScript,
        "left-out" => Transformation::LeftOut,
        other => panic!("{other}"),
    }
}

/// Reads a text back. The line with the graph hash is not used.
fn parse(text: &str) -> Graph {
    let mut lines = text.strip_suffix('\n').unwrap().split('\n');
    assert!(lines.next().unwrap().starts_with("graph blake3:"));
    assert!(lines.next().unwrap().starts_with("# "));
    assert_eq!(lines.next(), Some("format 2"));
    let entry = one(lines.next().unwrap().strip_prefix("entry ").unwrap());
    let mut map = BTreeMap::new();
    let mut packages: Vec<Package> = Vec::new();
    let mut modules: Vec<Module> = Vec::new();
    let mut imports: Vec<(usize, String, String)> = Vec::new();
    let mut is_in_module = false;
    for line in lines {
        let (fact, value) = match line.strip_prefix("  ") {
            Some(fact) => fact.split_once(' ').unwrap_or((fact, "")),
            None => line.split_once(' ').unwrap_or((line, "")),
        };
        let module = modules.last_mut().filter(|_| is_in_module);
        let package = packages.last_mut();
        match (fact, package, module) {
            ("", ..) => {}
            ("map", None, None) => {
                let (from, to) = two(value);
                map.insert(from, to);
            }
            ("program" | "package", ..) => {
                is_in_module = false;
                packages.push(Package {
                    name: if value.is_empty() {
                        String::new()
                    } else {
                        one(value)
                    },
                    ..Package::default()
                });
            }
            ("module", ..) => {
                is_in_module = true;
                modules.push(Module {
                    name: one(value),
                    package: u32::try_from(packages.len() - 1).unwrap(),
                    hash: blake3_of_nothing(),
                    size: 0,
                    kind: ModuleKind::JavaScript,
                    origin: None,
                    imports: BTreeMap::new(),
                    globals: Vec::new(),
                    grants: None,
                });
            }
            ("hash", _, Some(module)) => module.hash = value.parse().unwrap(),
            ("size", _, Some(module)) => module.size = value.parse().unwrap(),
            ("kind", _, Some(module)) => module.kind = kind(value),
            ("transformation", _, Some(module)) => {
                module.origin = Some(Origin {
                    transformation: transformation(value),
                    hash: blake3_of_nothing(),
                    size: 0,
                    exports: Vec::new(),
                    omitted: Vec::new(),
                });
            }
            ("source-hash", _, Some(module)) => module.origin.as_mut().unwrap().hash = value.parse().unwrap(),
            ("source-size", _, Some(module)) => module.origin.as_mut().unwrap().size = value.parse().unwrap(),
            ("export", _, Some(module)) => module.origin.as_mut().unwrap().exports.push(one(value)),
            ("omit", _, Some(module)) => module.origin.as_mut().unwrap().omitted.push(one(value)),
            ("restricted", _, Some(module)) => module.grants = Some(Vec::new()),
            ("grant", _, Some(module)) => module.grants.as_mut().unwrap().push(one(value)),
            ("uses", _, Some(module)) => module.globals.push(one(value)),
            ("import", _, Some(_)) => {
                let (from, to) = two(value);
                imports.push((modules.len() - 1, from, to));
            }
            ("version", Some(package), None) => package.version = Some(one(value)),
            ("isolate", Some(package), None) => package.isolate = true,
            ("grant", Some(package), None) => package.grants.push(one(value)),
            ("global", Some(package), None) => package.globals.push(one(value)),
            ("bound", Some(package), None) => package.bounds.push(one(value)),
            _ => panic!("{line}"),
        }
    }
    let index = |name: &str| {
        let found = modules.iter().position(|module| module.name == name);
        u32::try_from(found.unwrap()).unwrap()
    };
    let targets: Vec<u32> = imports.iter().map(|(_, _, target)| index(target)).collect();
    let entry = index(&entry);
    for ((module, specifier, _), target) in imports.into_iter().zip(targets) {
        modules[module].imports.insert(specifier, target);
    }
    let graph = Graph::new(entry, packages, modules).unwrap();
    graph.with_import_map(map).unwrap()
}

fn blake3_of_nothing() -> secure_runtime_loaders::ContentHash {
    secure_runtime_loaders::ContentHash::of(b"")
}

proptest! {
    /// GRAPH-94, GRAPH-95: the text determines the graph, even without the hash.
    #[test]
    fn the_text_determines_the_graph(graph in graph()) {
        let text = graph.to_text();
        prop_assert_eq!(&parse(&text), &graph);
        prop_assert_eq!(Graph::decode(&graph.encode()).unwrap().to_text(), text);
    }
}

/// GRAPH-94, GRAPH-95: the same for the vectors, which have every transformation.
#[test]
fn the_text_of_every_vector_determines_it() {
    let mut words = Vec::new();
    for graph in accepted() {
        let text = graph.to_text();
        assert_eq!(parse(&text), graph);
        assert_eq!(
            text.lines().next().unwrap(),
            format!("graph {}", graph.hash()),
            "the first line is the graph hash"
        );
        words.push(text);
    }
    let all = words.concat();
    for word in [
        "commonjs",
        "imported-commonjs",
        "constants",
        "typescript",
        "left-out",
    ] {
        assert!(all.contains(&format!("  transformation {word}\n")), "{word}");
    }
}

/// GRAPH-94, GRAPH-95: hostile names cannot imitate a line, and hidden characters are shown.
#[test]
fn hostile_names_are_escaped() {
    let module = |name: &str, specifier: &str| Module {
        name: name.to_owned(),
        package: 0,
        hash: blake3_of_nothing(),
        size: 0,
        kind: ModuleKind::JavaScript,
        origin: None,
        imports: BTreeMap::from([(specifier.to_owned(), 0)]),
        globals: Vec::new(),
        grants: None,
    };
    let modules = vec![
        module("app:/a\" -> \"b.js", "./x\" -> \"app:/good.js"),
        module("app:/a\u{a0}b.js", "\\u{a0}"),
    ];
    let text = Graph::new(0, vec![Package::default()], modules)
        .unwrap()
        .to_text();
    let facts: Vec<&str> = text.lines().filter(|line| line.contains("->")).collect();
    assert_eq!(
        facts,
        [
            r#"entry "app:/a\" -> \"b.js""#,
            r#"module "app:/a\" -> \"b.js""#,
            r#"  import "./x\" -> \"app:/good.js" -> "app:/a\" -> \"b.js""#,
            r#"  import "\\u{a0}" -> "app:/a\" -> \"b.js""#,
        ]
    );
    assert!(text.contains(r#"module "app:/a\u{a0}b.js""#), "{text}");
}

/// GRAPH-94.
#[test]
fn the_text_of_a_small_program() {
    let mut fixture = Fixture::new(&[
        ("main.js", "import { p } from 'p'; console.log(p);"),
        (
            "node_modules/p/package.json",
            r#"{"version":"1.2.3","main":"p.js"}"#,
        ),
        ("node_modules/p/p.js", "exports.p = 1;"),
    ])
    .import("p", "npm:p");
    fixture.input().app_grants = vec!["fs.read=./data/**".into()];
    fixture.input().module_grants = [("./main.js".to_owned(), Vec::new())].into();
    let graph = fixture.lock().unwrap().graph;
    let hash = |name: &str| {
        let module = graph.modules().iter().find(|module| module.name == name).unwrap();
        (module.hash, module.file().0.to_owned(), module.size)
    };
    let (main, package) = (hash("app:/main.js"), hash("p/p.js"));
    let expected = format!(
        r#"graph {}
# the text of secure.lock, for review; `secure-runtime lock` writes it, `verify` compares it
format 2
entry "app:/main.js"
map "p" -> "npm:p"

program
  grant "fs.read=./data/**"

module "app:/main.js"
  hash {}
  size 38
  kind javascript
  restricted
  import "p" -> "p/p.js"
  uses "console"

package "p"
  version "1.2.3"

module "p/p.js"
  hash {}
  size {}
  kind javascript
  transformation imported-commonjs
  source-hash {}
  source-size 14
  export "p"
"#,
        graph.hash(),
        main.0,
        package.0,
        package.2,
        package.1,
    );
    assert_eq!(graph.to_text(), expected);
}

/// The locks of the examples have their text.
#[test]
fn examples_have_their_text() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let lock = entry.unwrap().path().join("secure.lock");
        if lock.exists() {
            let graph = read_lock(&lock).unwrap();
            assert_eq!(check_lock_text(&lock.with_extension("lock.txt"), &graph), Ok(()));
            count += 1;
        }
    }
    assert!(count >= 2);
}

/// GRAPH-96: every change of a text is found, and the error names the first line that differs.
#[test]
fn a_text_that_differs_is_refused() {
    let fixture = Fixture::new(&[("main.js", "console.log(1);")]);
    let graph = fixture.lock().unwrap().graph;
    let path = fixture.path("secure.lock.txt");
    let missing = check_lock_text(&path, &graph).unwrap_err();
    assert!(matches!(missing, LockFileError::NoText { .. }) && missing.is_integrity());
    assert!(missing.to_string().contains("secure-runtime lock"), "{missing}");

    write_lock_text(&path, &graph).unwrap();
    assert_eq!(check_lock_text(&path, &graph), Ok(()));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, graph.to_text());
    let check = |changed: &[u8]| {
        std::fs::write(&path, changed).unwrap();
        check_lock_text(&path, &graph).unwrap_err()
    };
    for position in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[position] ^= 1;
        let first = 1 + text.as_bytes()[..position]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        match check(&changed) {
            LockFileError::TextDiffers { line, .. } => assert_eq!(line, first, "byte {position}"),
            error => panic!("{error}"),
        }
        assert!(check(&text.as_bytes()[..position]).is_integrity(), "{position}");
    }
    let count = text.lines().count();
    let more = check(format!("{text}\n").as_bytes()).to_string();
    assert!(
        more.contains(&format!("line {} differs", count + 1)) && more.contains("the lock: (the end)"),
        "{more}"
    );
    let windows = check(text.replace('\n', "\r\n").as_bytes()).to_string();
    assert!(
        windows.contains("line 1 differs") && windows.contains("\\u{d}"),
        "{windows}"
    );
    let grant = check(text.replace("size 15", "size 16").as_bytes()).to_string();
    assert!(
        grant.contains("the text:   size 16\n  the lock:   size 15\n  help: run `secure-runtime lock`"),
        "{grant}"
    );
    let hash = graph.hash().to_string();
    let other = check(text.replace(&hash, "blake3:0").as_bytes()).to_string();
    assert!(other.contains(&hash), "{other}");

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(
        check_lock_text(&path, &graph),
        Err(LockFileError::Read {
            error: FileError::NotRegular { .. },
            ..
        })
    ));
}
