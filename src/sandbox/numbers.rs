//! Tests every system call number in a sandboxed process, and compares the results with the tables.
//!
//! The test binary starts itself again, because the sandbox is irreversible.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use super::calls::{self, LAST_REVIEWED, UNKNOWN};
use super::plan::Plan;
use super::{Sandbox, arguments};

/// The numbers that are tried. Linux has fewer than 500 on these architectures.
const NUMBERS: std::ops::RangeInclusive<i64> = 0..=600;
const WHAT: &str = "SECURE_RUNTIME_TEST_NUMBERS";
/// The id of a user that owns no files.
const NOBODY: u32 = 65_534;

/// Calls that end the process or its thread, or return to an invalid address. They must be allowed.
const ENDS: [i64; 3] = [libc::SYS_exit, libc::SYS_exit_group, libc::SYS_rt_sigreturn];
/// Calls of x86_64 (`uretprobe` and `uprobe`) that the kernel handles before any filter. It ends the process unless one
/// of the kernel's own probes made the call.
const OF_PROBES: &[i64] = if cfg!(target_arch = "x86_64") {
    &[335, 336]
} else {
    &[]
};

fn plan(what: &str) -> Plan {
    let mut plan = Plan::default();
    if what.contains("network") {
        plan.connect(443, 443);
    }
    if what.contains("writing") {
        plan.write(std::path::Path::new("/no/such/folder"));
    }
    if what.contains("listening") {
        plan.listen(8080);
    }
    if what.contains("datagrams") {
        plan.datagrams();
    }
    plan
}

/// The body of the child process, in the sandbox or as a control. In a normal test run it does nothing.
#[test]
fn child_process_that_tries_all_numbers() {
    let Ok(what) = std::env::var(WHAT) else { return };
    if what.contains("as nobody") {
        // SAFETY: the calls take numbers. Raw calls change only the current thread, which is the one that makes the
        // attempts.
        unsafe {
            assert_eq!(libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY), 0);
            assert_eq!(libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY), 0);
        }
    }
    let allowed: BTreeSet<i64> = calls::always(&plan(&what)).map(|(_, number)| number).collect();
    let limited = arguments::limited(&plan(&what), std::process::id()).unwrap();
    let limited: BTreeSet<i64> = limited.iter().map(|((_, number), _)| *number).collect();
    if what.contains("sandbox") {
        let mut sandbox = Sandbox::new();
        sandbox.plan = plan(&what);
        sandbox.enter().unwrap();
        #[cfg(target_arch = "x86_64")]
        if what.contains("int 0x80") {
            return print_own_number_by_the_older_interface();
        }
    } else {
        #[cfg(target_arch = "x86_64")]
        if what.contains("int 0x80") {
            return print_own_number_by_the_older_interface();
        }
    }
    let own = std::process::id();
    let mut lines = String::new();
    let x32 = (0..=LAST_REVIEWED).map(|number| number | 0x4000_0000);
    for number in NUMBERS.chain(x32) {
        if ENDS.contains(&number) || OF_PROBES.contains(&number) {
            continue;
        }
        // Outside the sandbox, only allowed calls are tried. Others could have an effect even with invalid arguments.
        if !what.contains("sandbox") && !allowed.contains(&number) && !limited.contains(&number) {
            continue;
        }
        // SAFETY: every pointer is the last address, which is never mapped, and every file, size and flag is out of
        // range.
        let result = unsafe { libc::syscall(number, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64, -1_i64) };
        let error = match result {
            -1 => std::io::Error::last_os_error().raw_os_error().unwrap_or(0),
            _ => 0,
        };
        assert_eq!(std::process::id(), own, "{number} started a process");
        lines.push_str(&format!("NUMBER {number} {error}\n"));
    }
    print!("{lines}");
}

/// Calls `getpid` through the interface of 32-bit programs, which has other numbers.
#[cfg(target_arch = "x86_64")]
fn print_own_number_by_the_older_interface() {
    const GETPID: i64 = 20;
    let mut result = GETPID;
    // SAFETY: the call takes no arguments, changes only the named registers, and returns a number.
    unsafe {
        std::arch::asm!("int 0x80", inout("rax") result, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    println!("OWN {}", result == i64::from(std::process::id()));
}

fn start(what: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "sandbox::numbers::child_process_that_tries_all_numbers",
            "--exact",
            "--nocapture",
        ])
        .env(WHAT, what);
    command.output().unwrap()
}

/// Runs the child process, and returns the error number of each call.
fn tried(what: &str) -> BTreeMap<i64, i32> {
    let output = start(what);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{what}: {output:?}");
    let lines = out.lines().filter_map(|line| line.get(line.find("NUMBER ")?..));
    lines
        .map(|line| {
            let mut words = line.split(' ').skip(1);
            let (number, error) = (words.next().unwrap(), words.next().unwrap());
            (number.parse().unwrap(), error.parse().unwrap())
        })
        .collect()
}

/// SANDBOX-6, SANDBOX-9: for each user and each plan, calls outside the tables are refused, and calls in them are not.
#[test]
fn every_number_gives_the_result_in_the_tables() {
    // SAFETY: the call takes no arguments and only returns a number.
    let users: &[&str] = match unsafe { libc::getuid() } {
        0 => &["", "as nobody"],
        _ => &[""],
    };
    for user in users {
        for network in [
            "alone",
            "writing",
            "network",
            "network and listening",
            "datagrams",
        ] {
            let what = format!("{network} {user}");
            let (behind, control) = (tried(&format!("{what} sandbox")), tried(&what));
            let allowed: BTreeSet<i64> = calls::always(&plan(&what)).map(|(_, number)| number).collect();
            let unknown: BTreeSet<i64> = UNKNOWN.iter().map(|(_, number)| *number).collect();
            let skipped = ENDS.len() + OF_PROBES.len();
            assert_eq!(behind.len() as i64, 601 + LAST_REVIEWED + 1 - skipped as i64);
            for (number, error) in behind {
                if allowed.contains(&number) {
                    assert_eq!(error, control[&number], "{what}: {number} is allowed");
                } else if number > LAST_REVIEWED || unknown.contains(&number) {
                    assert_eq!(error, libc::ENOSYS, "{what}: {number} is unknown");
                } else if error != libc::EPERM {
                    // Some forms of the call are allowed, and this invalid form may be one of them.
                    assert_eq!(Some(&error), control.get(&number), "{what}: {number} is refused");
                }
            }
        }
    }
}

/// SANDBOX-6: calls through the interface of another architecture end the process, because their numbers have other
/// meanings.
#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_the_32_bit_interface_end_the_process() {
    let control = start("int 0x80");
    if control.status.signal() == Some(libc::SIGSEGV) {
        return; // This kernel lacks the interface.
    }
    assert!(
        String::from_utf8_lossy(&control.stdout).contains("OWN true"),
        "{control:?}"
    );
    let behind = start("int 0x80 sandbox");
    assert_eq!(behind.status.signal(), Some(libc::SIGSYS), "{behind:?}");
}

/// WALL-4: with a grant of datagrams, sockets are bound and send to addresses. Nobody listens.
#[test]
#[cfg(not(target_env = "musl"))]
fn datagrams_add_bound_sockets_and_no_listeners() {
    let names = |what: &str| -> BTreeSet<&str> { calls::always(&plan(what)).map(|(name, _)| name).collect() };
    let (with, without) = (names("datagrams"), names("network"));
    assert_eq!(
        with.symmetric_difference(&without).collect::<Vec<_>>(),
        [&"SYS_bind"]
    );
    let forms = |what: &str| {
        let limited = arguments::limited(&plan(what), 1).unwrap();
        let found = limited
            .into_iter()
            .find(|((_, number), _)| *number == libc::SYS_sendto);
        found.unwrap().1.len()
    };
    assert_eq!((forms("network"), forms("datagrams")), (1, 2));
}

/// SANDBOX-9: no call is in two tables, and the specification lists all of them.
#[test]
fn the_specification_lists_all_allowed_calls() {
    let plan = plan("writing, network and listening");
    let always: Vec<_> = calls::always(&plan).collect();
    let limited = arguments::limited(&plan, 1).unwrap();
    let all = always.iter().chain(limited.iter().map(|(call, _)| call));
    let mut seen = BTreeSet::new();
    for (name, number) in all.chain(UNKNOWN) {
        assert!(seen.insert(*number), "{name} stands in two tables");
        assert!(*number <= LAST_REVIEWED, "{name}");
    }
    assert!(limited.iter().all(|(_, rules)| !rules.is_empty()));

    let spec = include_str!("../../spec/sandbox.md");
    let (_, table) = spec.split_once("## System calls").unwrap();
    let listed: BTreeSet<&str> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    let names: BTreeSet<&str> = always
        .iter()
        .chain(limited.iter().map(|(call, _)| call))
        .chain(UNKNOWN)
        .map(|(name, _)| name.trim_start_matches("SYS_"))
        .collect();
    let missing: Vec<_> = names.difference(&listed).collect();
    assert!(missing.is_empty(), "spec/sandbox.md does not list {missing:?}");
    #[cfg(all(target_arch = "x86_64", feature = "v8"))]
    {
        let unknown: Vec<_> = listed.difference(&names).collect();
        assert!(unknown.is_empty(), "no table has {unknown:?}");
    }
}
