//! Walks through folders.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{DATA, expect};
use crate::support::Scene;

/// Returns the walk's paths, sorted.
const ALL: &str = "(async (walk) => { const all = []; for await (const { path, name, isDirectory, isSymlink } of walk) all.push(`${path}${isDirectory ? '/' : isSymlink ? '@' : ''} ${name}`); return all.sort(); })";

fn walked(walk: &str) -> String {
    format!("{ALL}({walk})")
}

fn check(scene: Scene, grants: &[&str], steps: &[(String, &str)]) {
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    expect(scene, grants, &steps);
}

/// RUN-128
#[test]
fn a_walk_yields_what_may_be_read_and_follows_no_link() {
    let scene = Scene::new()
        .file("data/t/u/f", "f")
        .file("data/t/a", "a")
        .file("secret/a.txt", "secret")
        .link("data/t/link", "u")
        .link("data/t/out", "../../secret");
    std::fs::write(scene.base().join("data/t").join(OsStr::from_bytes(b"\xff")), "").unwrap();
    check(
        scene,
        DATA,
        &[
            (
                walked("fs.walk('data/t')"),
                "[\"data/t/a a\",\"data/t/link@ link\",\"data/t/out@ out\",\"data/t/u/ u\",\"data/t/u/f f\"]",
            ),
            (
                walked("fs.walk('data/t/', { maxDepth: 1 })"),
                "[\"data/t/a a\",\"data/t/link@ link\",\"data/t/out@ out\",\"data/t/u/ u\"]",
            ),
            (walked("fs.walk('data/t', { maxDepth: 0 })"), "[]"),
            (walked("fs.walk('data/t', { maxDepth: -1 })"), "RangeError"),
            (walked("fs.walk('data/none')"), "NotFound ENOENT"),
            (walked("fs.walk('data/t/a')"), "NotADirectory ENOTDIR"),
            (walked("fs.walk('data/t/out')"), "PermissionDenied EXDEV"),
            (walked("fs.walk('.')"), "CapabilityError denied"),
            (
                walked("fs.attenuate({ read: './data/t/u/**' }).walk('data/t')"),
                "CapabilityError denied",
            ),
            // A scope of the folder alone lists it, and reads only entries with a scope of their own.
            (
                walked("fs.attenuate({ read: ['./data/t', './data/t/a', './data/t/u/f'] }).walk('data/t')"),
                "[\"data/t/a a\"]",
            ),
        ],
    );
}

/// RUN-128, A159
#[test]
fn a159_a_walk_ends_where_the_tree_is_too_deep_or_was_moved() {
    let mut scene = Scene::new();
    let deep = vec!["d"; 70].join("/");
    scene = scene.folder(&format!("data/deep/{deep}"));
    for number in 0..300 {
        scene = scene.file(&format!("data/many/{number}"), "");
    }
    let count = |capability: &str, then: &str| {
        format!(
            "(async () => {{ const narrow = {capability}; let count = 0; for await (const _ of narrow.walk('data/many')) {{ if (count++ === 0) {{ {then} }} }} return count; }})()"
        )
    };
    let narrow = "fs.attenuate({ read: './data/many/**' })";
    check(
        scene,
        DATA,
        &[
            (walked("fs.walk('data/deep')"), "RangeError"),
            (
                "(async () => { let count = 0; for await (const _ of fs.walk('data/deep', { maxDepth: 64 })) count++; return count; })()".to_owned(),
                "64",
            ),
            (count(narrow, ""), "300"),
            // Another file is renamed: the walk continues.
            (count(narrow, "await fs.rename('data/deep', 'data/deeper');"), "300"),
            (count(narrow, "await fs.rename('data/many', 'data/moved');"), "PermissionDenied ESTALE"),
            ("fs.rename('data/moved', 'data/many')".to_owned(), "done"),
            (
                "(async () => { const { capability, revoke } = fs.revocable(); for await (const _ of capability.walk('data/many')) revoke(); })()".to_owned(),
                "CapabilityError revoked",
            ),
        ],
    );
}
