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
