//! The family of docs/extensions.md.

use super::REFUSED;
use crate::support::{Scene, root};

#[path = "../../cli/examples/notes/notes.rs"]
mod notes;

/// The family of the guide decides every call. Each denial has a control that differs only in its grants.
#[test]
fn the_family_of_the_guide_works() {
    let source = format!(
        "import {{ notes }} from 'cap:self';
        {REFUSED}
        console.log(await refused(() => notes.write('Work/Plan', 'rest')));
        console.log(await refused(() => notes.read('work/plan')));
        console.log(await refused(() => notes.list()));"
    );
    let run = |grants: &[&str]| {
        let ran = Scene::of_main(grants, &source)
            .extension(notes::Notes)
            .run(&[])
            .completed();
        ran.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        run(&["notes.read=work/*", "notes.write=work/plan"]),
        ["allowed undefined", "allowed rest", "allowed work/plan"]
    );
    assert_eq!(
        run(&["notes.read=home/*", "notes.write=work/*"]),
        [
            "allowed undefined",
            "CapabilityError denied notes read work/plan",
            "allowed "
        ]
    );
    assert_eq!(
        run(&["notes.read=work/*", "notes.write=home/plan"]),
        [
            "CapabilityError denied notes write Work/Plan",
            "allowed undefined",
            "allowed "
        ]
    );
    assert_eq!(
        run(&[]),
        [
            "CapabilityError denied notes write Work/Plan",
            "CapabilityError denied notes read work/plan",
            "CapabilityError denied notes read all"
        ]
    );
}

/// The guide contains the code of its family, which is compiled.
#[test]
fn the_guide_contains_its_family() {
    let guide = std::fs::read_to_string(root().join("docs/extensions.md")).unwrap();
    for file in ["main.rs", "notes.rs", "notes.js"] {
        let code = std::fs::read_to_string(root().join("cli/examples/notes").join(file)).unwrap();
        let language = file.rsplit('.').next().unwrap().replace("rs", "rust");
        assert!(
            guide.contains(&format!("```{language}\n{code}```\n")),
            "docs/extensions.md lacks cli/examples/notes/{file}"
        );
    }
}
