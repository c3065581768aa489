//! Sockets of the `net` family: connections, listeners, datagrams and lookups.

use std::time::Duration;

use secure_runtime::Limits;

use crate::support::{Ran, Scene, manifest};

/// A certificate for `localhost` and 127.0.0.1, which signed itself, and its key.
const CERTIFICATE: &str = include_str!("../../http/tests/suite/tls/cert.pem");
const KEY: &str = include_str!("../../http/tests/suite/tls/key.pem");

/// Grants for all sockets of 127.0.0.1.
pub(super) const LOOPBACK: &[&str] = &[
    "net.listen=tcp://127.0.0.1:0",
    "net.connect=tcp://127.0.0.1:1-65535",
    "net.listen=udp://127.0.0.1:0",
    "net.connect=udp://127.0.0.1:1-65535",
];

/// The beginning of every program below. `said` returns the result of a call, or the name and the code of its error.
/// `pair` returns both ends of a connection. `text` reads until the other side has ended.
const PRELUDE: &str = "import { net, http } from 'cap:self';
const said = async (call) => {
  try {
    return String(await call());
  } catch (error) {
    return [error.name, error.code].filter(Boolean).join(' ');
  }
};
const say = async (call) => console.log(await said(call));
const pair = async (network = net) => {
  const listener = network.listen({ port: 0 });
  const [one, two] = await Promise.all([network.connect({ port: listener.addr.port }), listener.accept()]);
  listener.close();
  return [one, two];
};
const encoded = (text) => new TextEncoder().encode(text);
const decoded = (bytes) => new TextDecoder().decode(bytes);
const text = async (connection) => {
  let all = '';
  for await (const chunk of connection) all += decoded(chunk);
  return all;
};
";

/// Runs a program with these grants.
pub(super) fn run(grants: &[&str], main: &str) -> Ran {
    scene(grants, main).run(&[]).completed()
}

pub(super) fn scene(grants: &[&str], main: &str) -> Scene {
    Scene::new()
        .file("secure.toml", manifest(grants, ""))
        .file("main.js", format!("{PRELUDE}{main}"))
        .file("cert.pem", CERTIFICATE)
        .file("key.pem", KEY)
        .limits(Limits {
            wall: Some(Duration::from_secs(600)),
            ..Limits::default()
        })
}

#[track_caller]
pub(super) fn prints(grants: &[&str], main: &str, expected: &[&str]) {
    let ran = run(grants, main);
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected, "{}", ran.err);
}

/// RUN-145: a connection is read and written at both ends, and ends in each direction.
#[test]
fn connections_are_read_and_written() {
    prints(
        LOOPBACK,
        "const [one, two] = await pair();
        console.log(one.localAddr.port === two.remoteAddr.port, one.remoteAddr.hostname, two.localAddr.transport, Object.isFrozen(one), Object.isFrozen(one.localAddr));
        const buffer = new Uint8Array(4);
        await say(() => one.write(encoded('hello')));
        await say(() => two.read(buffer));
        console.log(decoded(buffer));
        await say(() => two.read(new Uint8Array(0)));
        await say(() => two.read(buffer.subarray(1)));
        console.log(decoded(buffer));
        one.setNoDelay();
        two.setNoDelay(false);
        await one.closeWrite();
        await say(() => two.read(buffer));
        await two.write(encoded('still'));
        two.close();
        await say(() => text(one));
        await say(() => one.write(encoded('x')));
        await say(() => two.write(encoded('x')));
        console.log(one.alpnProtocol);",
        &[
            "true 127.0.0.1 tcp true true",
            "5",
            "4",
            "hell",
            "0",
            "1",
            "holl",
            "null",
            "still",
            "Error EPIPE",
            "Error EBADF",
            "null",
        ],
    );
}

/// RUN-145: much data arrives whole and in order, while both sides send.
#[test]
fn much_data_arrives_in_order() {
    prints(
        LOOPBACK,
        "const [one, two] = await pair();
        const data = Uint8Array.from({ length: 1_000_003 }, (_, n) => n * 7 % 251);
        const received = async (connection) => {
          const all = new Uint8Array(data.length);
          let at = 0;
          for await (const chunk of connection) {
            all.set(chunk, at);
            at += chunk.length;
          }
          return at === data.length && all.every((byte, n) => byte === data[n]);
        };
        const sent = async (connection) => {
          await Promise.all([connection.write(data.subarray(0, 500_000)), connection.write(data.subarray(500_000))]);
          await connection.closeWrite();
        };
        const [first, second] = await Promise.all([received(one), received(two), sent(one), sent(two)]);
        console.log(first, second);",
        &["true true"],
    );
}

/// RUN-145.
#[cfg(feature = "v8")]
#[test]
fn connections_have_streams() {
    prints(
        LOOPBACK,
        "const [one, two] = await pair();
        const echoed = two.readable.pipeTo(two.writable);
        const writer = one.writable.getWriter();
        await writer.write(encoded('hello'));
        await writer.close();
        await say(() => new Response(one.readable).text());
        await echoed;
        console.log(one.readable === one.readable);
        const [three, four] = await pair();
        await three.readable.cancel();
        await say(() => three.write(encoded('x')));
        await four.writable.abort();
        await say(() => four.read(new Uint8Array(1)));",
        &["hello", "true", "Error EBADF", "Error EBADF"],
    );
}

/// RUN-145: closing ends the calls that wait, and iteration.
#[test]
fn closing_ends_calls_that_wait() {
    prints(
        LOOPBACK,
        "const [one] = await pair();
        const listener = net.listen({ port: 0 });
        const datagrams = net.listenDatagram({ port: 0 });
        const ends = async (iterable) => { for await (const _ of iterable) console.log('never'); return 'ended'; };
        const waiting = [
          said(() => one.read(new Uint8Array(1))), said(() => one.read(new Uint8Array(1))), said(() => listener.accept()), said(() => datagrams.receive()),
          said(() => ends(listener)), said(() => ends(datagrams)),
        ];
        await said(() => Promise.resolve());
        for (const socket of [one, listener, datagrams]) {
          socket.close();
          socket.close();
        }
        for (const outcome of waiting) console.log(await outcome);
        await say(() => listener.accept());
        {
          const other = net.listen({ port: 0 });
          other[Symbol.dispose ?? Symbol.for('dispose')]();
          await say(() => other.accept());
        }
        await say(() => net.connect({ port: listener.addr.port }));",
        &[
            "Error EBADF",
            "Error EBADF",
            "Error EBADF",
            "Error EBADF",
            "ended",
            "ended",
            "Error EBADF",
            "Error EBADF",
            "Error ECONNREFUSED",
        ],
    );
}

/// RUN-145: a program ends while its sockets are open.
#[test]
fn open_sockets_do_not_keep_what_they_belong_to() {
    let ran = run(
        LOOPBACK,
        "const kept = [await pair(), net.listen({ port: 0 }), net.listenDatagram({ port: 0 })];
        console.log(kept.length);",
    );
    assert_eq!(ran.out, "3\n");
}

/// RUN-145: options are checked before anything is decided.
#[test]
fn options_are_checked() {
    let ran = run(
        LOOPBACK,
        "for (const call of [
          () => net.connect(), () => net.connect({ port: 0 }), () => net.connect({ port: 65536 }), () => net.connect({ port: '80' }), () => net.connect({ port: 1.5 }),
          () => net.connect({ hostname: 'a b', port: 80 }), () => net.connect({ hostname: 'user@host', port: 80 }), () => net.connect({ hostname: 'host/path', port: 80 }),
          () => net.connect({ hostname: 'host:1', port: 80 }), () => net.connect({ hostname: '', port: 80 }), () => net.connect({ hostname: 5, port: 80 }),
          () => net.connect({ hostname: '\\ud800', port: 80 }), () => net.connect({ hostname: 'x'.repeat(300), port: 80 }),
          () => net.connectTls({ port: 1, caCerts: 'x' }), () => net.connectTls({ port: 1, alpnProtocols: [5] }),
          () => net.listen({ port: -1 }), () => net.listen({ hostname: 'example.com', port: 80 }), () => net.listen({ hostname: 'fe80::1%1', port: 0 }),
          () => net.listenDatagram({ hostname: '*', port: 0 }), () => net.resolve('127.0.0.1'), () => net.resolve('a..b'), () => net.resolve('a', 'MX'), () => net.resolve(),
        ]) await say(async () => await call());
        console.log(typeof net.connect.constructor);",
    );
    let lines: Vec<&str> = ran.out.lines().collect();
    for (number, line) in lines.iter().enumerate().take(23) {
        assert!(
            line.starts_with("TypeError")
                || line.starts_with("RangeError")
                || *line == "NotSupported ENOTSUP",
            "{number}: {line}"
        );
    }
    assert_eq!(lines.len(), 24);
    assert_eq!(ran.decisions(), [""; 0]);
}

/// RUN-146: the certificate must have the name, and come from an authority that is trusted.
#[test]
fn tls_servers_are_verified() {
    let main = "import { fs } from 'cap:self';
        const [cert, key] = [await fs.readTextFile('cert.pem'), await fs.readTextFile('key.pem')];
        const server = http.serve({ port: 0, cert, key }, () => new Response('over TLS'));
        const { port } = server.addr;
        const connection = await net.connectTls({ hostname: 'localhost', port, caCerts: [cert], alpnProtocols: ['unknown', 'http/1.1'] });
        console.log(connection.alpnProtocol);
        await connection.write(encoded('GET / HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n\\r\\n'));
        console.log((await text(connection)).endsWith('over TLS'));
        connection.close();
        const plain = await net.connectTls({ port, caCerts: [cert] });
        console.log(plain.alpnProtocol, plain.remoteAddr.port === port);
        plain.close();
        await say(() => net.connectTls({ hostname: 'localhost', port }));
        await say(() => net.connectTls({ hostname: '0.0.0.0', port, caCerts: [cert] }));
        await say(() => net.connectTls({ port, caCerts: [key] }));
        await say(() => net.connectTls({ port, caCerts: ['nothing'] }));
        await say(() => net.connectTls({ port, caCerts: [cert], alpnProtocols: [''] }));
        await say(() => net.connectTls({ port, caCerts: [cert], alpnProtocols: ['unknown'] }));
        await server.shutdown();";
    prints(
        &[
            "fs.read=./cert.pem",
            "fs.read=./key.pem",
            "http.listen=127.0.0.1:0",
            "net.connect=tls://localhost:1-65535",
            "net.connect=tls://127.0.0.1:1-65535",
            "net.connect=tls://[::1]:1-65535",
            "net.connect=tls://0.0.0.0:1-65535",
        ],
        main,
        &[
            "http/1.1",
            "true",
            "null true",
            "Error CERT_INVALID",
            "Error CERT_INVALID",
            "TypeError",
            "TypeError",
            "TypeError",
            "InvalidData EPROTO",
        ],
    );
}

/// RUN-147: datagrams arrive whole, and come from anyone.
#[test]
fn datagrams_are_sent_and_received() {
    prints(
        LOOPBACK,
        "const [one, two] = [net.listenDatagram({ port: 0 }), net.listenDatagram({ hostname: '127.0.0.1', port: 0 })];
        console.log(one.addr.transport, Object.isFrozen(one.addr));
        await say(() => one.send(encoded('first'), two.addr));
        await say(() => one.send(new Uint8Array(0), { port: two.addr.port }));
        await say(() => one.send(new Uint8Array(60_000).fill(7), two.addr));
        const [bytes, from] = await two.receive();
        console.log(decoded(bytes), from.port === one.addr.port, from.hostname, from.transport);
        console.log((await two.receive())[0].length);
        const [large] = await two.receive();
        console.log(large.length, large.every((byte) => byte === 7));
        await say(() => one.send(new Uint8Array(65_508), two.addr));
        const none = net.listenDatagram({ port: 0 });
        none.close();
        await say(() => one.send(encoded('lost'), none.addr));
        await one.send(encoded('own'), one.addr);
        for await (const [data] of one) {
          console.log(decoded(data));
          one.close();
        }",
        &[
            "udp true",
            "5",
            "0",
            "60000",
            "first true 127.0.0.1 udp",
            "0",
            "60000 true",
            "Error EMSGSIZE",
            "4",
            "own",
        ],
    );
}

/// RUN-148.
#[test]
fn names_are_resolved() {
    prints(
        &["net.resolve=localhost", "net.resolve=*.invalid"],
        "await say(() => net.resolve('localhost'));
        await say(() => net.resolve('LOCALHOST.', 'A'));
        await say(() => net.resolve('localhost', 'AAAA').then((found) => found.every((address) => address === '::1')));
        await say(() => net.resolve('nothing.invalid'));
        await say(() => net.resolve('localhost', 'TXT'));",
        &[
            "127.0.0.1",
            "127.0.0.1",
            "true",
            "NotFound ENOTFOUND",
            "NotSupported ENOTSUP",
        ],
    );
}

/// RUN-145: the quota `handles` counts sockets, and `fetched` what they receive.
#[test]
fn quotas_count_sockets_and_what_they_receive() {
    let limited = |limits: &str, main: &str| {
        let ran = Scene::new()
            .file("secure.toml", manifest(LOOPBACK, limits))
            .file("main.js", format!("{PRELUDE}{main}"))
            .run(&[]);
        format!("{:?}", ran.exit)
    };
    let pairs = "const kept = []; for (let n = 0; n < 3; n++) kept.push(await pair());";
    assert!(limited("[limits]\nhandles = 8", pairs).contains("Completed"));
    let over = limited("[limits]\nhandles = 5", pairs);
    assert!(over.contains("Handles"), "{over}");
    let received = "const [one, two] = await pair(); await one.write(new Uint8Array(9_000)); await one.closeWrite(); await text(two);";
    assert!(limited("[limits]\nfetched = \"9KiB\"", received).contains("Completed"));
    let over = limited("[limits]\nfetched = \"8KiB\"", received);
    assert!(over.contains("Fetched"), "{over}");
}
