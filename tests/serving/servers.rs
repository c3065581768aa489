//! The family `http`: servers of guests.

use crate::support::Scene;

/// SERVE-14: a guest serves requests with its own right, and its own client reaches them.
#[test]
fn a_guest_serves_requests() {
    let main = "import { http, net } from 'cap:self';
        const server = http.serve({ port: 0 }, async (request, context) => {
          const { pathname } = new URL(request.url);
          if (pathname === '/throws') throw new Error('mine');
          return new Response(`${request.method} ${pathname} ${await request.text()} ${typeof context.waitUntil}`, { status: 202 });
        });
        const { hostname, port } = server.addr;
        console.log(hostname, port > 0, Object.isFrozen(server));
        const fetched = async (path, init) => {
          const response = await net.fetch(`http://127.0.0.1:${port}${path}`, init);
          return `${response.status} ${await response.text()}`;
        };
        console.log(await fetched('/a', { method: 'POST', body: 'body' }));
        console.log((await fetched('/throws')).includes('the function failed; its log has the error'));
        await server.shutdown();
        await server.finished;
        console.log(await fetched('/').catch((error) => error.name));";
    let ran = Scene::of_main(
        &["http.listen=127.0.0.1:0", "net.connect=http://127.0.0.1:1-65535"],
        main,
    )
    .run(&[])
    .completed();
    assert_eq!(
        ran.out,
        "127.0.0.1 true true\n202 POST /a body function\ntrue\nTypeError\n"
    );
    assert!(ran.err.contains("uncaught Error: mine"), "{}", ran.err);
}

/// SERVE-15: the address is decided as it is used, and options are checked.
#[test]
fn addresses_are_decided_and_options_are_checked() {
    let main = "import { http } from 'cap:self';
        const attempt = (...given) => { try { return http.serve(...given).shutdown().then(() => 'serves'); } catch (error) { return `${error.name}: ${error.message}`.split('\\n')[0]; } };
        const handler = () => new Response();
        for (const [options] of [
          [{ port: 0 }], [{ hostname: 'localhost', port: 0 }], [{ hostname: '::ffff:127.0.0.1', port: 0 }], [{ hostname: '0.0.0.0', port: 0 }],
          [{ hostname: '::1', port: 0 }], [{ port: 1 }], [{ hostname: 'example.com', port: 0 }], [{ port: 65536 }], [{ port: '0' }],
          [{ port: 0, cert: 'a' }], [{ port: 0, cert: 'a', key: 'b' }], [{ port: 0, maxBody: -1 }],
        ]) console.log(await attempt(options, handler));
        console.log(await attempt({ port: 0 }));
        console.log(await attempt());";
    let ran = Scene::of_main(&["http.listen=127.0.0.1:0"], main)
        .run(&[])
        .completed();
    let lines: Vec<&str> = ran.out.lines().collect();
    let expected = [
        "serves",
        "serves",
        "serves",
        "CapabilityError: http listen",
        "CapabilityError: http listen",
        "CapabilityError: http listen",
        "TypeError: ",
        "RangeError: port must be",
        "RangeError: port must be",
        "TypeError: TLS needs both",
        "TypeError: serve: there is no certificate",
        "RangeError: maxBody must be",
        "TypeError: serve needs a handler",
        "TypeError: serve needs a handler",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} instead of {expected}");
    }
}

/// SERVE-16: a server whose right is revoked answers no further request.
#[test]
fn a_revoked_server_answers_nothing() {
    let main = "import { http, net } from 'cap:self';
        const { capability, revoke } = http.revocable();
        let calls = 0;
        const server = capability.serve({ port: 0 }, () => { calls++; return new Response('served'); });
        const fetched = async () => {
          const response = await net.fetch(`http://127.0.0.1:${server.addr.port}/`);
          return `${response.status} ${(await response.text()).slice(0, 6)}`;
        };
        console.log(await fetched());
        revoke();
        console.log(await fetched().catch((error) => error.name));
        console.log(await server.finished.catch((error) => error.name), calls);";
    let ran = Scene::of_main(
        &["http.listen=127.0.0.1:0", "net.connect=http://127.0.0.1:1-65535"],
        main,
    )
    .run(&[])
    .completed();
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "200 served");
    assert!(!lines[1].starts_with("200"), "{lines:?}");
    // The handler was called once, before.
    assert_eq!(lines[2], "CapabilityError 1");
}
