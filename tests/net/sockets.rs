//! `WebSocket` of the family `net`, against servers of raw bytes. RUN-160 to RUN-169.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::Scene;

/// A server that answers one handshake, and then runs a function on the connection.
pub(super) struct Peer {
    port: u16,
    thread: std::thread::JoinHandle<()>,
}

/// The end of the handshake of RFC 6455 for the key of a client.
pub(super) fn accept_of(head: &str) -> String {
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes())
}

pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

impl Peer {
    /// `response` gets the head of the request and returns the response.
    pub(super) fn start(
        response: impl Fn(&str) -> String + Send + 'static,
        then: impl FnOnce(&mut TcpStream) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head = read_head(&mut stream);
            stream.write_all(response(&head).as_bytes()).unwrap();
            then(&mut stream);
            // The client ends the connection.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        Peer { port, thread }
    }

    /// A server whose handshake is right.
    pub(super) fn right(then: impl FnOnce(&mut TcpStream) + Send + 'static) -> Self {
        Peer::start(
            |head| {
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                    accept_of(head)
                )
            },
            then,
        )
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn join(self) {
        self.thread.join().unwrap();
    }
}

/// Reads a frame of a client: its first byte, and its content without the mask.
pub(super) fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert!(head[1] & 0x80 != 0, "a client masks");
    let mut length = u64::from(head[1] & 0x7f);
    if length == 126 {
        let mut more = [0; 2];
        stream.read_exact(&mut more).unwrap();
        length = u16::from_be_bytes(more).into();
    } else if length == 127 {
        let mut more = [0; 8];
        stream.read_exact(&mut more).unwrap();
        length = u64::from_be_bytes(more);
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).unwrap();
    let mut content = vec![0; length as usize];
    stream.read_exact(&mut content).unwrap();
    for (at, byte) in content.iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
    (head[0], content)
}

/// The beginning of each program: `opened(...)` returns a socket and the list of its events.
pub(super) const PRELUDE: &str = "
    const PORT = $PORT;
    const watched = (socket) => {
      const events = [];
      const { promise: ended, resolve } = Promise.withResolvers();
      socket.addEventListener('open', () => events.push('open'));
      socket.addEventListener('message', ({ data }) => events.push(typeof data === 'string' ? data : data instanceof ArrayBuffer ? `bytes ${[...new Uint8Array(data)]}` : `blob ${data.size}`));
      socket.addEventListener('error', ({ message }) => events.push(`error ${message.replace(/:\\d+\\//, '/')}`));
      socket.addEventListener('close', ({ code, reason, wasClean }) => { events.push(`close ${code} ${reason} ${wasClean}`); resolve(); });
      return { events, ended };
    };
";

pub(super) fn run(port: u16, source: &str) -> String {
    let source = format!("{}{source}", PRELUDE.replace("$PORT", &port.to_string()));
    let grant = format!("net.connect=http://127.0.0.1:{port}");
    let ran = Scene::of_main(&[&grant], &source).run(&[]).completed();
    ran.out
}

/// Returns the events of a socket whose server sends these bytes.
fn events_after(bytes: &'static [u8]) -> String {
    let peer = Peer::right(move |stream| stream.write_all(bytes).unwrap());
    let out = run(
        peer.port(),
        "const socket = new WebSocket(`ws://127.0.0.1:${PORT}/`);
         socket.binaryType = 'arraybuffer';
         const { events, ended } = watched(socket);
         await ended;
         console.log(events.join('; '));",
    );
    peer.join();
    out
}

/// RUN-160: messages of all kinds go both ways, and the end is orderly.
#[test]
fn messages_go_both_ways() {
    let peer = Peer::start(
        |head| {
            assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("Sec-WebSocket-Protocol: one, two\r\n"), "{head}");
            for absent in ["origin", "cookie", "extensions"] {
                assert!(!head.to_lowercase().contains(absent), "{head}");
            }
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: two\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                accept_of(head)
            )
        },
        |stream| {
            let frames: Vec<_> = (0..4).map(|_| read_frame(stream)).collect();
            assert_eq!(frames[0], (0x81, "grüße".as_bytes().to_vec()));
            assert_eq!(frames[1], (0x82, vec![1, 2, 3]));
            assert_eq!(frames[2], (0x82, vec![2, 3]));
            assert_eq!(frames[3], (0x82, b"blob".to_vec()));
            // A long message comes in several frames.
            let (first, content) = read_frame(stream);
            assert_eq!((first, content.len()), (0x01, 32 << 10));
            let (last, content) = read_frame(stream);
            assert_eq!((last, content.len()), (0x80, (40 << 10) - (32 << 10)));
            stream
                .write_all(b"\x81\x05hello\x02\x01a\x89\x01p\x80\x02bc\x82\x00")
                .unwrap();
            assert_eq!(read_frame(stream), (0x8a, b"p".to_vec()));
            let (close, content) = read_frame(stream);
            assert_eq!((close, content), (0x88, b"\x0b\xb8done".to_vec()));
            stream.write_all(b"\x88\x06\x0b\xb9okay").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        },
    );
    let out = run(
        peer.port(),
        "const socket = new WebSocket(`ws://127.0.0.1:${PORT}/a?b`, ['one', 'two']);
         socket.binaryType = 'arraybuffer';
         const { events, ended } = watched(socket);
         try { socket.send('early'); } catch (error) { console.log(error.name); }
         console.log(socket.readyState, socket.url === `ws://127.0.0.1:${PORT}/a?b`, socket.binaryType);
         socket.onopen = () => {
           socket.send('gr\\u00fc\\u00dfe');
           socket.send(new Uint8Array([1, 2, 3]).buffer);
           socket.send(new Uint8Array([1, 2, 3]).subarray(1));
           socket.send(new Blob(['blob']));
           socket.send('x'.repeat(40 * 1024));
           console.log(socket.readyState, socket.protocol, socket.bufferedAmount > 40960);
         };
         let count = 0;
         socket.onmessage = () => { if (++count === 3) socket.close(3000, 'done'); };
         await ended;
         console.log(events.join('; '), socket.readyState, socket.bufferedAmount);
         socket.send('late');
         socket.close();
         console.log(socket.bufferedAmount, socket instanceof WebSocket, WebSocket.OPEN, socket.CLOSED);",
    );
    peer.join();
    assert_eq!(
        out,
        "InvalidStateError\n0 true arraybuffer\n1 two true\nopen; hello; bytes 97,98,99; bytes ; close 3001 okay true 3 0\n4 true 1 3\n"
    );
}

/// RUN-161: the right is that of `http://`, and other addresses are refused.
#[test]
fn sockets_are_decided_like_requests() {
    let peer = Peer::right(|stream| stream.write_all(b"\x88\x02\x03\xe8").unwrap());
    let out = run(
        peer.port(),
        "import { net } from 'cap:self';
         const attempt = (...given) => { try { return new WebSocket(...given); } catch (error) { console.log(error.name, error.message.replaceAll(PORT, 'PORT').split('\\n')[0]); } };
         attempt('ws://127.0.0.1:1/');
         attempt(`wss://127.0.0.1:${PORT}/`);
         attempt('ws://example.com/');
         for (const url of ['ftp://a', 'ws://a/#b', 'ws://a/#', 'ws://u@a/', 'x', '']) attempt(url);
         for (const names of ['', 'a b', ['a', 'a'], ['a,b'], 'a\\r\\nX: y']) attempt(`ws://127.0.0.1:${PORT}/`, names);
         try { WebSocket('ws://a'); } catch (error) { console.log(error.name); }
         try { net.attenuate({ connect: 'http://127.0.0.1:2' }).webSocket(`ws://127.0.0.1:${PORT}/`); } catch (error) { console.log(error.name); }
         const { events, ended } = watched(net.webSocket(`http://127.0.0.1:${PORT}/`));
         await ended;
         console.log(events.join('; '));",
    );
    peer.join();
    let names: Vec<&str> = out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let mut expected = vec!["CapabilityError"; 3];
    expected.extend(["SyntaxError"; 11]);
    expected.extend(["TypeError", "CapabilityError", "open;"]);
    assert_eq!(names, expected, "{out}");
    assert!(
        out.contains("net connect \"ws://127.0.0.1:1/\" is not allowed in app:/main.js"),
        "{out}"
    );
    assert!(out.ends_with("open; close 1000  true\n"), "{out}");
}

/// RUN-162: a wrong answer to the handshake opens nothing, and a redirect is not followed.
#[test]
fn wrong_handshakes_open_nothing() {
    let right =
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n";
    for (response, why) in [
        (
            right.replace("KEY", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "is not valid",
        ),
        (right.replace("101 X", "200 OK"), "the status 200"),
        (
            right.replace("101 X", "302 Found\r\nLocation: ws://127.0.0.1:1/"),
            "the server redirects",
        ),
        (right.replace("Upgrade: websocket\r\n", ""), "is not valid"),
        (right.replace("Connection: Upgrade\r\n", ""), "is not valid"),
        (
            right.replace(
                "Upgrade: websocket\r\n",
                "Upgrade: websocket\r\nSec-WebSocket-Protocol: a\r\n",
            ),
            "is not valid",
        ),
        (
            right.replace(
                "Upgrade: websocket\r\n",
                "Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
            ),
            "an extension",
        ),
        (right.replace("HTTP/1.1", "HTTP/1.0"), "is not valid"),
        (format!("HTTP/1.1 101 X\r\nA: {}", "a".repeat(1 << 20)), ""),
    ] {
        let shown: String = response.chars().take(200).collect();
        let peer = Peer::start(move |head| response.replace("KEY", &accept_of(head)), |_| {});
        let out = run(
            peer.port(),
            "const { events, ended } = watched(new WebSocket(`ws://127.0.0.1:${PORT}/`));
             await ended;
             console.log(events.join('; '));",
        );
        drop(peer);
        assert!(
            out.starts_with("error ") && out.ends_with("; close 1006  false\n"),
            "{shown}: {out}"
        );
        assert!(out.contains(why), "{shown}: {out}");
    }
}

/// A ping with more than 125 bytes.
const LONG_PING: [u8; 132] = {
    let mut bytes = [0; 132];
    bytes[0] = 0x89;
    bytes[1] = 0x7e;
    bytes[3] = 0x80;
    bytes
};

/// RUN-163: frames that violate the protocol or the limits end the socket.
#[test]
fn wrong_frames_end_the_socket() {
    for (frames, why) in [
        (&b"\x81\x81abcdx"[..], "violated the protocol"),
        (b"\xc1\x00", "violated the protocol"),
        (b"\x80\x00", "violated the protocol"),
        (b"\x01\x00\x81\x00", "violated the protocol"),
        (b"\x83\x00", "violated the protocol"),
        (b"\x09\x00", "violated the protocol"),
        (&LONG_PING, "violated the protocol"),
        (b"\x81\x01\xff", "not UTF-8"),
        (
            b"\x82\x7f\x00\x00\x00\x00\x01\x00\x00\x01",
            "larger than 16777216 bytes",
        ),
        (
            b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
            "larger than 16777216 bytes",
        ),
    ] {
        // What the server sends first still arrives.
        let peer = Peer::right(move |stream| {
            stream.write_all(b"\x81\x02hi").unwrap();
            stream.write_all(frames).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
        });
        let out = run(
            peer.port(),
            "const { events, ended } = watched(new WebSocket(`ws://127.0.0.1:${PORT}/`));
             await ended;
             console.log(events.join('; '));",
        );
        peer.join();
        assert!(
            out.starts_with("open; hi; error ") && out.ends_with("; close 1006  false\n"),
            "{frames:?}: {out}"
        );
        assert!(out.contains(why), "{frames:?}: {out}");
    }
    assert_eq!(
        events_after(b"\x82\x02ab\x88\x00"),
        "open; bytes 97,98; close 1005  true\n"
    );
}

/// RUN-163: the server learns the reason.
#[test]
fn a_large_message_is_refused_with_1009() {
    let peer = Peer::right(|stream| {
        stream
            .write_all(b"\x82\x7f\x00\x00\x00\x00\x01\x00\x00\x01")
            .unwrap();
        assert_eq!(read_frame(stream), (0x88, b"\x03\xf1".to_vec()));
    });
    let out = run(
        peer.port(),
        "const { ended } = watched(new WebSocket(`ws://127.0.0.1:${PORT}/`)); await ended;",
    );
    peer.join();
    assert_eq!(out, "");
}

/// RUN-164: a revoked right ends the socket at its next message, in each direction.
#[test]
fn a_revoked_right_ends_the_socket() {
    for sends in [false, true] {
        let peer = Peer::right(move |stream| {
            stream.write_all(b"\x81\x05first").unwrap();
            let (_, word) = read_frame(stream);
            assert_eq!(word, b"got");
            if !sends {
                let _ = stream.write_all(b"\x81\x06second");
            }
        });
        let out = run(
            peer.port(),
            &"import { net } from 'cap:self';
             const { capability, revoke } = net.revocable();
             const socket = capability.webSocket(`ws://127.0.0.1:${PORT}/`);
             const { events, ended } = watched(socket);
             socket.onmessage = () => {
               socket.send('got');
               // The first message was decided, and is sent.
               revoke();
               if ($SENDS) socket.send('more');
             };
             await ended;
             console.log(events.join('; ').split(' is not')[0], events.at(-1));"
                .replace("$SENDS", &sends.to_string()),
        );
        drop(peer);
        assert_eq!(
            out,
            format!("open; first; error net connect \"ws://127.0.0.1/\" close 1006  false\n"),
            "{sends}"
        );
    }
}

/// RUN-164, A205: a message that arrives after the right has ended is not delivered to a call that waits for it.
#[test]
fn a205_a_waiting_call_gets_nothing_after_the_right() {
    for revokes in [false, true] {
        let gate = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let opens = gate.local_addr().unwrap().port();
        let peer = Peer::right(move |stream| {
            stream.write_all(b"\x81\x05first").unwrap();
            // The program connects when it waits for the next message.
            let (mut told, _) = gate.accept().unwrap();
            let _ = read_head(&mut told);
            stream.write_all(b"\x81\x06second\x88\x00").unwrap();
        });
        let source = format!(
            "{}import {{ net }} from 'cap:self';
             const {{ capability, revoke }} = net.revocable();
             const socket = capability.webSocket(`ws://127.0.0.1:${{PORT}}/`);
             const {{ events, ended }} = watched(socket);
             socket.onmessage = () => {{
               socket.onmessage = null;
               setTimeout(() => {{
                 if ({revokes}) revoke();
                 net.fetch('http://127.0.0.1:{opens}/').catch(() => {{}});
               }});
             }};
             await ended;
             console.log(events.join('; ').includes('second'));",
            PRELUDE.replace("$PORT", &peer.port().to_string())
        );
        let grants = [peer.port(), opens].map(|port| format!("net.connect=http://127.0.0.1:{port}"));
        let ran = Scene::of_main(&[&grants[0], &grants[1]], &source)
            .run(&[])
            .completed();
        drop(peer);
        assert_eq!(ran.out, format!("{}\n", !revokes));
    }
}

/// A200: the heads of small fragments count too.
#[test]
fn a200_fragments_without_end_end_the_socket() {
    let peer = Peer::right(|stream| {
        let mut fragments = b"\x02\x01a".to_vec();
        fragments.extend(b"\x00\x00\x00\x01b".repeat(4096));
        while stream.write_all(&fragments).is_ok() {
            fragments.splice(0..3, *b"\x00\x01a");
        }
    });
    let out = run(
        peer.port(),
        "const { events, ended } = watched(new WebSocket(`ws://127.0.0.1:${PORT}/`)); await ended; console.log(events.join('; '));",
    );
    peer.join();
    assert!(out.contains("larger than 16777216 bytes; close 1006"), "{out}");
}

/// A204: subclasses, handlers that throw, and changes of messages.
#[test]
fn a204_guests_do_not_change_how_messages_are_received() {
    let peer = Peer::right(|stream| {
        stream
            .write_all(b"\x82\x01a\x82\x01b\x81\x01c\x88\x02\x03\xe8")
            .unwrap();
    });
    let out = run(
        peer.port(),
        "for (const object of [Object.prototype, Array.prototype, Uint8Array.prototype, ArrayBuffer.prototype, WebSocket.prototype, MessageEvent.prototype]) {
           try { Object.defineProperty(object, 'then', { get() { console.log('then'); } }); console.log('changed'); } catch {}
         }
         class Own extends WebSocket {
           dispatchEvent() { console.log('dispatched'); }
           get readyState() { return 0; }
           get binaryType() { return 'blob'; }
         }
         const socket = new Own(`ws://127.0.0.1:${PORT}/`);
         Object.getOwnPropertyDescriptor(WebSocket.prototype, 'binaryType').set.call(socket, 'arraybuffer');
         const seen = [];
         socket.addEventListener('message', ({ data }) => { if (data instanceof ArrayBuffer) seen.push(new Uint8Array(data)[0]); else seen.push(data); });
         socket.onmessage = ({ data }) => { if (data instanceof ArrayBuffer) new Uint8Array(data).fill(0); };
         const { ended } = watched(socket);
         await ended;
         for (const call of [() => WebSocket.prototype.send.call({}, 'a'), () => WebSocket.prototype.send.call(new EventTarget(), 'a'), () => Reflect.get(WebSocket.prototype, 'url', {}), () => new (Object.getPrototypeOf(WebSocket))(), () => Reflect.construct(EventTarget, [], WebSocket).send('a')]) {
           try { call(); console.log('called'); } catch (error) { console.log(error.name); }
         }
         console.log(seen.join(), Object.hasOwn(WebSocket.prototype, 'constructor'));",
    );
    peer.join();
    assert_eq!(
        out,
        "TypeError\nTypeError\nTypeError\nTypeError\nTypeError\n97,98,c false\n"
    );
}

/// A206: what waits to be sent has a limit.
#[test]
fn a206_messages_that_nobody_reads_are_bounded() {
    let (told, tells) = std::sync::mpsc::channel::<()>();
    let peer = Peer::right(move |stream| {
        // It reads nothing before the client has given up, which ends the connection.
        while stream.write_all(b"\x89\x00").is_ok() {
            let _ = tells.recv_timeout(std::time::Duration::from_millis(10));
        }
    });
    let out = run(
        peer.port(),
        "const socket = new WebSocket(`ws://127.0.0.1:${PORT}/`);
         const { events, ended } = watched(socket);
         socket.onopen = () => { const message = new Uint8Array(2 ** 20); for (let n = 0; n < 64; n++) socket.send(message); };
         await ended;
         console.log(events.at(-2).includes('wait to be sent'), events.at(-1), socket.readyState);",
    );
    drop(told);
    peer.join();
    assert_eq!(out, "true close 1006  false 3\n");
}
