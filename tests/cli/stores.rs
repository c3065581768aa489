//! `store get --store`, `store verify --repair` and `store gc`.

use std::fs;
use std::path::PathBuf;

use secure_runtime_loaders::ContentHash;

use super::{greeting, has_run, secure_runtime, store};
use crate::support::Scene;

/// Returns the file of a blob in the scene's local store.
pub(super) fn blob(scene: &Scene, hash: &ContentHash) -> PathBuf {
    let digits = hash.to_string().strip_prefix("blake3:").unwrap().to_owned();
    store(scene).join("blobs").join(&digits[..2]).join(digits)
}

/// CLI-28. The first store with the right bytes provides the blob, and the local store keeps it. A store with wrong
/// bytes is named.
#[test]
fn a_blob_is_fetched_from_the_first_store_with_the_right_bytes() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let hash = ContentHash::of(&bytes);
    let (liar, honest, here) = (Scene::new(), Scene::new(), Scene::new());
    for origin in [&liar, &honest] {
        fs::write(origin.base().join("large.bin"), &bytes).unwrap();
        let added = secure_runtime(origin, &["store", "add", "large.bin"]).success();
        assert!(added.starts_with(&hash.to_string()), "{added}");
    }
    let mut wrong = bytes.clone();
    wrong[2_000_000] ^= 1;
    fs::write(blob(&liar, &hash), wrong).unwrap();

    let stores = [&liar, &honest].map(|scene| store(scene).to_str().unwrap().to_owned());
    let name = hash.to_string();
    let get = |stores: &[&String]| {
        let mut arguments = vec!["store", "get", &name, "--out", "got.bin"];
        for store in stores {
            arguments.extend(["--store", store]);
        }
        secure_runtime(&here, &arguments)
    };
    get(&[]).failure_with_hint(2);
    let said = get(&[&stores[0]]).failure(4);
    assert!(said.contains(&stores[0]), "{said}");
    assert!(!here.base().join("got.bin").exists() && !blob(&here, &hash).exists());

    let done = get(&[&stores[0], &stores[1]]);
    assert!(
        done.err.contains("warning: ") && done.err.contains(&stores[0]),
        "{done:#?}"
    );
    done.success();
    assert!(fs::read(here.base().join("got.bin")).unwrap() == bytes);
    assert!(fs::read(blob(&here, &hash)).unwrap() == bytes);
}

/// CLI-28. Damaged blobs are named and deleted, and can then be added again.
#[test]
fn a_damaged_store_is_repaired() {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    let file = blob(&scene, &ContentHash::of(scene.read("main.js").as_bytes()));
    fs::write(&file, "not this").unwrap();
    let said = secure_runtime(&scene, &["store", "verify"]).failure_with_hint(4);
    assert!(said.contains("--repair") && file.exists(), "{said}");
    let said = secure_runtime(&scene, &["store", "verify", "--repair"]).failure_with_hint(4);
    assert!(said.contains(file.to_str().unwrap()) && !file.exists(), "{said}");
    let verified = secure_runtime(&scene, &["store", "verify"]).success();
    assert!(verified.starts_with("verified 3 blobs"), "{verified}");
    secure_runtime(&scene, &["lock"]).success();
    let verified = secure_runtime(&scene, &["store", "verify"]).success();
    assert!(verified.starts_with("verified 4 blobs"), "{verified}");
}

/// CLI-28. Blobs that no lock names are deleted, except recent ones. The program still runs with only the store.
#[test]
fn blobs_that_no_lock_names_are_collected() {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    fs::write(scene.base().join("other.bin"), "other").unwrap();
    secure_runtime(&scene, &["store", "add", "other.bin"]).success();
    let other = blob(&scene, &ContentHash::of(b"other"));

    let collected = secure_runtime(&scene, &["store", "gc", "--keep", "secure.lock"]).success();
    assert!(
        collected.starts_with("deleted 0 blobs") && other.exists(),
        "{collected}"
    );
    let collected = secure_runtime(&scene, &["store", "gc", "--older-than", "0s"]).success();
    assert!(
        collected.starts_with("deleted 0 blobs") && other.exists(),
        "{collected}"
    );
    let now = ["store", "gc", "--keep", "secure.lock", "--older-than", "0s"];
    let collected = secure_runtime(&scene, &now).success();
    assert!(
        collected.starts_with("deleted 1 blob ") && !other.exists(),
        "{collected}"
    );

    for file in [
        "main.js",
        "lib/words.json",
        "vendor/greet/index.js",
        "vendor/greet/hello.js",
    ] {
        fs::remove_file(scene.base().join(file)).unwrap();
    }
    secure_runtime(&scene, &["run", "--locked"]).success();
    assert!(has_run(&scene));
    secure_runtime(&scene, &["store", "gc", "--keep", "absent.lock"]).failure(2);
}
