//! Programs that start, hit limits and are killed, over and over in one process: nothing is left behind.
//!
//! The test runs for seconds; `SOAK_MINUTES=10 cargo test --release --test main -- soak --nocapture` for minutes, and prints what it
//! saw; `SOAK_KIND=3` for one kind of program. It measures a process of its own, since others run tests in this one.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secure_runtime::{Exit, Limits, OpenOptions, Program, Quotas, Runtime};

use crate::support::{Scene, grant_table};

/// Programs that run at one time; fewer where the engine is compiled for debugging, too.
const PROGRAMS: usize = if cfg!(all(feature = "quickjs", debug_assertions)) {
    50
} else {
    200
};
/// What tells this process that it is the one that is measured: for how many seconds.
const SECONDS: &str = "SECURE_RUNTIME_SOAK_SECONDS";

/// KiB that each isolate that ended may leave: on QuickJS, what its bindings keep for each function that the isolate offered to guests.
const LEFT: u64 = if cfg!(feature = "quickjs") { 200 } else { 0 };
/// KiB of the allocator's memory that may be in use besides: on V8, 4 for each page of 256 KiB that it keeps for the next isolates.
const SLACK: u64 = 8 << 10;
/// KiB that the process may have besides: the pages that V8 keeps are at most those of one wave, and the allocator keeps some of its own.
const KEPT: u64 = 400 << 10;

/// RUN-58: no thread, no handle and no memory is left of runs that ended, however they did, but for what QuickJS's bindings keep.
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

/// RUN-58: nothing of a run is in use of the allocator's afterwards, to a few hundred bytes. QuickJS's bindings keep more than what this looks for.
#[cfg(all(feature = "v8", target_env = "gnu"))]
#[test]
fn nothing_of_one_run_is_left_in_use() {
    if std::env::var(SECONDS).is_err() {
        println!("{}", in_own_process("soak::nothing_of_one_run_is_left_in_use", 0));
        return;
    }
    const RUNS: u64 = 40;
    // A package's isolate that comes to its end, a program that is stopped while its entry is evaluated, one while a module is that it
    // imports then, and a package while one of its modules is.
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
        let mut after = [0, 0];
        for held_after in &mut after {
            for _ in 0..RUNS {
                reactor.block_on(wave(&program, 1));
            }
            *held_after = reactor.block_on(settled(None)).allocated;
        }
        println!("soak: {main}: {after:?} KiB after {RUNS} and {} runs", 2 * RUNS);
        // What V8 keeps of one isolate's pages is in use, too.
        assert!(after[1] < after[0] + RUNS, "{main}: {after:?}");
    }
}

/// What this test says where it measures, which it does in a process of its own for so many seconds.
fn in_own_process(test: &str, seconds: u64) -> String {
    let own = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SECONDS, seconds.to_string())
        // What names the places of a panic in the bindings stays in memory: 50 MiB of a debug build.
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&own.stdout).into_owned() + &String::from_utf8_lossy(&own.stderr);
    assert!(own.status.success(), "{said}");
    assert!(said.contains("soak: "), "{said}");
    said
}

/// RUN-58: a run is answered when what its guests left open is closed, without waiting for the heap that held it.
#[test]
fn what_guests_left_open_is_closed_before_the_answer() {
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

/// RUN-76, A93: however many scopes a guest makes, few of their folders are open.
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
    // 64 and what the operations under way take; where none were open, the watch would have seen nothing.
    assert!((32..80).contains(&most), "{most} open");
}

/// What one process has.
#[derive(Debug, Clone, Copy)]
struct Held {
    threads: usize,
    files: usize,
    /// KiB in use of the allocator's, which is exact; 0 where that cannot be had.
    allocated: u64,
    /// KiB of memory that the process has.
    resident: u64,
}

fn held() -> Held {
    // What the allocator keeps of what was given back is nobody's, and depends on how many threads there were at one time.
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number, and may be called by any thread.
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
    // SAFETY: it takes nothing, and may be called by any thread.
    let allocator = unsafe { libc::mallinfo2() };
    ((allocator.uordblks + allocator.hblkhd) / 1024) as u64
}

#[cfg(not(target_env = "gnu"))]
fn allocated() -> u64 {
    0
}

/// What the files are that are open.
fn names() -> Vec<std::path::PathBuf> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
        .collect()
}

/// How a program of the soak is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Completed,
    Uncaught,
    Denied,
    Limit,
    Stopped,
}

/// Programs of every kind: source of the entry, source of the package `p`, and how it ends.
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
    // What only waits notices by itself that it is to end; else its thread would stay.
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

/// Runs all programs of one wave, each with how it is to end and whether a package of it has an isolate, and stops those that do not end by themselves.
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
        // Those that are stopped may be stopped while they start, too.
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
        // On a busy machine a program can use up its processor time before it is stopped.
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

/// All of them at one time.
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
        // To find which kind leaves something.
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

/// What is held when the threads of the last isolates are gone: a program's end is told before its thread's.
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
