//! Bodies, headers and connections, by the Fetch standard and RFC 9110.

use async_compression::Level;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use secure_runtime::Limits;
use tokio::io::AsyncWriteExt;

use super::{ONE, expect_of};
use crate::support::Server;

/// Compresses bytes with the encoder that `$new` creates.
macro_rules! compressed {
    ($new:expr, $bytes:expr) => {{
        let bytes: &[u8] = $bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut encoder = $new;
            encoder.write_all(bytes).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        })
    }};
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    compressed!(GzipEncoder::with_quality(Vec::new(), Level::Fastest), bytes)
}

/// Returns a response with this coding.
fn response(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut response = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(body);
    response
}

fn text(path: &str) -> String {
    format!("net.fetch('${{one}}{path}').then((response) => response.text())")
}

#[track_caller]
fn expect(server: &Server, limits: Limits, steps: &[(String, &str)]) {
    let steps: Vec<(&str, &str)> = steps.iter().map(|(call, said)| (call.as_str(), *said)).collect();
    expect_of(limits, ONE, &steps, server, &Server::start());
}

/// RUN-101: bodies are decoded, and a coding that is unknown or wrong is not hidden.
#[test]
fn compressed_bodies_are_decoded() {
    let server = Server::start();
    let hello = b"hello";
    let zlib = compressed!(ZlibEncoder::new(Vec::new()), hello);
    let brotli = compressed!(BrotliEncoder::new(Vec::new()), hello);
    let zstd = compressed!(ZstdEncoder::new(Vec::new()), hello);
    let once = gzip(hello);
    let twice = compressed!(BrotliEncoder::new(Vec::new()), &once);
    let members = [gzip(hello), gzip(b" again")].concat();
    for (path, coding, body) in [
        ("/gzip", "gzip", gzip(hello).as_slice()),
        ("/deflate", "deflate", &zlib),
        ("/br", "br", &brotli),
        ("/zstd", "zstd", &zstd),
        ("/twice", "gzip, br", &twice),
        ("/members", "gzip", &members),
        ("/empty", "gzip", b""),
        ("/unknown", "compress", hello),
        ("/identity", "identity", hello),
        ("/wrong", "gzip", hello),
        ("/cut", "gzip", gzip(hello).split_last().unwrap().1),
    ] {
        server.put_raw(path, &response(coding, body));
    }
    expect(
        &server,
        Limits::default(),
        &[
            (text("/gzip"), "\"hello\""),
            (text("/deflate"), "\"hello\""),
            (text("/br"), "\"hello\""),
            (text("/zstd"), "\"hello\""),
            (text("/twice"), "\"hello\""),
            (text("/members"), "\"hello again\""),
            (text("/empty"), "\"\""),
            (text("/unknown"), "\"hello\""),
            (text("/identity"), "\"hello\""),
            (text("/wrong"), "TypeError"),
            (text("/cut"), "TypeError"),
            (
                "echo('${one}/echo').then(({ headers }) => headers['accept-encoding'])".to_owned(),
                "\"gzip, deflate, br, zstd\"",
            ),
        ],
    );
}

/// RUN-101: the limit of a response counts decoded bytes, and windows count as memory of the isolate.
#[test]
fn a_decompression_bomb_is_limited() {
    let server = Server::start();
    let zeros = vec![0; 8 << 20];
    server.put_raw("/bomb", &response("gzip", &gzip(&zeros)));
    let brotli = compressed!(BrotliEncoder::new(Vec::new()), b"hello");
    server.put_raw("/br", &response("br", &brotli));
    let small = Limits {
        response: 1 << 20,
        ..Limits::default()
    };
    expect(&server, small, &[(text("/bomb"), "TypeError")]);
    let size = "net.fetch('${one}/bomb').then((response) => response.bytes()).then((bytes) => bytes.length)";
    let large = Limits {
        response: 16 << 20,
        ..Limits::default()
    };
    expect(&server, large, &[(size.to_owned(), "8388608")]);
    // Many decoders with large windows do not fit, and one does.
    let many =
        "Promise.all(Array.from({ length: 40 }, () => net.fetch('${one}/br'))).then((all) => all.length)";
    expect(
        &server,
        Limits::default(),
        &[(text("/br"), "\"hello\""), (many.to_owned(), "RangeError")],
    );
}

/// RUN-102: an abort ends the body too, and the signal keeps nothing of a body that has ended.
#[test]
fn an_abort_ends_a_body_that_is_being_received() {
    let server = Server::start();
    let steps = [
        "(async () => { const end = new AbortController(); const { body } = await net.fetch('${one}/endless', { signal: end.signal });
          for await (const piece of body) end.abort('enough'); })().catch((reason) => reason)",
        "(async () => { const end = new AbortController(); const response = await net.fetch('${one}/ok', { signal: end.signal });
          end.abort(); return response.text(); })()",
        "(async () => { const end = new AbortController(); const response = await net.fetch('${one}/ok', { signal: end.signal });
          const text = await response.text(); end.abort(); return text; })()",
        "(async () => { const end = new AbortController(); const response = await net.fetch('${one}/stalled', { signal: end.signal });
          setTimeout(() => end.abort(), 1); return response.text(); })()",
    ];
    let said = ["\"enough\"", "AbortError 20", "\"hello\"", "AbortError 20"];
    let steps: Vec<(String, &str)> = steps.iter().map(|step| (*step).to_owned()).zip(said).collect();
    expect(&server, Limits::default(), &steps);
}

/// RUN-101: headers are bytes, as Latin-1 in both directions. The status text is that of the server.
#[test]
fn heads_are_bytes() {
    let server = Server::start();
    server.put_raw(
        "/latin",
        b"HTTP/1.1 299 All Good\r\nx-name: caf\xe9\r\nx-utf: caf\xc3\xa9\r\ncontent-length: 0\r\n\r\n",
    );
    server.put_raw(
        "/to-utf",
        "HTTP/1.1 302 Found\r\nlocation: /echo/café\r\ncontent-length: 0\r\n\r\n".as_bytes(),
    );
    let steps = [
        (
            "net.fetch('${one}/latin').then(({ status, statusText, headers }) => [status, statusText, headers.get('x-name'), headers.get('x-utf')])",
            "[299,\"All Good\",\"café\",\"cafÃ©\"]",
        ),
        (
            "echo('${one}/to-utf').then(({ target }) => target)",
            "\"/echo/caf%C3%A9\"",
        ),
        (
            "net.fetch('${one}/ok#part').then(({ url }) => url)",
            "\"${one}/ok\"",
        ),
        (
            "net.fetch('${one}/ok', { headers: { 'x-name': '€' } })",
            "TypeError",
        ),
        (
            "net.fetch('${one}/ok', { headers: { 'x-name': 'a\\r\\nx-evil: 1' } })",
            "TypeError",
        ),
        (
            "echo('${one}/echo', { headers: { 'x-name': ' \\r\\n\\ta b\\n ' } }).then(({ headers }) => headers['x-name'])",
            "\"a b\"",
        ),
        (
            "net.fetch('${one}/ok', { headers: [['a', 'b', 'c']] })",
            "TypeError",
        ),
        (
            "echo('${one}/echo', { method: 'POST', body: 'x' }).then(({ headers }) => headers['content-type'])",
            "\"text/plain;charset=UTF-8\"",
        ),
        (
            "echo('${one}/echo', { method: 'POST', body: new Uint8Array(1) }).then(({ headers }) => headers['content-type'] ?? null)",
            "null",
        ),
    ];
    let steps: Vec<(String, &str)> = steps
        .iter()
        .map(|(call, said)| ((*call).to_owned(), *said))
        .collect();
    expect(&server, Limits::default(), &steps);
}

/// RUN-102: a capability uses its connections again, and no other capability uses them.
#[test]
fn connections_belong_to_one_capability() {
    let fetch = |capability: &str| {
        let call = format!("{capability}.fetch('${{one}}/kept').then((response) => response.text())");
        (call, "\"hello\"")
    };
    let server = Server::start();
    expect(
        &server,
        Limits::default(),
        &[fetch("net"), fetch("net"), fetch("net")],
    );
    assert_eq!(server.connections(), 1);

    let server = Server::start();
    let narrowed = "net.attenuate({ connect: ['${one}'] })";
    expect(
        &server,
        Limits::default(),
        &[fetch("net"), fetch(narrowed), fetch(narrowed)],
    );
    assert_eq!(server.connections(), 3);
}

/// RUN-102: a server closes a connection that seemed to stay open. Nothing that may have had an effect is sent twice.
#[test]
fn a_request_on_a_closed_connection_is_sent_again_if_it_is_idempotent() {
    let server = Server::start();
    server.put_raw("/closes", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let steps: Vec<_> = (0..30).map(|_| (text("/closes"), "\"hello\"")).collect();
    expect(&server, Limits::default(), &steps);
    assert_eq!(server.connections(), 30);

    let server = Server::start();
    let post = "net.fetch('${one}/kept').then((response) => response.text()).then(() => net.fetch('${one}/drops', { method: 'POST', body: 'x' }))";
    expect(&server, Limits::default(), &[(post.to_owned(), "TypeError")]);
    assert_eq!(server.requests(), ["GET /kept", "POST /drops"]);

    let server = Server::start();
    let get =
        "net.fetch('${one}/kept').then((response) => response.text()).then(() => net.fetch('${one}/drops'))";
    expect(&server, Limits::default(), &[(get.to_owned(), "TypeError")]);
    assert_eq!(server.requests(), ["GET /kept", "GET /drops", "GET /drops"]);
}

/// RUN-106
#[cfg(feature = "v8")]
#[test]
fn fetch_takes_requests_and_returns_responses_whose_bodies_are_streams() {
    let steps = [
        (
            "net.fetch(new Request('${one}/echo', { method: 'PUT', headers: { 'x-a': '1' }, body: 'abc' })).then((r) => r.json()).then((seen) => [seen.method, seen.headers['x-a'], seen.body])",
            r#"["PUT","1","abc"]"#,
        ),
        (
            "net.fetch(new Request('${one}/echo', { method: 'PUT', body: 'abc' }), { method: 'POST' }).then((r) => r.json()).then((seen) => [seen.method, seen.body])",
            r#"["POST","abc"]"#,
        ),
        // Streams, forms and Blobs are sent whole.
        (
            "echo('${one}/echo', { method: 'POST', duplex: 'half', body: new Blob(['a', 'b']).stream().pipeThrough(new TransformStream()) }).then((seen) => seen.body)",
            r#""ab""#,
        ),
        (
            "(() => { const form = new FormData(); form.append('a', 'b'); return echo('${one}/echo', { method: 'POST', body: form }); })().then((seen) => [seen.headers['content-type'].split(';')[0], seen.body.includes('name=\"a\"\\r\\n\\r\\nb')])",
            r#"["multipart/form-data",true]"#,
        ),
        (
            "net.fetch('${one}/ok').then(async (r) => [r instanceof Response, r.type, r.body instanceof ReadableStream, await r.clone().text(), await r.text(), r.bodyUsed])",
            r#"[true,"basic",true,"hello","hello",true]"#,
        ),
        (
            "net.fetch('${one}/ok').then(async (r) => { const all = []; for await (const chunk of r.body.pipeThrough(new TextDecoderStream())) all.push(chunk); return all.join(''); })",
            r#""hello""#,
        ),
        (
            "net.fetch('${one}/ok').then((r) => r.headers.set('a', 'b'))",
            "TypeError",
        ),
        (
            "net.fetch('${one}/ok', { method: 'HEAD' }).then((r) => r.body)",
            "null",
        ),
        ("net.fetch('/ok')", "TypeError"),
        // An aborted signal of the request ends the body.
        (
            "(async () => { const c = new AbortController(); const r = await net.fetch(new Request('${one}/ok', { signal: c.signal })); c.abort(); return await r.text(); })()",
            "AbortError 20",
        ),
        // A cancelled body closes its connection, and the next request works.
        (
            "net.fetch('${one}/ok').then(async (r) => { await r.body.cancel(); return (await net.fetch('${one}/ok')).status; })",
            "200",
        ),
    ];
    super::expect(Limits::default(), ONE, &steps);
}
