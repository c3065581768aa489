//! Open files: positions, sizes, locks, and buffers.

use super::{DATA, expect};
use crate::support::{Scene, manifest};

/// RUN-120
#[test]
fn an_open_file_has_a_position_a_size_and_times() {
    let rw = "{ read: true, write: true }";
    let open = |then: &str| format!("fs.open('data/a.txt', {rw}).then(async (file) => {then})");
    let steps = [
        (
            open(
                "[await file.seek(2), await piece(file, 2), await file.seek(-1, 1), await piece(file, 1), await file.seek(-2, 2), await piece(file, 9), await file.seek(10n), await piece(file, 1)]",
            ),
            "[2,\"cd\",3,\"d\",4,\"ef\",10,null]",
        ),
        (
            open(
                "{ await file.truncate(3); await file.truncate(5); return [(await file.stat()).size, await piece(file, 9)]; }",
            ),
            "[5,\"abc\\u0000\\u0000\"]",
        ),
        (
            open(
                "{ await file.utime(1, new Date(2500)); const { atime, mtime } = await file.stat(); return [atime.getTime(), mtime.getTime()]; }",
            ),
            "[1000,2500]",
        ),
        (open("{ await file.sync(); await file.syncData(); }"), "done"),
        (open("file.seek(-1)"), "RangeError"),
        (open("file.seek(-100, 1)"), "Error EIO"),
        (open("file.seek(1.5)"), "TypeError"),
        (open("file.seek(0, 3)"), "TypeError"),
        (open("file.truncate(-1)"), "RangeError"),
        (open("file.truncate(2 ** 53)"), "TypeError"),
        (
            open(
                "{ await file[Symbol.asyncDispose ?? Symbol.for('asyncDispose')](); return piece(file, 1); }",
            ),
            "Error EBADF",
        ),
    ];
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    expect(Scene::new().file("data/a.txt", "abcdef"), DATA, &steps);
}

/// RUN-121
#[test]
fn a_file_that_is_only_written_reveals_no_size_and_one_that_is_only_read_does_not_change() {
    let scene = expect(
        Scene::new().file("data/a.txt", "abcdef"),
        DATA,
        &[
            (
                "fs.open('data/a.txt', { write: true }).then((file) => file.seek(0, 2))",
                "TypeError",
            ),
            (
                "fs.open('data/a.txt', { append: true }).then((file) => file.seek(0, 1))",
                "TypeError",
            ),
            (
                "fs.open('data/a.txt', { write: true }).then((file) => file.seek(100))",
                "100",
            ),
            (
                "fs.open('data/a.txt', { write: true }).then((file) => file.stat())",
                "PermissionDenied EBADF",
            ),
            ("fs.open('data/a.txt').then((file) => file.seek(0, 2))", "6"),
            (
                "fs.open('data/a.txt').then((file) => file.truncate(1))",
                "PermissionDenied EBADF",
            ),
            (
                "fs.open('data/a.txt').then((file) => file.utime(0, 0))",
                "PermissionDenied EBADF",
            ),
            (
                "fs.open('data/a.txt').then((file) => file.sync())",
                "PermissionDenied EBADF",
            ),
            (
                "fs.open('data/a.txt').then((file) => file.lock(true))",
                "PermissionDenied EBADF",
            ),
            (
                "fs.open('data/a.txt', { write: true }).then((file) => file.lock())",
                "PermissionDenied EBADF",
            ),
            ("fs.stat('data/a.txt').then(({ size }) => size)", "6"),
            (
                "fs.open('data/a.txt', { write: true }).then((file) => file.truncate(1))",
                "done",
            ),
        ],
    );
    assert_eq!(scene.read("data/a.txt"), "a");
}

/// RUN-122, A157: a lock that is never released stops nobody who does not ask for it.
#[test]
fn a157_a_locked_file_delays_only_those_who_lock_it() {
    let two = "const one = await fs.open('data/a.txt', { read: true, write: true });
        const capability = held ?? fs;
        const two = await capability.open('data/a.txt', { read: true, write: true });
        await one.lock(true);";
    let with = |held: &str, then: &str| {
        format!(
            "(async () => {{ const held = {held}; {two} try {{ {then} }} finally {{ one.close(); }} }})()"
        )
    };
    let steps = [
        (
            with(
                "null",
                "let waits = true;
                const waiting = two.lock(true).then(() => { waits = false; });
                await fs.writeTextFile('data/a.txt', 'changed');
                await fs.writeTextFile('data/x', 'x');
                await fs.rename('data/x', 'data/y');
                const before = [waits, await two.tryLock(), await two.tryLock(true)];
                await one.unlock();
                await waiting;
                const after = [waits, await one.tryLock()];
                two.close();
                return [before, after, await one.tryLock(true)];",
            ),
            "[[true,false,false],[false,false],true]",
        ),
        (
            with(
                "null",
                "await one.unlock(); return [await one.tryLock(), await two.tryLock(), await two.tryLock(true)];",
            ),
            "[true,true,false]",
        ),
        (
            with(
                "null",
                "const waiting = two.lock(); await two.tryLock(); two.close(); await waiting;",
            ),
            "Error EBADF",
        ),
        (
            "(async () => {
                const { capability, revoke } = fs.revocable();
                const one = await fs.open('data/a.txt', { read: true, write: true });
                const two = await capability.open('data/a.txt');
                await one.lock(true);
                const waiting = two.lock();
                await two.tryLock();
                revoke();
                try { await waiting; } finally { one.close(); }
            })()"
                .to_owned(),
            "CapabilityError revoked",
        ),
    ];
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    expect(Scene::new().file("data/a.txt", "text"), DATA, &steps);
}

/// RUN-123
#[test]
fn bytes_are_read_into_the_buffer_as_it_is_then() {
    let read = |made: &str, then: &str| {
        format!(
            "fs.open('data/a.txt').then(async (file) => {{ {made} const reading = file.read(bytes); {then} return [await reading, bytes.length, bytes[0]]; }})"
        )
    };
    let smaller = |buffer: &str, then: &str| {
        // The read may end before the buffer becomes smaller. So it is repeated until it does not.
        format!(
            "fs.open('data/a.txt').then(async (file) => {{
                for (;;) {{
                    await file.seek(0);
                    const bytes = new Uint8Array({buffer});
                    const reading = file.read(bytes).catch((error) => error.name);
                    {then}
                    const count = await reading;
                    if (count !== 6) return [count];
                }}
            }})"
        )
    };
    let steps = [
        (read("const bytes = new Uint8Array(8);", ""), "[6,8,97]"),
        (
            smaller("new ArrayBuffer(8)", "bytes.buffer.transfer();"),
            "[\"TypeError\"]",
        ),
        (
            smaller(
                "new ArrayBuffer(8, { maxByteLength: 8 })",
                "bytes.buffer.resize(2);",
            ),
            "[\"TypeError\"]",
        ),
        (
            read("const bytes = new Uint8Array(new ArrayBuffer(8, { maxByteLength: 8 }));", "bytes.buffer.resize(6);"),
            "[6,6,97]",
        ),
        (
            "fs.open('data/a.txt').then(async (file) => { const bytes = new Uint8Array(8); await file.read(bytes.subarray(2, 5)); return [...bytes]; })".to_owned(),
            "[0,0,97,98,99,0,0,0]",
        ),
        (
            "fs.open('data/large').then(async (file) => { const sizes = []; for await (const chunk of file) sizes.push(chunk.length, chunk.buffer.byteLength); return sizes; })".to_owned(),
            "[65536,65536,65536,65536,18928,65536]",
        ),
    ];
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    let scene = Scene::new()
        .file("data/a.txt", "abcdef")
        .file("data/large", vec![1; 150_000]);
    expect(scene, DATA, &steps);
}

/// RUN-123: reading a large file takes the memory of one buffer of the guest, and of one of the host.
#[test]
fn a_large_file_is_read_at_flat_memory() {
    let scene = Scene::new()
        .file("secure.toml", manifest(DATA, ""))
        .file("data/large", "")
        .file(
            "main.js",
            "import { fs } from 'cap:self';
        const file = await fs.open('data/large');
        const buffer = new Uint8Array(1 << 20);
        let all = 0;
        for (let count; (count = await file.read(buffer)) !== null;) all += count;
        console.log(all);",
        );
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(scene.base().join("data/large"))
        .unwrap();
    file.set_len(128 << 20).unwrap();
    let ran = scene.run(&[]).completed();
    assert_eq!(ran.out, "134217728\n");
    assert!(ran.held < 4 << 20, "{}", ran.held);
}

/// RUN-130
#[test]
fn files_are_streams() {
    let open =
        |options: &str, then: &str| format!("fs.open('data/a.txt', {options}).then(async (file) => {then})");
    let read = |then: &str| open("{ read: true }", then);
    let written = "{ write: true, create: true, truncate: true }";
    let text = "new Response(file.readable).text()";
    let steps = if cfg!(feature = "v8") {
        vec![
            (read(text), "\"abcdef\""),
            // The position is the file's, and the file is closed at the end.
            (
                read(&format!(
                    "{{ await file.seek(4); const text = await {text}; return [text, await file.read(new Uint8Array(1)).catch((error) => error.code)]; }}"
                )),
                "[\"ef\",\"EBADF\"]",
            ),
            (
                read(
                    "{ const reader = file.readable.getReader({ mode: 'byob' }); const { value } = await reader.read(new Uint8Array(4)); await reader.cancel(); return [value.length, value[3], await file.stat().catch((error) => error.code)]; }",
                ),
                "[4,100,\"EBADF\"]",
            ),
            (read("file.readable === file.readable"), "true"),
            (
                read("file.writable.getWriter().write(new Uint8Array(1))"),
                "PermissionDenied EBADF",
            ),
            (
                open(
                    written,
                    "{ await new Blob(['one', 'two']).stream().pipeTo(file.writable); return fs.readTextFile('data/a.txt'); }",
                ),
                "\"onetwo\"",
            ),
            (
                open(
                    written,
                    "{ const big = new Blob([new Uint8Array(300_000).fill(120)]); await big.stream().pipeThrough(new CompressionStream('gzip')).pipeTo(file.writable); const again = await fs.open('data/a.txt'); return (await new Response(again.readable.pipeThrough(new DecompressionStream('gzip'))).bytes()).length; }",
                ),
                "300000",
            ),
            (
                open(written, "file.writable.getWriter().write('no bytes')"),
                "TypeError",
            ),
            (
                open(written, "file.readable.getReader().read()"),
                "PermissionDenied EBADF",
            ),
        ]
    } else {
        vec![
            (read("file.readable"), "TypeError"),
            (read("file.writable"), "TypeError"),
        ]
    };
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    expect(Scene::new().file("data/a.txt", "abcdef"), DATA, &steps);
}
