//! Runs the programs in tests/guest/ without grants. They throw an error if something differs from a standard.

use secure_runtime::Exit;

use crate::support::Scene;

#[test]
fn every_guest_program_completes() {
    let folder = crate::support::root().join("tests/guest");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 3, "the guest programs are missing");
    for path in names {
        let ran = Scene::of_main(&[], &std::fs::read_to_string(&path).unwrap()).run(&[]);
        assert!(
            matches!(ran.exit, Ok(Exit::Completed)),
            "{}: {:?}\n{}",
            path.display(),
            ran.exit,
            ran.out
        );
    }
}

/// Checks that a failing guest program would fail the test above.
#[test]
fn a_failing_guest_program_is_noticed() {
    let ran = Scene::of_main(&[], "throw new Error('x')").run(&[]);
    assert!(matches!(ran.exit, Ok(Exit::Uncaught(_))), "{:?}", ran.exit);
}
