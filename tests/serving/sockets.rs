//! WebSockets of programs that serve: `context.upgrade`. RUN-165 to RUN-168.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use secure_runtime::Limits;

use crate::net::sockets::read_head;
use crate::support::Scene;

const GRANTS: &[&str] = &["http.listen=127.0.0.1:0", "net.connect=http://127.0.0.1:1-65535"];

/// Runs a program that serves with `handler`, and then does the rest as its own client.
fn run(handler: &str, rest: &str) -> (String, String) {
    let main = format!(
        "import {{ http, net }} from 'cap:self';
         const {{ capability, revoke }} = http.revocable();
         const server = capability.serve({{ port: 0 }}, async (request, context) => {{ {handler} }});
         const url = `ws://127.0.0.1:${{server.addr.port}}/path?a=b`;
         const raw = async (headers) => {{
           const response = await net.fetch(url.replace('ws:', 'http:'), {{ headers }});
           return `${{response.status}} ${{await response.text()}}`;
         }};
         const watched = (socket) => {{
           socket.binaryType = 'arraybuffer';
           const events = [];
           const {{ promise: ended, resolve }} = Promise.withResolvers();
           socket.addEventListener('open', () => events.push(`open ${{socket.protocol}}`));
           socket.addEventListener('message', ({{ data }}) => events.push(typeof data === 'string' ? data : `bytes ${{[...new Uint8Array(data)]}}`));
           socket.addEventListener('error', () => events.push('error'));
           socket.addEventListener('close', ({{ code, reason, wasClean }}) => {{ events.push(`close ${{code}} ${{reason}} ${{wasClean}}`); resolve(); }});
           return {{ socket, events, ended }};
         }};
         {rest}"
    );
    let ran = Scene::of_main(GRANTS, &main)
        .limits(Limits {
            wall: Some(Duration::from_secs(600)),
            ..Limits::default()
        })
        .run(&[])
        .completed();
    (ran.out, ran.err)
}

const ECHO: &str = "const { socket, response } = context.upgrade({ protocol: 'news' });
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => socket.send(`${request.method} ${new URL(request.url).pathname} ${response.status}`);
    socket.onmessage = ({ data }) => data === 'end' ? socket.close(4000, 'bye') : socket.send(data);
    return response;";

/// RUN-165: a handler upgrades its request, and messages go both ways.
#[test]
fn a_handler_upgrades_its_request() {
    let (out, _) = run(
        ECHO,
        "const { socket, events, ended } = watched(new WebSocket(url, ['chat', 'news']));
         socket.onopen = () => { socket.send('text'); socket.send(new Uint8Array([1, 2])); socket.send('x'.repeat(2 ** 20)); socket.send('end'); };
         await ended;
         console.log(events.map((event) => event.length > 100 ? event.length : event).join('; '));
         await server.shutdown();
         console.log('ended');",
    );
    assert_eq!(
        out,
        "open news; GET /path 101; text; bytes 1,2; 1048576; close 4000 bye true\nended\n"
    );
}

/// RUN-166: other requests cannot be upgraded, and a handler that returns another response upgrades nothing.
#[test]
fn other_requests_are_not_upgraded() {
    let (out, err) = run(
        "try {
           const { socket, response } = context.upgrade(request.url.includes('first') ? { protocol: 'other' } : {});
           try { context.upgrade(); } catch (error) { console.log(error.message); }
           socket.onerror = ({ message }) => console.log(message);
           socket.onclose = ({ code }) => console.log(code, socket.readyState);
           return new Response('no');
         } catch (error) {
           return new Response(`${error.name} ${error.message}`, { status: 400 });
         }",
        "console.log(await raw({}));
         const one = watched(new WebSocket(`${url}&first`, 'news'));
         await one.ended;
         const other = watched(new WebSocket(url));
         await other.ended;
         console.log(one.events.join(), other.events.join());
         await server.shutdown();",
    );
    assert_eq!(
        out,
        "400 TypeError upgrade: the request is no handshake of WebSocket: its header connection has no `Upgrade`\n\
         upgrade: the request was answered already\n\
         the handler did not return the response of `upgrade`\n1006 3\n\
         error,close 1006  false error,close 1006  false\n",
        "{err}"
    );
}

/// RUN-167: a server that ends closes its sockets with the code 1001.
#[test]
fn a_server_that_ends_closes_its_sockets() {
    let (out, _) = run(
        ECHO,
        "const { socket, events, ended } = watched(new WebSocket(url, 'news'));
         await new Promise((resolve) => socket.addEventListener('message', resolve, { once: true }));
         await server.shutdown();
         await ended;
         console.log(events.join('; '));",
    );
    assert_eq!(out, "open news; GET /path 101; close 1001  true\n");
}

/// RUN-168: a revoked right ends the sockets of the server at their next message.
#[test]
fn a_revoked_server_ends_its_sockets() {
    let (out, _) = run(
        "const { socket, response } = context.upgrade();
         socket.onmessage = ({ data }) => console.log('got', data);
         socket.onerror = ({ error }) => console.log(error.name, error.code);
         return response;",
        "const { socket, events, ended } = watched(new WebSocket(url));
         await new Promise((resolve) => { socket.onopen = resolve; });
         revoke();
         socket.send('late');
         await ended;
         console.log(events.join('; '));
         // The next request ends the server.
         await raw({}).catch(() => {});
         await server.finished.catch(() => {});",
    );
    assert_eq!(out, "CapabilityError revoked\nopen ; error; close 1006  false\n");
}

/// RUN-165: a client that sends nothing gets a ping, and is disconnected. One that answers stays.
#[test]
fn a_silent_client_is_disconnected() {
    let (client, control) = raw_client(|port| {
        let mut stream = handshake(port);
        let mut rest = Vec::new();
        // It returns when the server ends the connection.
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"\x89\x00");
    });
    let (out, _) = run(
        "const idleTimeout = request.url.endsWith('/silent') ? 0.1 : 600;
         const { socket, response } = context.upgrade({ idleTimeout });
         socket.onerror = ({ message }) => console.log(message);
         for (const idleTimeout of [-1, NaN, '1']) try { context.upgrade({ idleTimeout }); } catch (error) { console.log(error.name); }
         return response;",
        &format!(
            "await net.fetch(`http://127.0.0.1:{control}/${{server.addr.port}}`);
             const {{ socket, events, ended }} = watched(new WebSocket(url));
             await new Promise((resolve) => {{ socket.onopen = resolve; }});
             socket.close();
             await ended;
             console.log(events.join('; '));
             await server.shutdown();"
        ),
    );
    client.join().unwrap();
    let errors = "RangeError\nRangeError\nRangeError\n";
    assert_eq!(
        out,
        format!(
            "{errors}WebSocket: the other side sent or took nothing for too long\n{errors}open ; close 1005  true\n"
        )
    );
}

/// Starts a client in Rust. The program requests `/PORT` of the returned port, where `PORT` is that of its server. It
/// gets the response when the client has ended.
fn raw_client(act: impl FnOnce(u16) + Send + 'static) -> (std::thread::JoinHandle<()>, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let control = listener.local_addr().unwrap().port();
    let client = std::thread::spawn(move || {
        let (mut told, _) = listener.accept().unwrap();
        let head = read_head(&mut told);
        act(head.split(['/', ' ']).nth(2).unwrap().parse().unwrap());
        told.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
    });
    (client, control)
}

/// Connects to the server, and does the handshake of RFC 6455, section 1.3.
fn handshake(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = "GET /silent HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let answer = read_head(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let accept = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=";
    assert!(answer.to_lowercase().contains(accept), "{answer}");
    stream
}

/// A201: a frame of a client without a mask, and other frames that violate the protocol, end the socket.
#[test]
fn a201_a_client_must_mask() {
    let (client, control) = raw_client(|port| {
        for (frame, code) in [
            (&b"\x81\x01a"[..], 1002_u16),
            (b"\x81\x81\0\0\0\0\xff", 1007),
            (b"\x82\xff\0\0\0\0\x01\0\0\x01\0\0\0\0", 1009),
        ] {
            let mut stream = handshake(port);
            // Bytes that the filter of requests rejects are bytes like all others here.
            stream.write_all(b"\x81\x83\0\0\0\0\n#\n").unwrap();
            stream.write_all(frame).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            let [high, low] = code.to_be_bytes();
            assert_eq!(
                rest,
                [&b"\x81\x03\n#\n\x88\x02"[..], &[high, low]].concat(),
                "{code}"
            );
        }
    });
    let (out, _) = run(
        "const { socket, response } = context.upgrade();
         socket.onmessage = ({ data }) => socket.send(data);
         return response;",
        &format!(
            "await net.fetch(`http://127.0.0.1:{control}/${{server.addr.port}}`); await server.shutdown(); console.log('ended');"
        ),
    );
    client.join().unwrap();
    assert_eq!(out, "ended\n");
}
