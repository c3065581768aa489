//! Bodies that are sent while they are produced, and `EventSource`. RUN-169 to RUN-171.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::sockets::read_head;
use crate::support::Scene;

type Handler = Box<dyn FnOnce(String, &mut TcpStream) + Send>;

/// A server whose connections are handled one after another, each by its own function.
struct Raw {
    port: u16,
    thread: std::thread::JoinHandle<()>,
}

impl Raw {
    fn start(handlers: Vec<Handler>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            for handler in handlers {
                let (mut stream, _) = listener.accept().unwrap();
                let head = read_head(&mut stream);
                handler(head, &mut stream);
            }
        });
        Raw { port, thread }
    }

    fn run(self, source: &str) -> String {
        let source = format!("const ORIGIN = 'http://127.0.0.1:{}';{source}", self.port);
        let grant = format!("net.connect=http://127.0.0.1:{}", self.port);
        let ran = Scene::of_main(&[&grant], &source).run(&[]).completed();
        // A server that still waits for a connection must not wait for ever.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.thread.join().unwrap();
        ran.out
    }
}

fn read_exactly(stream: &mut TcpStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

/// RUN-169: a piece arrives before the next one exists.
#[test]
fn a_body_is_sent_while_it_is_produced() {
    let raw = Raw::start(vec![Box::new(|head, stream| {
        assert!(head.starts_with("POST /a HTTP/1.1\r\n"), "{head}");
        assert!(
            head.to_lowercase().contains("transfer-encoding: chunked\r\n"),
            "{head}"
        );
        read_exactly(stream, "3\r\none\r\n");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            .unwrap();
        read_exactly(stream, "3\r\ntwo\r\n0\r\n\r\n");
        stream.write_all(b"done").unwrap();
    })]);
    let out = raw.run(
        "const { readable, writable } = new TransformStream();
         const writer = writable.getWriter();
         const sent = fetch(`${ORIGIN}/a`, { method: 'POST', body: readable, duplex: 'half' });
         const bytes = (text) => new TextEncoder().encode(text);
         await writer.write(bytes('one'));
         const response = await sent;
         await writer.write(bytes('two'));
         await writer.close();
         console.log(response.status, await response.text());",
    );
    assert_eq!(out, "200 done\n");
}

/// RUN-169: if the stream fails, or has something other than bytes, the request is broken off with its error.
#[test]
fn a_stream_that_fails_breaks_the_request_off() {
    let handler = || -> Handler {
        Box::new(|_, stream: &mut TcpStream| {
            let mut rest = String::new();
            let _ = stream.read_to_string(&mut rest);
            assert!(!rest.contains("0\r\n\r\n"), "{rest}");
        })
    };
    let raw = Raw::start(vec![handler(), handler(), handler()]);
    let out = raw.run(
        "const attempt = async (pull, signal) => {
           const body = new ReadableStream({ pull });
           try { await fetch(ORIGIN, { method: 'POST', body, duplex: 'half', signal }); } catch (error) { console.log(error.name, error.message); }
         };
         let count = 0;
         const failing = (controller) => { if (count++ === 20) throw new RangeError('mine'); controller.enqueue(new Uint8Array(9)); };
         await attempt(failing);
         count = 0;
         await attempt((controller) => controller.enqueue(count++ === 20 ? 'text' : new Uint8Array(9)));
         const end = new AbortController();
         count = 0;
         await attempt((controller) => { controller.enqueue(new Uint8Array(9)); if (count++ === 20) { end.abort(); return new Promise(() => {}); } }, end.signal);",
    );
    assert_eq!(
        out,
        "RangeError mine\nTypeError a stream that is a body must have pieces of type Uint8Array\nAbortError The signal has been aborted\n"
    );
}

/// RUN-169: a body that fails after the response has begun has no end either. To the server, it would look complete.
#[test]
fn a_stream_that_fails_after_the_response_has_no_end() {
    let handler = |fails: bool| -> Handler {
        Box::new(move |_, stream: &mut TcpStream| {
            read_exactly(stream, "3\r\none\r\n");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
                .unwrap();
            let mut rest = String::new();
            let mut byte = [0];
            // The end of the body, or of the connection.
            while !rest.ends_with("0\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                rest.push(char::from(byte[0]));
            }
            assert_eq!(rest.ends_with("0\r\n\r\n"), !fails, "{rest}");
        })
    };
    let raw = Raw::start(vec![handler(false), handler(true)]);
    let out = raw.run(
        "for (const fails of [false, true]) {
           let source;
           const body = new ReadableStream({ start(controller) { source = controller; controller.enqueue(new TextEncoder().encode('one')); } });
           const response = await fetch(ORIGIN, { method: 'POST', body, duplex: 'half' });
           const reader = response.body.getReader();
           console.log(new TextDecoder().decode((await reader.read()).value));
           if (fails) source.error(new Error('mine'));
           else source.close();
           await reader.read().catch(() => {});
         }",
    );
    assert_eq!(out, "hello\nhello\n");
}

/// RUN-169: only a redirect that needs no body is followed.
#[test]
fn a_stream_is_sent_once() {
    let redirect = |status: u16| -> Handler {
        Box::new(move |_, stream: &mut TcpStream| {
            read_exactly(stream, "3\r\none\r\n0\r\n\r\n");
            let head = format!(
                "HTTP/1.1 {status} X\r\nLocation: /next\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
        })
    };
    let raw = Raw::start(vec![
        redirect(307),
        redirect(302),
        redirect(303),
        Box::new(|head, stream| {
            assert!(head.starts_with("GET /next "), "{head}");
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                .unwrap();
        }),
    ]);
    let out = raw.run(
        "for (let n = 0; n < 3; n++) {
           const body = ReadableStream.from([new TextEncoder().encode('one')]);
           try {
             const response = await fetch(ORIGIN, { method: 'POST', body, duplex: 'half' });
             console.log(response.status, response.redirected, await response.text());
           } catch (error) { console.log(error.name, error.message.includes('a stream cannot be sent again')); }
         }",
    );
    assert_eq!(out, "TypeError true\nTypeError true\n200 true ok\n");
}

/// RUN-169: a server that does not read stops the stream, and one that answers early cancels it.
#[test]
fn a_server_that_does_not_read_stops_the_stream() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeps = kept.clone();
    let raw = Raw::start(vec![
        Box::new(move |_, stream| {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .unwrap();
            keeps.lock().unwrap().push(stream.try_clone().unwrap());
        }),
        Box::new(move |_, stream| {
            kept.lock().unwrap().clear();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
        }),
    ]);
    let out = raw.run(
        "let count = 0;
         const { promise: cancelled, resolve: cancel } = Promise.withResolvers();
         const body = new ReadableStream({ pull(controller) { count++; controller.enqueue(new Uint8Array(2 ** 16)); if (count === 8192) controller.close(); }, cancel });
         const response = await fetch(ORIGIN, { method: 'POST', body, duplex: 'half' });
         console.log(response.status, await response.text());
         await fetch(ORIGIN);
         await cancelled;
         console.log(count < 8192);",
    );
    assert_eq!(out, "200 ok\ntrue\n");
}

fn events(body: &'static str) -> Handler {
    Box::new(move |head, stream: &mut TcpStream| {
        assert!(head.contains("accept: text/event-stream\r\n"), "{head}");
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        for byte in body.bytes() {
            stream.write_all(&[byte]).unwrap();
        }
    })
}

/// RUN-170: events, types, identities, reconnection, and the end.
#[test]
fn events_arrive_and_the_stream_is_continued() {
    let raw = Raw::start(vec![
        events(
            "\u{feff}retry: 1\r\n: comment\r\ndata: a\rdata:b\n\nevent: kind\ndata: c\nid: 7\u{e9}\n\nignored: x\ndata\n\nid: 8\n\nid: lost\ndata: lost",
        ),
        Box::new(|head, stream| {
            assert!(head.contains("last-event-id: 8\r\n"), "{head}");
            stream
                .write_all(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
        }),
    ]);
    let out = raw.run(
        "const source = new EventSource(`${ORIGIN}/events`);
         const shown = ({ type, data, lastEventId, origin }) => console.log(type, JSON.stringify(data), lastEventId, origin === ORIGIN);
         source.onopen = () => console.log('open', source.readyState);
         source.onmessage = shown;
         source.addEventListener('kind', shown);
         await new Promise((resolve) => {
           source.onerror = ({ message }) => { console.log(source.readyState, message); if (source.readyState === EventSource.CLOSED) resolve(); };
         });",
    );
    assert_eq!(
        out,
        "open 1\nmessage \"a\\nb\"  true\nkind \"c\" 7\u{e9} true\nmessage \"\" 7\u{e9} true\n0 EventSource: the server ended the stream\n\
         2 EventSource: the server answered with the status 500 and the type \"\"\n"
    );
}

/// RUN-170: a line without end, and a source without a right, end the stream for good.
#[test]
fn an_endless_line_ends_the_stream() {
    let raw = Raw::start(vec![Box::new(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
            .unwrap();
        while stream.write_all(&[b'a'; 4096]).is_ok() {}
    })]);
    let out = raw.run(
        "const ended = (source) => new Promise((resolve) => { source.onerror = ({ message, error }) => resolve(console.log(source.readyState, error?.name ?? message)); });
         await ended(new EventSource(ORIGIN));
         await ended(new EventSource('http://127.0.0.1:1/'));
         for (const url of ['', '/relative']) try { new EventSource(url); } catch (error) { console.log(error.name); }
         const closed = new EventSource(ORIGIN);
         closed.close();
         console.log(closed.readyState);",
    );
    assert_eq!(
        out,
        "2 EventSource: a line has more than 1048576 characters\n2 CapabilityError\nSyntaxError\nSyntaxError\n2\n"
    );
}
