//! Built-in functions with extreme sizes. V8 treats some of these calls as fatal, but the process continues.
//!
//! Each line of `fatal_cases.txt` is a call. A program makes each call with a heap of 16 MiB. A package in its own
//! isolate makes each third call with 64 MiB. `FATAL_FULL=1 cargo test --test main -- fatal --nocapture` makes each
//! call in both ways, at 16, 64, 256 MiB and 1 GiB. The calls run in separate processes, so that the end of a process
//! is detected.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secure_runtime::{Exit, Limits, PackageLimits};

use crate::support::Scene;

const CASES: &str = include_str!("fatal_cases.txt");
/// The variable that marks a process that makes calls. Its value is the heap in MiB, `program` or `package`, the first
/// call, and the number of calls.
const PART: &str = "SECURE_RUNTIME_TEST_FATAL";
/// Number of calls in one process. Each may leak four times its heap.
const MANY: usize = 36;
/// Like [`MANY`], with large heaps.
const FEW: usize = 6;
/// Number of concurrent programs.
const AT_ONE_TIME: usize = 3;

fn cases() -> Vec<&'static str> {
    CASES.lines().collect()
}

/// RUN-85, A110: no call of a built-in function ends the process, whatever the heap limit is. Other isolates and later
/// programs continue.
#[test]
fn a110_no_call_of_a_built_in_function_ends_the_process() {
    if let Ok(part) = std::env::var(PART) {
        return make_calls(&part);
    }
    let all = cases().len();
    assert!(all >= 60);
    let mut parts = Vec::new();
    let mut add = |heap: u64, by: &str, size: usize| {
        for first in (0..all).step_by(size) {
            parts.push(format!("{heap} {by} {first} {size}"));
        }
    };
    if std::env::var_os("FATAL_FULL").is_some() {
        for by in ["program", "package"] {
            for (heap, size) in [(16, MANY), (64, MANY), (256, FEW), (1024, FEW)] {
                add(heap, by, size);
            }
        }
    } else {
        add(16, "program", MANY);
        add(64, "package", MANY);
    }
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(said) = in_own_process(part) {
                        failures.lock().unwrap().push(format!("{part}: {said}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn in_own_process(part: &str) -> Result<(), String> {
    let own = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "attacks::fatal::a110_no_call_of_a_built_in_function_ends_the_process",
            "--nocapture",
        ])
        .env(PART, part)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&own.stdout);
    if std::env::var_os("FATAL_FULL").is_some() {
        println!("{part}\n{said}");
    }
    if own.status.success() && said.contains("fatal: all calls were made") {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&own.stderr);
    let errors: Vec<&str> = errors.lines().rev().take(60).collect();
    let errors: Vec<&str> = errors.into_iter().rev().collect();
    Err(format!("{}\n{said}\n{}", own.status, errors.join("\n")))
}

fn make_calls(part: &str) {
    let part: Vec<&str> = part.split(' ').collect();
    let [heap, by, first, size] = part[..] else {
        panic!("{part:?}")
    };
    let heap = heap.parse::<u64>().unwrap() << 20;
    let (first, size): (usize, usize) = (first.parse().unwrap(), size.parse().unwrap());
    let all = cases();
    // Only a third of the calls are made unless the full run was requested.
    let step = if by == "package" && std::env::var_os("FATAL_FULL").is_none() {
        3
    } else {
        1
    };
    let calls: Vec<&str> = all.into_iter().skip(first).take(size).step_by(step).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONE_TIME {
            scope.spawn(|| {
                while let Some(call) = calls.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let begun = std::time::Instant::now();
                    let ended = if by == "package" {
                        by_package(call, heap)
                    } else {
                        by_program(call, heap)
                    };
                    println!("fatal: {call}: {ended} ({:?})", begun.elapsed());
                }
            });
        }
    });
    // Other isolates continue. They collect garbage, on threads that have not run a guest before.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(healthy);
        }
    });
    println!("fatal: {} threads were parked", parked());
    println!("fatal: all calls were made");
}

fn healthy() {
    let source = "let n = 0;
        for (let round = 0; round < 20_000; round++) n += JSON.parse(JSON.stringify({ a: [round, 'x'.repeat(200)] })).a.length;
        console.log(n);";
    let ran = Scene::of_main(&[], source).limits(limits(64 << 20)).run(&[]);
    assert_eq!(ran.completed().out, "40000\n");
}

#[cfg(feature = "v8")]
fn parked() -> usize {
    secure_runtime::parked_threads()
}

#[cfg(not(feature = "v8"))]
fn parked() -> usize {
    0
}

fn limits(heap: u64) -> Limits {
    Limits {
        heap,
        ..Limits::default()
    }
}

/// Long enough for most calls, and short for those that only a termination ends. The assertions do not depend on it.
const WALL: Duration = Duration::from_secs(2);

fn source(call: &str) -> String {
    format!("const text = (length) => 'a'.repeat(length);\nexport const call = async () => {{ {call} }};\n")
}

/// Returns the result of a program that makes the call.
fn by_program(call: &str, heap: u64) -> String {
    let main = format!("{}export default call;", source(call));
    let ran = Scene::of_main(&[], &main)
        .limits(Limits {
            wall: Some(WALL),
            ..limits(heap)
        })
        .run(&[]);
    match ran.exit.unwrap() {
        Exit::Completed => "completed".to_owned(),
        Exit::Limit(hit) => hit.to_string(),
        Exit::Uncaught(error) => error.message.chars().take(60).collect(),
        other => panic!("{call}: {other:?}"),
    }
}

/// Returns the result that a program sees if a package makes the call in its own isolate.
fn by_package(call: &str, heap: u64) -> String {
    let main = "import { call } from 'p';
        try { await call(); console.log('completed'); }
        catch (error) { console.log(String(error?.name).slice(0, 40), String(error?.code), String(error?.message ?? error).slice(0, 60)); }
        console.log('on');";
    let of_package = PackageLimits {
        heap: Some(heap),
        wall: Some(WALL),
        ..PackageLimits::default()
    };
    let ran = Scene::new()
        .file(
            "secure.toml",
            "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\n[packages.p]\nisolate = true\n",
        )
        .file("p/index.js", source(call))
        .file("main.js", main)
        .limits(Limits {
            packages: [("p".to_owned(), of_package)].into(),
            ..limits(256 << 20)
        })
        .run(&[]);
    let out = ran.completed().out;
    out.strip_suffix("on\n")
        .unwrap_or_else(|| panic!("{call}: {out}"))
        .trim()
        .to_owned()
}

#[cfg(feature = "v8")]
mod checks {
    use std::ffi::{c_char, c_void};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Output};

    use secure_runtime::{Exit, Limit, Limits, OpenOptions, Program, RunError, Runtime, parked_threads};

    use crate::support::{Scene, manifest};

    /// The variable that tells this process which fatal error to cause.
    const CAUSE: &str = "SECURE_RUNTIME_TEST_CHECK";

    unsafe extern "C" {
        /// `V8_Fatal`: a check failed.
        #[link_name = "_Z8V8_FatalPKcz"]
        fn check_failed(format: *const c_char, ...) -> !;
        /// `v8::base::FatalNoSecurityImpact`, for example for a length that is too large.
        #[link_name = "_ZN2v84base21FatalNoSecurityImpactEPKcz"]
        fn too_large(format: *const c_char, ...) -> !;
        /// `v8::internal::V8::FatalProcessOutOfMemory`. Null is the isolate of this thread.
        #[link_name = "_ZN2v88internal2V823FatalProcessOutOfMemoryEPNS0_7IsolateEPKcRKNS_10OOMDetailsE"]
        fn out_of_memory(isolate: *const c_void, location: *const c_char, details: &Details) -> !;
    }

    /// `v8::OOMDetails`.
    #[repr(C)]
    struct Details {
        is_heap: bool,
        detail: *const c_char,
    }

    fn fail(cause: &str) {
        let details = Details {
            is_heap: true,
            detail: std::ptr::null(),
        };
        // SAFETY: two functions take a format without arguments. The third one takes the location and the details.
        unsafe {
            match cause {
                "check" => check_failed(c"a check".as_ptr()),
                "memory" => out_of_memory(std::ptr::null(), c"a place".as_ptr(), &details),
                _ => too_large(c"a length".as_ptr()),
            }
        }
    }

    /// Runs a program whose console fails in this way, on the thread of the isolate.
    fn run(cause: &'static str) -> Exit {
        run_with(cause, 64).unwrap()
    }

    /// Like `run`, with this maximum number of parked threads.
    fn run_with(cause: &'static str, most_parked: usize) -> Result<Exit, RunError> {
        let scene = Scene::new()
            .file("secure.toml", manifest(&["fs.read=./data/**"], ""))
            .file("data/a.txt", "some text")
            .file(
                "main.js",
                "import { fs } from 'cap:self'; const file = await fs.open('data/a.txt'); console.log('now'); file.close();",
            );
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        reactor.block_on(async {
            let program = Program::open(scene.base(), &OpenOptions::default())
                .await
                .unwrap();
            let runtime = Runtime::builder()
                .base(program.base())
                .shared_store(program.store())
                .limits(Limits::default())
                .console(move |_| fail(cause))
                .most_parked_threads(most_parked)
                .build()
                .unwrap();
            let outcome = runtime.run(program.graph(), &[]).await?;
            Ok(outcome.exit)
        })
    }

    fn in_own_process(test: &str, cause: &str) -> Output {
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.args(["--exact", test, "--nocapture"]).env(CAUSE, cause);
        own.output().unwrap()
    }

    /// RUN-85: if memory is exhausted, V8 calls the isolate's handler. Without a handler, V8 15.0 prints a line and
    /// calls the printer of stack traces. V8 intends to remove that fallback (<https://crbug.com/614440>).
    #[test]
    fn an_isolate_without_memory_parks_its_thread_by_its_own_handler() {
        const TEST: &str =
            "attacks::fatal::checks::an_isolate_without_memory_parks_its_thread_by_its_own_handler";
        if std::env::var_os(CAUSE).is_some() {
            let exit = run("memory");
            assert!(
                matches!(&exit, Exit::Limit(hit) if matches!(hit.limit, Limit::Heap(_))),
                "{exit:?}"
            );
            assert_eq!(parked_threads(), 1);
            return;
        }
        let ended = in_own_process(TEST, "memory");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
        assert!(!said.contains("Fatal JavaScript out of memory"), "{said}");
    }

    /// RUN-85, A111: a failed check ends the process, even on the thread of a guest. On other threads, any fatal error
    /// does.
    #[test]
    fn a111_a_check_that_fails_ends_the_process() {
        const TEST: &str = "attacks::fatal::checks::a111_a_check_that_fails_ends_the_process";
        match std::env::var(CAUSE).as_deref() {
            Ok("check") => drop(run("check")),
            Ok("guest") => {
                // A length, on the thread of a guest: the thread is parked, and its open resources are closed.
                let exit = run("length");
                assert!(
                    matches!(&exit, Exit::Limit(hit) if matches!(hit.limit, Limit::Heap(_))),
                    "{exit:?}"
                );
                assert_eq!(parked_threads(), 1);
                let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
                let mut names = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
                assert!(!names.any(|name| name.ends_with("data/a.txt")));
                Scene::of_main(&[], "console.log(1);").run(&[]).completed();
                // If two threads may be parked, one more program can run. The next one is refused.
                assert!(matches!(run_with("length", 2), Ok(Exit::Limit(_))));
                let refused = run_with("length", 2);
                assert!(
                    matches!(refused, Err(RunError::Parked { count: 2, .. })),
                    "{refused:?}"
                );
                assert_eq!(parked_threads(), 2);
            }
            Ok("host") => {
                // The first run installs the handlers.
                Scene::of_main(&[], "console.log(1);").run(&[]).completed();
                fail("length");
            }
            _ => {
                for cause in ["check", "host"] {
                    let ended = in_own_process(TEST, cause).status;
                    assert!(
                        matches!(ended.signal(), Some(libc::SIGTRAP | libc::SIGILL | libc::SIGABRT)),
                        "{cause}: {ended}"
                    );
                }
                let ended = in_own_process(TEST, "guest").status;
                assert!(ended.success(), "{ended}");
            }
        }
    }
}
