//! An attack case, reduced to the parts that other systems need. `tests/attacks/case.rs` describes the format
//! of the files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::System;

#[derive(Deserialize)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) expect: String,
    boundary: Boundary,
    #[serde(default)]
    elsewhere: Elsewhere,
    #[serde(default)]
    unclaimed: BTreeMap<String, String>,
    #[serde(default)]
    grants: Vec<String>,
    control_grants: Option<Vec<String>>,
    a: Option<Victim>,
    #[serde(default)]
    app_grants: Vec<String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(skip)]
    files: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Victim {
    grants: Vec<String>,
}

/// The boundary that the attack tries to cross.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Boundary {
    /// A program must not gain rights that were not granted to it.
    Program,
    /// A module must not gain the rights of another module in the program.
    Modules,
}

/// The reasons why a case does not apply: one for all other systems, or one for each of some.
#[derive(Deserialize)]
#[serde(untagged)]
enum Elsewhere {
    All(String),
    Some(BTreeMap<String, String>),
}

impl Default for Elsewhere {
    fn default() -> Self {
        Elsewhere::Some(BTreeMap::new())
    }
}

/// The input of `run.js`.
#[derive(Serialize)]
pub(super) struct Task<'a> {
    systems: Vec<&'static str>,
    grants: &'a [String],
    control_grants: Option<&'a [String]>,
    app_grants: &'a [String],
    a: Option<&'a [String]>,
    links: &'a BTreeMap<String, String>,
    variables: &'a BTreeMap<String, String>,
    files: &'a [(String, String)],
}

impl Case {
    pub(super) fn read(path: &Path) -> Result<Case> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let (front, body) = text
            .strip_prefix("/*---\n")
            .and_then(|rest| rest.split_once("\n---*/\n"))
            .with_context(|| format!("{} has no front matter", path.display()))?;
        let mut case: Case = toml::from_str(front).with_context(|| format!("{}", path.display()))?;
        let (mut name, mut content) = (String::from("suspect/index.js"), String::new());
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
        Ok(case)
    }

    /// Returns the reason why the case does not apply to this system, or `None` if it applies.
    pub(super) fn why_not(&self, system: System) -> Option<&str> {
        match &self.elsewhere {
            Elsewhere::All(reason) => Some(reason),
            Elsewhere::Some(reasons) => reasons.get(system.key()).map(String::as_str),
        }
    }

    /// Returns true if the case is about the rights of one module that another must not use.
    pub(super) fn is_about_modules(&self) -> bool {
        self.boundary == Boundary::Modules
    }

    /// Returns the reason why the system does not claim to hold this case, or `None` if it claims to.
    pub(super) fn why_unclaimed(&self, system: System) -> Option<&str> {
        match system {
            System::Deno | System::Node if self.is_about_modules() => Some("rights are of the process"),
            _ => self.unclaimed.get(system.key()).map(String::as_str),
        }
    }

    pub(super) fn task(&self) -> Task<'_> {
        let applies = |system: &System| self.why_not(*system).is_none();
        Task {
            systems: System::ALL.into_iter().filter(applies).map(System::key).collect(),
            grants: &self.grants,
            control_grants: self.control_grants.as_deref(),
            app_grants: &self.app_grants,
            a: self.a.as_ref().map(|a| a.grants.as_slice()),
            links: &self.links,
            variables: &self.variables,
            files: &self.files,
        }
    }
}
