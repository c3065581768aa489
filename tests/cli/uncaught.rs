//! Messages about uncaught errors.

use super::secure_runtime;
use crate::support::Scene;

#[track_caller]
fn said(source: &str) -> String {
    secure_runtime(&Scene::of_main(&[], source), &["run"]).failure(1)
}

/// CLI-41. Thrown errors, rejected promises, and errors in timers.
#[test]
fn causes_and_members_are_shown() {
    let error = "new Error('outer', { cause: new TypeError('middle', { cause: 'inner\\nerror: forged' }) })";
    for source in [
        format!("throw {error};"),
        format!("Promise.reject({error});"),
        format!("export default async () => {{ await null; throw {error}; }};"),
        format!(
            "setTimeout(() => {{ throw {error}; }}, 1); await new Promise((done) => setTimeout(done, 1000));"
        ),
    ] {
        let said = said(&source);
        let parts = [
            "error: uncaught Error: outer\n",
            "\n  caused by TypeError: middle\n",
            "\n    caused by inner\n    | error: forged",
        ];
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let said = said(
        "throw new AggregateError([new Error('one'), new RangeError('two', { cause: new Error('three') }), 'four'], 'all');",
    );
    for part in [
        "error: uncaught AggregateError: all\n",
        "\n  error 1 of it: Error: one\n",
        "\n  error 2 of it: RangeError: two\n",
        "\n    caused by Error: three\n",
        "\n  error 3 of it: four\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// CLI-41. Only the first of many or deep causes are shown, and cycles end.
#[test]
fn many_causes_are_truncated() {
    for source in [
        "let error = new Error('0'); for (let n = 1; n < 100; n++) error = new Error(`${n}`, { cause: error }); throw error;",
        "throw new AggregateError([...Array(1000).keys()].map((n) => new Error(`${n}`)));",
        "const error = new Error('circle'); error.cause = error; throw error;",
    ] {
        let said = said(source);
        let shown = said
            .lines()
            .filter(|line| line.contains("caused by ") || line.contains(" of it: "))
            .count();
        assert!((1..=10).contains(&shown), "{said}");
        assert!(said.lines().count() < 120, "{said}");
    }
}

/// CLI-41. Objects are shown without running any of their code.
#[test]
fn thrown_objects_are_shown() {
    for (thrown, shown) in [
        (
            "{ code: 7, why: { deep: 'x' } }",
            "error: uncaught { code: 7, why: { deep: \"x\" } }",
        ),
        ("[1, 'two']", "error: uncaught [1, \"two\"]"),
        ("new (class Odd { at = 1 })()", "error: uncaught Odd { at: 1 }"),
        ("'text'", "error: uncaught text"),
        ("7", "error: uncaught 7"),
        ("null", "error: uncaught null"),
        (
            "{ toString() { console.log('ran'); }, get code() { console.log('ran'); } }",
            "error: uncaught {",
        ),
        (
            "new Error('x', { cause: { code: 7 } })",
            "\n  caused by { code: 7 }",
        ),
    ] {
        for source in [format!("throw {thrown};"), format!("Promise.reject({thrown});")] {
            let scene = Scene::of_main(&[], &source);
            let done = secure_runtime(&scene, &["run"]);
            assert!(!done.out.contains("ran"), "{done:?}");
            let said = done.failure(1);
            assert!(said.contains(shown), "{source}: {said}");
        }
    }
}
