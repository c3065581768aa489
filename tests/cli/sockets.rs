//! Sockets of programs in the OS sandbox.

use super::secure_runtime;
use crate::support::Scene;

/// Runs a program in the sandbox, and returns its output. The sandbox must refuse no call, with one exception. The C
/// library looks for a cache of names on this machine (AF_UNIX). Without it, it asks name servers itself.
fn run(grants: &[&str], main: &str) -> String {
    let scene = Scene::of_main(grants, main);
    let done = secure_runtime(&scene, &["run", "--sandbox-log"]);
    let cache = format!("refuses system call {} (0x1, ", libc::SYS_socket);
    let mut refused = done
        .err
        .lines()
        .filter(|line| line.contains("refuses system call"));
    assert!(refused.all(|line| line.contains(&cache)), "{done:#?}");
    done.success()
}

/// WALL-4: the sandbox allows the sockets of the grants.
#[test]
fn the_sandbox_allows_the_sockets_of_the_grants() {
    let out = run(
        &["net.listen=tcp://127.0.0.1:0", "net.connect=tcp://localhost:1-65535", "net.connect=tcp://127.0.0.1:1-65535", "net.connect=tcp://[::1]:1-65535"],
        "import { net } from 'cap:self';
        const listener = net.listen({ port: 0 });
        const [one, two] = await Promise.all([net.connect({ hostname: 'localhost', port: listener.addr.port }), listener.accept()]);
        one.setNoDelay();
        await one.write(new Uint8Array(100_000).fill(1).subarray(0, 9));
        await one.closeWrite();
        const buffer = new Uint8Array(9);
        console.log(await two.read(buffer), await two.read(buffer));
        for (const socket of [one, two, listener]) socket.close();",
    );
    assert_eq!(out, "9 null\n");
    let out = run(
        &[
            "net.listen=udp://127.0.0.1:0",
            "net.connect=udp://localhost:1-65535",
            "net.connect=udp://127.0.0.1:1-65535",
            "net.connect=udp://[::1]:1-65535",
        ],
        "import { net } from 'cap:self';
        const [one, two] = [net.listenDatagram({ port: 0 }), net.listenDatagram({ port: 0 })];
        await one.send(new Uint8Array(9), { hostname: 'localhost', port: two.addr.port });
        console.log((await two.receive())[0].length);
        for (const socket of [one, two]) socket.close();",
    );
    assert_eq!(out, "9\n");
    let out = run(
        &["net.resolve=localhost"],
        "import { net } from 'cap:self';
        console.log(...await net.resolve('localhost'));",
    );
    assert_eq!(out, "127.0.0.1\n");
}

/// TOK-46, TOK-47: the lock pins the grants of sockets and lookups, and shows them to reviewers.
#[test]
fn the_lock_has_the_grants_of_sockets() {
    let grants = [
        "net.connect=tls://db.example.com:5432",
        "net.listen=tcp://*:8080",
        "net.listen=udp://127.0.0.1:0",
        "net.resolve=*.example.com",
    ];
    let scene = Scene::of_main(&grants, "console.log('ran');");
    secure_runtime(&scene, &["lock"]).success();
    let text = scene.read("secure.lock.txt");
    for scope in [
        "tls://db.example.com:5432",
        "tcp://*:8080",
        "udp://127.0.0.1:0",
        "*.example.com",
    ] {
        assert!(text.contains(scope), "{text}");
    }
    assert_eq!(secure_runtime(&scene, &["run", "--locked"]).success(), "ran\n");
    let shown = secure_runtime(&scene, &["graph", "show"]).success();
    assert!(
        shown.contains("tcp://*:8080") && shown.contains("*.example.com"),
        "{shown}"
    );
    for (operation, allowed) in [
        ("net listen tcp://0.0.0.0:8080", true),
        ("net listen udp://0.0.0.0:8080", false),
        ("net resolve a.example.com", true),
        ("net resolve example.com", false),
        ("net connect tls://db.example.com:5432", true),
        ("net connect tcp://db.example.com:5432", false),
    ] {
        let said = secure_runtime(&scene, &["explain", "--module", "main.js", operation]).success();
        assert_eq!(said.contains(" is allowed"), allowed, "{said}");
        assert_eq!(said.contains(" is denied"), !allowed, "{said}");
    }
}
