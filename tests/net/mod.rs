//! The `net` family: requests like those of the web's `fetch`, sent only to the destination that was decided on.

mod bodies;
mod raw_sockets;
mod socket_attacks;
#[cfg(feature = "v8")]
pub(crate) mod sockets;
#[cfg(feature = "v8")]
mod streams;

use std::time::Duration;

use secure_runtime::Limits;

use crate::support::{Scene, Server, manifest};

/// The beginning of every program below. `say` prints the result of a call as JSON, or the name and code of its error.
const PRELUDE: &str = "import { net } from 'cap:self';
const say = async (call) => {
  try {
    console.log(JSON.stringify(await call()));
  } catch (error) {
    console.log([error.name, error.code].filter(Boolean).join(' '));
  }
};
const echo = async (url, init) => await (await net.fetch(url, init)).json();
const lines = (object, ...keys) => keys.map((key) => object[key] ?? null);
";

/// Runs calls one after another, and compares their output. `${one}` and `${two}` are replaced by the origins of two
/// servers.
#[track_caller]
fn expect(limits: Limits, grants: &[&str], steps: &[(&str, &str)]) -> (Server, Server) {
    let (one, two) = (Server::start(), Server::start());
    expect_of(limits, grants, steps, &one, &two);
    (one, two)
}

/// Like [`expect`], with servers that exist.
#[track_caller]
fn expect_of(limits: Limits, grants: &[&str], steps: &[(&str, &str)], one: &Server, two: &Server) {
    let fill = |text: &str| {
        text.replace("${one}", one.origin())
            .replace("${two}", two.origin())
            .replace("${one.port}", one.port())
    };
    let calls: String = steps
        .iter()
        .map(|(call, _)| format!("await say(() => {});\n", fill(call)))
        .collect();
    let grants: Vec<String> = grants.iter().map(|grant| fill(grant)).collect();
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let scene = Scene::new()
        .file("secure.toml", manifest(&grants, ""))
        .file("main.js", format!("{PRELUDE}{calls}"))
        .limits(Limits {
            wall: Some(Duration::from_secs(600)),
            ..limits
        });
    let ran = scene.run(&[]).completed();
    let said: Vec<&str> = ran.out.lines().collect();
    for (index, (call, expected)) in steps.iter().enumerate() {
        assert_eq!(said.get(index).copied(), Some(fill(expected).as_str()), "{call}");
    }
}

const ONE: &[&str] = &["net.connect=${one}"];
const BOTH: &[&str] = &["net.connect=${one}", "net.connect=${two}"];

#[test]
fn methods_headers_and_bodies_arrive_as_given() {
    expect(
        Limits::default(),
        ONE,
        &[
            (
                "echo('${one}/echo').then((seen) => lines(seen, 'method', 'body'))",
                "[\"GET\",\"\"]",
            ),
            (
                "echo('${one}/echo?a=b&c#hidden').then((seen) => lines(seen, 'target'))",
                "[\"/echo?a=b&c\"]",
            ),
            (
                "echo(new URL('${one}/echo/%7e/../x')).then((seen) => lines(seen, 'target'))",
                "[\"/echo/x\"]",
            ),
            (
                "echo('${one}/echo', { method: 'post', body: 'grüße' }).then((seen) => lines(seen, 'method', 'body'))",
                "[\"POST\",\"grüße\"]",
            ),
            (
                "echo('${one}/echo', { method: 'PUT', body: new Uint8Array([65, 66]) }).then((seen) => lines(seen, 'method', 'body'))",
                "[\"PUT\",\"AB\"]",
            ),
            (
                "echo('${one}/echo', { method: 'DELETE' }).then((seen) => lines(seen, 'method'))",
                "[\"DELETE\"]",
            ),
            (
                "echo('${one}/echo', { method: 'POST', body: new URLSearchParams({ a: '1 2' }) }).then((seen) => [seen.body, seen.headers['content-type']])",
                "[\"a=1+2\",\"application/x-www-form-urlencoded;charset=UTF-8\"]",
            ),
            (
                "echo('${one}/echo', { headers: { 'X-A': '1', accept: 'text/plain' } }).then(({ headers }) => lines(headers, 'x-a', 'accept'))",
                "[\"1\",\"text/plain\"]",
            ),
            (
                "echo('${one}/echo', { headers: [['x-a', '1'], ['x-b', '2']] }).then(({ headers }) => lines(headers, 'x-a', 'x-b'))",
                "[\"1\",\"2\"]",
            ),
            (
                "echo('${one}/echo', { headers: new Map([['x-a', '1']]) }).then(({ headers }) => lines(headers, 'x-a'))",
                "[\"1\"]",
            ),
            (
                "echo('${one}/echo').then(({ headers }) => [headers.cookie ?? null, headers.referer ?? null, headers.origin ?? null, /^secure-runtime\\//.test(headers['user-agent'])])",
                "[null,null,null,true]",
            ),
        ],
    );
}

#[test]
fn a_response_says_what_arrived_and_is_read_once() {
    expect(
        Limits::default(),
        ONE,
        &[
            (
                "net.fetch('${one}/ok').then(({ status, ok, url, redirected, statusText }) => [status, ok, url, redirected, statusText])",
                "[200,true,\"${one}/ok\",false,\"OK\"]",
            ),
            (
                "net.fetch('${one}/ok').then((response) => response.text())",
                "\"hello\"",
            ),
            (
                "net.fetch('${one}/ok').then((response) => response.bytes()).then((bytes) => [...bytes])",
                "[104,101,108,108,111]",
            ),
            (
                "net.fetch('${one}/ok').then((response) => response.arrayBuffer()).then((buffer) => buffer.byteLength)",
                "5",
            ),
            (
                "net.fetch('${one}/ok').then((response) => response.json())",
                "SyntaxError",
            ),
            (
                "net.fetch('${one}/ok', { method: 'HEAD' }).then((response) => response.text())",
                "\"\"",
            ),
            (
                "net.fetch('${one}/ok').then(async (response) => { await response.text(); return response.text(); })",
                "TypeError",
            ),
            (
                "net.fetch('${one}/ok').then(({ headers }) => [headers.get('Content-Type'), headers.has('set-cookie'), headers.get('none')])",
                "[\"text/plain\",false,null]",
            ),
            (
                "net.fetch('${one}/ok').then(async ({ body }) => { let size = 0; for await (const piece of body) size += piece.length; return size; })",
                "5",
            ),
            // An unread body is closed, and the next request uses another connection.
            (
                "net.fetch('${one}/endless').then(async ({ body }) => { for await (const piece of body) return piece.length > 0; })",
                "true",
            ),
            // Cookies of a server are never sent back.
            (
                "echo('${one}/echo').then(({ headers }) => headers.cookie ?? null)",
                "null",
            ),
        ],
    );
}

/// RUN-30
#[test]
fn redirects_keep_what_the_standard_keeps_and_drop_the_rest_between_origins() {
    let (_, two) = expect(
        Limits::default(),
        BOTH,
        &[
            (
                "net.fetch('${one}/redirect/302/${one}/ok').then(({ url, redirected, status }) => [url, redirected, status])",
                "[\"${one}/ok\",true,200]",
            ),
            (
                "echo('${one}/redirect/303/${one}/echo', { method: 'PUT', body: 'x', headers: { 'content-type': 'a/b' } }).then((seen) => [seen.method, seen.body, seen.headers['content-type'] ?? null])",
                "[\"GET\",\"\",null]",
            ),
            (
                "echo('${one}/redirect/302/${one}/echo', { method: 'POST', body: 'x' }).then((seen) => lines(seen, 'method', 'body'))",
                "[\"GET\",\"\"]",
            ),
            (
                "echo('${one}/redirect/307/${one}/echo', { method: 'POST', body: 'x', headers: { 'x-key': 'secret' } }).then((seen) => [...lines(seen, 'method', 'body'), seen.headers['x-key']])",
                "[\"POST\",\"x\",\"secret\"]",
            ),
            (
                "echo('${one}/redirect/308/${two}/echo', { method: 'POST', body: 'x', headers: { 'x-key': 'secret', authorization: 'secret', cookie: 'secret', accept: 'a/b' } }).then((seen) => [...lines(seen, 'method', 'body'), ...lines(seen.headers, 'x-key', 'authorization', 'cookie', 'accept')])",
                "[\"POST\",\"x\",null,null,null,\"a/b\"]",
            ),
            (
                "net.fetch('${one}/redirect/302/${two}/ok', { redirect: 'manual' }).then(({ status, redirected }) => [status, redirected])",
                "[302,false]",
            ),
            (
                "net.fetch('${one}/redirect/302/${one}/ok', { redirect: 'error' })",
                "TypeError",
            ),
            (
                "net.fetch('${one}/redirect/302//ok').then(({ url }) => url)",
                "\"${one}/ok\"",
            ),
            (
                "net.fetch('${one}/redirect/304/${one}/ok').then(({ status }) => status)",
                "304",
            ),
        ],
    );
    assert_eq!(two.requests(), ["POST /echo"]);
}

#[test]
fn an_endless_chain_of_redirects_ends() {
    // `/redirect/302/` with an empty target redirects to itself.
    let (one, _) = expect(
        Limits::default(),
        ONE,
        &[("net.fetch('${one}/redirect/302/')", "TypeError")],
    );
    assert_eq!(one.requests().len(), 21);
}

#[test]
fn a_denied_request_makes_no_connection() {
    let (one, two) = expect(
        Limits::default(),
        ONE,
        &[
            ("net.fetch('${two}/ok')", "CapabilityError denied"),
            (
                "net.fetch('${one}/redirect/302/${two}/stolen?secret')",
                "CapabilityError denied",
            ),
            (
                "net.fetch('${one}/ok', { headers: { host: 'evil.test' } })",
                "TypeError",
            ),
            (
                "net.fetch('http://localhost:${one.port}/ok')",
                "CapabilityError denied",
            ),
            (
                "net.attenuate({ connect: ['https://example.com'] }).fetch('${one}/ok')",
                "CapabilityError denied",
            ),
        ],
    );
    assert_eq!(one.requests().len(), 1);
    assert!(two.requests().is_empty());
}

/// RUN-31
#[test]
fn a_name_for_the_loopback_address_needs_a_grant_for_the_address() {
    let steps = |said| {
        [(
            "net.fetch('http://localhost:${one.port}/ok').then((response) => response.text())",
            said,
        )]
    };
    expect(
        Limits::default(),
        &["net.connect=http://localhost:${one.port}"],
        &steps("CapabilityError denied"),
    );
    // The name may resolve to either of these addresses.
    expect(
        Limits::default(),
        &[
            "net.connect=http://localhost:${one.port}",
            "net.connect=${one}",
            "net.connect=http://[::1]:${one.port}",
        ],
        &steps("\"hello\""),
    );
}

#[test]
fn an_abort_signal_ends_a_request_at_any_time() {
    expect(
        Limits::default(),
        ONE,
        &[
            (
                "net.fetch('${one}/ok', { signal: AbortSignal.abort() })",
                "AbortError 20",
            ),
            (
                "net.fetch('${one}/silent', { signal: AbortSignal.timeout(20) })",
                "TimeoutError 23",
            ),
            (
                "(() => { const controller = new AbortController(); setTimeout(() => controller.abort(), 20); return net.fetch('${one}/silent', { signal: controller.signal }); })()",
                "AbortError 20",
            ),
            (
                "(() => { const controller = new AbortController(); setTimeout(() => controller.abort(new RangeError('own')), 20); return net.fetch('${one}/silent', { signal: controller.signal }); })()",
                "RangeError",
            ),
            (
                "net.fetch('${one}/ok', { signal: new AbortController().signal }).then((response) => response.text())",
                "\"hello\"",
            ),
            (
                "net.fetch('${one}/ok', { signal: { aborted: false, throwIfAborted() {} } })",
                "TypeError",
            ),
        ],
    );
}

#[test]
fn an_endless_response_and_a_silent_server_are_limited() {
    let idle = Limits {
        idle: Duration::from_millis(300),
        ..Limits::default()
    };
    expect(
        idle,
        ONE,
        &[("net.fetch('${one}/silent')", "TypeError ETIMEDOUT")],
    );
    let response = Limits {
        response: 100_000,
        ..Limits::default()
    };
    expect(
        response,
        ONE,
        &[
            (
                "net.fetch('${one}/endless').then((response) => response.text())",
                "TypeError",
            ),
            (
                "net.fetch('${one}/ok').then((response) => response.text())",
                "\"hello\"",
            ),
        ],
    );
}

/// RUN-13
#[test]
fn a_capability_that_expires_stops_a_body_that_is_being_received() {
    expect(
        Limits {
            response: u64::MAX,
            ..Limits::default()
        },
        ONE,
        &[(
            "net.attenuate({ expires: '1s' }).fetch('${one}/endless').then(async ({ body }) => { for await (const piece of body) if (piece.length === 0) break; })",
            "CapabilityError expired",
        )],
    );
}

#[test]
fn a_failed_connection_is_an_error_and_not_a_denial() {
    expect(
        Limits::default(),
        &[
            "net.connect=http://127.0.0.1:9",
            "net.connect=http://nowhere.invalid",
            "net.connect=https://127.0.0.1:9",
        ],
        &[
            ("net.fetch('http://127.0.0.1:9/')", "TypeError ECONNREFUSED"),
            ("net.fetch('https://127.0.0.1:9/')", "TypeError ECONNREFUSED"),
            ("net.fetch('http://nowhere.invalid/')", "TypeError"),
        ],
    );
}

/// RUN-32
#[test]
fn proxies_of_the_environment_are_not_used() {
    let server = Server::start();
    let proxy = Server::start();
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(&[&format!("net.connect={}", server.origin())], ""),
        )
        .file(
            "main.js",
            format!(
                "import {{ net }} from 'cap:self'; console.log(await (await net.fetch('{}/ok')).text());",
                server.origin()
            ),
        );
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_secure-runtime"));
    command.arg("run").arg(scene.base()).env("NO_PROXY", "");
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env(name, proxy.origin());
    }
    let ran = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "hello\n", "{ran:?}");
    assert_eq!(server.requests(), ["GET /ok"]);
    assert!(proxy.requests().is_empty());
}
