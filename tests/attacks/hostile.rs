//! Hostile arguments to everything that a guest can call: an error of the guest at most, never a panic and never the end of the process.
//!
//! `hostile.js` makes the calls, in an order that a seed decides. `HOSTILE_CALLS=1000000 HOSTILE_SEED=7 cargo test --test main -- hostile
//! --nocapture` makes more, of other seeds.

use std::process::Command;
use std::time::Duration;

use secure_runtime::{Exit, Limits, PackageLimits};

use crate::support::{Ran, Scene, Server, manifest};

const PROGRAM: &str = include_str!("hostile.js");
/// What tells this process that it is the one that makes the calls: seed and number.
const PART: &str = "SECURE_RUNTIME_TEST_HOSTILE";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// RUN-87, A113: a generated program calls every operation with hostile arguments.
#[test]
fn a113_no_argument_of_an_operation_is_a_panic() {
    if let Ok(part) = std::env::var(PART) {
        let (seed, calls) = part.split_once(' ').unwrap();
        return make_calls(seed.parse().unwrap(), calls.parse().unwrap());
    }
    let (first, calls) = (number("HOSTILE_SEED", 1), number("HOSTILE_CALLS", 6_000));
    let each = 1_500;
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for seed in (first + half..first + calls.div_ceil(each)).step_by(2) {
                    in_own_process(seed, each);
                }
            });
        }
    });
}

fn in_own_process(seed: u64, calls: u64) {
    let own = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "attacks::hostile::a113_no_argument_of_an_operation_is_a_panic",
            "--nocapture",
        ])
        .env(PART, format!("{seed} {calls}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&own.stdout).into_owned() + &String::from_utf8_lossy(&own.stderr);
    println!("{said}");
    assert!(
        own.status.success() && said.contains("hostile: ended"),
        "seed {seed}: {}\n{said}",
        own.status
    );
}

fn make_calls(seed: u64, calls: u64) {
    let server = Server::start();
    server.put("/x", Some(b"some text".to_vec()));
    let origin = format!("net.connect={}", server.origin());
    let grants = [
        "fs.read=./data/**",
        "fs.write=./data/**",
        &origin,
        "env.read=*",
        "clock=1ms",
        "random=true",
        "kv.read=*",
        "kv.write=*",
    ];
    let package = "[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n";
    let of_package = PackageLimits {
        heap: Some(64 << 20),
        ..PackageLimits::default()
    };
    let ran = Scene::new()
        .file("secure.toml", manifest(&grants, package))
        .file("data/a", "a")
        .file("data/big", vec![b'a'; 1 << 20])
        .file("p/index.js", "export const echo = (...given) => given;")
        .file("main.js", PROGRAM)
        .limits(Limits {
            heap: 256 << 20,
            wall: Some(Duration::from_secs(120)),
            packages: [("p".to_owned(), of_package)].into(),
            ..Limits::default()
        })
        .run(&[&seed.to_string(), &calls.to_string(), server.origin()]);
    let end = match &ran.exit {
        Ok(Exit::Completed) => "completed".to_owned(),
        Ok(Exit::Limit(hit)) => hit.to_string(),
        Ok(Exit::Uncaught(error)) => error.message.clone(),
        Ok(Exit::Denied(_, error)) => error.message.clone(),
        // Bindings of QuickJS that panic end the run, and nothing else (see spec/runtime.md, Engines).
        Err(fault) if cfg!(feature = "quickjs") => fault.clone(),
        other => panic!("seed {seed}: {other:?}"),
    };
    println!("hostile: ended with seed {seed}: {end}");
}

fn run(main: &str) -> Ran {
    Scene::of_main(&["net.connect=https://a.example"], main)
        .limits(Limits {
            heap: 1 << 30,
            ..Limits::default()
        })
        .run(&[])
}

/// RUN-87: the map of headers has an end, and a request is refused before it.
#[test]
fn a_request_has_so_many_headers_and_no_more() {
    let ran = run("import { net } from 'cap:self';
        for (const [count, length] of [[1_025, 1], [25_000, 1], [40_000, 1], [1, 2 ** 20], [1, 2 ** 28]]) {
            const headers = Array.from({ length: count }, (_, n) => ['x-' + n, 'v'.repeat(length)]);
            await net.fetch('https://a.example/', { headers }).catch((error) => console.log(error.name, error.message.slice(0, 60)));
        }");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 5, "{:?} {}", ran.exit, ran.out);
    assert!(
        lines.iter().all(|line| line.starts_with("TypeError fetch: ")),
        "{}",
        ran.out
    );
}

/// RUN-87: the text of a stack fits into a string, whatever the error's message is.
#[cfg(feature = "v8")]
#[test]
fn the_stack_of_an_error_with_a_long_message_is_text() {
    let ran = run("const shown = (error) => { const { stack } = error; return [typeof stack, stack.length < 200_000, stack.includes('main.js')].join(); };
        console.log(shown(new Error('short')), new Error('short').stack.startsWith('Error: short\\n    at '));
        for (const length of [2 ** 16, 2 ** 16 + 1, 2 ** 24, 2 ** 29 - 30]) console.log(shown(new Error('x'.repeat(length))));
        const named = new Error('m'); named.name = 'n'.repeat(2 ** 20);
        console.log(shown(named));
        const error = new RangeError('m', { cause: 1 }); console.log(error.stack.split('\\n')[0]);
        const strange = new Error('m'); Object.defineProperty(strange, 'name', { get() { throw 1; } });
        try { console.log(typeof strange.stack); } catch { console.log('string'); }")
    .completed();
    let expected =
        "string,true,true true\n".to_owned() + &"string,true,true\n".repeat(5) + "RangeError: m\nstring\n";
    assert_eq!(ran.out, expected);
}
