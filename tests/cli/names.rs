//! Invisible characters, in names and in output.

use super::{command, greeting, secure_runtime};
use crate::support::{Scene, manifest};

/// One invisible character of each kind.
const HIDDEN: [char; 16] = [
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{115f}',
    '\u{17b4}',
    '\u{180b}',
    '\u{200b}',
    '\u{200d}',
    '\u{2060}',
    '\u{3164}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{ffa0}',
    '\u{1d173}',
    '\u{e0041}',
    '\u{e0100}',
];

/// CLI-38. No module, import, package, grant or manifest key may contain one.
#[test]
fn no_name_has_invisible_characters() {
    for character in HIDDEN {
        let shown = character.escape_unicode().to_string();
        // A module, by its file name and by its import.
        let file = format!("./lib/a{character}.js");
        let scene = Scene::of_main(&[], &format!("import '{file}';")).file(&file[2..], "");
        let said = secure_runtime(&scene, &["lock"]).failure(2);
        assert!(!said.contains(character) && said.contains(&shown), "{said}");
        // A module, by the exports of a package.
        let scene = greeting().file(
            "vendor/greet/package.json",
            format!("{{\"name\":\"greet\",\"version\":\"1.2.3\",\"exports\":\"./a{character}.js\"}}"),
        );
        let scene = scene.file(
            &format!("vendor/greet/a{character}.js"),
            "export const greet = (name) => name;",
        );
        let said = secure_runtime(&scene, &["lock"]).failure(2);
        assert!(!said.contains(character), "{said}");
        // Names in a manifest.
        for (grants, rest) in [
            (format!("fs.read=./d{character}/**"), String::new()),
            (
                String::from("clock=1ms"),
                format!("[imports]\n\"a{character}\" = \"./main.js\"\n"),
            ),
        ] {
            let scene = Scene::new()
                .file("secure.toml", manifest(&[&grants], &rest))
                .file("main.js", "");
            let said = secure_runtime(&scene, &["lock"]).failure(2);
            assert!(!said.contains(character), "{said}");
        }
    }
}

/// CLI-5. Messages make invisible characters visible.
#[test]
fn messages_show_invisible_characters() {
    // All of them in one name. Between letters, the neighbours of such a character do not make it meaningful.
    let name: String = HIDDEN
        .iter()
        .flat_map(|character| ['a', *character])
        .chain(['b'])
        .collect();
    let shows_none = |said: &str| {
        for character in HIDDEN {
            assert!(!said.contains(character), "{character:?}: {said}");
        }
    };
    let source = format!("import {{ fs }} from 'cap:self'; await fs.readTextFile('data{name}/a.txt');");
    let scene = Scene::of_main(&["fs.read=./data/**"], &source);
    let said = secure_runtime(&scene, &["run"]).failure(3);
    shows_none(&said);
    for character in HIDDEN {
        assert!(
            said.contains(&character.escape_unicode().to_string()),
            "{character:?}: {said}"
        );
    }
    let operation = format!("fs read data{name}/a.txt");
    let explained = secure_runtime(&scene, &["explain", "--module", "./main.js", &operation]);
    shows_none(&format!("{}{}", explained.out, explained.err));
    let thrown = Scene::of_main(&[], &format!("throw new Error('{name}');"));
    shows_none(&secure_runtime(&thrown, &["run"]).failure(1));
    let printed = Scene::of_main(
        &[],
        &format!("console.log('{name}'); console.error({{ '{name}': 1 }});"),
    );
    let done = secure_runtime(&printed, &["run"]);
    shows_none(&format!("{}{}", done.out, done.err));
    for character in HIDDEN {
        let signed = secure_runtime(
            &scene,
            &["token", "attest", "request", &format!("no{character}such")],
        );
        shows_none(&signed.err);
    }
}

/// CLI-5. An argument may be a file name that another person chose.
#[test]
fn messages_escape_wrong_arguments() {
    let scene = greeting();
    for character in HIDDEN.into_iter().chain(['\u{1b}', '\u{202e}']) {
        for arguments in [
            &["store", "add", &format!("--a{character}b")][..],
            &["store", "add", &format!("a{character}b")],
            &[&format!("a{character}b")],
            &[
                "run",
                "--audit-max-size",
                &format!("1{character}"),
                "--audit",
                "a",
            ],
        ] {
            let said = secure_runtime(&scene, arguments).failure(2);
            assert!(!said.contains(character), "{said:?}");
        }
    }
}

/// CLI-5. Line breaks in output and in errors stay line breaks.
#[test]
fn line_breaks_stay_line_breaks() {
    let scene = Scene::of_main(
        &[],
        "console.log('one\\r\\ntwo\\rthree\\r\\n'); throw new Error('four\\r\\nfive\\rsix');",
    );
    let output = command(&scene, &["run"]).output().unwrap();
    assert_eq!(output.stdout, b"one\r\ntwo\\x0dthree\r\n\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("error: uncaught Error: four\n    | five\\x0dsix\n"),
        "{said}"
    );
}

/// CLI-5. Visible text is not changed: emoji, and scripts that need joiners.
#[test]
fn visible_text_is_printed_unchanged() {
    for text in [
        "❤\u{fe0f} 👩\u{200d}💻",
        "می\u{200c}خواهم",
        "größe 日本 10\u{202f}000 €",
    ] {
        let scene = Scene::of_main(&[], &format!("console.log('{text}');"));
        assert_eq!(secure_runtime(&scene, &["run"]).success(), format!("{text}\n"));
    }
}

/// CLI-38. Warnings about names that look alike, when a program is locked and when its modules are shown.
#[test]
fn names_that_look_alike_cause_warnings() {
    let scene = Scene::of_main(&[], "import './lib/auth.js';\nimport './lib/\u{430}uth.js';\n")
        .file("lib/auth.js", "")
        .file("lib/\u{430}uth.js", "");
    let warned = |arguments: &[&str]| {
        let done = secure_runtime(&scene, arguments);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(
            done.err.contains("app:/lib/auth.js") && done.err.contains("U+0430"),
            "{arguments:?} {}",
            done.err
        );
    };
    warned(&["lock"]);
    warned(&["graph", "show"]);
    let source = "import { fs } from 'cap:self'; await fs.readTextFile('d\u{430}ta/a.txt');";
    let said = secure_runtime(&Scene::of_main(&["fs.read=./data/**"], source), &["run"]).failure(3);
    assert!(said.contains("U+0430 in it looks like"), "{said}");
    let scene = greeting();
    assert_eq!(secure_runtime(&scene, &["lock"]).err, "");
    let scene = Scene::new()
        .file(
            "secure.toml",
            manifest(
                &[],
                "[imports]\nmodern = \"npm:modern@1.0.0\"\nrnodern = \"npm:rnodern@1.0.0\"\n",
            ),
        )
        .file("main.js", "import 'modern'; import 'rnodern';")
        .file(
            "node_modules/modern/package.json",
            "{\"name\":\"modern\",\"version\":\"1.0.0\",\"exports\":\"./index.mjs\"}",
        )
        .file("node_modules/modern/index.mjs", "")
        .file(
            "node_modules/rnodern/package.json",
            "{\"name\":\"rnodern\",\"version\":\"1.0.0\",\"exports\":\"./index.mjs\"}",
        )
        .file("node_modules/rnodern/index.mjs", "");
    let done = secure_runtime(&scene, &["lock"]);
    assert!(done.err.contains("modern and rnodern look alike"), "{done:?}");
}
