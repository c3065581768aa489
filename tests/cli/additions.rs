//! Modules that a program adds by their hashes at run time: RUN-49.

use secure_runtime_loaders::ContentHash;

use super::{Done, command, secure_runtime};
use crate::support::{Scene, grant_table};

/// A module that uses its argument, and tries to use everything that it was not given.
const ADDED: &str = "// import 'cap:self'\n\
    export const read = (fs) => fs.readTextFile('data/a.txt');\n\
    export const tried = [];\n\
    for (const name of ['cap:self', './main.js', 'app:/main.js', import.meta.url.replace(/.$/, '0')]) {\n\
      try { await import(name); tried.push(name); } catch (error) { tried.push(error.name); }\n\
    }\n\
    try { Date.now(); tried.push('the time'); } catch (error) { tried.push(error.name); }\n\
    export const url = import.meta.url;\n";

const MAIN: &str = "import { fs } from 'cap:self';\n\
    export default async ([name]) => {\n\
      const added = await import(name);\n\
      console.log(added.tried.join(), await added.read(fs), added.url === name, added === await import(name));\n\
    };\n";

fn hash() -> String {
    ContentHash::of(ADDED.as_bytes()).to_string()
}

/// Creates a locked program with these grants, and a local store that contains `modules`.
fn scene(grants: &[&str], modules: &[&str]) -> Scene {
    let scene = Scene::new()
        .file(
            "secure.toml",
            format!(
                "[package]\nname = \"test\"\nentry = \"main.js\"\n[grants]\n{}",
                grant_table(grants)
            ),
        )
        .file("main.js", MAIN)
        .file("data/a.txt", "what it was given");
    secure_runtime(&scene, &["lock"]).success();
    for (number, module) in modules.iter().enumerate() {
        let file = format!("added-{number}.js");
        std::fs::write(scene.base().join(&file), module).unwrap();
        secure_runtime(&scene, &["store", "add", &file]).success();
        std::fs::remove_file(scene.base().join(&file)).unwrap();
    }
    scene
}

fn run(scene: &Scene, name: &str) -> Done {
    let audit = scene.base().join("audit.jsonl");
    let _ = std::fs::remove_file(&audit);
    secure_runtime(scene, &["run", "--audit", "audit.jsonl", "--", name])
}

fn module_decisions(scene: &Scene) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(scene.base().join("audit.jsonl")).unwrap();
    let records = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    records
        .filter(|record| record["family"] == "module")
        .map(|record| (text(&record["verdict"]), text(&record["resource"])))
        .collect()
}

/// RUN-49
#[test]
fn a_granted_hash_is_added_without_rights() {
    let grant = format!("module.import={}", hash());
    let scene = scene(&[&grant, "fs.read=./data/**", "clock=1s"], &[ADDED]);
    let refused = "TypeError,TypeError,TypeError,TypeError,CapabilityError";
    assert_eq!(
        run(&scene, &hash()).success(),
        format!("{refused} what it was given true true\n")
    );
    let resource = format!("{}#{}", hash(), hash());
    let allowed = ("allowed".to_owned(), resource);
    assert_eq!(module_decisions(&scene), [allowed.clone(), allowed]);
}

/// RUN-49
#[test]
fn hashes_without_a_grant_are_not_added() {
    let other = ContentHash::of(b"other").to_string();
    for (grants, name, code) in [
        (vec![], hash(), 1),
        (vec![format!("module.import={other}")], hash(), 3),
        (vec!["module.import=app:/**".to_owned()], hash(), 3),
        (
            vec![format!("module.import={}", hash())],
            hash().to_uppercase(),
            3,
        ),
        (
            vec![format!("module.import={}", hash())],
            format!("{}0", hash()),
            3,
        ),
    ] {
        // All other operations of the program are allowed.
        let grants: Vec<&str> = grants
            .iter()
            .map(String::as_str)
            .chain(["fs.read=./data/**"])
            .collect();
        let scene = scene(&grants, &[ADDED]);
        let done = run(&scene, &name);
        assert_eq!(done.out, "", "{grants:?} {name}");
        done.failure(code);
    }
}

/// RUN-49: bytes that are missing, wrong, or not a module without imports.
#[test]
fn errors_of_added_modules_are_reported() {
    let importing = "import { fs } from 'cap:self'; export const read = () => 1;";
    for (module, said) in [
        (importing, "has imports"),
        ("export const = 1", "line 1, column 14"),
        ("exports.read = require('x')", "uncaught"),
    ] {
        let hash = ContentHash::of(module.as_bytes()).to_string();
        let scene = scene(&[&format!("module.import={hash}")], &[module]);
        let message = run(&scene, &hash).failure(1);
        assert!(message.contains(said), "{module}: {message}");
    }
    let scene = scene(
        &[&format!("module.import={}", hash()), "fs.read=./data/**"],
        &[ADDED],
    );
    let digits = hash().replace("blake3:", "");
    let blob = super::store(&scene)
        .join("blobs")
        .join(&digits[..2])
        .join(&digits);
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, ADDED.replace("data/a.txt", "data/b.txt")).unwrap();
    let message = run(&scene, &hash()).failure(1);
    assert!(
        message.contains("wrong bytes") && !message.contains("/store/"),
        "{message}"
    );
    std::fs::remove_file(&blob).unwrap();
    let message = run(&scene, &hash()).failure(1);
    assert!(message.contains("no available store"), "{message}");
    // A file of the project is not a store.
    std::fs::write(scene.base().join("added.js"), ADDED).unwrap();
    command(&scene, &["store", "list"]).output().unwrap();
    run(&scene, &hash()).failure(1);
}
