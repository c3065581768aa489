//! Locking, signing and review of limits, isolates and demanded signatures: they cannot be removed unnoticed.

use serde_json::Value;

use super::{greeting, has_run, secure_runtime};
use crate::support::Scene;

/// Returns `greeting` with these lines added to its manifest. It is locked, and its lock is copied to `old.lock`.
fn locked(lines: &str) -> Scene {
    let scene = with(greeting(), lines);
    secure_runtime(&scene, &["lock"]).success();
    let lock = std::fs::read(scene.base().join("secure.lock")).unwrap();
    scene.file("old.lock", lock)
}

/// Writes the manifest of `greeting` with these lines added.
fn with(scene: Scene, lines: &str) -> Scene {
    let manifest = greeting().read("secure.toml");
    scene.file("secure.toml", format!("{manifest}{lines}"))
}

fn public_key(scene: &Scene, name: &str) -> String {
    let key = secure_runtime(scene, &["key", "generate", "--out", name]).success();
    key.trim_end().to_owned()
}

/// Checks that every command refuses the graph until it is locked again.
#[track_caller]
fn refused_until_locked(scene: &Scene, part: &str) {
    for arguments in [
        &["run"][..],
        &["run", "--locked"],
        &["verify"],
        &["explain", "fs read x"],
        &["graph", "show"],
    ] {
        let said = secure_runtime(scene, arguments).failure_with_hint(4);
        assert!(said.contains(part), "{arguments:?}: {part}: {said}");
    }
    let said = secure_runtime(scene, &["lock", "--frozen"]).failure_with_hint(4);
    assert!(said.contains("would change"), "{said}");
    assert!(!has_run(scene));
}

/// Locks again, and checks that `--deny-growth` refuses the difference and shows these lines.
#[track_caller]
fn growth(scene: &Scene, lines: &[&str]) {
    secure_runtime(scene, &["lock"]).success();
    let denied = secure_runtime(scene, &["graph", "diff", "old.lock", "--deny-growth"]);
    for line in lines {
        assert!(denied.out.contains(line), "{line}: {}", denied.out);
    }
    denied.failure_with_hint(3);
    // In the other direction, authority only shrinks.
    secure_runtime(scene, &["graph", "diff", ".", "old.lock", "--deny-growth"]).success();
}

/// A135, CLI-49, GRAPH-88, GRAPH-92: a limit that is raised or removed.
#[test]
fn a135_a_raised_or_removed_limit_is_detected() {
    let limits = "[limits]\nheap = \"64MiB\"\ncpu = \"10m\"\nwall = \"20m\"\noperations = 1000\n";
    let scene = locked(limits);
    secure_runtime(&scene, &["run", "--locked"]).success();
    std::fs::remove_file(scene.base().join("out/marker")).unwrap();
    let scene = with(scene, "");
    refused_until_locked(&scene, "bounds the program less (no limits.cpu, before 600s)");
    growth(
        &scene,
        &[
            "the program: no limits.cpu, before 600s",
            "the program: limits.heap = 256MiB, before 64MiB",
            "the program: no limits.operations, before 1000",
            "the program: no limits.wall, before 1200s",
        ],
    );
    for (key, raised) in [
        ("heap = \"64MiB\"", "heap = \"16GiB\""),
        ("cpu = \"10m\"", "cpu = \"11m\""),
        ("operations = 1000", "operations = 1001"),
        ("operations = 1000", "operations = 1000\nidle = \"31s\""),
        ("operations = 1000", "operations = 1000\nresponse = \"65MiB\""),
    ] {
        let scene = with(locked(limits), &limits.replace(key, raised));
        refused_until_locked(&scene, "bounds the program less (limits.");
        growth(&scene, &["the program: limits."]);
    }
}

/// GRAPH-92: limits that are stricter than the lock are accepted and enforced. GRAPH-91: another spelling of the same
/// limits gives the same lock.
#[test]
fn stricter_limits_are_accepted_and_spelling_does_not_matter() {
    let scene = locked("[limits]\nheap = \"64MiB\"\nwall = \"20m\"\n");
    let scene = with(scene, "[limits]\nheap = \"65536KiB\"\nwall = \"1200s\"\n");
    secure_runtime(&scene, &["lock", "--frozen"]).success();
    let scene = with(
        scene,
        "[limits]\nheap = \"64MiB\"\nwall = \"19m\"\noutput = \"1B\"\n[packages.greet]\nlimits = { operations = 1 }\n",
    );
    secure_runtime(&scene, &["verify"]).success();
    let said = secure_runtime(&scene, &["run", "--locked"]).failure_with_hint(5);
    assert!(said.contains("output limit of 1 B"), "{said}");
    secure_runtime(&scene, &["lock", "--frozen"]).failure_with_hint(4);
}

/// A135, CLI-49: limits and isolates of packages.
#[test]
fn a135_changed_limits_of_packages_are_detected() {
    let isolated =
        "[packages.greet]\nisolate = true\nlimits = { heap = \"16MiB\", cpu = \"10m\", operations = 50 }\n";
    let scene = with(
        locked(isolated),
        "[packages.greet]\nisolate = true\nlimits = { cpu = \"10m\" }\n",
    );
    refused_until_locked(
        &scene,
        "bounds package greet less (limits.heap = 256MiB, before 16MiB)",
    );
    growth(
        &scene,
        &[
            "package greet: limits.heap = 256MiB, before 16MiB",
            "package greet: no limits.operations, before 50",
        ],
    );
    // The package gets its own heap limit, which is larger than the program's limit that applied before.
    let scene = with(
        locked("[packages.greet]\nisolate = true\n"),
        "[packages.greet]\nisolate = true\nlimits = { heap = \"1GiB\" }\n",
    );
    refused_until_locked(&scene, "limits.heap = 1GiB, before 256MiB");
    growth(&scene, &["package greet: limits.heap = 1GiB, before 256MiB"]);
    // The limit of a package applies in addition to that of the program. If it is removed, the program's limit, which
    // is stricter, still applies.
    let scene = with(
        locked("[limits]\noperations = 10\n[packages.greet]\nlimits = { operations = 50 }\n"),
        "[limits]\noperations = 10\n",
    );
    secure_runtime(&scene, &["run", "--locked"]).success();
}

/// A136, CLI-49: a demand for signatures that is removed or weakened.
#[test]
fn a136_a_weaker_demand_for_signatures_is_detected() {
    let scene = greeting();
    let keys = [public_key(&scene, "a.key"), public_key(&scene, "b.key")];
    let trust = |of: &str, rest: &str| format!("[{of}]\nkeys = [{:?}, {:?}]\n{rest}\n", keys[0], keys[1]);
    let whole = "threshold = 2\nclaims = [\"reviewed=yes\"]";
    for of in ["trust", "packages.greet.trust"] {
        let owner = if of == "trust" {
            "the program"
        } else {
            "package greet"
        };
        let lines = [
            ("".to_owned(), "no demand for signatures"),
            (
                trust(of, "threshold = 1\nclaims = [\"reviewed=yes\"]"),
                "trust demands less",
            ),
            (
                trust(of, "threshold = 2\nclaims = [\"reviewed\"]"),
                "trust demands less",
            ),
            (trust(of, "threshold = 2"), "trust demands less"),
        ];
        for (less, part) in lines {
            let scene = with(locked(&trust(of, whole)), &less);
            refused_until_locked(&scene, &format!("bounds {owner} less ({part}"));
            growth(&scene, &[&format!("{owner}: {part}")]);
        }
    }
    // A stricter demand is not growth. The program then needs the additional signatures to run.
    let scene = with(locked(&trust("trust", "threshold = 1")), &trust("trust", whole));
    secure_runtime(&scene, &["lock"]).success();
    secure_runtime(&scene, &["graph", "diff", "old.lock", "--deny-growth"]).success();
}

/// A135, SIG-11: a signature covers the limits, so a program with other limits is not the signed one.
#[test]
fn a135_a_signature_covers_the_limits() {
    let limits = "[limits]\ncpu = \"10m\"\n";
    let scene = locked(limits);
    let key = public_key(&scene, "a.key");
    secure_runtime(&scene, &["sign", "--key", "a.key"]).success();
    secure_runtime(&scene, &["run", "--signed-by", &key]).success();
    std::fs::remove_file(scene.base().join("out/marker")).unwrap();
    let scene = with(scene, "");
    secure_runtime(&scene, &["run", "--signed-by", &key]).failure_with_hint(4);
    secure_runtime(&scene, &["lock"]).success();
    let said = secure_runtime(&scene, &["run", "--signed-by", &key]).failure_with_hint(4);
    assert!(said.contains("0 of the 1 signatures"), "{said}");
    assert!(!has_run(&scene));
}

/// Creates a program with a plugin that has fewer rights than the program.
fn plugin(name: &str, manifest: &str, code: &str) -> Scene {
    Scene::new()
        .file(
            "secure.toml",
            format!("[package]\nname = \"p\"\nentry = \"main.js\"\n[grants]\nfs.read = [\"./data/**\"]\n{manifest}"),
        )
        .file("main.js", format!("import './{name}';\n"))
        .file(name, code)
}

fn relocked(old: Scene, new: &Scene) -> Scene {
    secure_runtime(&old, &["lock"]).success();
    let lock = std::fs::read(old.base().join("secure.lock")).unwrap();
    secure_runtime(new, &["lock"]).success();
    old.file("old.lock", lock)
}

/// A137, CLI-48. The restriction `grants = {}` of a module no longer applies after the module is renamed.
#[test]
fn a137_a_renamed_module_is_compared_with_its_old_name() {
    let code = "export const plugin = 1;\n";
    let narrowed = |name: &str| format!("[modules.\"./{name}\"]\ngrants = {{}}\n");
    let gained = "module app:/b.js: fs.read = [\"./data/**\"] (before: module app:/a.js)";
    for edited in [code, "export const plugin = 2;\n"] {
        let (old, new) = (
            plugin("a.js", &narrowed("a.js"), code),
            plugin("b.js", "", edited),
        );
        let old = relocked(old, &new);
        let path = old.base().join("old.lock");
        let arguments = ["graph", "diff", path.to_str().unwrap(), ".", "--deny-growth"];
        let denied = secure_runtime(&new, &arguments);
        assert!(denied.out.contains(gained), "{}", denied.out);
        denied.failure_with_hint(3);
        let json = secure_runtime(&new, &["graph", "diff", path.to_str().unwrap(), ".", "--json"]).success();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["growth"][0]["was"], "module app:/a.js");
        // The control: the same grants under the new name.
        let new = plugin("b.js", &narrowed("b.js"), edited);
        secure_runtime(&new, &["lock"]).success();
        secure_runtime(&new, &arguments).success();
    }
}

/// CLI-51. Commands refuse a lock in the previous format and suggest `lock`, which replaces it.
#[test]
fn a_lock_in_an_old_format_must_be_replaced() {
    let scene = locked("");
    let vectors: Value = serde_json::from_str(include_str!("../../spec/vectors/graph.json")).unwrap();
    let refused = vectors["refused"].as_array().unwrap();
    let old = refused
        .iter()
        .find(|vector| vector["name"] == "a graph of format 1")
        .unwrap();
    let bytes = old["bytes"].as_str().unwrap();
    let digits = |at: usize| u8::from_str_radix(&bytes[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..bytes.len()).step_by(2).map(digits).collect();
    let scene = scene.file("secure.lock", bytes);
    for arguments in [
        &["run"][..],
        &["verify"],
        &["graph", "diff", "secure.lock", "old.lock"],
        &["lock", "--frozen"],
    ] {
        let said = secure_runtime(&scene, arguments).failure_with_hint(4);
        for part in ["its format is 1", "run `secure-runtime lock` again"] {
            assert!(said.contains(part), "{arguments:?}: {said}");
        }
    }
    let said = secure_runtime(&scene, &["lock"]).success();
    assert!(said.contains("the old lock is replaced: "), "{said}");
    secure_runtime(&scene, &["run", "--locked"]).success();
}
