//! Attacks on the runtime, and what each must come to.

use crate::support::Scene;

#[test]
fn a_program_runs_and_is_recorded() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self'; console.log(await fs.readTextFile('data/a.txt'));",
    )
    .file("data/a.txt", "hello");
    let ran = scene.run(&[]).completed();
    assert_eq!(ran.out, "hello\n");
    let path = scene.base().join("data/a.txt");
    assert_eq!(ran.decisions(), [format!("allowed fs read {}", path.display())]);
}
