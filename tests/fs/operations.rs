//! The results of granted operations, also on special files.

use rustix::fs::{CWD, Mode, mkfifoat};

use super::{DATA, expect};
use crate::support::Scene;

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
            ("fs.stat('out')", "NotFound ENOENT"),
            ("fs.mkdir('out')", "done"),
            // The file is read through another handle than it was written through.
            ("fs.writeTextFile('out/b.txt', 'b')", "done"),
            ("fs.readTextFile('out/b.txt')", "\"b\""),
            ("list('out')", "\"b.txt\""),
            ("fs.remove('out', { recursive: true })", "done"),
            ("fs.mkdir('out')", "done"),
            ("list('out')", "\"\""),
            ("fs.writeTextFile('out/c.txt', 'c')", "done"),
            ("fs.stat('out/c.txt').then(({ size }) => size)", "1"),
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

/// RUN-23: an open file for reading and writing needs both rights.
#[test]
fn a_file_that_is_open_to_read_and_write_is_within_both_grants() {
    // Links in the readable folder lead to files that may only be written, and the other way round.
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

/// RUN-91: only regular files are reported as files.
#[test]
fn kinds_of_files_are_distinguished() {
    let scene = Scene::new()
        .file("data/file", "")
        .folder("data/folder")
        .link("data/link", "file");
    mkfifoat(CWD, scene.base().join("data/fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(scene.base().join("data/socket")).unwrap();
    let kinds = "((info) => Object.keys(info).filter((key) => key.startsWith('is') && info[key]).join())";
    expect(
        scene,
        DATA,
        &[
            (&format!("fs.stat('data/file').then({kinds})"), "\"isFile\""),
            (
                &format!("fs.stat('data/folder').then({kinds})"),
                "\"isDirectory\"",
            ),
            (&format!("fs.stat('data/fifo').then({kinds})"), "\"isFifo\""),
            (&format!("fs.stat('data/socket').then({kinds})"), "\"isSocket\""),
            ("list('data')", "\"fifo? file folder/ link@ socket?\""),
        ],
    );
}
