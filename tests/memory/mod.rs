//! Host memory that a guest causes to be allocated. All of it is counted, whichever function allocates it.
//!
//! Each case keeps the results of one operation or constructor, in a program with a heap of 32 MiB. The process is
//! measured meanwhile. Each case runs in a separate process.

mod moments;

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secure_runtime::{Exit, Limits, OpenOptions, Outcome, Program, Runtime, Secret};
use secure_runtime_capabilities::{Block, KeyPair, Token};

use self::moments::{MOMENT, MOMENTS};
use crate::support::{Scene, Server, operations};

/// The variable that marks the measured process. Its value is the name of the case.
const CASE: &str = "SECURE_RUNTIME_TEST_MEMORY";
const HEAP: u64 = 32 << 20;
/// Growth of the process that is allowed beyond the reported account, in MiB, unless [`SLACK_OF`] has another value.
///
/// This memory is not counted, and does not grow with the number of a guest's objects. It consists of:
/// - the stacks of threads for file work, and the allocator's pool of each
/// - pages that the allocator and the engine keep for later
/// - the copies that one operation on 4 MiB makes while it runs: bytes, text, and the text in the engine's form
const SLACK: u64 = 32;
/// Cases whose one operation copies more, with the reason.
const SLACK_OF: &[(&str, u64, &str)] = &[
    (
        "net.fetch",
        96,
        "this process's own server, with 256 KiB for each connection",
    ),
    (
        "net.connect",
        96,
        "this process's own server, with a thread for each connection",
    ),
    ("bodies that wait", 96, "this process's own server"),
    ("uploads that wait", 96, "this process's own server"),
];
/// Maximum of the reported account. The heap may reach four times its limit until the program has ended. Memory outside
/// of the heap may exceed the limit by a quarter, for small objects. Capabilities have the same limit again.
const MOST_COUNTED: u64 = 4 * HEAP + HEAP / 4 * 5 + HEAP;

/// For each operation, a program that keeps its results, its arguments or its pending calls. `data/big` has 4 MiB, and
/// a response of the server has 256 KiB.
const OPERATIONS_HOARDED: &[(&str, &str)] = &[
    (
        "fs.readTextFile",
        "await all(400, () => fs.readTextFile('data/big'))",
    ),
    ("fs.readFile", "await all(400, () => fs.readFile('data/big'))"),
    (
        "fs.writeTextFile",
        "const text = 'a'.repeat(4 << 20); await all(400, (n) => fs.writeTextFile('data/out', text))",
    ),
    (
        "fs.writeFile",
        "const bytes = new Uint8Array(4 << 20).fill(1); await all(400, (n) => fs.writeFile('data/out', bytes))",
    ),
    (
        "fs.readDir",
        "await all(300, async () => { for await (const e of fs.readDir('data')) keep.push(e); })",
    ),
    ("fs.stat", "await all(25_000, () => fs.stat('data/a'))"),
    ("fs.mkdir", "await all(25_000, (n) => fs.mkdir('data/a/' + n))"),
    (
        "fs.remove",
        "await all(25_000, (n) => fs.remove('data/none' + n))",
    ),
    (
        "fs.rename",
        "await all(25_000, (n) => fs.rename('data/none' + n, 'data/other' + n))",
    ),
    ("fs.lstat", "await all(25_000, () => fs.lstat('data/a'))"),
    (
        "fs.copyFile",
        "await all(2_000, (n) => fs.copyFile('data/a', 'data/copy' + n % 9))",
    ),
    (
        "fs.symlink",
        "await all(25_000, (n) => fs.symlink('a', 'data/none/' + n))",
    ),
    ("fs.readLink", "await all(25_000, () => fs.readLink('data/a'))"),
    (
        "fs.link",
        "await all(25_000, (n) => fs.link('data/none' + n, 'data/other' + n))",
    ),
    ("fs.watch", "await all(100, () => fs.watch('data'))"),
    (
        "fs.walk",
        "for (let n = 0; n < 300; n++) for await (const entry of fs.walk('data')) keep.push(entry); for (let n = 0; n < 10; n++) { const walk = fs.walk('data')[Symbol.asyncIterator](); await walk.next(); keep.push(walk); }",
    ),
    (
        "fs.makeTempFile",
        "await all(2_000, () => fs.makeTempFile({ dir: 'data' }))",
    ),
    (
        "fs.makeTempDir",
        "await all(2_000, () => fs.makeTempDir({ dir: 'data' }))",
    ),
    ("fs.truncate", "await all(25_000, () => fs.truncate('data/a', 1))"),
    ("fs.chmod", "await all(25_000, () => fs.chmod('data/a', 0o600))"),
    ("fs.utime", "await all(25_000, () => fs.utime('data/a', 1, 1))"),
    (
        "fs.open for reading",
        "const file = await fs.open('data/big'); await all(400, async () => { const into = new Uint8Array(4 << 20); await file.read(into); return into; })",
    ),
    (
        "fs.open for writing",
        "const bytes = new Uint8Array(4 << 20).fill(1); const file = await fs.open('data/out', { write: true, create: true }); await all(400, () => file.write(bytes))",
    ),
    (
        "fs.attenuate",
        "const read = Array.from({ length: 900 }, (_, n) => 'data/' + n); await all(3_000, () => fs.attenuate({ read }))",
    ),
    ("fs.revocable", "await all(15_000, () => fs.revocable())"),
    ("seal(fs)", "await all(1_000, () => seal(fs, { holder }))"),
    (
        "net.fetch",
        "await all(400, async () => (await net.fetch(server + '/big')).bytes())",
    ),
    (
        "net.connect",
        "await all(2_000, () => net.connect({ port })); for (const connection of [...keep]) connection.read(new Uint8Array(65_536)).catch(() => {})",
    ),
    (
        "net.connectTls",
        "await all(2_000, () => net.connectTls({ port: 9, alpnProtocols: Array(16).fill('x'.repeat(255)) }))",
    ),
    (
        "net.listen",
        "await all(800, () => net.listen({ port: 0 })); const [listener] = keep; const waiting = []; for (let n = 0; n < 800; n++) waiting.push(listener.accept().catch(() => {})); listener.close(); await Promise.all(waiting)",
    ),
    (
        "net.listenDatagram",
        "await all(800, () => net.listenDatagram({ port: 0 })); const [one, two] = keep; for (let n = 0; n < 3_000; n++) { await one.send(new Uint8Array(60_000), two.addr); keep.push(await two.receive()); }",
    ),
    ("net.resolve", "await all(2_000, () => net.resolve('localhost'))"),
    (
        "net.webSocket",
        "await all(2_000, () => net.webSocket(server + '/big'))",
    ),
    (
        "net.attenuate",
        "await all(15_000, () => net.attenuate({ expires: '1h' }))",
    ),
    ("net.revocable", "await all(15_000, () => net.revocable())"),
    ("seal(net)", "await all(1_000, () => seal(net, { holder }))"),
    ("env.get", "await all(25_000, () => env.get('LONG'))"),
    (
        "env.attenuate",
        "await all(15_000, () => env.attenuate({ expires: '1h' }))",
    ),
    ("env.revocable", "await all(15_000, () => env.revocable())"),
    ("seal(env)", "await all(1_000, () => seal(env, { holder }))"),
    ("clock.now", "await all(25_000, () => clock.now())"),
    (
        "clock.attenuate",
        "await all(15_000, () => clock.attenuate({ expires: '1h' }))",
    ),
    ("clock.revocable", "await all(15_000, () => clock.revocable())"),
    ("seal(clock)", "await all(1_000, () => seal(clock, { holder }))"),
    (
        "kv.get",
        "await kv.set('big', new Uint8Array(65_536).fill(1)); await all(3_000, () => kv.get('big'))",
    ),
    (
        "kv.set",
        "const bytes = new Uint8Array(65_536).fill(1); await all(3_000, (n) => kv.set('big', bytes))",
    ),
    ("kv.delete", "await all(25_000, () => kv.delete('none'))"),
    (
        "kv.list",
        "await all(2_000, async () => { for await (const k of kv.list({ prefix: '' })) keep.push(k); })",
    ),
    (
        "kv.getEntry",
        "await kv.set('big', new Uint8Array(65_536).fill(1)); await all(3_000, () => kv.getEntry('big'))",
    ),
    (
        "kv.entries",
        "for (let n = 0; n < 50; n++) await kv.set('big' + n, new Uint8Array(65_536).fill(1)); await all(60, async () => { for await (const entry of kv.entries()) keep.push(entry); })",
    ),
    (
        "kv.atomic to change",
        "const bytes = new Uint8Array(65_536).fill(1); await all(1_000, () => kv.atomic().set('big', bytes).set('other', bytes).commit())",
    ),
    (
        "kv.atomic to check",
        "await all(25_000, () => kv.atomic().check({ key: 'none', versionstamp: null }).commit())",
    ),
    (
        "kv.watch",
        "await kv.set('big', new Uint8Array(65_536).fill(1)); await all(3_000, () => { const watch = kv.watch('big'); keep.push(watch); return watch.next(); })",
    ),
    (
        "kv.attenuate",
        "await all(15_000, () => kv.attenuate({ expires: '1h' }))",
    ),
    ("kv.revocable", "await all(15_000, () => kv.revocable())"),
    ("seal(kv)", "await all(1_000, () => seal(kv, { holder }))"),
    ("random.bytes", "await all(3_000, () => random.bytes(65_536))"),
    ("random.number", "await all(25_000, () => random.number())"),
    (
        "random.attenuate",
        "await all(15_000, () => random.attenuate({ expires: '1h' }))",
    ),
    ("random.revocable", "await all(15_000, () => random.revocable())"),
    ("seal(random)", "await all(1_000, () => seal(random, { holder }))"),
    (
        "http.serve",
        "await all(400, () => http.serve({ port: 0 }, () => {})); await Promise.all(keep.map((server) => server.shutdown()))",
    ),
    (
        "http.shutdown",
        "await all(4_000, () => http.serve({ port: 0 }, () => {}).shutdown())",
    ),
    (
        "http.attenuate",
        "await all(15_000, () => http.attenuate({ expires: '1h' }))",
    ),
    ("http.revocable", "await all(15_000, () => http.revocable())"),
    (
        "log.info",
        "const fields = { a: Array(1_000).fill('some text') }; await all(10_000, () => log.info('a'.repeat(30_000), fields))",
    ),
    (
        "log.attenuate",
        "await all(15_000, () => log.attenuate({ expires: '1h' }))",
    ),
    ("log.revocable", "await all(15_000, () => log.revocable())"),
    ("seal(log)", "await all(1_000, () => seal(log, { holder }))"),
    (
        "secrets.placeholder",
        "await all(1_000, () => secrets.attenuate({ send: [use] }).placeholder('API', 'https://example.com'))",
    ),
    (
        "secrets.key",
        "await all(15_000, () => secrets.key('API', 'HMAC-SHA-256').catch((error) => { if (error.name !== 'NotSupportedError') throw error; }))",
    ),
    (
        "secrets.attenuate",
        "await all(15_000, () => secrets.attenuate({ expires: '1h' }))",
    ),
    (
        "secrets.revocable",
        "await all(15_000, () => secrets.revocable())",
    ),
    (
        "seal(secrets)",
        "await all(1_000, () => seal(secrets, { holder }))",
    ),
    ("seal(http)", "await all(1_000, () => seal(http, { holder }))"),
];

/// The same for the web's interfaces that only V8 has.
const WEB_HOARDED: &[(&str, &str)] = &[
    ("CompressionStream", "await all(4_000, () => new CompressionStream('gzip'))"),
    (
        "a decompression bomb",
        "const packer = new CompressionStream('gzip'); const writer = packer.writable.getWriter();
         const packed = new Response(packer.readable).bytes(); const zeros = new Uint8Array(1 << 20);
         for (let n = 0; n < 128; n++) await writer.write(zeros);
         await writer.close();
         const bomb = await packed;
         await all(1, () => new Response(new Blob([bomb]).stream().pipeThrough(new DecompressionStream('gzip'))).bytes());
         if (failed?.name !== 'RangeError') throw new CapabilityError('the bomb fits')",
    ),
    (
        "streams with chunks",
        "await all(400, () => { const { writable } = new TransformStream(); const writer = writable.getWriter();
         writer.write(new Uint8Array(4 << 20).fill(1)).catch(() => {}); return { writer }; })",
    ),
    ("Blob", "await all(400, () => new Blob([new Uint8Array(4 << 20).fill(1)]))"),
    ("Response", "await all(400, () => new Response('a'.repeat(4 << 20)))"),
    (
        "FormData",
        "await all(400, () => { const form = new FormData(); form.append('a', new Blob([new Uint8Array(4 << 20).fill(1)])); return form; })",
    ),
    (
        "multipart/form-data",
        "const form = new FormData(); form.append('a', new Blob([new Uint8Array(4 << 20).fill(1)])); await all(400, () => new Response(form))",
    ),
    (
        "heads of requests whose bodies wait",
        "const headers = { x: 'x'.repeat((1 << 20) - 200) }; const waits = [];
         for (let n = 0; n < 200 && failed === undefined; n++) {
           const body = new ReadableStream({ pull: () => new Promise(() => {}) });
           const signal = AbortSignal.timeout(20_000);
           waits.push(fetch(server + '/silent', { method: 'POST', headers, body, duplex: 'half', signal }).catch((error) => { if (error.name !== 'TimeoutError') failed ??= error; }));
           await new Promise((done) => setTimeout(done));
         }
         if (failed === undefined) await new Promise((done) => setTimeout(done, 3_000));
         keep.push(waits)",
    ),
    (
        "messages that wait",
        "const { port1, port2 } = new MessageChannel(); keep.push(port2); await all(400, () => { port1.postMessage(new Uint8Array(4 << 20).fill(1)); })",
    ),
    (
        "keys",
        "await all(400, () => crypto.subtle.importKey('raw', new Uint8Array(4 << 20), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']))",
    ),
    (
        "small keys",
        "for (let n = 0; n < 100_000; n++) keep.push(await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt']))",
    ),
    (
        "results of crypto.subtle",
        "const key = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt']);
         const data = new Uint8Array(4 << 20); await all(400, () => crypto.subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key, data))",
    ),
    (
        "derivations that wait",
        "const key = await crypto.subtle.importKey('raw', new Uint8Array(16), 'PBKDF2', false, ['deriveBits']);
         await all(400, () => { crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(4 << 20), iterations: 1e9 }, key, 1 << 25).catch(() => {}); })",
    ),
    (
        "decoders",
        "await all(100_000, () => { const decoder = new TextDecoder('shift_jis'); decoder.decode(new Uint8Array([0x93]), { stream: true }); return decoder; })",
    ),
];
/// Programs without operations, and other ways to keep results of operations.
const OTHERS_HOARDED: &[(&str, &str)] = &[
    (
        "ArrayBuffer",
        "await all(400, () => { const b = new ArrayBuffer(4 << 20); new Uint8Array(b).fill(1); return b; })",
    ),
    (
        "ArrayBuffer, resizable",
        "await all(200, () => { const b = new ArrayBuffer(8 << 20, { maxByteLength: 32 << 20 }); new Uint8Array(b).fill(1); return b; })",
    ),
    (
        "ArrayBuffer, small and resizable",
        "await all(200_000, () => { const b = new ArrayBuffer(1, { maxByteLength: 4096 }); new Uint8Array(b)[0] = 1; return b; })",
    ),
    (
        "clones of a resizable buffer",
        "const of = new ArrayBuffer(8, { maxByteLength: 1 << 30 }); await all(20_000, () => structuredClone(of))",
    ),
    (
        "ArrayBuffer.resize",
        "await all(200, () => { const b = new ArrayBuffer(0, { maxByteLength: 32 << 20 }); b.resize(8 << 20); new Uint8Array(b).fill(1); return b; })",
    ),
    (
        "ArrayBuffer.resize at once",
        "const b = new ArrayBuffer(0, { maxByteLength: 2 ** 31 }); b.resize(2 ** 31); new Uint8Array(b).fill(1);",
    ),
    (
        "ArrayBuffer.transfer",
        "await all(200, () => { let b = new ArrayBuffer(1, { maxByteLength: 32 << 20 }); b = b.transfer(8 << 20); new Uint8Array(b).fill(1); return b; })",
    ),
    (
        "ArrayBuffer, subclass",
        "class B extends ArrayBuffer {} await all(200, () => { const b = new B(1, { maxByteLength: 32 << 20 }); b.resize(8 << 20); new Uint8Array(b).fill(1); return b; })",
    ),
    (
        "ArrayBuffer by its prototype",
        "const B = ArrayBuffer.prototype.constructor; await all(200, () => { const b = new B(1, { maxByteLength: 32 << 20 }); b.resize(8 << 20); new Uint8Array(b).fill(1); return b; })",
    ),
    (
        "ArrayBuffer.slice",
        "const b = new ArrayBuffer(4 << 20); await all(400, () => { const c = b.slice(0); new Uint8Array(c).fill(1); return c; })",
    ),
    (
        "Uint8Array.from",
        "const b = new Uint8Array(4 << 20); await all(400, () => Uint8Array.from(b))",
    ),
    (
        "Float64Array.toSorted",
        "const b = new Float64Array(1 << 19); await all(400, () => b.toSorted())",
    ),
    (
        "structuredClone",
        "const b = new ArrayBuffer(4 << 20, { maxByteLength: 4 << 20 }); new Uint8Array(b).fill(1); await all(400, () => structuredClone(b))",
    ),
    (
        "TextEncoder.encode",
        "const text = 'a'.repeat(4 << 20); await all(400, () => new TextEncoder().encode(text))",
    ),
    (
        "TextDecoder.decode",
        "const bytes = new Uint8Array(4 << 20).fill(97); await all(400, () => new TextDecoder().decode(bytes))",
    ),
    (
        "Uint8Array.fromHex",
        "const text = '00'.repeat(4 << 20); await all(400, () => Uint8Array.fromHex?.(text))",
    ),
    (
        "URL",
        "const text = 'https://a/' + 'é'.repeat(1 << 20); await all(400, () => new URL(text))",
    ),
    (
        "URLSearchParams",
        "const text = 'a=b&'.repeat(1 << 17); await all(400, () => new URLSearchParams(text))",
    ),
    (
        "AbortController",
        "await all(100_000, () => new AbortController())",
    ),
    (
        "setTimeout",
        "await all(300_000, () => setTimeout(() => {}, 3_600_000))",
    ),
    (
        "Promise",
        "await all(300_000, () => { new Promise(() => {}).then(() => {}); })",
    ),
    (
        "RegExp",
        "await all(25_000, (n) => { const r = new RegExp('(?:a|b)*c' + n); r.test('abc'); return r; })",
    ),
    (
        "Intl.DateTimeFormat",
        "await all(6_000, () => new Intl.DateTimeFormat('de'))",
    ),
    (
        "Intl.DateTimeFormat of nobody",
        "await all(6_000, () => new globalThis.Intl.DateTimeFormat.prototype.constructor('de'))",
    ),
    (
        "Intl.NumberFormat",
        "await all(20_000, () => Intl.NumberFormat('de'))",
    ),
    (
        "Intl.Segmenter",
        "const text = 'a'.repeat(4 << 20), segmenter = new Intl.Segmenter('en'); await all(200, () => segmenter.segment(text))",
    ),
    (
        "Intl.Segmenter, iterators",
        "const text = 'a'.repeat(1 << 20), segments = new Intl.Segmenter('en').segment(text); await all(800, () => segments[Symbol.iterator]())",
    ),
    (
        "denied fetches",
        "const long = 'https://denied.example/' + 'x'.repeat(24 << 20); for (let n = 0; n < 100; n++) await net.fetch(long).catch((error) => keep.push(error.code));",
    ),
    (
        "denied fetches of short addresses",
        "const long = 'https://denied.example/' + 'x'.repeat(200_000); for (let n = 0; n < 300; n++) await net.fetch(long).catch((error) => keep.push(error.code));",
    ),
    (
        "denied imports",
        "for (let n = 0; n < 100; n++) await import('./' + 'x'.repeat(4 << 20) + n).catch((error) => keep.push(1));",
    ),
    (
        "results that wait",
        "const reads = []; for (let n = 0; n < 1_500; n++) reads.push(fs.readFile('data/1m')); busy(3_000); await Promise.allSettled(reads)",
    ),
    (
        "texts that wait",
        "const reads = []; for (let n = 0; n < 1_500; n++) reads.push(fs.readTextFile('data/1m')); busy(3_000); await Promise.allSettled(reads)",
    ),
    (
        "pieces that wait",
        "const file = await fs.open('data/big'); const reads = []; for (let n = 0; n < 400; n++) reads.push(file.read(new Uint8Array(1024))); busy(3_000); await Promise.allSettled(reads)",
    ),
    (
        "bodies that wait",
        "const reads = []; for (let n = 0; n < 400; n++) reads.push(net.fetch(server + '/big').then((r) => r.bytes())); busy(3_000); await Promise.allSettled(reads)",
    ),
    (
        "watches that wait",
        "const open = []; try { for (let n = 0; n < 8_000; n++) { const watch = kv.watch('none'); open.push([watch, watch.next().then(() => watch.next())]); } } catch (error) { failed = error; } await kv.set('other', 'x'); await kv.set('none', 'x'); await Promise.allSettled(open.map(([, next]) => next)); keep.push(open)",
    ),
    (
        "heads that wait",
        "const headers = { x: 'x'.repeat((1 << 20) - 200) }; const waits = [];
         for (let n = 0; n < 200 && failed === undefined; n++) {
           waits.push(net.fetch(server + '/silent', { headers, signal: AbortSignal.timeout(20_000) }).catch((error) => { if (error.name !== 'TimeoutError') failed ??= error; }));
           await new Promise((done) => setTimeout(done));
         }
         if (failed === undefined) await new Promise((done) => setTimeout(done, 3_000));
         keep.push(waits)",
    ),
    (
        "uploads that wait",
        "const body = new Uint8Array(4 << 20); const sent = []; for (let n = 0; n < 400; n++) sent.push(net.fetch(server + '/big', { method: 'POST', body })); busy(3_000); await Promise.allSettled(sent)",
    ),
    (
        "long arguments that wait",
        "const name = 'x'.repeat(1 << 20); const all = []; for (let n = 0; n < 2_000; n++) all.push(fs.stat(name + n)); busy(1_000); await Promise.allSettled(all)",
    ),
];

/// RUN-86, A112: the account contains all growth of the process that a guest causes. The account is limited by the
/// value of the heap limit, whichever function allocates.
#[test]
fn a112_no_operation_and_no_constructor_makes_the_host_hold_more_than_is_counted() {
    if let Ok(name) = std::env::var(CASE) {
        return measure(&name);
    }
    for row in operations() {
        let is_there = OPERATIONS_HOARDED.iter().any(|(name, _)| *name == row.name);
        assert!(is_there, "nobody hoards {}", row.name);
    }
    let cases: Vec<String> = OPERATIONS_HOARDED
        .iter()
        .chain(OTHERS_HOARDED)
        .chain(web_hoarded())
        .map(|(name, _)| (*name).to_owned())
        .collect();
    measure_in_own_processes(
        "memory::a112_no_operation_and_no_constructor_makes_the_host_hold_more_than_is_counted",
        &cases,
    );
}

fn web_hoarded() -> &'static [(&'static str, &'static str)] {
    if cfg!(feature = "v8") { WEB_HOARDED } else { &[] }
}

/// Measures each case in its own process. A few processes run concurrently.
fn measure_in_own_processes(test: &str, cases: &[String]) {
    let mut failures = Vec::new();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(&mut failures);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(name) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let own = Command::new(std::env::current_exe().unwrap())
                        .args(["--exact", test, "--nocapture"])
                        .env(CASE, name)
                        .output()
                        .unwrap();
                    let said = String::from_utf8_lossy(&own.stdout);
                    let line = said.lines().find(|line| line.starts_with("memory: "));
                    println!("{}", line.unwrap_or("memory: nothing was said"));
                    if !own.status.success() || line.is_none() {
                        let errors = String::from_utf8_lossy(&own.stderr).into_owned();
                        failed
                            .lock()
                            .unwrap()
                            .push(format!("{name}: {}\n{said}\n{errors}", own.status));
                    }
                }
            });
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Returns a field of /proc/self/status, in bytes.
fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches([':', '\t', ' '])
        .split(' ')
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

/// Runs the program without an audit sink, because a test's sink would keep all records in memory.
fn run(scene: &Scene, grants: &[&str]) -> (Outcome, String) {
    let printed = Arc::new(Mutex::new(String::new()));
    let into = printed.clone();
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome = reactor.block_on(async {
        let program = Program::open(scene.base(), &OpenOptions::default())
            .await
            .unwrap();
        // `seal` needs a token.
        let root = KeyPair::generate().unwrap();
        let token = Token::mint(&root, &Block::of(scene.rights(grants))).unwrap();
        let runtime = Runtime::builder()
            .token(token.as_bytes())
            .root_key(root.public())
            .base(program.base())
            .shared_store(program.store())
            .limits(Limits {
                heap: HEAP,
                wall: Some(Duration::from_secs(600)),
                ..Limits::default()
            })
            .variables(|_| Some("v".repeat(10_000)))
            .secrets(|_| Some(Secret::new("s".repeat(8192))))
            .console(move |line| into.lock().unwrap().push_str(line.text))
            .build()
            .unwrap();
        runtime.run(program.graph(), &[]).await.unwrap()
    });
    let out = std::mem::take(&mut *printed.lock().unwrap());
    (outcome, out)
}

fn measure(name: &str) {
    let hoarded = OPERATIONS_HOARDED.iter().chain(OTHERS_HOARDED);
    let hoarded = hoarded.chain(web_hoarded()).copied();
    let call = match name.strip_prefix(MOMENT) {
        Some(name) => MOMENTS.iter().find(|(other, ..)| *other == name).unwrap().1,
        None => hoarded.into_iter().find(|(other, _)| *other == name).unwrap().1,
    };
    let server = Server::start();
    // This process contains the server's own copies too.
    server.put("/big", Some(vec![b'a'; 256 << 10]));
    let main = format!(
        "import {{ fs, net, env, clock, random, kv, http, secrets, log, seal }} from 'cap:self';
        const server = '{}', holder = '{}', use = 'API@https://example.com', port = Number(new URL(server).port);
        const keep = [];
        let failed;
        const all = async (count, make) => {{
            const under_way = [];
            try {{ for (let n = 0; n < count; n++) {{
                const made = make(n);
                if (typeof made?.then === 'function') under_way.push(made.then((value) => {{ keep.push(value); }}, (error) => {{ failed ??= error; }}));
                else keep.push(made);
            }} }} catch (error) {{ failed = error; }}
            await Promise.all(under_way);
        }};
        const busy = (ms) => {{ const end = clock.now() + ms; while (clock.now() < end); }};
        try {{ {call} }} catch (error) {{ failed ??= error; }}
        console.log(keep.length, String(failed?.name), String(failed?.message).slice(0, 90));",
        server.origin(),
        KeyPair::generate().unwrap().holder()
    );
    let origin = format!("net.connect={}", server.origin());
    let grants = [
        "fs.read=./data/**",
        "fs.write=./data/**",
        &origin,
        &origin.replace("http:", "tcp:"),
        "net.connect=tls://127.0.0.1:9",
        "net.connect=udp://127.0.0.1:1-65535",
        "net.listen=tcp://127.0.0.1:0",
        "net.listen=udp://127.0.0.1:0",
        "net.resolve=localhost",
        "env.read=LONG",
        "clock=1ms",
        "random=true",
        "kv.read=*",
        "kv.write=*",
        "http.listen=127.0.0.1:0",
        "secrets.send=API@https://example.com",
        "secrets.key=API@HMAC-SHA-256",
        "log=true",
    ];
    let mut scene = Scene::new()
        .file("secure.toml", crate::support::manifest(&grants, ""))
        .file("main.js", main)
        .file("data/big", vec![b'a'; 4 << 20])
        .file("data/1m", vec![b'a'; 1 << 20])
        .file("data/a", "a");
    if name == "fs.readDir" {
        for number in 0..500 {
            scene = scene.file(&format!("data/{number}"), "");
        }
    }
    // Memory that the engine uses in any case.
    Scene::of_main(&[], "console.log(1);").run(&[]).completed();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let (outcome, out) = run(&scene, &grants);
    let grown = status("VmHWM").saturating_sub(before);
    let end = match outcome.exit {
        Exit::Completed => out.trim().to_owned(),
        Exit::Limit(hit) => hit.to_string(),
        Exit::Uncaught(error) => error.message,
        other => format!("{other:?}"),
    };
    let slack = SLACK_OF.iter().find(|(other, ..)| *other == name);
    let slack = slack.map_or(SLACK, |(_, slack, _)| *slack) << 20;
    let counted = outcome.memory.heap + outcome.memory.held;
    println!(
        "memory: {name}: grew by {} MiB; counted: heap {} MiB, held {} MiB; slack {} MiB: {end}",
        grown >> 20,
        outcome.memory.heap >> 20,
        outcome.memory.held >> 20,
        slack >> 20
    );
    // A case in which everything is refused measures nothing.
    for refused in ["CapabilityError", "ReferenceError"] {
        assert!(!end.contains(refused), "{name}: {end}");
    }
    assert!(grown <= counted + slack, "{name}: more than the runtime counted");
    assert!(counted <= MOST_COUNTED, "{name}: more than the limits allow");
}
