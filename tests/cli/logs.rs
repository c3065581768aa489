//! `--log`: the log records of a program.

use super::secure_runtime;
use crate::support::Scene;

/// CLI-64.
#[test]
fn log_records_are_on_standard_error() {
    let scene = Scene::of_main(
        &["log=true"],
        "import { log } from 'cap:self';
         log.warn('a \\u001b[31m\\nline', { id: 7, c1: '\\u009b31m\\u202e' });
         console.log('printed');",
    );
    let run = |form: &[&str]| {
        let done = secure_runtime(&scene, &[&["run", "."], form].concat());
        assert_eq!((done.code, done.out.as_str()), (Some(0), "printed\n"), "{done:?}");
        let lines = done.err.lines().filter(|line| !line.starts_with("note: "));
        lines.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    // Standard error is no terminal here.
    for form in [&[][..], &["--log", "json"]] {
        let lines = run(form);
        let record: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(record["level"], "warn");
        assert_eq!(record["module"], "app:/main.js");
        assert_eq!(record["package"], "");
        assert_eq!(record["message"], "a \u{1b}[31m\nline");
        assert_eq!(record["fields"]["id"], 7);
        assert_eq!(record["fields"]["c1"], "\u{9b}31m\u{202e}");
        assert!(lines[0].is_ascii(), "{lines:?}");
        let time = record["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
    }
    assert_eq!(
        run(&["--log", "text"]),
        ["warn app:/main.js: a \\u{1b}[31m\\nline {\"id\":7,\"c1\":\"\\u{9b}31m\\u{202e}\"}"]
    );
    assert!(run(&["--log", "off"]).is_empty());
    secure_runtime(&scene, &["run", ".", "--log", "loud"]).failure(2);
}
