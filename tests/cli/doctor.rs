//! `doctor`, and the option `--sandbox` of `run`.

use secure_runtime::{Engine, Sandbox};
use serde_json::Value;

use super::{command, greeting, has_run, secure_runtime, store};
use crate::support::Scene;

fn states(scene: &Scene, code: i32) -> Vec<(String, String, String)> {
    let done = secure_runtime(scene, &["doctor", "--json"]);
    assert_eq!(done.code, Some(code), "{done:#?}");
    let found: Value = serde_json::from_str(&done.out).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = found.as_array().unwrap().iter();
    findings
        .map(|finding| {
            (
                text(finding, "what"),
                text(finding, "state"),
                text(finding, "found"),
            )
        })
        .collect()
}

fn of<'a>(states: &'a [(String, String, String)], what: &str) -> (&'a str, &'a str) {
    let found = states.iter().find(|state| state.0 == what);
    found
        .map(|(_, state, found)| (state.as_str(), found.as_str()))
        .unwrap()
}

/// CLI-33.
#[test]
fn doctor_reports_its_findings() {
    let scene = greeting();
    let found = states(&scene, 0);
    assert_eq!(of(&found, "engine").0, "good");
    assert_eq!(of(&found, "local store").0, "good");
    assert!(
        of(&found, "local store").1.contains("not created yet"),
        "{found:?}"
    );
    // RUN-84: the code that the engine of this build is suitable for.
    let (state, said) = of(&found, "untrusted code");
    match Engine::current() {
        Engine::QuickJs => assert!(
            state == "lacking" && said.contains("V8 for code that you do not trust"),
            "{said}"
        ),
        _ => assert!(
            state == "good" && said.contains("V8 is the engine for code"),
            "{said}"
        ),
    }
    let sandbox = Sandbox::support();
    let state = if sandbox.lacks().is_empty() {
        "good"
    } else {
        "lacking"
    };
    assert_eq!(of(&found, "OS sandbox"), (state, sandbox.to_string().as_str()));

    secure_runtime(&scene, &["lock"]).success();
    let said = secure_runtime(&scene, &["doctor"]).success();
    let line = said.lines().find(|line| line.starts_with("local store")).unwrap();
    assert!(line.contains("good") && line.contains("4 blobs"), "{line}");
}

/// CLI-33: `doctor` reports all findings, and exits with 2 if one is bad.
#[test]
fn doctor_exits_with_2_if_programs_cannot_run() {
    let scene = greeting();
    std::fs::write(store(&scene), "a file").unwrap();
    let found = states(&scene, 2);
    assert_eq!(of(&found, "local store").0, "bad");
    assert_eq!(of(&found, "engine").0, "good");
    let said = secure_runtime(&scene, &["doctor"]).failure_with_hint(2);
    assert!(said.contains("local store"), "{said}");
}

/// CLI-32.
#[test]
fn run_enters_the_sandbox_that_the_option_demands() {
    for choice in ["auto", "off"] {
        let scene = greeting();
        secure_runtime(&scene, &["run", "--sandbox", choice]).success();
        assert!(has_run(&scene));
    }
    // The sandbox refuses no call that programs need.
    let scene = greeting();
    let done = secure_runtime(&scene, &["run", "--sandbox-log"]);
    assert!(!done.err.contains("refuses system call"), "{done:#?}");
    done.success();
    assert!(has_run(&scene));

    let scene = greeting();
    let done = secure_runtime(&scene, &["run", "--sandbox", "required"]);
    if Sandbox::support().lacks().is_empty() {
        done.success();
        assert!(has_run(&scene));
    } else {
        done.failure_with_hint(2);
        assert!(!has_run(&scene));
    }
    let mut nonsense = command(&scene, &["run", "--sandbox", "maybe"]);
    assert_eq!(nonsense.output().unwrap().status.code(), Some(2));
}

/// RUN-84: if a program has packages, a build with QuickJS prints its caution in one line.
#[test]
fn run_names_the_engine_for_untrusted_code() {
    let packages = Scene::new()
        .file(
            "secure.toml",
            crate::support::manifest(&[], "[imports]\np = \"./p/\"\n"),
        )
        .file("p/index.js", "export default 1;")
        .file("main.js", "import 'p';");
    let said = |scene: &Scene| {
        let done = secure_runtime(scene, &["run"]);
        assert_eq!(done.code, Some(0), "{done:#?}");
        done.err
            .lines()
            .filter(|line| line.contains("code that you do not trust"))
            .count()
    };
    let wanted = usize::from(Engine::current() == Engine::QuickJs);
    assert_eq!(said(&packages), wanted);
    assert_eq!(said(&Scene::of_main(&[], "console.log(1);")), 0);
}
