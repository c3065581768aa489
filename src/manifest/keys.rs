//! Tests that the lock binds every key of the manifest for which spec/graph.md requires it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use secure_runtime_capabilities::{Base, Families, KeyPair};
use secure_runtime_loaders::{ContentHash, Graph, resolve};

use super::{Manifest, ManifestError};
use crate::within_lock::lock_input;

const SPECIFICATION: &str = include_str!("../../spec/graph.md");

/// The text of each source file that parses the manifest.
const SOURCES: [&str; 5] = [
    include_str!("kv.rs"),
    include_str!("limits.rs"),
    include_str!("packages.rs"),
    include_str!("parse.rs"),
    include_str!("trust.rs"),
];

/// The tables of the manifest: the prefix of their keys in the specification, and a manifest that contains `KEY`.
const TABLES: [(&str, &str); 10] = [
    ("", "KEY = 1\n"),
    ("package.", "[package]\nKEY = 1\n"),
    (
        "packages.*.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[packages.p]\nKEY = 1\n",
    ),
    (
        "packages.*.limits.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[packages.p.limits]\nKEY = 1\n",
    ),
    (
        "packages.*.trust.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[packages.p.trust]\nKEY = 1\n",
    ),
    (
        "modules.*.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[modules.\"./a.js\"]\nKEY = 1\n",
    ),
    (
        "limits.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[limits]\nKEY = 1\n",
    ),
    (
        "kv.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[kv]\nKEY = 1\n",
    ),
    (
        "trust.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[trust]\nKEY = 1\n",
    ),
    (
        "trust.keys.*.",
        "[package]\nname = \"t\"\nentry = \"a.js\"\n[trust]\nkeys = [{ KEY = 1 }]\n",
    ),
];

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    let base = Base::new("/srv/app").unwrap();
    Manifest::parse(Path::new("secure.toml"), text, &base, &Families::builtin())
}

/// Returns every quoted word in the source of the parser. Every key that the parser can read is among them.
fn words() -> BTreeSet<&'static str> {
    let words = SOURCES.iter().flat_map(|source| source.split('"'));
    let is_word = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    words.filter(is_word).collect()
}

/// Returns the keys that the parser does not reject as unknown.
fn accepted() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (prefix, text) in TABLES {
        for word in words() {
            let error = parse(&text.replace("KEY", word)).err();
            if !error.is_some_and(|error| error.message().starts_with("unknown key")) {
                keys.insert(format!("{prefix}{word}"));
            }
        }
    }
    keys
}

/// Returns the keys of the table in the specification, with the second cell of their row.
fn rows() -> BTreeMap<String, String> {
    let line = SPECIFICATION
        .lines()
        .skip_while(|line| !line.starts_with("- **GRAPH-90**"));
    let table = line.skip(1).take_while(|line| !line.starts_with("- **"));
    let mut rows = BTreeMap::new();
    for row in table.filter(|row| row.starts_with("  | `")) {
        let mut cells = row.trim().trim_matches('|').split(" | ");
        let (keys, place) = (cells.next().unwrap(), cells.next().unwrap());
        for key in keys.split('`').filter(|key| key.contains('.')) {
            rows.insert(key.to_owned(), place.trim().to_owned());
        }
    }
    rows
}

/// GRAPH-90: every key of the parser has a row in the specification, and every row has a key.
#[test]
fn every_key_of_the_manifest_has_a_row() {
    let rows = rows();
    assert!(words().len() > 25 && rows.len() > 30);
    // Tables have no rows. The keys in them have.
    let tables = [
        "package",
        "imports",
        "grants",
        "packages",
        "modules",
        "limits",
        "kv",
        "trust",
        "packages.*.limits",
        "packages.*.trust",
    ];
    // The row of a key covers its times as well.
    let of_keys = ["trust.keys.*.key", "trust.keys.*.from", "trust.keys.*.until"];
    let accepted = accepted();
    for key in &accepted {
        let is_table = tables.contains(&key.as_str()) || of_keys.contains(&key.as_str());
        assert!(
            is_table || rows.contains_key(key),
            "no row in spec/graph.md for the key {key}"
        );
    }
    for key in rows.keys().filter(|key| !key.ends_with(".*")) {
        assert!(accepted.contains(key), "the row {key} is about no key");
    }
    for table in ["imports.*", "grants.*"] {
        assert!(rows.contains_key(table), "{table}");
    }
}

/// A project with a package and two modules that can be the entry.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("a.js", "import 'p';\n"),
            ("b.js", "import 'p';\n"),
            ("p/package.json", "{\"type\":\"module\"}"),
            ("p/index.js", ""),
            ("q/package.json", "{\"type\":\"module\"}"),
            ("q/index.js", ""),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Project(folder)
    }

    fn lock(&self, manifest: &str) -> Graph {
        let input = lock_input(self.0.path(), &parse(manifest).unwrap()).unwrap();
        resolve::lock(&input).unwrap().graph
    }
}

fn key(number: u8) -> String {
    KeyPair::from_secret(&[number; 32]).unwrap().public().to_string()
}

/// Returns the lines of two tables that differ only in this key.
fn example(key: &str) -> (String, String) {
    let (one, two) = (self::key(1), self::key(2));
    let trust = |keys: &[&String], rest: &str| {
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        format!("keys = [{}]\n{rest}\n", keys.join(", "))
    };
    let both = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    let (table, name) = key.rsplit_once('.').unwrap();
    let lines = match (table, name) {
        ("package", "name") => {
            return both(
                "[package]\nname = \"t\"\nentry = \"a.js\"\n",
                "[package]\nname = \"u\"\nentry = \"a.js\"\n",
            );
        }
        ("package", "entry") => {
            return both(
                "[package]\nname = \"t\"\nentry = \"a.js\"\n",
                "[package]\nname = \"t\"\nentry = \"b.js\"\n",
            );
        }
        ("imports", _) => both("", "\"#q\" = \"./q/index.js\""),
        ("grants", _) => both("fs.read = [\"./x\"]", "fs.read = [\"./y\"]"),
        (_, "grants") => both("grants = {}", "grants = { env.read = [\"A\"] }"),
        (_, "isolate") => both("isolate = false", "isolate = true"),
        (_, "heap" | "response" | "output" | "read" | "fetched") => {
            (format!("{name} = \"9MiB\""), format!("{name} = \"10MiB\""))
        }
        ("kv", "file") => both("file = \"a\"", "file = \"b\""),
        ("kv", "size") => both("file = \"a\"\nsize = \"9MiB\"", "file = \"a\"\nsize = \"10MiB\""),
        (_, "cpu" | "wall" | "idle") => (format!("{name} = \"9s\""), format!("{name} = \"10s\"")),
        (_, "operations" | "handles" | "pending" | "timers") => {
            (format!("{name} = 9"), format!("{name} = 10"))
        }
        (_, "keys") => (trust(&[&one], ""), trust(&[&two], "")),
        (_, "threshold") => (
            trust(&[&one, &two], "threshold = 1"),
            trust(&[&one, &two], "threshold = 2"),
        ),
        (_, "claims") => (
            trust(&[&one], "claims = [\"a\"]"),
            trust(&[&one], "claims = [\"b\"]"),
        ),
        _ => panic!("no example for the key {key}"),
    };
    let head = match table {
        "packages.*" => "[packages.p]",
        "packages.*.limits" => "[packages.p]\nisolate = true\n[packages.p.limits]",
        "packages.*.trust" => "[packages.p.trust]",
        "modules.*" => "[modules.\"./a.js\"]",
        "imports" => "",
        table => {
            return (
                format!("[{table}]\n{}", lines.0),
                format!("[{table}]\n{}", lines.1),
            );
        }
    };
    (format!("{head}\n{}", lines.0), format!("{head}\n{}", lines.1))
}

/// GRAPH-90: each key changes the graph hash, except those that the specification excludes.
#[test]
fn every_key_of_the_manifest_is_bound() {
    let project = Project::new();
    let manifest = |key: &str, lines: &str| {
        let imports = "[imports]\np = \"./p/\"\n";
        let grants = if key == "grants.*" {
            ""
        } else {
            "[grants]\nenv.read = [\"A\"]\n"
        };
        match key {
            "package.name" | "package.entry" => format!("{lines}{imports}"),
            "imports.*" => format!("[package]\nname = \"t\"\nentry = \"a.js\"\n{imports}{lines}\n{grants}"),
            _ => format!("[package]\nname = \"t\"\nentry = \"a.js\"\n{imports}{grants}{lines}\n"),
        }
    };
    for (key, place) in rows() {
        let (one, other) = example(&key);
        let hash = |lines: &str| -> ContentHash { project.lock(&manifest(&key, lines)).hash() };
        let is_bound = hash(&one) != hash(&other);
        assert_eq!(is_bound, !place.starts_with("nowhere"), "{key}: {place}");
        assert_eq!(hash(&one), hash(&one));
    }
}

/// GRAPH-87, GRAPH-89, GRAPH-91: equivalent manifests have the same graph hash.
#[test]
fn equivalent_manifests_have_the_same_hash() {
    let project = Project::new();
    let head = "[package]\nname = \"t\"\nentry = \"ENTRY\"\n[imports]\np = \"PATH\"\n";
    let lock = |entry: &str, path: &str, rest: &str| {
        project
            .lock(&format!(
                "{}{rest}",
                head.replace("ENTRY", entry).replace("PATH", path)
            ))
            .hash()
    };
    let plain = "[grants]\nfs.read = [\"./data/**\"]\nnet.connect = [\"https://api.example.com\"]\nrandom = true\n\
                 [packages.p]\ngrants = { fs.read = [\"./data/a\"] }\n[limits]\nheap = \"64MiB\"\nwall = \"60s\"\n";
    let other = "[grants]\nfs.read = [\"data/**\", \"data/x\"]\nnet.connect = \"https://API.Example.COM:443\"\nrandom = \"os\"\nclock = false\n\
                 [packages.p]\ngrants = { fs.read = [\"data/./b/../a\"] }\n[limits]\nheap = \"65536KiB\"\nwall = \"1m\"\nresponse = \"64MiB\"\n";
    assert_eq!(lock("a.js", "./p/", plain), lock("./a.js", "./x/../p", other));
    assert_ne!(
        lock("a.js", "./p/", plain),
        lock("a.js", "./p/", &plain.replace("./data/a", "./data/b"))
    );
    let (one, two) = (key(1), key(2));
    let trust = |text: &str| text.replace("ONE", &one).replace("TWO", &two);
    let keys = trust(
        "[trust]\nthreshold = 1\nclaims = [\"a=1\"]\nkeys = [\"ONE\", { key = \"TWO\", until = \"2030-01-01T00:00:00Z\" }]\n",
    );
    let again = trust(
        "[trust]\nclaims = [\"a\", \"a=1\"]\nkeys = [{ until = \"2030-01-01T00:00:00Z\", key = \"TWO\" }, { key = \"ONE\" }]\nthreshold = 1\n",
    );
    assert_eq!(lock("a.js", "./p/", &keys), lock("a.js", "./p/", &again));
    assert_ne!(
        lock("a.js", "./p/", &keys),
        lock("a.js", "./p/", &keys.replace("2030", "2031"))
    );
}
