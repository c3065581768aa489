//! Attacks on sockets: A190 to A199 of spec/attacks.md. Each has a control with the right that is missing.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::raw_sockets::{LOOPBACK, prints, run, scene};
use crate::support::Server;

/// A190: a name that leads to the loopback address, like the second answer of a rebinding name server.
#[test]
fn a190_names_are_resolved_once_and_their_addresses_are_decided() {
    let main = "const listener = net.listen({ port: 0 });
        const { port } = listener.addr;
        const datagrams = net.listenDatagram({ port: 0 });
        let arrived = 0;
        (async () => { for await (const connection of listener) { arrived++; connection.close(); } })();
        await say(() => net.connect({ hostname: 'localhost', port }).then(() => 'connected'));
        await say(() => net.connectTls({ hostname: 'localhost', port }).then(() => 'connected'));
        await say(() => datagrams.send(encoded('x'), { hostname: 'localhost', port: datagrams.addr.port }));
        console.log(arrived);
        listener.close();";
    let mut grants = vec![
        "net.listen=tcp://127.0.0.1:0",
        "net.listen=udp://127.0.0.1:0",
        "net.connect=tcp://localhost:1-65535",
        "net.connect=tls://localhost:1-65535",
        "net.connect=udp://localhost:1-65535",
    ];
    let denied = "CapabilityError denied";
    prints(&grants, main, &[denied, denied, denied, "0"]);
    // The control. An address for another scheme does not count.
    grants.extend([
        "net.connect=tcp://127.0.0.1:1-65535",
        "net.connect=tcp://[::1]:1-65535",
    ]);
    let ran = run(&grants, main);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines, ["connected", denied, denied, "1"]);
}

/// A191: other spellings of the loopback address, and addresses that lead to it.
#[test]
fn a191_addresses_that_lead_to_this_machine_are_their_own() {
    let main = "const listener = net.listen({ port: 0 });
        const { port } = listener.addr;
        const datagrams = net.listenDatagram({ port: 0 });
        for (const hostname of ['0.0.0.0', '0', '::', '::1', '::ffff:127.0.0.1', '[::ffff:7f00:1]', '::127.0.0.1', '127.0.0.2', 'fe80::1%1', 'fe80::1%lo', '[::1', '127.0.0.1%0']) {
          const outcomes = [await said(() => net.connect({ hostname, port })), await said(() => datagrams.send(encoded('x'), { hostname, port: datagrams.addr.port }))];
          if (!outcomes.every((outcome) => outcome === 'CapabilityError denied' || outcome === 'TypeError')) console.log(hostname, ...outcomes);
        }
        for (const hostname of ['127.0.0.1', '127.1', '0x7f.1', '2130706433', '127.0.0.1.']) {
          const connection = await net.connect({ hostname, port });
          console.log(connection.remoteAddr.hostname, await said(() => datagrams.send(encoded('x'), { hostname, port: datagrams.addr.port })));
        }";
    prints(LOOPBACK, main, &["127.0.0.1 1"; 5]);
}

/// A192: a connection, a listener and a socket that another module keeps after the right ended.
#[test]
fn a192_open_sockets_end_with_their_right() {
    let main = "const { capability, revoke } = net.revocable();
        const [one, two] = await pair(capability);
        const [, other] = [0, (await pair())[1]];
        const listener = capability.listen({ port: 0 });
        const datagrams = capability.listenDatagram({ port: 0 });
        const waiting = [said(() => one.read(new Uint8Array(1))), said(() => listener.accept()), said(() => datagrams.receive())];
        await two.write(encoded(''));
        revoke();
        // What waited is decided again when there is something.
        const stranger = net.listenDatagram({ port: 0 });
        await stranger.send(encoded('x'), datagrams.addr);
        await net.connect({ port: listener.addr.port });
        console.log(...(await Promise.all(waiting.slice(1))));
        for (const call of [
          () => one.read(new Uint8Array(1)), () => two.read(new Uint8Array(1)), () => one.write(encoded('x')), () => two.write(encoded('x')), () => one.closeWrite(),
          () => two.closeWrite(), async () => one.setNoDelay(), async () => two.setNoDelay(), () => listener.accept(), () => datagrams.receive(),
          () => datagrams.send(encoded('x'), stranger.addr), () => capability.connect({ port: 1 }),
        ]) {
          const outcome = await said(call);
          if (outcome !== 'CapabilityError revoked' && outcome !== 'CapabilityError denied') console.log(String(call), outcome);
        }
        one.close();
        console.log(await waiting[0], await said(() => other.write(encoded('control'))));";
    let ran = run(LOOPBACK, main);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(lines[0].matches("CapabilityError").count(), 2, "{lines:#?}");
    assert_eq!(lines[1], "Error EBADF 7");
}

/// A192: the same for a right that was narrowed to one side.
#[test]
fn a192_a_narrowed_capability_opens_nothing_else() {
    prints(
        LOOPBACK,
        "const listener = net.listen({ port: 0 });
        const { port } = listener.addr;
        const connects = net.attenuate({ connect: [`tcp://127.0.0.1:${port}`] });
        const listens = net.attenuate({ listen: ['tcp://127.0.0.1:0'] });
        await say(() => connects.connect({ port }).then(() => 'connected'));
        await say(async () => connects.listen({ port: 0 }));
        await say(async () => listens.listen({ port: 0 }).close());
        await say(() => listens.connect({ port }));
        await say(async () => listens.listenDatagram({ port: 0 }));
        await say(async () => net.attenuate({ listen: ['tcp://*:0'] }).listen({ hostname: '0.0.0.0', port: 0 }));",
        &[
            "connected",
            "CapabilityError denied",
            "undefined",
            "CapabilityError denied",
            "CapabilityError denied",
            "CapabilityError denied",
        ],
    );
}

/// A193: another protocol to the port of a granted origin, and a granted port by `fetch`.
#[test]
fn a193_a_scheme_gives_no_other_scheme() {
    let server = Server::start();
    let port = server.port();
    let main = format!(
        "const port = {port};
        await say(() => net.fetch('http://127.0.0.1:{port}/ok').then((response) => response.status));
        await say(() => net.connect({{ port }}).then(() => 'connected'));
        await say(() => net.connectTls({{ port }}));
        const datagrams = net.listenDatagram({{ port: 0 }});
        await say(() => datagrams.send(encoded('x'), {{ port }}));"
    );
    let denied = "CapabilityError denied";
    let listen = "net.listen=udp://127.0.0.1:0";
    let http = format!("net.connect=http://127.0.0.1:{port}");
    prints(&[listen, &http], &main, &["200", denied, denied, denied]);
    let tcp = format!("net.connect=tcp://127.0.0.1:{port}");
    prints(&[listen, &tcp], &main, &[denied, "connected", denied, denied]);
    let udp = format!("net.connect=udp://127.0.0.1:{port}");
    prints(&[listen, &udp], &main, &[denied, denied, denied, "1"]);
}

/// A194: a peer that never reads, to a guest that writes without end. What waits is counted.
#[test]
fn a194_a_peer_that_never_reads_bounds_what_waits() {
    const HEAP: u64 = 64 << 20;
    let limits = || secure_runtime::Limits {
        heap: HEAP,
        wall: Some(std::time::Duration::from_secs(600)),
        ..secure_runtime::Limits::default()
    };
    let main = "const [one, two] = await pair();
        const waiting = [];
        try {
          for (let n = 0; n < 400; n++) {
            waiting.push(said(() => one.write(new Uint8Array(4 << 20))));
            await new Promise((done) => setTimeout(done, 0));
          }
        } catch {}
        one.close();
        two.close();
        await Promise.all(waiting);";
    let ran = scene(LOOPBACK, main).limits(limits()).run(&[]);
    let exit = format!("{:?}", ran.exit);
    assert!(exit.contains("Heap") || exit.contains("Completed"), "{exit}");
    // Small objects have a quarter more.
    assert!(ran.held <= HEAP / 4 * 5, "{}", ran.held);
    // The control: a write waits until the peer has read.
    let main = "const [one, two] = await pair();
        let has_written = false;
        const written = one.write(new Uint8Array(16 << 20)).then((count) => { has_written = true; return count; });
        let count = 0;
        for (const buffer = new Uint8Array(65_536); count < 1 << 20;) count += await two.read(buffer);
        console.log(has_written);
        const end = written.then(() => one.closeWrite());
        for await (const chunk of two) count += chunk.length;
        await end;
        console.log(has_written, count === 16 << 20, (await written) === count);";
    let ran = scene(LOOPBACK, main).limits(limits()).run(&[]).completed();
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        ["false", "true true true"],
        "{}",
        ran.err
    );
}

/// A195: a listener on another address, port or transport than granted.
#[test]
fn a195_listeners_are_bound_to_the_decided_address() {
    prints(
        &["net.listen=tcp://127.0.0.1:0"],
        "for (const place of [
          { hostname: '0.0.0.0', port: 0 }, { hostname: '::', port: 0 }, { hostname: '::1', port: 0 }, { hostname: '127.0.0.2', port: 0 }, { port: 1 },
          { hostname: '[::ffff:127.0.0.2]', port: 0 },
        ]) {
          const outcome = await said(async () => net.listen(place));
          if (outcome !== 'CapabilityError denied') console.log(JSON.stringify(place), outcome);
        }
        await say(async () => net.listenDatagram({ port: 0 }));
        await say(async () => http.serve({ port: 0 }, () => {}));
        for (const hostname of ['127.0.0.1', 'localhost', '::ffff:127.0.0.1']) console.log(net.listen({ hostname, port: 0 }).addr.hostname);
        let reads = 0;
        const changing = { get hostname() { return reads++ === 0 ? '127.0.0.1' : '0.0.0.0'; }, port: 0 };
        console.log(net.listen(changing).addr.hostname);",
        &[
            "CapabilityError denied",
            "CapabilityError denied",
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
        ],
    );
    // The control: the grant of all addresses.
    prints(
        &["net.listen=tcp://*:0"],
        "console.log(net.listen({ hostname: '0.0.0.0', port: 0 }).addr.hostname);",
        &["0.0.0.0"],
    );
}

/// A196: datagrams to a destination that is not granted, also as the answer to one that was received.
#[test]
fn a196_each_datagram_is_decided_on_its_destination() {
    let main = "const [one, two] = [net.listenDatagram({ port: 0 }), net.listenDatagram({ port: 0 })];
        const narrow = net.attenuate({ listen: ['udp://127.0.0.1:0'], connect: [`udp://127.0.0.1:${two.addr.port}`] }).listenDatagram({ port: 0 });
        await say(() => narrow.send(encoded('granted'), two.addr));
        await say(() => narrow.send(encoded('elsewhere'), one.addr));
        await one.send(encoded('question'), narrow.addr);
        const [, from] = await narrow.receive();
        await say(() => narrow.send(encoded('answer'), from));
        let reads = 0;
        const changing = { hostname: '127.0.0.1', get port() { return reads++ === 0 ? two.addr.port : one.addr.port; } };
        await say(() => narrow.send(encoded('changing'), changing));
        for (const [bytes] of [await two.receive(), await two.receive()]) console.log(decoded(bytes));
        await say(() => narrow.send(encoded('all'), { hostname: '255.255.255.255', port: two.addr.port }));
        await say(() => narrow.send(encoded('group'), { hostname: '224.0.0.1', port: two.addr.port }));";
    prints(
        LOOPBACK,
        main,
        &[
            "7",
            "CapabilityError denied",
            "CapabilityError denied",
            "8",
            "granted",
            "changing",
            "CapabilityError denied",
            "CapabilityError denied",
        ],
    );
    // A right to send is none to receive.
    prints(
        &["net.connect=udp://127.0.0.1:1-65535"],
        "await say(async () => net.listenDatagram({ port: 0 }));",
        &["CapabilityError denied"],
    );
}

/// A197: secrets in the names of lookups, with every right to connect.
#[test]
fn a197_a_lookup_needs_its_own_right() {
    let main = "for (const name of ['localhost', 'secret.localhost', 'secret.a.example', 'a.example']) await say(() => net.resolve(name).then(() => 'resolved'));
        await say(() => net.connect({ hostname: 'secret.b.example', port: 80 }));
        await say(() => net.connectTls({ hostname: 'secret.b.example', port: 80 }));";
    let denied = "CapabilityError denied";
    let connects = [
        "net.connect=tcp://*.example:1-65535",
        "net.connect=https://localhost",
        "net.connect=tcp://localhost:1-65535",
    ];
    let ran = run(&connects[1..], main);
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), [denied; 6]);
    let mut grants = connects[1..].to_vec();
    grants.push("net.resolve=localhost");
    let ran = run(&grants, main);
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        ["resolved", denied, denied, denied, denied, denied]
    );
    let ran = run(
        &["net.connect=tcp://*.example:1-65535"],
        "await say(() => net.resolve('a.example'));",
    );
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), [denied]);
}

/// A198: sockets that modules forge, copy or send.
#[test]
fn a198_sockets_are_neither_forged_nor_copied() {
    prints(
        LOOPBACK,
        "const [one, two] = await pair();
        const listener = net.listen({ port: 0 });
        const datagrams = net.listenDatagram({ port: 0 });
        const proto = Object.getPrototypeOf;
        for (const socket of [one, listener, datagrams]) {
          if (Reflect.ownKeys(socket).length > 0 || !Object.isFrozen(socket) || !Object.isFrozen(proto(socket)) || Object.hasOwn(proto(socket), 'constructor')) console.log('open');
          const copies = [{ ...socket }, Object.create(socket), new Proxy(socket, {}), Object.create(proto(socket))];
          if (globalThis.structuredClone) try { copies.push(structuredClone(socket)); } catch {}
          for (const copy of copies) for (const name of ['read', 'write', 'accept', 'receive', 'send', 'closeWrite']) {
            const outcome = await said(() => copy[name](new Uint8Array(1), { port: 1 }));
            if (outcome !== 'TypeError') console.log(name, outcome);
          }
        }
        // A method of one kind of socket does nothing with another, and a connection has the right that opened it.
        for (const [from, to] of [[one, listener], [listener, datagrams], [datagrams, one]]) {
          for (const name of Reflect.ownKeys(proto(from)).filter((key) => typeof key === 'string')) {
            const { value, get } = Object.getOwnPropertyDescriptor(proto(from), name);
            const outcome = await said(() => Reflect.apply(value ?? get, to, [new Uint8Array(1), { port: 1 }]));
            if (outcome !== 'TypeError') console.log(name, outcome);
          }
        }
        await say(() => one.write(encoded('control')));
        await say(() => two.read(new Uint8Array(7)));",
        &["7", "7"],
    );
}

/// A199: a server in the middle, with a certificate of another name or of nobody.
#[test]
fn a199_a_server_without_a_certificate_for_the_name_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut greetings = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut greeting = [0; 5];
            stream.read_exact(&mut greeting).unwrap();
            greetings.push(greeting);
            // An answer in plain text.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
        }
        greetings
    });
    let main = format!(
        "await say(() => net.connectTls({{ port: {port} }}));
        const plain = await net.connect({{ port: {port} }});
        await plain.write(encoded('plain'));
        await say(() => text(plain).then((answer) => answer.endsWith('hello')));"
    );
    let grants = [
        format!("net.connect=tls://127.0.0.1:{port}"),
        format!("net.connect=tcp://127.0.0.1:{port}"),
    ];
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let ran = run(&grants, &main);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(
        lines[0].starts_with("InvalidData") || lines[0].starts_with("Error"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "true");
    let greetings = thread.join().unwrap();
    // A handshake of TLS, and nothing of the guest before it.
    assert_eq!(greetings[0][0], 22);
    assert_eq!(&greetings[1], b"plain");
}
