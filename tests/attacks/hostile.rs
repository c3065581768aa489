//! Hostile arguments to every function that a guest can call. The result is an error of the guest at most. It is never
//! a panic, and never ends the process.
//!
//! This is the fuzz target `operations`. `hostile.js` reads bytes and makes the calls that they encode. The suite runs
//! the seeds of `fuzz/seeds/operations`. `cargo xtask fuzz operations` builds this and runs new inputs for
//! `FUZZ_SECONDS`. The engine is not in the workspace of `fuzz/`, which would compile it a second time.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use secure_runtime::{Exit, Limits, PackageLimits};
use secure_runtime_loaders::ContentHash;

use crate::support::{Ran, Scene, Server, manifest, operations};

const PROGRAM: &str = include_str!("hostile.js");
/// The test that is the fuzz target.
const TARGET: &str = "attacks::hostile::a113_no_argument_of_an_operation_is_a_panic";
/// The variable that marks a process that makes the calls. Its value is the file of the input.
const INPUT: &str = "FUZZ_INPUT";
/// Maximum size of a new input, in bytes. It makes some thousand calls.
const LONGEST: usize = 24 << 10;
/// Number of concurrent inputs.
const AT_ONE_TIME: usize = 2;

fn folder(of: &str) -> PathBuf {
    crate::support::root().join("fuzz").join(of).join("operations")
}

fn seeds() -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder("seeds")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// RUN-87, A113: a generated program calls every operation with hostile arguments.
#[test]
fn a113_no_argument_of_an_operation_is_a_panic() {
    if let Ok(file) = std::env::var(INPUT) {
        return make_calls(&std::fs::read(file).unwrap());
    }
    if let Ok(seconds) = std::env::var("FUZZ_SECONDS") {
        return new_inputs(Duration::from_secs(seconds.parse().unwrap()));
    }
    let seeds = Mutex::new(seeds());
    assert!(seeds.lock().unwrap().len() >= 4);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONE_TIME {
            scope.spawn(|| {
                while let Some(seed) = { seeds.lock().unwrap().pop() } {
                    let said =
                        in_own_process(&seed).unwrap_or_else(|said| panic!("{}", finding(&seed, &said)));
                    println!("{}", last_line(&said));
                    assert!(
                        said.contains(&format!(
                            "hostile: all {} operations were called",
                            operations().len()
                        )),
                        "a seed is too short to call every operation:\n{said}"
                    );
                }
            });
        }
    });
}

/// Runs new inputs for this time. Half of them are parts of seeds with some changed bytes, and the others are random.
fn new_inputs(time: Duration) {
    let (seeds, begun, count) = (seeds(), Instant::now(), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONE_TIME {
            scope.spawn(|| {
                while begun.elapsed() < time {
                    let input = new_input(&seeds);
                    if let Err(said) = in_own_process(&input) {
                        let shortest = shortest(input);
                        panic!("{}", finding(&shortest, &said));
                    }
                    *count.lock().unwrap() += 1;
                }
            });
        }
    });
    println!(
        "operations: {} inputs in {} s",
        count.into_inner().unwrap(),
        begun.elapsed().as_secs()
    );
}

fn random(bytes: usize) -> Vec<u8> {
    let mut made = vec![0; bytes];
    getrandom::fill(&mut made).unwrap();
    made
}

fn below(most: usize) -> usize {
    usize::from_le_bytes(random(8).try_into().unwrap()) % most
}

fn new_input(seeds: &[Vec<u8>]) -> Vec<u8> {
    if below(2) == 0 {
        return random(1 + below(LONGEST));
    }
    let mut input = seeds[below(seeds.len())].clone();
    for _ in 0..=below(64) {
        let at = below(input.len());
        input[at] = random(1)[0];
    }
    // The calls differ from this point on, because the list of callable functions has grown differently.
    let cut = below(input.len());
    input.extend(random(below(LONGEST / 4)));
    input.drain(cut..cut + below(input.len() - cut));
    input
}

/// Returns the shortest prefix that still fails.
fn shortest(input: Vec<u8>) -> Vec<u8> {
    let (mut holds, mut fails) = (0, input.len());
    while holds + 1 < fails {
        let middle = holds.midpoint(fails);
        match in_own_process(&input[..middle]) {
            Ok(_) => holds = middle,
            Err(_) => fails = middle,
        }
    }
    input[..fails].to_vec()
}

/// Stores the input, and returns the command that runs it again.
fn finding(input: &[u8], said: &str) -> String {
    let folder = folder("artifacts");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(ContentHash::of(input).to_hex());
    std::fs::write(&file, input).unwrap();
    format!(
        "operations: fails; again: {INPUT}={} cargo test --test main -- --exact {TARGET} --nocapture\n{said}",
        file.display()
    )
}

fn last_line(said: &str) -> &str {
    said.lines()
        .rfind(|line| line.starts_with("hostile: ended"))
        .unwrap_or_default()
}

/// Returns the output of the calls.
///
/// # Errors
/// The process panicked, or ended in another wrong way.
fn in_own_process(input: &[u8]) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input).unwrap();
    let own = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TARGET, "--nocapture"])
        .env(INPUT, file.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&own.stdout).into_owned() + &String::from_utf8_lossy(&own.stderr);
    if own.status.success() && said.contains("hostile: ended") {
        return Ok(said);
    }
    Err(format!("{}\n{said}", own.status))
}

fn make_calls(input: &[u8]) {
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
        "http.listen=127.0.0.1:0",
        "secrets.send=API@http://127.0.0.1:9",
        "secrets.key=API@HMAC-SHA-256",
        "log=true",
        "net.listen=tcp://127.0.0.1:0",
        "net.listen=udp://127.0.0.1:0",
        "net.connect=tcp://127.0.0.1:9",
        "net.connect=udp://127.0.0.1:9",
        "net.resolve=localhost",
    ];
    let package = "[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n";
    let of_package = PackageLimits {
        heap: Some(64 << 20),
        ..PackageLimits::default()
    };
    let rows: Vec<String> = operations().into_iter().map(|row| row.name).collect();
    let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
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
        .run(&[&hex, server.origin(), &rows.join("\n")]);
    let end = match &ran.exit {
        Ok(Exit::Completed) => "completed".to_owned(),
        Ok(Exit::Limit(hit)) => hit.to_string(),
        Ok(Exit::Uncaught(error)) => error.message.clone(),
        Ok(Exit::Denied(_, error)) => error.message.clone(),
        // A panic in the bindings of QuickJS ends the run, and nothing else (see spec/runtime.md, Engines).
        Err(fault) if cfg!(feature = "quickjs") => fault.clone(),
        other => panic!("{other:?}"),
    };
    for line in ran.out.lines().filter(|line| line.starts_with("hostile: ")) {
        println!("{line}");
    }
    println!("hostile: ended: {end}");
}

fn run(main: &str) -> Ran {
    Scene::of_main(&["net.connect=https://a.example"], main)
        .limits(Limits {
            heap: 1 << 30,
            ..Limits::default()
        })
        .run(&[])
}

/// RUN-87: the header map has a maximum size. A request is refused before it is reached.
#[test]
fn the_number_of_headers_is_limited() {
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

/// RUN-87: the text of a stack fits into a string, however long the error's message is.
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
