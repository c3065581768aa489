//! Tests of the OS sandbox: `spec/sandbox.md`.
//!
//! The probes are plain Rust with the rights of the process, so they bypass the reference monitor. They run in a
//! separate process, because the sandbox is irreversible: this test binary starts itself again.
#![cfg(target_os = "linux")]

mod calls;
mod probes;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::{fs, io, thread};

use secure_runtime::{OpenOptions, Program, Runtime, Sandbox, SandboxError};

use self::probes::Expected::{Forbidden, NotPermitted, Unknown, Works};
use self::probes::{MAY_FAIL_ANYWAY, Places, parent, probe, probes};
use crate::support::Scene;

const FOLDER: &str = "SECURE_RUNTIME_TEST_FOLDER";
const PORTS: &str = "SECURE_RUNTIME_TEST_PORTS";
const SANDBOX: &str = "SECURE_RUNTIME_TEST_SANDBOX";
/// The variable that makes a process change to another user.
const USER: &str = "SECURE_RUNTIME_TEST_USER";
/// The id of a user that owns no files.
const NOBODY: u32 = 65_534;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    reactor.unwrap().block_on(future)
}

/// The body of the child process, which enters the sandbox. In a normal test run it does nothing.
#[test]
fn child_process_in_the_sandbox() {
    let Ok(base) = std::env::var(FOLDER) else {
        return;
    };
    parent();
    if std::env::var_os(USER).is_some() {
        become_nobody();
    }
    let ports = std::env::var(PORTS).unwrap();
    let (granted, other) = ports.split_once(' ').unwrap();
    let at = Arc::new(Places {
        base: base.into(),
        granted: granted.parse().unwrap(),
        other: other.parse().unwrap(),
    });
    let program = block_on(Program::open(&at.base, &OpenOptions::default())).unwrap();
    match std::env::var(SANDBOX).as_deref() {
        Err(_) => return print!("{}", probe(&at, "no sandbox")),
        Ok("without the program") => {
            Sandbox::new().enter().unwrap();
            return print!("{}", probe(&at, "an empty sandbox"));
        }
        Ok("with a thread that blocks signals") => return refused_by_a_thread(&program),
        Ok("with reports") => return reported(),
        Ok(_) => {}
    }
    let (go, before) = mpsc::channel::<()>();
    let early = thread::spawn({
        let at = at.clone();
        move || {
            before.recv().unwrap();
            probe(&at, "a thread from before")
        }
    });
    let report = Sandbox::new().program(&program, None).unwrap().enter().unwrap();
    assert_eq!(report.support, Sandbox::support());
    // The test harness has a thread as well.
    assert!(report.other_threads >= 1, "{report:?}");
    assert!(report.wider.is_empty(), "{report:?}");
    go.send(()).unwrap();
    let mut said = early.join().unwrap();
    said.push_str(&probe(&at, "the thread that entered"));
    let on_isolate = Arc::new(Mutex::new(String::new()));
    let runtime = Runtime::builder()
        .base(program.base())
        .shared_store(program.store());
    let runtime = runtime.console({
        let (on_isolate, at) = (on_isolate.clone(), at.clone());
        move |line| {
            assert_eq!(line.text, "hello\n");
            *on_isolate.lock().unwrap() = probe(&at, "an isolate's thread");
        }
    });
    let runtime = runtime.build().unwrap();
    let outcome = block_on(runtime.run(program.graph(), &[])).unwrap();
    said.push_str(&on_isolate.lock().unwrap());
    println!("{said}PROBE|outcome|{:?}|0", outcome.exit);
}

/// A host that allows itself an additional call, and enables reports of refused calls.
fn reported() {
    let sandbox = Sandbox::new()
        .system_call(libc::SYS_getpriority)
        .report_refusals();
    sandbox.enter().unwrap();
    assert_eq!(Sandbox::new().enter().unwrap_err(), SandboxError::Entered);
    // SAFETY: both calls take numbers.
    let (allowed, refused) = unsafe {
        (
            libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0),
            libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 7),
        )
    };
    let error = io::Error::last_os_error();
    assert!(allowed > 0 && refused == -1, "{allowed} {refused}");
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    println!("PROBE|reported|all|0");
}

/// Changes the user of all threads, and makes the process inspectable again.
fn become_nobody() {
    // SAFETY: the calls take numbers. The C library changes the user of every thread.
    unsafe {
        assert_eq!(libc::setresgid(NOBODY, NOBODY, NOBODY), 0);
        assert_eq!(libc::setresuid(NOBODY, NOBODY, NOBODY), 0);
        assert_eq!(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
    }
}

/// Enters the sandbox with a thread that blocks all signals, so that it cannot restrict itself.
fn refused_by_a_thread(program: &Program) {
    let (blocked, is_blocked) = mpsc::channel();
    thread::spawn(move || {
        // SAFETY: all-zero bytes are a valid set of signals, which is then filled. Both are in this frame.
        unsafe {
            let mut all = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        }
        blocked.send(()).unwrap();
        thread::park();
    });
    is_blocked.recv().unwrap();
    let refused = Sandbox::new()
        .program(program, None)
        .unwrap()
        .enter()
        .unwrap_err();
    assert!(matches!(refused, SandboxError::Thread { .. }), "{refused}");
    println!("PROBE|refused|{refused}|0");
}

type Results = BTreeMap<(String, String), i32>;

fn start_again(scene: &Scene, ports: &str, sandbox: Option<&str>) -> Results {
    start_as(scene, ports, sandbox, false)
}

fn start_as(scene: &Scene, ports: &str, sandbox: Option<&str>, as_nobody: bool) -> Results {
    let mut command = Command::new(std::env::current_exe().unwrap());
    if as_nobody {
        command.env(USER, "nobody");
        give_to_nobody(scene.base());
    }
    let _others = UnixDatagram::bind(scene.base().join("datagrams")).unwrap();
    command
        .args(["sandbox::child_process_in_the_sandbox", "--exact", "--nocapture"])
        .env(FOLDER, scene.base())
        .env(PORTS, ports);
    if let Some(sandbox) = sandbox {
        command.env(SANDBOX, sandbox);
    }
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{out}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The harness prints a prefix without a line feed before the output.
    let lines = out
        .lines()
        .filter_map(|line| Some(line.get(line.find("PROBE|")?..)?.to_owned()));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split('|').collect();
            (
                (parts[1].to_owned(), parts[2].to_owned()),
                parts[3].parse().unwrap(),
            )
        })
        .collect()
}

fn give_to_nobody(path: &Path) {
    std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give_to_nobody(&entry.unwrap().path());
        }
    }
}

fn scene(port: u16) -> Scene {
    let grants = [
        "fs.read=./data/**",
        "fs.read=./one.txt",
        "fs.write=./out/**",
        &format!("net.connect=http://127.0.0.1:{port}"),
    ];
    let mut scene = Scene::of_main(
        &grants,
        "import { fs } from 'cap:self';\nawait fs.readTextFile('data/a.txt');\nconsole.log('hello');\n",
    );
    for path in [
        "data/a.txt",
        "data/b.txt",
        "data/c.txt",
        "one.txt",
        "secret.txt",
        "out/kept.txt",
    ] {
        scene = scene.file(path, "text");
    }
    scene
}

/// WALL-1, WALL-3, WALL-4, WALL-6, WALL-7: code that bypasses the reference monitor, on every thread, with a control
/// process without the sandbox.
#[test]
fn code_that_bypasses_the_monitor_is_stopped_by_the_sandbox() {
    assert!(
        Sandbox::support().lacks().is_empty(),
        "this kernel cannot build the sandbox: {}",
        Sandbox::support()
    );
    let (granted, other) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let granted_at = granted.local_addr().unwrap();
    let ports = format!("{granted_at} {}", other.local_addr().unwrap());

    // SAFETY: the call takes no arguments and only returns a number.
    let users: &[bool] = match unsafe { libc::getuid() } {
        0 => &[false, true],
        _ => &[false],
    };
    for as_nobody in users {
        let start = |sandbox| start_as(&scene(granted_at.port()), &ports, sandbox, *as_nobody);
        let (controls, sandboxed) = (start(None), start(Some("of the program")));
        assert_eq!(controls.len(), probes().count() + 1);
        assert!(
            sandboxed.contains_key(&("outcome".to_owned(), "Completed".to_owned())),
            "{sandboxed:?}"
        );
        hold(&controls, &sandboxed, *as_nobody);
    }
}

fn hold(controls: &Results, sandboxed: &Results, as_nobody: bool) {
    for (name, expected, _) in probes() {
        let number = match expected {
            Works => 0,
            Forbidden => libc::EACCES,
            NotPermitted => libc::EPERM,
            Unknown => libc::ENOSYS,
        };
        let control = controls[&("no sandbox".to_owned(), (*name).to_owned())];
        if *expected == Works {
            assert_eq!(control, 0, "{name}");
        } else if as_nobody && *expected == NotPermitted {
            // Its parent belongs to root, so the kernel may refuse the same without a sandbox.
        } else if !MAY_FAIL_ANYWAY.contains(name) {
            assert_ne!(control, number, "{name} fails so without the sandbox, too");
        }
        for place in [
            "a thread from before",
            "the thread that entered",
            "an isolate's thread",
        ] {
            assert_eq!(
                sandboxed[&(place.to_owned(), (*name).to_owned())],
                number,
                "{name}, on {place}"
            );
            assert_eq!(sandboxed[&(place.to_owned(), "no new privileges".to_owned())], 1);
        }
    }
    assert_eq!(
        controls[&("no sandbox".to_owned(), "no new privileges".to_owned())],
        0
    );
}

/// WALL-3, WALL-4: an empty sandbox allows no granted files, ports or sockets.
#[test]
fn without_grants_there_are_no_files_and_no_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let results = start_again(
        &scene(at.port()),
        &format!("{at} {at}"),
        Some("without the program"),
    );
    let of = |name: &str| results[&("an empty sandbox".to_owned(), name.to_owned())];
    for (name, expected, _) in probes() {
        let opens = name.contains("granted f");
        assert_eq!(
            of(name) == 0,
            *expected == Works && !opens && !name.contains("port"),
            "{name}"
        );
    }
    assert_eq!(of("read a granted file"), libc::EACCES);
    assert_eq!(of("connect to a granted port"), libc::EPERM);
}

/// WALL-1: a sandbox must cover every thread. A thread that blocks signals cannot be restricted, and that is an error.
#[test]
fn a_thread_that_cannot_be_restricted_is_an_error() {
    let results = start_again(
        &scene(1),
        "127.0.0.1:1 127.0.0.1:1",
        Some("with a thread that blocks signals"),
    );
    let said: Vec<_> = results.keys().map(|(_, said)| said.as_str()).collect();
    assert!(
        matches!(&said[..], [said] if said.contains("does not react to a signal")),
        "{said:?}"
    );
}

/// WALL-9: a report names each refused call. Calls that the host allows itself are not refused.
#[test]
fn refused_calls_are_reported() {
    let scene = scene(1);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["sandbox::child_process_in_the_sandbox", "--exact", "--nocapture"]);
    command
        .env(FOLDER, scene.base())
        .env(PORTS, "127.0.0.1:1 127.0.0.1:1");
    let output = command.env(SANDBOX, "with reports").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let line = format!(
        "secure-runtime: the OS sandbox refuses system call {} (0x0, 0x0, 0x7, ",
        libc::SYS_setpriority
    );
    assert!(said.contains(&line), "{said}");
    assert!(
        !said.contains(&format!("call {} ", libc::SYS_getpriority)),
        "{said}"
    );
}

/// Returns, for each thread of the process, true if seccomp restricts it and it cannot gain privileges.
fn confined(process: u32) -> Vec<bool> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("status")).ok())
        .map(|status| status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"))
        .collect()
}

fn run(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-runtime"));
    command.arg("run").args(arguments).current_dir(scene.base());
    command
}

/// WALL-1, WALL-2: `run` enters the sandbox by default. With `required` it must be complete, and with `off` it is not
/// entered.
#[test]
fn run_enters_the_sandbox_unless_it_is_off() {
    let scene = Scene::of_main(
        &[],
        "console.log('here');\nawait new Promise((resolve) => setTimeout(resolve, 60_000));\n",
    );
    for (arguments, is_confined) in [
        (&[][..], true),
        (&["--sandbox", "required"], true),
        (&["--sandbox", "off"], false),
    ] {
        let mut running = run(&scene, arguments)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        io::BufRead::read_line(
            &mut io::BufReader::new(running.stdout.as_mut().unwrap()),
            &mut line,
        )
        .unwrap();
        let threads = confined(running.id());
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(line, "here\n");
        assert!(
            threads.len() > 2 && threads.iter().all(|thread| *thread == is_confined),
            "{arguments:?}: {threads:?}"
        );
    }
}

/// WALL-5, WALL-8: granted files that do not exist yet may be created. A replaced file is out of reach, and the message
/// explains it. Limits apply.
#[test]
fn granted_operations_work_in_the_sandbox() {
    let source = "import { fs } from 'cap:self';\n\
        await fs.mkdir('new');\nawait fs.writeTextFile('new/a', 'a');\nawait fs.rename('new/a', 'new/b');\n\
        await fs.writeTextFile('later.txt', 'x');\nawait fs.remove('later.txt');\nawait fs.writeTextFile('later.txt', 'y');\n\
        await fs.writeTextFile('old/a', 'a');\nawait fs.remove('old/a');\n\
        await fs.copyFile('new/b', 'new/c');\nawait fs.link('new/c', 'new/d');\nawait fs.symlink('d', 'new/e');\n\
        await fs.chmod('new/e', 0o600);\nawait fs.utime('new/e', 1, 1);\nawait fs.truncate('new/c', 0);\n\
        await fs.makeTempFile({ dir: 'new' });\nawait fs.makeTempDir({ dir: 'new' });\n\
        for await (const entry of fs.walk('new')) await fs.lstat(entry.path);\nawait fs.readLink('new/e');\n\
        const file = await fs.open('new/d', { read: true, write: true });\nawait file.lock(true);\nawait file.seek(0, 2);\n\
        await file.truncate(1);\nawait file.sync();\nawait file.syncData();\nawait file.utime(2, 2);\nawait file.unlock();\n\
        console.log(await fs.readTextFile('new/b'));\n";
    let scene = Scene::of_main(
        &[
            "fs.write=./new/**",
            "fs.read=./new/**",
            "fs.write=./later.txt",
            "fs.write=./old/**",
        ],
        source,
    )
    .folder("old");
    let output = run(&scene, &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(scene.read("later.txt"), "y");

    let replaces = "import { fs } from 'cap:self';\nawait fs.remove('old', { recursive: true });\n";
    let scene = Scene::of_main(&["fs.write=./old/**"], replaces).file("old/a", "a");
    for (arguments, code) in [(&[][..], 1), (&["--sandbox", "off"], 0)] {
        let output = run(&scene, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.contains("--sandbox off"), code == 1, "{said}");
    }

    let scene = Scene::new()
        .file(
            "secure.toml",
            crate::support::manifest(&[], "[limits]\ncpu = \"200ms\"\n"),
        )
        .file("main.js", "for (;;) {}");
    assert_eq!(run(&scene, &[]).output().unwrap().status.code(), Some(5));
}

#[test]
fn every_line_of_the_specification_has_a_test() {
    let tests = [
        include_str!("mod.rs"),
        include_str!("../../src/sandbox/mod.rs"),
        include_str!("../../src/sandbox/numbers.rs"),
        include_str!("../../src/sandbox/plan.rs"),
    ]
    .concat();
    let lines = include_str!("../../spec/sandbox.md")
        .split("**")
        .filter(|part| part.starts_with("WALL-"));
    let mut count = 0;
    for line in lines {
        let is_named = ["{line}.", "{line},", "{line}:"]
            .iter()
            .any(|name| tests.contains(&name.replace("{line}", line)));
        assert!(is_named, "no test names {line}");
        count += 1;
    }
    assert_eq!(count, 10);
}
