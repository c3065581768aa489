//! The `fs` family: what its operations do, and what links, races and odd files cannot make them do.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Mode, RenameFlags, mkfifoat, renameat_with};

use crate::support::{Scene, manifest};

/// What every program below starts with: `say` prints what a call gave as JSON, or its error's name and code.
const PRELUDE: &str = "import { fs } from 'cap:self';
const say = async (call) => {
  try {
    const value = await call();
    console.log(value === undefined ? 'done' : JSON.stringify(value));
  } catch (error) {
    console.log([error.name, error.code].filter(Boolean).join(' '));
  }
};
const list = async (path) => {
  const entries = [];
  for await (const { name, isFile, isDirectory, isSymlink } of fs.readDir(path)) {
    entries.push(`${name}${isDirectory ? '/' : isSymlink ? '@' : isFile ? '' : '?'}`);
  }
  return entries.join(' ');
};
const bytes = (text) => new TextEncoder().encode(text);
const piece = async (file, size) => {
  const buffer = new Uint8Array(size);
  const read = await file.read(buffer);
  return read === null ? null : new TextDecoder().decode(buffer.subarray(0, read));
};
";

/// Runs calls one after the other in the scene, and compares what each says.
#[track_caller]
fn expect(scene: Scene, grants: &[&str], steps: &[(&str, &str)]) -> Scene {
    let calls: String = steps
        .iter()
        .map(|(call, _)| format!("await say(() => {call});\n"))
        .collect();
    let scene = scene
        .file("secure.toml", manifest(grants, ""))
        .file("main.js", format!("{PRELUDE}{calls}"));
    let ran = scene.run(&[]).completed();
    let said: Vec<&str> = ran.out.lines().collect();
    for (index, (call, expected)) in steps.iter().enumerate() {
        assert_eq!(said.get(index), Some(expected), "{call}");
    }
    scene
}

const DATA: &[&str] = &["fs.read=./data/**", "fs.write=./data/**"];

#[test]
fn files_are_read_written_and_removed() {
    let scene = Scene::new()
        .file("data/a.txt", "grüße")
        .file("data/b.bin", [0, 255, 1]);
    let scene = expect(
        scene,
        DATA,
        &[
            ("fs.readTextFile('data/a.txt')", "\"grüße\""),
            (
                "fs.readFile('data/b.bin').then((bytes) => [...bytes])",
                "[0,255,1]",
            ),
            (
                "fs.readTextFile('data/b.bin').then((text) => [...text].map((character) => character.codePointAt(0)))",
                "[0,65533,1]",
            ),
            ("fs.writeTextFile('data/c.txt', 'one')", "done"),
            ("fs.writeTextFile('data/c.txt', ' two', { append: true })", "done"),
            ("fs.readTextFile('data/c.txt')", "\"one two\""),
            ("fs.writeFile('data/c.txt', bytes('three'))", "done"),
            (
                "fs.writeFile('data/c.txt', new DataView(bytes('xfour').buffer, 1))",
                "done",
            ),
            ("fs.readTextFile('data/c.txt')", "\"four\""),
            (
                "fs.writeTextFile('data/c.txt', 'x', { createNew: true })",
                "AlreadyExists EEXIST",
            ),
            ("fs.writeTextFile('data/missing/c.txt', 'x')", "NotFound ENOENT"),
            ("fs.readTextFile('data/missing')", "NotFound ENOENT"),
            ("fs.readTextFile('data/\\ud800')", "NotFound ENOENT"),
            ("fs.readTextFile('data')", "IsADirectory EISDIR"),
            ("fs.readTextFile('data/a.txt/below')", "NotADirectory ENOTDIR"),
            (
                "fs.stat('data/b.bin').then(({ size, isFile }) => [size, isFile])",
                "[3,true]",
            ),
            ("fs.stat('data').then(({ isDirectory }) => isDirectory)", "true"),
            ("fs.stat('data/missing')", "NotFound ENOENT"),
            ("fs.remove('data/c.txt')", "done"),
            ("fs.remove('data/c.txt')", "NotFound ENOENT"),
            ("list('data')", "\"a.txt b.bin\""),
        ],
    );
    assert_eq!(scene.read("data/a.txt"), "grüße");
}

#[test]
fn folders_are_made_listed_moved_and_removed() {
    expect(
        Scene::new()
            .file("data/full/deep/a.txt", "a")
            .file("data/b.txt", "b"),
        DATA,
        &[
            ("fs.mkdir('data/new')", "done"),
            ("fs.mkdir('data/new')", "AlreadyExists EEXIST"),
            ("fs.mkdir('data/new', { recursive: true })", "done"),
            ("fs.mkdir('data/x/y/z')", "NotFound ENOENT"),
            ("fs.mkdir('data/x/y/z', { recursive: true })", "done"),
            (
                "fs.mkdir('data/b.txt', { recursive: true })",
                "AlreadyExists EEXIST",
            ),
            (
                "fs.mkdir('data/b.txt/below', { recursive: true })",
                "AlreadyExists EEXIST",
            ),
            ("list('data')", "\"b.txt full/ new/ x/\""),
            ("fs.rename('data/full', 'data/new/moved')", "done"),
            ("fs.readTextFile('data/new/moved/deep/a.txt')", "\"a\""),
            (
                "fs.rename('data/new', 'data/new/moved/inside-itself')",
                "Error EIO",
            ),
            ("fs.rename('data/b.txt', 'data/c.txt')", "done"),
            ("fs.rename('data/b.txt', 'data/d.txt')", "NotFound ENOENT"),
            ("fs.rename('data/c.txt', 'data/x')", "IsADirectory EISDIR"),
            ("fs.remove('data/new')", "Busy ENOTEMPTY"),
            ("fs.remove('data/new', { recursive: true })", "done"),
            ("fs.remove('data/x/y/z/')", "done"),
            ("list('data')", "\"c.txt x/\""),
            ("list('data/x')", "\"y/\""),
        ],
    );
}

#[test]
fn a_granted_folder_may_be_missing_at_first() {
    expect(
        Scene::new(),
        &["fs.read=./out/**", "fs.write=./out/**", "fs.write=./one/file.txt"],
        &[
            ("fs.readTextFile('out/a.txt')", "NotFound ENOENT"),
            ("fs.writeTextFile('out/a.txt', 'a')", "NotFound ENOENT"),
            ("fs.mkdir('out/deep/er', { recursive: true })", "done"),
            ("fs.writeTextFile('out/a.txt', 'a')", "done"),
            ("fs.readTextFile('out/a.txt')", "\"a\""),
            ("fs.remove('out', { recursive: true })", "done"),
            ("fs.readTextFile('out/a.txt')", "NotFound ENOENT"),
            ("fs.mkdir('out')", "done"),
            ("fs.writeTextFile('out/b.txt', 'b')", "done"),
            ("list('out')", "\"b.txt\""),
            ("fs.writeTextFile('one/file.txt', '1')", "NotFound ENOENT"),
        ],
    );
}

#[test]
fn an_open_file_is_read_and_written_piece_by_piece() {
    let scene = expect(
        Scene::new().file("data/a.txt", "abcdef"),
        DATA,
        &[
            (
                "fs.open('data/a.txt').then(async (file) => [await piece(file, 4), await piece(file, 4), await piece(file, 4), await piece(file, 0)])",
                "[\"abcd\",\"ef\",null,\"\"]",
            ),
            (
                "fs.open('data/a.txt', { read: true, write: true }).then(async (file) => [await piece(file, 2), await file.write(bytes('XY')), await piece(file, 9)])",
                "[\"ab\",2,\"ef\"]",
            ),
            (
                "fs.open('data/a.txt', { append: true }).then(async (file) => { await file.write(bytes('+')); file.close(); file.close(); })",
                "done",
            ),
            ("fs.readTextFile('data/a.txt')", "\"abXYef+\""),
            ("fs.open('data/b.txt', { write: true })", "NotFound ENOENT"),
            (
                "fs.open('data/b.txt', { write: true, create: true }).then((file) => file.write(bytes('new')))",
                "3",
            ),
            (
                "fs.open('data/b.txt', { write: true, createNew: true })",
                "AlreadyExists EEXIST",
            ),
            (
                "fs.open('data/b.txt', { write: true, truncate: true }).then((file) => file.write(bytes('n')))",
                "1",
            ),
            ("fs.readTextFile('data/b.txt')", "\"n\""),
            ("fs.open('data/b.txt', { truncate: true })", "TypeError"),
            ("fs.open('data/b.txt', { read: true, create: true })", "TypeError"),
            ("fs.open('data/b.txt', {})", "TypeError"),
            (
                "fs.open('data/b.txt', { write: true }).then((file) => piece(file, 1))",
                "PermissionDenied EBADF",
            ),
            (
                "fs.open('data/b.txt').then((file) => file.write(bytes('x')))",
                "PermissionDenied EBADF",
            ),
            (
                "fs.open('data/b.txt').then((file) => { file.close(); return piece(file, 1); })",
                "Error EBADF",
            ),
            (
                "fs.open('data/b.txt').then((file) => file.read([1]))",
                "TypeError",
            ),
        ],
    );
    assert_eq!(scene.read("data/b.txt"), "n");
}

/// RUN-13
#[test]
fn a_narrowed_capability_that_expired_stops_working_on_open_files_too() {
    let scene = expect(
        Scene::new().file("data/a.txt", "abc"),
        DATA,
        &[(
            "(async () => {
              const short = fs.attenuate({ expires: '1s' });
              const file = await short.open('data/a.txt', { read: true, write: true });
              const ends = async (call) => {
                for (;;) {
                  try {
                    await call();
                  } catch (error) {
                    return `${error.name} ${error.code}`;
                  }
                  await new Promise((resolve) => setTimeout(resolve, 20));
                }
              };
              return [
                await ends(() => short.readTextFile('data/a.txt')),
                await ends(() => file.read(new Uint8Array(1))),
                await ends(() => file.write(new Uint8Array(1))),
                await ends(() => short.attenuate({ expires: '1h' }).readTextFile('data/a.txt')),
                await fs.readTextFile('data/a.txt'),
              ];
            })()",
            "[\"CapabilityError expired\",\"CapabilityError expired\",\"CapabilityError expired\",\"CapabilityError expired\",\"abc\"]",
        )],
    );
    assert_eq!(scene.read("data/a.txt"), "abc");
}

/// RUN-20
#[test]
fn links_lead_nowhere_outside_the_folder_that_is_granted() {
    // What each link is, and what reading it and writing it come to. As in openat2's own tests: links that are absolute,
    // that climb, that climb and come back, that dangle, that turn in circles.
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
    // What is done to an entry is done to the link itself.
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
fn a_link_to_a_sibling_is_followed_by_who_holds_both_and_not_by_who_holds_one() {
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
            // A folder that is a link is the grantor's doing.
            (
                "fs.attenuate({ read: ['data/one/folder/**'] }).readTextFile('data/one/folder/b.txt')",
                "\"two\"",
            ),
            (
                "fs.attenuate({ read: ['data/one/link'] }).readTextFile('data/one/link')",
                "FilesystemLoop ELOOP",
            ),
        ],
    );
}

/// RUN-23: reading and writing at once is for what may be both.
#[test]
fn a_file_that_is_open_to_read_and_write_is_within_both_grants() {
    // Links in the folder that may be read lead to what may only be written, and the other way round.
    let scene = expect(
        Scene::new()
            .file("data/drop/secret.txt", "secret")
            .file("data/drop/shown/a.txt", "public")
            .link("data/drop/shown/link", "../secret.txt")
            .link("data/drop/shown/folder", "..")
            .file("library/fixed.txt", "fixed")
            .file("library/notes/a.txt", "notes")
            .link("library/notes/link", "../fixed.txt"),
        &[
            "fs.write=./data/drop/**",
            "fs.read=./data/drop/shown/**",
            "fs.read=./library/**",
            "fs.write=./library/notes/**",
        ],
        &[
            (
                "fs.readTextFile('data/drop/shown/link')",
                "PermissionDenied EXDEV",
            ),
            (
                "fs.open('data/drop/shown/link', { read: true, write: true }).then((file) => piece(file, 9))",
                "PermissionDenied EXDEV",
            ),
            (
                "fs.open('data/drop/shown/folder/secret.txt', { read: true, append: true }).then((file) => piece(file, 9))",
                "PermissionDenied EXDEV",
            ),
            (
                "fs.open('library/notes/link', { read: true, write: true }).then((file) => file.write(bytes('x')))",
                "PermissionDenied EXDEV",
            ),
            (
                "fs.open('data/drop/shown/a.txt', { read: true, write: true }).then((file) => piece(file, 9))",
                "\"public\"",
            ),
        ],
    );
    assert_eq!(scene.read("library/fixed.txt"), "fixed");
}

/// RUN-22: nothing is moved to where it means more.
#[test]
fn moving_a_link_or_a_folder_does_not_move_a_grant() {
    // `data/shown/deep` may be read. What else is below `data` may be moved, but not to where it could be read.
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
            // Where nothing is gained, things move.
            ("fs.rename('data/secret.txt', 'data/renamed.txt')", "done"),
            ("fs.rename('data/to-etc', 'data/renamed-link')", "done"),
            ("fs.rename('data/secret', 'data/renamed')", "done"),
        ],
    );
}

/// RUN-23: scopes within what may be written are found without links.
#[test]
fn a_folder_within_what_may_be_written_is_never_found_through_a_link() {
    // The link was there before; the program may write above it, so it could have put it there itself.
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
fn removing_a_tree_removes_links_and_not_what_they_lead_to() {
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

/// RUN-21
#[test]
fn fifos_devices_and_sockets_are_refused_and_nothing_hangs() {
    let scene = Scene::new().folder("data");
    mkfifoat(CWD, scene.base().join("data/fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(scene.base().join("data/socket")).unwrap();
    expect(
        scene,
        DATA,
        &[
            ("fs.readTextFile('data/fifo')", "PermissionDenied EACCES"),
            ("fs.open('data/fifo')", "PermissionDenied EACCES"),
            ("fs.writeTextFile('data/fifo', 'x')", "Error EIO"),
            ("fs.readTextFile('data/socket')", "Error EIO"),
            (
                "fs.stat('data/fifo').then(({ isDirectory, isSymlink }) => [isDirectory, isSymlink])",
                "[false,false]",
            ),
            ("fs.remove('data/fifo')", "done"),
        ],
    );
}

#[test]
fn a_file_that_is_too_large_for_memory_is_read_piece_by_piece() {
    let scene = Scene::new().file("data/large", "start");
    std::fs::OpenOptions::new()
        .write(true)
        .open(scene.base().join("data/large"))
        .and_then(|file| file.set_len(3 << 30))
        .unwrap();
    expect(
        scene,
        DATA,
        &[
            ("fs.readFile('data/large')", "Error EIO"),
            ("fs.readTextFile('data/large')", "Error EIO"),
            (
                "fs.open('data/large').then((file) => piece(file, 5))",
                "\"start\"",
            ),
        ],
    );
}

#[test]
fn a_folder_that_is_swapped_for_a_link_while_it_is_read_never_shows_foreign_bytes() {
    let scene = Scene::new()
        .file("secure.toml", manifest(DATA, ""))
        .file("data/folder/a.txt", "public")
        .file("outside/a.txt", "secret")
        .file("data/count", "")
        .file(
            "main.js",
            "import { fs } from 'cap:self';
            const seen = { public: 0, refused: 0 };
            for (let turn = 0; turn < 20000 && (seen.public < 200 || seen.refused < 200); turn++) {
              for (const path of ['data/folder/a.txt', 'data/other/a.txt']) {
                try {
                  const text = await fs.readTextFile(path);
                  seen[text] = (seen[text] ?? 0) + 1;
                } catch (error) {
                  seen.refused++;
                }
                try {
                  await fs.writeTextFile(path, 'public');
                } catch {}
              }
            }
            console.log(Object.keys(seen).sort().join(' '), seen.public > 0, seen.refused > 0);",
        );
    symlink(scene.base().join("outside"), scene.base().join("data/other")).unwrap();
    let ended = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (scene.base().join("data/folder"), scene.base().join("data/other"));
            while !ended.load(Ordering::SeqCst) {
                exchange(&one, &other);
                std::thread::yield_now();
            }
        });
        let ran = scene.run(&[]);
        ended.store(true, Ordering::SeqCst);
        ran
    });
    assert_eq!(ran.completed().out, "public refused true true\n");
    assert_eq!(scene.read("outside/a.txt"), "secret");
}

fn exchange(one: &Path, other: &Path) {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
}

#[test]
fn a_race_of_renames_does_not_move_a_link_to_where_it_is_read() {
    // Each rename alone is harmless when it is decided; together, in the other order, they would put a link to a folder
    // above what may be read.
    let scene = Scene::of_main(
        &["fs.write=./data/**", "fs.read=./data/shown/deep/**"],
        "import { fs } from 'cap:self';
        let gained = 0, refused = 0;
        for (let turn = 0; turn < 200; turn++) {
          await fs.writeTextFile('data/x', 'plain');
          const all = await Promise.allSettled([fs.rename('data/x', 'data/shown'), fs.rename('data/link', 'data/x')]);
          refused += all.filter(({ reason }) => reason?.name === 'CapabilityError').length;
          try {
            await fs.readTextFile('data/shown/deep/a.txt');
            gained++;
          } catch {}
          for (const from of ['data/shown', 'data/x']) await fs.rename(from, 'data/link').catch(() => {});
        }
        console.log(gained, refused);",
    )
    .file("data/secret/deep/a.txt", "secret")
    .link("data/link", "secret");
    assert_eq!(scene.run(&[]).completed().out, "0 200\n");
}
