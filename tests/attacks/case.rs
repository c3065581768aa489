//! One attack: a JavaScript file with a front matter, like in test262.
//!
//! ```text
//! /*---
//! id = "A49"
//! title = "dot-dot does not leave the grant"
//! grants = ["fs.read=./data/**"]
//! expect = "denied"
//! audit = ["denied fs read ${base}/secret.txt"]
//! ---*/
//! export async function attack(help) { … }    // the package under test
//! export async function control(help) { … }
//! //// data/a.txt
//! a further file of the program
//! ```
//!
//! The text after the front matter is the `index.js` of the package `suspect`. If `attack` gained a forbidden result,
//! it returns a truthy value. `control` must return a truthy value: it proves that the same code works with the right
//! grants.
//!
//! A line of `audit` may end with ` by MODULE`, the module whose authority was used. It may begin with `20000 times `.
//! If the number depends on the engine, it may begin with `some times `.
//!
//! A section `//// a/index.js` adds a second package, the victim. Both functions get it as `help.a`. A `.wasm` file is
//! written in the text format.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::support::{Scene, grant_table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The number in the list of attacks, with a letter if the number has several cases.
    pub(super) id: String,
    /// The only engine of the case, `v8` or `quickjs`. None for both.
    pub(super) engine: Option<String>,
    /// The promise that the case tests.
    pub(super) title: String,
    /// The boundary under test: `program` for the rights of the program, `modules` for the separation of its modules.
    #[expect(dead_code, reason = "for `cargo xtask scoreboard`")]
    boundary: Boundary,
    /// The reason why the case does not apply to other systems, or to one of them.
    #[serde(default)]
    #[expect(dead_code, reason = "for `cargo xtask scoreboard`")]
    elsewhere: Option<serde::de::IgnoredAny>,
    /// The place where another system states that it does not make this promise.
    #[serde(default)]
    #[expect(dead_code, reason = "for `cargo xtask scoreboard`")]
    unclaimed: Option<serde::de::IgnoredAny>,
    /// The grants of the package under test.
    #[serde(default)]
    grants: Vec<String>,
    /// Its grants in the control run, if they differ.
    control_grants: Option<Vec<String>>,
    pub(super) expect: Verdict,
    /// The name of the error if `expect` is `refused`.
    pub(super) error: Option<String>,
    /// Every decision of the attack's run, in order. `${base}` is the program's folder, `${server}` the local server.
    audit: Vec<String>,
    /// The victim.
    a: Option<Victim>,
    /// Grants that only the program's own modules have.
    #[serde(default)]
    app_grants: Vec<String>,
    /// Symbolic links, by path.
    #[serde(default)]
    links: BTreeMap<String, String>,
    /// Environment variables.
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// The package under test, then the other files.
    #[serde(skip)]
    files: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Boundary {
    Program,
    Modules,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Victim {
    grants: Vec<String>,
}

/// The expected result of an attack.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// The attack threw a `CapabilityError`.
    Denied,
    /// The attack threw another error.
    Refused,
    /// The attack returned nothing.
    Nothing,
}

/// The entry module of every case. Its comments describe it.
const MAIN: &str = include_str!("main.js");

impl Case {
    pub(super) fn read(path: &Path) -> Case {
        let text = std::fs::read_to_string(path).unwrap();
        let shown = path.display();
        let (front, body) = text
            .strip_prefix("/*---\n")
            .and_then(|rest| rest.split_once("\n---*/\n"))
            .unwrap_or_else(|| panic!("{shown}: no front matter between /*--- and ---*/"));
        let mut case: Case = toml::from_str(front).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut name = String::from("suspect/index.js");
        let mut content = String::new();
        for line in body.lines() {
            if let Some(next) = line.strip_prefix("//// ") {
                case.files.push((name, std::mem::take(&mut content)));
                name = next.trim().to_owned();
            } else {
                content.push_str(line);
                content.push('\n');
            }
        }
        case.files.push((name, content));
        case
    }

    /// Returns true if the program contains WebAssembly.
    pub(super) fn has_webassembly(&self) -> bool {
        self.files.iter().any(|(name, _)| name.ends_with(".wasm"))
    }

    /// Returns a message about the first decision that differs from `audit`: the decision, and the expected one.
    pub(super) fn unexpected(&self, decisions: &[String], base: &str, server: &str) -> Option<String> {
        let mut left = decisions.iter().peekable();
        for line in &self.audit {
            let line = line.replace("${base}", base).replace("${server}", server);
            let (times, wanted) = line.split_once(" times ").unwrap_or(("1", &line));
            let is_wanted = |decision: &&String| {
                *decision == wanted
                    || decision
                        .rsplit_once(" by ")
                        .is_some_and(|(what, _)| what == wanted)
            };
            let most = times.parse().unwrap_or(usize::MAX);
            let found = std::iter::from_fn(|| left.next_if(is_wanted)).take(most).count();
            if found == 0 || (found < most && times != "some") {
                return Some(format!(
                    "{:?} instead of {line:?} (of which {found} came)",
                    left.peek()
                ));
            }
        }
        left.next().map(|decision| format!("{decision:?} besides"))
    }

    /// Creates the program of the attack or of the control.
    pub(super) fn scene(&self, is_control: bool, server: &str) -> Scene {
        let fill = |line: &String| line.replace("${server}", server);
        let grants = match &self.control_grants {
            Some(grants) if is_control => grants,
            _ => &self.grants,
        };
        let grants: Vec<String> = grants.iter().map(fill).collect();
        let of_victim: Vec<String> = self.a.iter().flat_map(|a| a.grants.iter().map(fill)).collect();
        let mut ceiling: Vec<String> = self.app_grants.iter().map(fill).collect();
        ceiling.extend(grants.iter().chain(&of_victim).cloned());
        ceiling.sort();
        ceiling.dedup();

        let mut manifest = String::from(
            "[package]\nname = \"attack\"\nentry = \"main.js\"\n[imports]\nsuspect = \"./suspect/\"\n",
        );
        if self.a.is_some() {
            manifest.push_str("a = \"./a/\"\n");
        }
        manifest.push_str(&format!("[grants]\n{}", table(&ceiling)));
        manifest.push_str(&format!("[packages.suspect.grants]\n{}", table(&grants)));
        if self.a.is_some() {
            manifest.push_str(&format!("[packages.a.grants]\n{}", table(&of_victim)));
        }

        let victim = if self.a.is_some() {
            "import * as a from \"a\";"
        } else {
            "const a = undefined;"
        };
        let mut scene = Scene::new()
            .file("secure.toml", manifest)
            .file("main.js", format!("{victim}\n{MAIN}"));
        for (path, content) in &self.files {
            scene = match path.ends_with(".wasm") {
                true => scene.file(path, wat::parse_str(content).unwrap()),
                false => scene.file(path, content),
            };
        }
        for (path, target) in &self.links {
            scene = scene.link(path, target);
        }
        for (name, value) in &self.variables {
            scene = scene.variable(name, value);
        }
        scene
    }
}

fn table(grants: &[String]) -> String {
    grant_table(&grants.iter().map(String::as_str).collect::<Vec<_>>())
}
