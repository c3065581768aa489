//! TypeScript without its types, compared with another tool: ts-blank-space, which uses TypeScript's own parser.

use std::path::Path;

use secure_runtime_loaders::{LockInput, lock};

use crate::answers;

/// Returns the seeds of the fuzz target: each kind of syntax, and each place where removing types could change the
/// meaning.
fn sources() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/typescript");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

/// Returns `source` without types, or `None` if it is rejected.
fn left_of(source: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("main.ts", source);
    write("a.ts", "");
    write("a.json", "{}");
    let locked = lock(&LockInput {
        root: folder.path().to_owned(),
        entry: "main.ts".to_owned(),
        ..LockInput::default()
    });
    let locked = locked.ok()?;
    let bytes = locked.bytes.get(locked.graph.entry() as usize).unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// GRAPH-64, GRAPH-65: if we accept a source, the peer accepts it and leaves the same text, provided that this is
/// JavaScript.
#[test]
#[ignore = "needs ts-blank-space: `cargo xtask interop`"]
fn typescript_equals_the_result_of_the_peer() {
    let sources = sources();
    let pairs: Vec<(&String, String)> = sources
        .iter()
        .filter_map(|source| Some((source, left_of(source)?)))
        .collect();
    let questions = pairs
        .iter()
        .map(|pair| serde_json::to_string(pair).unwrap())
        // The control: the peer reports differences and rejections.
        .chain(["[\"let a: b = 1\",\"let a = 2\"]", "[\"enum A {}\",\"\"]"].map(str::to_owned));
    let mut verdicts = answers("strip.mjs", questions);
    assert_eq!(verdicts.split_off(pairs.len()), ["other", "refused"]);
    assert!(pairs.len() > 60, "{}", pairs.len());
    let (mut broken, mut others) = (0, Vec::new());
    for ((source, left), verdict) in pairs.iter().zip(verdicts) {
        match verdict.as_str() {
            "same" => {}
            "broken" => broken += 1,
            // Only a type is imported, which the peer does not examine.
            "refused" if source.starts_with("import type A = require") => {}
            verdict => others.push((verdict.to_owned(), source, left)),
        }
    }
    assert!(others.is_empty(), "{others:#?}");
    // The peer mishandles `as` in property names, `get` as a name, and a missing line end before `public *c()`.
    assert!(broken <= 3, "{broken}");
}
