//! A soak test: programs start, exceed limits and are stopped many times in one process, and must not leak resources.
//!
//! The test runs for seconds. `SOAK_MINUTES=10 cargo test --release --test main -- soak --nocapture` runs for minutes
//! and prints its measurements. `SOAK_KIND=3` selects one kind of program. The test measures a separate process,
//! because other tests run in this one.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secure_runtime::{Exit, Limits, OpenOptions, Program, Quotas, Runtime};

use crate::support::{Scene, grant_table};

/// Number of concurrent programs. It is lower if the engine is compiled for debugging as well.
const PROGRAMS: usize = if cfg!(all(feature = "quickjs", debug_assertions)) {
    50
} else {
    200
};
/// The variable that marks the measured process. Its value is the duration in seconds.
const SECONDS: &str = "SECURE_RUNTIME_SOAK_SECONDS";

/// Allowed KiB that each ended isolate may leak. On QuickJS, the bindings keep data for each function that the isolate
/// offered to guests.
const LEFT: u64 = if cfg!(feature = "quickjs") { 200 } else { 0 };
/// Additional KiB that may be allocated. On V8, each page of 256 KiB that it keeps for the next isolates needs 4 KiB.
const SLACK: u64 = 8 << 10;
/// Additional KiB of resident memory. V8 keeps at most the pages of one wave, and the allocator keeps some pages as
/// well.
const KEPT: u64 = 400 << 10;

/// RUN-58: ended runs leave no thread, handle or memory, however they ended, except for data that QuickJS's bindings
/// keep.
#[test]
fn nothing_is_left_behind() {
    if let Ok(seconds) = std::env::var(SECONDS) {
        return soak(Duration::from_secs(seconds.parse().unwrap()));
    }
    let minutes: Option<u64> = std::env::var("SOAK_MINUTES")
        .ok()
        .map(|minutes| minutes.parse().unwrap());
    let seconds = minutes.map_or(6, |minutes| minutes * 60);
    println!("{}", in_own_process("soak::nothing_is_left_behind", seconds));
}

/// RUN-58: a run leaves at most a few hundred bytes allocated. QuickJS's bindings keep more than this test allows.
#[cfg(all(feature = "v8", target_env = "gnu"))]
#[test]
fn nothing_of_one_run_is_left_in_use() {
    if std::env::var(SECONDS).is_err() {
        println!("{}", in_own_process("soak::nothing_of_one_run_is_left_in_use", 0));
        return;
    }
    const RUNS: u64 = 30;
    const WAVES: usize = 4;
    // A package's isolate that completes. Then programs that are stopped during the evaluation of the entry, of a
    // dynamically imported module, and of a module of a package.
    let importing = ("await import('./later.js');", "", End::Stopped);
    let stopped = (
        "import { go } from 'p'; await go();",
        "await new Promise(() => setTimeout(() => {}, 3_600_000)); export const go = () => {};",
        End::Stopped,
    );
    let reactor = reactor();
    for (main, package, end) in [KINDS[1], KINDS[10], importing, stopped] {
        let scene = scene(main, package);
        let program = reactor.block_on(Program::open(scene.base(), &OpenOptions::default()));
        let program = [(program.unwrap(), end, !package.is_empty())];
        let mut after = [0; WAVES];
        for held_after in &mut after {
            for _ in 0..RUNS {
                reactor.block_on(wave(&program, 1));
            }
            *held_after = reactor.block_on(settled(None)).allocated;
        }
        println!("soak: {main}: {after:?} KiB, each after {RUNS} more runs");
        // The first runs warm up. The metadata of pages that V8 keeps from one isolate counts as allocated, so a single
        // measurement varies by 40 KiB.
        let runs = RUNS * (WAVES as u64 - 1);
        assert!(after[WAVES - 1] < after[0] + runs, "{main}: {after:?}");
    }
}

/// Runs the test in a separate process for this number of seconds, and returns its output.
fn in_own_process(test: &str, seconds: u64) -> String {
    let own = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SECONDS, seconds.to_string())
        // Backtraces of panics in the bindings keep symbol data in memory, 50 MiB for a debug build.
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&own.stdout).into_owned() + &String::from_utf8_lossy(&own.stderr);
    assert!(own.status.success(), "{said}");
    assert!(said.contains("soak: "), "{said}");
    said
}

/// RUN-58: a run completes after the resources of its guests are closed. It does not wait for the teardown of the heap.
#[test]
fn resources_of_guests_are_closed_before_a_run_completes() {
    let grants = ["fs.read=./data/**"];
    let main = "import { fs } from 'cap:self';
        const open = []; for (let n = 0; n < 5; n++) open.push(await fs.open('data/a.txt'));
        console.log(open.length);";
    let scene = Scene::new()
        .file("secure.toml", crate::support::manifest(&grants, ""))
        .file("data/a.txt", "some text")
        .file("main.js", main);
    for _ in 0..20 {
        let ran = scene.run(&[]).completed();
        assert_eq!(ran.out, "5\n");
        let ours = |path: &std::path::PathBuf| path.starts_with(scene.base().canonicalize().unwrap());
        let left: Vec<_> = names().into_iter().filter(ours).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// RUN-76, A93: a guest that creates many scopes keeps only a few of their folders open.
#[test]
fn scopes_that_guests_make_keep_few_folders_open() {
    let main = "import { fs } from 'cap:self';
        const kept = [];
        let same = 0;
        for (let n = 0; n < 400; n++) {
            kept.push(fs.attenuate({ read: ['data/some/**'] }));
            same += Number(await kept[n].readTextFile('data/some/a.txt') === 'some text');
        }
        for (const one of kept) same += Number(await one.readTextFile('data/some/a.txt') === 'some text');
        const denied = await kept[399].readTextFile('data/b.txt').catch((error) => error.code);
        console.log(same, denied);";
    let scene = Scene::new()
        .file(
            "secure.toml",
            crate::support::manifest(&["fs.read=./data/**"], ""),
        )
        .file("data/some/a.txt", "some text")
        .file("data/b.txt", "more")
        .file("main.js", main);
    let base = scene.base().canonicalize().unwrap();
    let is_over = AtomicBool::new(false);
    let (ran, most) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !is_over.load(Ordering::Relaxed) {
                let ours = names().into_iter().filter(|path| path.starts_with(&base));
                most = most.max(ours.count());
                std::thread::sleep(Duration::from_millis(1));
            }
            most
        });
        let ran = scene.run(&[]).completed();
        is_over.store(true, Ordering::Relaxed);
        (ran, watch.join().unwrap())
    });
    assert_eq!(ran.out, "800 denied\n");
    // The limit is 64, and running operations need a few more. The lower bound shows that the observation works.
    assert!((32..80).contains(&most), "{most} open");
}

/// The resources of a process.
#[derive(Debug, Clone, Copy)]
struct Held {
    threads: usize,
    files: usize,
    /// Allocated KiB, which is exact, or 0 if the allocator does not report it.
    allocated: u64,
    /// KiB of resident memory.
    resident: u64,
}

fn held() -> Held {
    // Freed memory that the allocator keeps depends on the number of concurrent threads, so it is returned first.
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes a number, and any thread may make it.
    unsafe {
        libc::malloc_trim(0);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Held {
        threads: field("Threads:") as usize,
        files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        allocated: allocated(),
        resident: field("VmRSS:"),
    }
}

#[cfg(target_env = "gnu")]
fn allocated() -> u64 {
    // SAFETY: the call takes no arguments, and any thread may make it.
    let allocator = unsafe { libc::mallinfo2() };
    ((allocator.uordblks + allocator.hblkhd) / 1024) as u64
}

#[cfg(not(target_env = "gnu"))]
fn allocated() -> u64 {
    0
}

/// Returns the paths of the open files.
fn names() -> Vec<std::path::PathBuf> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
        .collect()
}

/// The expected end of a program of the soak test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Completed,
    Uncaught,
    Denied,
    Limit,
    Stopped,
}

/// Programs of every kind: the source of the entry, the source of the package `p`, and the expected end.
const KINDS: [(&str, &str, End); 12] = [
    (
        "import { fs } from 'cap:self'; const f = await fs.open('data/a.txt'); await f.read(new Uint8Array(4)); await fs.readFile('data/a.txt');",
        "",
        End::Completed,
    ),
    (
        "import { go } from 'p'; if (await go(20) !== 40) throw 1;",
        "export const go = (x) => x * 2;",
        End::Completed,
    ),
    ("throw new Error('no');", "", End::Uncaught),
    (
        "import { fs } from 'cap:self'; const open = []; for (;;) open.push(await fs.open('data/a.txt'));",
        "",
        End::Limit,
    ),
    (
        "import { fs } from 'cap:self'; await fs.readFile('/etc/passwd');",
        "",
        End::Denied,
    ),
    (
        "const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length));",
        "",
        End::Limit,
    ),
    ("for (;;) {}", "", End::Limit),
    (
        "import { go } from 'p'; await go();",
        "export const go = () => { const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length)); };",
        End::Limit,
    ),
    (
        "import { go } from 'p'; void go(); setInterval(() => {}, 1);",
        "export const go = () => new Promise(() => { setInterval(() => {}, 1); });",
        End::Stopped,
    ),
    (
        "import { fs } from 'cap:self'; for (;;) await Promise.all([fs.readFile('data/a.txt'), fs.stat('data/a.txt')]);",
        "",
        End::Stopped,
    ),
    // A program that only waits must notice by itself that it is stopped. Otherwise its thread would stay.
    (
        "await new Promise(() => setTimeout(() => {}, 3_600_000));",
        "",
        End::Stopped,
    ),
    (
        "import { go } from 'p'; await go();",
        "export const go = () => new Promise(() => setTimeout(() => {}, 3_600_000));",
        End::Stopped,
    ),
];

fn scene(main: &str, package: &str) -> Scene {
    let manifest = format!(
        "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\np = \"./p/\"\n[grants]\n{}{}",
        grant_table(&["fs.read=./data/**"]),
        if package.is_empty() {
            ""
        } else {
            "[packages.p]\nisolate = true\n"
        }
    );
    Scene::new()
        .file("secure.toml", manifest)
        .file("p/index.js", package)
        .file("data/a.txt", "some text")
        .file(
            "later.js",
            "await new Promise(() => setTimeout(() => {}, 3_600_000));",
        )
        .file("main.js", main)
}

fn limits() -> Limits {
    let heap = 24 << 20;
    Limits {
        heap,
        wall: Some(Duration::from_secs(600)),
        cpu: Some(Duration::from_millis(400)),
        quotas: Quotas {
            handles: Some(20),
            ..Quotas::default()
        },
        ..Limits::default()
    }
}

/// Runs all programs of one wave, and stops those that do not end by themselves. Each has its expected end, and a flag
/// for a package in an isolate.
async fn wave(programs: &[(Program, End, bool)], at_one_time: usize) {
    let runtimes: Vec<(Runtime, &Program, End)> = (0..at_one_time)
        .map(|number| {
            let (program, end, _) = &programs[number % programs.len()];
            let runtime = Runtime::builder()
                .base(program.base())
                .shared_store(program.store())
                .limits(limits())
                .build()
                .unwrap();
            (runtime, program, *end)
        })
        .collect();
    let stops: Vec<_> = runtimes
        .iter()
        .filter(|(_, _, end)| *end == End::Stopped)
        .map(|(runtime, _, _)| runtime.stop_handle())
        .collect();
    let stopping = async {
        // The stop may also arrive while a program starts.
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stops.iter().for_each(|stop| stop.stop());
        }
        std::future::pending::<()>().await;
    };
    let running = futures(runtimes.iter().map(|(runtime, program, end)| async move {
        let exit = runtime.run(program.graph(), &[]).await.unwrap().exit;
        let ended = match &exit {
            Exit::Completed => End::Completed,
            Exit::Uncaught(_) => End::Uncaught,
            Exit::Denied(..) => End::Denied,
            Exit::Limit(_) => End::Limit,
            Exit::Stopped => End::Stopped,
            _ => panic!("{exit:?}"),
        };
        // On a busy machine, a program can exceed its processor time limit before it is stopped.
        assert!(
            ended == *end || (*end == End::Stopped && ended == End::Limit),
            "{exit:?}, not {end:?}"
        );
    }));
    tokio::select! {
        () = running => {}
        () = stopping => {}
    }
}

/// Runs all futures concurrently.
async fn futures(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if waiting.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

fn reactor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn soak(time: Duration) {
    reactor().block_on(async {
        let scenes: Vec<Scene> = KINDS
            .iter()
            .map(|(main, package, _)| scene(main, package))
            .collect();
        let mut programs = Vec::new();
        for (scene, (_, package, end)) in scenes.iter().zip(KINDS) {
            let program = Program::open(scene.base(), &OpenOptions::default())
                .await
                .unwrap();
            programs.push((program, end, !package.is_empty()));
        }
        // This helps to find the kind that leaks.
        if let Ok(kind) = std::env::var("SOAK_KIND") {
            programs = vec![programs.swap_remove(kind.parse().unwrap())];
        }
        wave(&programs, PROGRAMS).await;
        let first = settled(None).await;
        println!("soak: after 1 wave of {PROGRAMS} programs: {first:?}");
        let begun = Instant::now();
        let mut waves = 1;
        let packages = (0..PROGRAMS).filter(|number| programs[number % programs.len()].2);
        let isolates = (PROGRAMS + packages.count()) as u64;
        let mut last = first;
        while waves < 3 || begun.elapsed() < time {
            wave(&programs, PROGRAMS).await;
            waves += 1;
            last = settled(Some(first)).await;
            if waves % 5 == 0 {
                println!("soak: after {waves} waves: {last:?}");
            }
        }
        println!(
            "soak: after {waves} waves, {} programs: {last:?}",
            waves * PROGRAMS
        );
        assert!(last.threads <= first.threads, "{first:?}, then {last:?}");
        assert!(
            last.files <= first.files,
            "{first:?}, then {last:?}: {:?}",
            names()
        );
        let left = (waves as u64 - 1) * isolates * LEFT;
        assert!(
            last.allocated < first.allocated + SLACK + left,
            "{first:?}, then {last:?}"
        );
        assert!(
            last.resident < first.resident + KEPT + left,
            "{first:?}, then {last:?}"
        );
    });
}

/// Returns the resources after the threads of the last isolates have ended. A program completes before its thread ends.
async fn settled(first: Option<Held>) -> Held {
    let mut before = held();
    let mut alike = 0;
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = held();
        let is_as_before = (now.threads, now.files) == (before.threads, before.files);
        alike = if is_as_before { alike + 1 } else { 0 };
        let is_settled = match first {
            None => alike >= 20 && now.threads < 20,
            Some(first) => now.threads <= first.threads && now.files <= first.files,
        };
        if is_settled {
            return now;
        }
        before = now;
    }
    before
}
