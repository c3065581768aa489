//! Runs every case, each time in a new program. The attack is called directly, after an await, and from a timer. The
//! control is called once.
//!
//! On V8, the cases also run with all code compiled, and with no code compiled. On both engines, they also run in warm
//! isolates, where each attack is called in one of these ways.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use secure_runtime::Exit;
use serde::Deserialize;

use super::case::{Case, Verdict};
use crate::support::{Server, WAITING};

/// The result that `main.js` prints.
#[derive(Deserialize, Debug)]
struct Came {
    verdict: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    #[expect(dead_code, reason = "shown when a case fails")]
    detail: String,
}

/// Returns the paths of all cases. `ATTACK` limits them to names with this prefix.
fn files() -> Vec<PathBuf> {
    let folder = crate::support::root().join("tests/attacks/cases");
    let wanted = std::env::var("ATTACK").unwrap_or_default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|kind| kind == "js")
                && path.file_name().unwrap().to_str().unwrap().starts_with(&wanted)
        })
        .collect();
    files.sort();
    files
}

/// The flags for V8, in processes that [`in_process_with`] starts.
const FLAGS: &str = "ATTACK_V8_FLAGS";

#[test]
fn every_attack_fails_and_every_control_works() {
    #[cfg(feature = "v8")]
    if let Ok(flags) = std::env::var(FLAGS) {
        let given = std::iter::once("v8").chain(flags.split(' ')).map(str::to_owned);
        // V8 removes the flags that it knows. Only the program's name remains.
        assert_eq!(
            deno_core::v8::V8::set_flags_from_command_line(given.collect()),
            ["v8"]
        );
    }
    let files = files();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let server = Server::start();
                while let Some(path) = files.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let found = failures_of(path, &server);
                    failures.lock().unwrap().extend(found);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        files.len(),
        failures.join("\n")
    );
}

/// Runs each case once in a separate process, because V8's flags apply to a process. Returns V8's output about its
/// compilers.
#[cfg(feature = "v8")]
#[track_caller]
fn in_process_with(flags: &str) -> String {
    let ran = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "attacks::schedules::every_attack_fails_and_every_control_works",
            "--exact",
            "--nocapture",
        ])
        .env(FLAGS, format!("--trace-opt {flags}"))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && out.contains("1 passed"), "{flags}: {err}");
    out
}

/// Warm isolates are as safe as new ones. The cases and the permit list are tested again.
#[test]
fn every_attack_fails_in_warm_isolates() {
    if std::env::var_os(WAITING).is_some() {
        return;
    }
    let ran = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "attacks::schedules::every_attack_fails_and",
            "permits::",
            "realm::",
            "repairs::",
        ])
        .env(WAITING, "1")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    let err = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{out}\n{err}");
    assert!(
        out.contains("every_attack_fails_and_every_control_works ... ok"),
        "{out}"
    );
}

/// A text in V8's output that proves the use of the optimising compiler.
#[cfg(feature = "v8")]
const COMPILED: &str = "TURBOFAN";

/// Each function that is called twice is compiled by the optimising compiler before the next call. Its callees are
/// inlined.
#[cfg(feature = "v8")]
#[test]
fn every_attack_fails_if_everything_is_compiled() {
    let flags = "--always-sparkplug --no-concurrent-recompilation --invocation-count-for-feedback-allocation=1 \
                 --invocation-count-for-maglev=1 --invocation-count-for-turbofan=2 \
                 --minimum-invocations-after-ic-update=1 --max-inlined-bytecode-size=9999";
    assert!(in_process_with(flags).contains(COMPILED), "nothing was compiled");
}

/// Only the interpreter runs, for regular expressions too.
#[cfg(feature = "v8")]
#[test]
fn every_attack_fails_if_nothing_is_compiled() {
    assert!(
        !in_process_with("--jitless").contains(COMPILED),
        "something was compiled"
    );
}

#[test]
fn every_group_of_attacks_has_cases_and_every_case_its_own_name() {
    let mut names: Vec<(String, String)> = Vec::new();
    for path in files() {
        let case = Case::read(&path);
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            file.starts_with(&format!("{}-", case.id)),
            "{file}: its id is {}",
            case.id
        );
        assert!(
            !names
                .iter()
                .any(|(id, title)| *id == case.id || *title == case.title),
            "{file}: there is another case {} or {:?}",
            case.id,
            case.title
        );
        names.push((case.id, case.title));
    }
}

fn failures_of(path: &Path, server: &Server) -> Vec<String> {
    let case = Case::read(path);
    let mut failures = Vec::new();
    let this_engine = if cfg!(feature = "v8") { "v8" } else { "quickjs" };
    if case.engine.as_deref().is_some_and(|engine| engine != this_engine) {
        return failures;
    }
    // WebAssembly does not run without compilation.
    if case.has_webassembly() && std::env::var(FLAGS).is_ok_and(|flags| flags.contains("--jitless")) {
        return failures;
    }
    let all = ["direct", "awaited", "timer"];
    let schedules = if std::env::var_os(FLAGS).is_some() {
        &all[..1]
    } else if std::env::var_os(WAITING).is_some() {
        // The time of the attack's call does not depend on the history of its isolate. So each case has one schedule,
        // and the cases together use every schedule.
        let one = case.id.bytes().map(usize::from).sum::<usize>() % all.len();
        &all[one..=one]
    } else {
        &all[..]
    };
    for schedule in schedules {
        if let Err(what) = attack(&case, schedule, server) {
            failures.push(format!("{} ({}), {schedule}: {what}", case.id, case.title));
            // The other schedules would mostly fail in the same way.
            break;
        }
    }
    if let Err(what) = control(&case, server) {
        failures.push(format!("{} ({}), control: {what}", case.id, case.title));
    }
    failures
}

fn attack(case: &Case, schedule: &str, server: &Server) -> Result<(), String> {
    let (came, decisions, base) = run(case, "attack", schedule, server)?;
    let verdict = match came.verdict.as_str() {
        "denied" => Verdict::Denied,
        "refused" => Verdict::Refused,
        "nothing" => Verdict::Nothing,
        _ => return Err(format!("{came:?}, {}", shown(&decisions))),
    };
    if verdict != case.expect || case.error.as_ref().is_some_and(|error| *error != came.error) {
        return Err(format!(
            "{came:?}, not {:?} {}",
            case.expect,
            case.error.as_deref().unwrap_or_default()
        ));
    }
    match case.unexpected(&decisions, &base, server.origin()) {
        None => Ok(()),
        Some(what) => Err(format!("{what}; {}", shown(&decisions))),
    }
}

/// Returns the decisions, truncated to a readable number.
fn shown(decisions: &[String]) -> String {
    let some: Vec<&str> = decisions.iter().take(100).map(String::as_str).collect();
    format!("{} decisions:\n    {}", decisions.len(), some.join("\n    "))
}

fn control(case: &Case, server: &Server) -> Result<(), String> {
    let (came, decisions, _) = run(case, "control", "direct", server)?;
    if came.verdict == "gained" {
        Ok(())
    } else {
        Err(format!("{came:?}, {}", shown(&decisions)))
    }
}

/// Returns the result, every decision, and the program's folder.
fn run(
    case: &Case,
    what: &str,
    schedule: &str,
    server: &Server,
) -> Result<(Came, Vec<String>, String), String> {
    let scene = case.scene(what == "control", server.origin());
    let base = scene.base().to_str().unwrap().to_owned();
    let argument = serde_json::json!({
        "what": what,
        "schedule": schedule,
        "base": base,
        "server": server.origin(),
    });
    let ran = scene.run(&[&argument.to_string()]);
    if !matches!(ran.exit, Ok(Exit::Completed)) {
        return Err(format!("{ran:#?}"));
    }
    // Only the last line is read, because the package may have printed others.
    let line = ran.out.lines().last().unwrap_or_default();
    let came = serde_json::from_str(line).map_err(|error| format!("{error} in {:?}", ran.out))?;
    Ok((came, ran.decisions_by_module(), base))
}
