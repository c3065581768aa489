//! Copies, links, temporary files, sizes, modes and times.

use std::os::unix::fs::PermissionsExt;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::{DATA, expect};
use crate::support::{Scene, manifest};

fn mode(scene: &Scene, path: &str) -> u32 {
    let metadata = std::fs::metadata(scene.base().join(path)).unwrap();
    metadata.permissions().mode() & 0o7777
}

fn set_mode(scene: &Scene, path: &str, mode: u32) {
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(scene.base().join(path), permissions).unwrap();
}

/// RUN-124
#[test]
fn a_copy_has_the_bytes_and_permissions_but_no_setuid_bit() {
    let scene = Scene::new()
        .file("data/a.txt", "abc")
        .file("data/old", "longer than abc")
        .folder("data/folder");
    set_mode(&scene, "data/a.txt", 0o6750);
    set_mode(&scene, "data/old", 0o600);
    std::fs::hard_link(scene.base().join("data/a.txt"), scene.base().join("data/same")).unwrap();
    mkfifoat(CWD, scene.base().join("data/fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let scene = expect(
        scene,
        DATA,
        &[
            ("fs.copyFile('data/a.txt', 'data/new')", "done"),
            ("fs.copyFile('data/a.txt', 'data/old')", "done"),
            ("fs.readTextFile('data/old')", "\"abc\""),
            ("fs.copyFile('data/none', 'data/x')", "NotFound ENOENT"),
            ("fs.copyFile('data/folder', 'data/x')", "IsADirectory EISDIR"),
            ("fs.copyFile('data/fifo', 'data/x')", "PermissionDenied EACCES"),
            ("fs.stat('data/x')", "NotFound ENOENT"),
            ("fs.copyFile('data/a.txt', 'data/fifo')", "Error EIO"),
            ("fs.copyFile('data/a.txt', 'data/folder')", "IsADirectory EISDIR"),
            ("fs.copyFile('data/a.txt', 'data/none/x')", "NotFound ENOENT"),
            ("fs.copyFile('data/a.txt', 'data/a.txt')", "AlreadyExists EEXIST"),
            ("fs.copyFile('data/a.txt', 'data/same')", "AlreadyExists EEXIST"),
            ("fs.readTextFile('data/a.txt')", "\"abc\""),
        ],
    );
    assert_eq!(scene.read("data/new"), "abc");
    assert_eq!(
        (mode(&scene, "data/new"), mode(&scene, "data/old")),
        (0o750, 0o600)
    );
}

/// RUN-124
#[test]
fn a_copy_needs_reading_there_and_writing_here_also_through_links() {
    let scene = expect(
        Scene::new()
            .file("in/a.txt", "public")
            .file("secret.txt", "secret")
            .file("out/kept.txt", "kept")
            .link("in/link", "../secret.txt")
            .link("out/link", "../in/a.txt"),
        &["fs.read=./in/**", "fs.write=./out/**"],
        &[
            ("fs.copyFile('in/a.txt', 'out/b.txt')", "done"),
            ("fs.copyFile('in/a.txt', 'in/b.txt')", "CapabilityError denied"),
            (
                "fs.copyFile('out/kept.txt', 'out/c.txt')",
                "CapabilityError denied",
            ),
            (
                "fs.copyFile('out/kept.txt', 'in/a.txt')",
                "CapabilityError denied",
            ),
            (
                "fs.copyFile('in/../secret.txt', 'out/c.txt')",
                "CapabilityError denied",
            ),
            ("fs.copyFile('in/link', 'out/c.txt')", "PermissionDenied EXDEV"),
            ("fs.copyFile('in/a.txt', 'out/link')", "PermissionDenied EXDEV"),
            (
                "fs.attenuate({ read: './in/**' }).copyFile('in/a.txt', 'out/c.txt')",
                "CapabilityError denied",
            ),
        ],
    );
    assert_eq!(
        (scene.read("out/b.txt"), scene.read("in/a.txt")),
        ("public".to_owned(), "public".to_owned())
    );
    assert!(!scene.base().join("out/c.txt").exists() && !scene.base().join("in/b.txt").exists());
}

/// RUN-125, A158
#[test]
fn a158_a_mode_has_no_setuid_setgid_or_sticky_bit() {
    let scene = Scene::new()
        .file("data/a.txt", "abc")
        .file("out.txt", "out")
        .folder("data/folder")
        .link("data/link", "a.txt")
        .link("data/out", "../out.txt");
    set_mode(&scene, "out.txt", 0o644);
    set_mode(&scene, "data/a.txt", 0o4644);
    let mode_of = "fs.stat('data/a.txt').then(({ mode }) => mode.toString(8))";
    let scene = expect(
        scene,
        DATA,
        &[
            ("fs.chmod('data/a.txt', 0o4755)", "RangeError"),
            ("fs.chmod('data/a.txt', 0o2755)", "RangeError"),
            ("fs.chmod('data/folder', 0o1777)", "RangeError"),
            ("fs.chmod('data/a.txt', -1)", "RangeError"),
            ("fs.chmod('data/a.txt', 1.5)", "TypeError"),
            (mode_of, "\"4644\""),
            ("fs.chmod('data/link', 0o640)", "done"),
            (mode_of, "\"640\""),
            ("fs.chmod('data/folder', 0o700)", "done"),
            ("fs.chmod('data/out', 0o600)", "PermissionDenied EXDEV"),
            ("fs.chmod('out.txt', 0o600)", "CapabilityError denied"),
            ("fs.chmod('data/none', 0o600)", "NotFound ENOENT"),
        ],
    );
    assert_eq!(
        (mode(&scene, "out.txt"), mode(&scene, "data/folder")),
        (0o644, 0o700)
    );
}

/// RUN-125
#[test]
fn sizes_and_times_are_set_with_a_right_to_write() {
    let scene = expect(
        Scene::new()
            .file("data/a.txt", "abc")
            .file("secret.txt", "secret")
            .link("data/out", "../secret.txt"),
        &["fs.write=./data/**"],
        &[
            ("fs.truncate('data/a.txt', 1)", "done"),
            ("fs.truncate('data/a.txt', -1)", "RangeError"),
            ("fs.truncate('data/out')", "PermissionDenied EXDEV"),
            ("fs.truncate('data')", "IsADirectory EISDIR"),
            ("fs.utime('data/a.txt', 1.25, new Date(-1500))", "done"),
            ("fs.utime('data', 0, 0)", "done"),
            ("fs.utime('data/out', 0, 0)", "PermissionDenied EXDEV"),
            ("fs.utime('data/a.txt', NaN, 0)", "RangeError"),
            ("fs.utime('data/a.txt', {}, 0)", "TypeError"),
            ("fs.stat('data/a.txt')", "CapabilityError denied"),
        ],
    );
    assert_eq!(
        (scene.read("data/a.txt"), scene.read("secret.txt")),
        ("a".to_owned(), "secret".to_owned())
    );
    let modified = std::fs::metadata(scene.base().join("data/a.txt"))
        .unwrap()
        .modified()
        .unwrap();
    let before = std::time::UNIX_EPOCH.duration_since(modified).unwrap();
    assert_eq!(before.as_millis(), 1500);
}

/// RUN-126
#[test]
fn temporary_files_are_new_private_and_within_the_scope() {
    let scene = expect(
        Scene::new().folder("data").link("data/out", ".."),
        DATA,
        &[
            (
                "fs.makeTempFile({ dir: 'data/', prefix: 'p-', suffix: '.txt' }).then(async (path) => [path.replace(/[0-9a-f]{20}/, 'X'), (await fs.stat(path)).mode.toString(8)])",
                "[\"data/p-X.txt\",\"600\"]",
            ),
            (
                "fs.makeTempDir({ dir: 'data' }).then(fs.stat.bind(fs)).then(({ isDirectory, mode }) => [isDirectory, mode.toString(8)])",
                "[true,\"700\"]",
            ),
            (
                "Promise.all([fs.makeTempFile({ dir: 'data' }), fs.makeTempFile({ dir: 'data' })]).then(([one, two]) => one === two)",
                "false",
            ),
            ("fs.makeTempFile({})", "TypeError"),
            ("fs.makeTempFile({ dir: '' })", "TypeError"),
            ("fs.makeTempFile({ dir: 'data', prefix: '../x' })", "TypeError"),
            ("fs.makeTempFile({ dir: 'data', suffix: '/x' })", "TypeError"),
            (
                "fs.makeTempFile({ dir: 'data', suffix: 'x'.repeat(65) })",
                "TypeError",
            ),
            ("fs.makeTempFile({ dir: 'data', prefix: 'x\\0' })", "TypeError"),
            ("fs.makeTempFile({ dir: '.' })", "CapabilityError denied"),
            ("fs.makeTempDir({ dir: '/tmp' })", "CapabilityError denied"),
            ("fs.makeTempFile({ dir: 'data/out' })", "PermissionDenied EXDEV"),
            ("fs.makeTempFile({ dir: 'data/none' })", "NotFound ENOENT"),
        ],
    );
    assert_eq!(std::fs::read_dir(scene.base().join("data")).unwrap().count(), 5);
}

/// RUN-127, A156
#[test]
fn a156_a_new_link_leads_only_to_its_own_folder_or_below() {
    let scene = expect(
        Scene::new()
            .file("data/a.txt", "public")
            .file("data/pub/b.txt", "b")
            .file("secret.txt", "secret")
            .file("one/file", "one"),
        &[
            "fs.read=./data/**",
            "fs.write=./data/**",
            "fs.write=./one/new",
            "fs.read=./one/**",
        ],
        &[
            (
                "fs.symlink('a.txt', 'data/link').then(async () => [await fs.readLink('data/link'), (await fs.lstat('data/link')).isSymlink, (await fs.stat('data/link')).isFile, await fs.readTextFile('data/link')])",
                "[\"a.txt\",true,true,\"public\"]",
            ),
            ("fs.symlink('', 'data/x')", "TypeError"),
            ("fs.symlink('..', 'data/x')", "TypeError"),
            ("fs.symlink('../secret.txt', 'data/x')", "TypeError"),
            ("fs.symlink('pub/../../secret.txt', 'data/x')", "TypeError"),
            ("fs.symlink('/etc/passwd', 'data/x')", "TypeError"),
            ("fs.symlink('x'.repeat(5000), 'data/x')", "TypeError"),
            ("fs.symlink('a.txt', 'data/link')", "AlreadyExists EEXIST"),
            ("fs.symlink('a.txt', 'data')", "CapabilityError denied"),
            ("fs.symlink('a.txt', 'other')", "CapabilityError denied"),
            (
                "fs.attenuate({ read: './data/**' }).symlink('a.txt', 'data/x')",
                "CapabilityError denied",
            ),
            // The folder of a scope that is one path is not in the scope.
            ("fs.symlink('file', 'one/new')", "CapabilityError denied"),
            // A module with wider rights moves its link into the scope of another.
            ("fs.rename('data/link', 'data/pub/link')", "done"),
            (
                "fs.attenuate({ read: './data/pub/**' }).readTextFile('data/pub/link')",
                "NotFound ENOENT",
            ),
            ("fs.symlink('b.txt', 'data/pub/own')", "done"),
            (
                "fs.attenuate({ read: './data/pub/**' }).readTextFile('data/pub/own')",
                "\"b\"",
            ),
            ("fs.readLink('data/a.txt')", "Error EIO"),
            ("fs.readLink('secret.txt')", "CapabilityError denied"),
        ],
    );
    assert!(!scene.base().join("data/x").exists() && !scene.base().join("one/new").is_symlink());
}

/// RUN-129, A156
#[test]
fn a156_a_file_gets_a_second_name_only_with_all_rights_for_it() {
    let scene = Scene::new()
        .file("data/a.txt", "abc")
        .file("data/drop/a.txt", "dropped")
        .file("library/a.txt", "fixed")
        .file("secret.txt", "secret")
        .folder("data/folder")
        .link("data/out", "../secret.txt")
        .link("data/up", "..");
    mkfifoat(CWD, scene.base().join("data/fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let scene = expect(
        scene,
        &["fs.read=./data/**", "fs.write=./data/**", "fs.read=./library/**"],
        &[
            ("fs.link('data/a.txt', 'data/b.txt')", "done"),
            ("fs.writeTextFile('data/b.txt', 'both')", "done"),
            ("fs.readTextFile('data/a.txt')", "\"both\""),
            ("fs.link('data/a.txt', 'data/b.txt')", "AlreadyExists EEXIST"),
            ("fs.link('data/none', 'data/x')", "NotFound ENOENT"),
            ("fs.link('library/a.txt', 'data/x')", "CapabilityError denied"),
            ("fs.link('data/a.txt', 'library/x')", "CapabilityError denied"),
            ("fs.link('secret.txt', 'data/x')", "CapabilityError denied"),
            (
                "fs.attenuate({ write: './data/**' }).link('data/drop/a.txt', 'data/x')",
                "CapabilityError denied",
            ),
            (
                "fs.attenuate({ read: './data/**', write: './data/drop/**' }).link('data/a.txt', 'data/drop/x')",
                "CapabilityError denied",
            ),
            ("fs.link('data/out', 'data/x')", "CapabilityError denied"),
            ("fs.link('data/folder', 'data/x')", "CapabilityError denied"),
            ("fs.link('data/fifo', 'data/x')", "CapabilityError denied"),
            (
                "fs.link('data/up/secret.txt', 'data/x')",
                "PermissionDenied EXDEV",
            ),
            ("fs.link('data/a.txt', 'data')", "CapabilityError denied"),
        ],
    );
    assert!(!scene.base().join("data/x").exists());
    assert_eq!(scene.read("library/a.txt"), "fixed");
}

/// A tree that changes between the check and the use: a folder is swapped for a link that leads out.
#[test]
fn a_folder_that_is_swapped_for_a_link_never_has_its_files_changed_outside() {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::fs::{RenameFlags, renameat_with};

    let scene = Scene::new()
        .file("secure.toml", manifest(DATA, ""))
        .file("data/folder/a.txt", "public")
        .file("data/source", "copied")
        .file("outside/a.txt", "secret")
        .link("data/other", "../outside")
        .file(
            "main.js",
            "import { fs } from 'cap:self';
            const path = 'data/folder/a.txt';
            const calls = [
              () => fs.chmod(path, 0o600), () => fs.truncate(path, 1), () => fs.utime(path, 0, 0),
              () => fs.copyFile('data/source', path), () => fs.makeTempFile({ dir: 'data/folder' }),
              () => fs.symlink('a.txt', 'data/folder/link').then(() => fs.remove('data/folder/link')),
            ];
            let done = 0, refused = 0;
            for (let turn = 0; turn < 20000 && (done < 300 || refused < 300); turn++) {
              try { await calls[turn % calls.length](); done++; } catch { refused++; }
            }
            console.log(done > 0, refused > 0);",
        );
    set_mode(&scene, "outside/a.txt", 0o644);
    let ended = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (scene.base().join("data/folder"), scene.base().join("data/other"));
            while !ended.load(Ordering::SeqCst) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                std::thread::yield_now();
            }
        });
        let ran = scene.run(&[]);
        ended.store(true, Ordering::SeqCst);
        ran
    });
    assert_eq!(ran.completed().out, "true true\n");
    assert_eq!(
        (scene.read("outside/a.txt"), mode(&scene, "outside/a.txt")),
        ("secret".to_owned(), 0o644)
    );
    assert_eq!(
        std::fs::read_dir(scene.base().join("outside")).unwrap().count(),
        1
    );
    let modified = std::fs::metadata(scene.base().join("outside/a.txt"))
        .unwrap()
        .modified()
        .unwrap();
    assert_ne!(modified, std::time::UNIX_EPOCH);
}
