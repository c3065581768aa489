//! Links and folders. A link that one grant allows does not extend another grant.

use super::{DATA, expect};
use crate::support::Scene;

/// RUN-20
#[test]
fn links_lead_nowhere_outside_the_folder_that_is_granted() {
    // Each link, and the results of reading and writing it. The cases are those of openat2's own tests: absolute links,
    // links that climb out, links that return, dangling links and cycles.
    let table = [
        ("file", "a.txt", "\"public\"", "done"),
        ("chain", "file", "\"public\"", "done"),
        ("folder/../a.txt", "", "\"public\"", "done"),
        (
            "climb",
            "../secret.txt",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        (
            "absolute",
            "/etc/passwd",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        (
            "own-absolute",
            "${base}/data/a.txt",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        (
            "comes-back",
            "../data/a.txt",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        (
            "deep-climb",
            "folder/../../secret.txt",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        (
            "chain-out",
            "climb",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        (
            "proc",
            "/proc/self/root/etc/passwd",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        (
            "dangling-out",
            "../made.txt",
            "PermissionDenied EXDEV",
            "PermissionDenied EXDEV",
        ),
        ("dangling-in", "made.txt", "NotFound ENOENT", "done"),
        ("circle", "circle", "FilesystemLoop ELOOP", "FilesystemLoop ELOOP"),
        (
            "through-a-file",
            "a.txt/../a.txt",
            "NotADirectory ENOTDIR",
            "NotADirectory ENOTDIR",
        ),
    ];
    let mut scene = Scene::new()
        .file("data/a.txt", "public")
        .folder("data/folder")
        .file("secret.txt", "secret");
    let mut steps = Vec::new();
    for (name, target, reading, writing) in table {
        if !target.is_empty() {
            scene = scene.link(&format!("data/{name}"), target);
        }
        steps.push((format!("fs.readTextFile('data/{name}')"), reading));
        let stat = if reading.starts_with('"') { "6" } else { reading };
        steps.push((format!("fs.stat('data/{name}').then(({{ size }}) => size)"), stat));
        steps.push((format!("fs.writeTextFile('data/{name}', 'public')"), writing));
    }
    // Operations on an entry apply to the link itself.
    steps.push(("fs.rename('data/climb', 'data/climbed')".to_owned(), "done"));
    steps.push(("fs.remove('data/climbed')".to_owned(), "done"));
    steps.push((
        "fs.remove('data/absolute', { recursive: true })".to_owned(),
        "done",
    ));
    steps.push(("fs.mkdir('data/circle')".to_owned(), "AlreadyExists EEXIST"));
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    let scene = expect(scene, DATA, &steps);
    assert_eq!(scene.read("secret.txt"), "secret");
    assert_eq!(scene.read("data/made.txt"), "public");
    assert!(!scene.base().join("made.txt").exists());
}

/// RUN-12, RUN-20
#[test]
fn a_link_to_a_sibling_is_followed_only_with_grants_for_both() {
    expect(
        Scene::new()
            .file("data/one/a.txt", "one")
            .file("data/two/b.txt", "two")
            .link("data/one/link", "../two/b.txt")
            .link("data/one/folder", "../two"),
        DATA,
        &[
            ("fs.readTextFile('data/one/link')", "\"two\""),
            ("fs.readTextFile('data/one/folder/b.txt')", "\"two\""),
            (
                "fs.attenuate({ read: ['data/one/**'] }).readTextFile('data/one/link')",
                "PermissionDenied EXDEV",
            ),
            (
                "fs.attenuate({ read: ['data/one/**'] }).readTextFile('data/one/folder/b.txt')",
                "PermissionDenied EXDEV",
            ),
            // A module may have placed a link in place of a folder.
            (
                "fs.attenuate({ read: ['data/one/folder/**'] }).readTextFile('data/one/folder/b.txt')",
                "NotADirectory ENOTDIR",
            ),
            (
                "fs.attenuate({ read: ['data/one/link'] }).readTextFile('data/one/link')",
                "FilesystemLoop ELOOP",
            ),
        ],
    );
}

/// RUN-23: if the program may not write anywhere, only the grantor can have made a link.
#[test]
fn a_scope_that_begins_with_a_link_is_followed_where_no_module_may_write() {
    let scene = || {
        Scene::new()
            .file("data/two/b.txt", "two")
            .file("data/own/c.txt", "own")
            .link("data/folder", "two")
            .link("data/out", "../other")
            .link("elsewhere", "data")
            .file("other/d.txt", "other")
    };
    let narrow = |folder: &str, file: &str| {
        format!("fs.attenuate({{ read: ['{folder}/**'] }}).readTextFile('{folder}/{file}')")
    };
    let (within, out, elsewhere) = (
        narrow("data/folder", "b.txt"),
        narrow("data/out", "d.txt"),
        narrow("elsewhere/folder", "b.txt"),
    );
    let (followed, refused, leads_out) = ("\"two\"", "NotADirectory ENOTDIR", "PermissionDenied EXDEV");
    // The third grant is a link to the program's own scope, under another name.
    for (grants, said) in [
        (
            &["fs.read=./data/**", "fs.read=./elsewhere/**"][..],
            [followed, followed, leads_out],
        ),
        (
            &[
                "fs.read=./data/**",
                "fs.read=./elsewhere/**",
                "fs.write=./data/own/**",
            ],
            [followed, followed, leads_out],
        ),
        (
            &[
                "fs.read=./data/**",
                "fs.read=./elsewhere/**",
                "fs.write=./data/folder",
            ],
            [refused, refused, leads_out],
        ),
        (
            &[
                "fs.read=./data/**",
                "fs.read=./elsewhere/**",
                "fs.write=./elsewhere/**",
            ],
            [refused, refused, refused],
        ),
    ] {
        expect(
            scene(),
            grants,
            &[
                (within.as_str(), said[0]),
                (elsewhere.as_str(), said[1]),
                (out.as_str(), said[2]),
            ],
        );
    }
}

/// RUN-22: nothing can be moved to a place that gives it more readers.
#[test]
fn moving_a_link_or_a_folder_does_not_move_a_grant() {
    // `data/shown/deep` may be read. Other files below `data` may be moved, but not to a readable place.
    let grants = &[
        "fs.write=./data/**",
        "fs.read=./data/shown/deep/**",
        "fs.read=./data/exact/passwd",
    ];
    let scene = Scene::new()
        .file("data/secret/deep/a.txt", "secret")
        .file("data/secret.txt", "secret")
        .file("data/shown/deep/a.txt", "public")
        .link("data/to-secret", "secret")
        .link("data/to-etc", "/etc")
        .link("data/shown/deep/inside", "a.txt");
    expect(
        scene,
        grants,
        &[
            ("fs.rename('data/shown', 'data/hidden')", "done"),
            ("fs.rename('data/secret', 'data/shown')", "CapabilityError denied"),
            (
                "fs.rename('data/to-secret', 'data/shown')",
                "CapabilityError denied",
            ),
            ("fs.rename('data/to-etc', 'data/exact')", "CapabilityError denied"),
            ("fs.mkdir('data/shown')", "done"),
            (
                "fs.rename('data/to-secret', 'data/shown/deep')",
                "CapabilityError denied",
            ),
            (
                "fs.rename('data/secret', 'data/shown/deep')",
                "CapabilityError denied",
            ),
            ("fs.mkdir('data/shown/deep')", "done"),
            (
                "fs.rename('data/secret.txt', 'data/shown/deep/a.txt')",
                "CapabilityError denied",
            ),
            ("fs.readTextFile('data/exact/passwd')", "NotFound ENOENT"),
            // Renames that give no access succeed.
            ("fs.rename('data/secret.txt', 'data/renamed.txt')", "done"),
            ("fs.rename('data/to-etc', 'data/renamed-link')", "done"),
            ("fs.rename('data/secret', 'data/renamed')", "done"),
        ],
    );
}

/// RUN-23: scopes inside writable folders are opened without following links.
#[test]
fn a_scope_in_a_writable_folder_is_not_found_through_a_link() {
    // The link existed before. The program may write above it, so it could have placed the link itself.
    let grants = &[
        "fs.write=./data/**",
        "fs.read=./data/shown/etc/**",
        "fs.read=./data/shown/etc-file/passwd",
    ];
    expect(
        Scene::new()
            .link("data/shown/etc", "/etc")
            .link("data/shown/etc-file", "/etc"),
        grants,
        &[
            (
                "fs.readTextFile('data/shown/etc/passwd')",
                "NotADirectory ENOTDIR",
            ),
            (
                "fs.readTextFile('data/shown/etc-file/passwd')",
                "NotADirectory ENOTDIR",
            ),
            (
                "fs.open('data/shown/etc/passwd', { read: true, append: true })",
                "NotADirectory ENOTDIR",
            ),
        ],
    );
}

#[test]
fn removing_a_tree_removes_links_and_not_their_targets() {
    let scene = expect(
        Scene::new()
            .file("kept/a.txt", "kept")
            .file("data/tree/deep/b.txt", "b")
            .link("data/tree/out", "../../kept")
            .link("data/tree/deep/up", "../..")
            .link("data/link-to-tree", "../kept"),
        DATA,
        &[
            ("fs.remove('data/tree', { recursive: true })", "done"),
            ("fs.remove('data/link-to-tree', { recursive: true })", "done"),
            ("list('data')", "\"\""),
        ],
    );
    assert_eq!(scene.read("kept/a.txt"), "kept");
}

/// RUN-22
#[test]
fn a_tree_is_removed_or_moved_only_with_a_grant_for_all_of_it() {
    let scene = expect(
        Scene::new().file("data/a.txt", "a").file("data/keep.txt", "keep"),
        &["fs.write=./data", "fs.write=./data/a.txt", "fs.write=./data2"],
        &[
            ("fs.remove('data', { recursive: true })", "CapabilityError denied"),
            ("fs.remove('data')", "Busy ENOTEMPTY"),
            ("fs.rename('data', 'data2')", "CapabilityError denied"),
            ("fs.remove('data/a.txt', { recursive: true })", "done"),
        ],
    );
    assert_eq!(scene.read("data/keep.txt"), "keep");
}
