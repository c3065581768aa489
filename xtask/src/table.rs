//! `cargo xtask packages`: which packages of the registry run here, on which engine, and why the others do not.
//!
//! The list is xtask/packages.txt. Each package is locked and imported, with no rights, by a program of one line; what came of
//! it is written to docs/packages.md.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engine::{Choice, Engine, available};
use crate::steps::{Steps, root, target};
use crate::{demo, setup};

const LIST: &str = "xtask/packages.txt";
const TABLE: &str = "docs/packages.md";

/// Packages that continuous integration tries: one of each form that packages have.
const FEW: [&str; 6] = ["ajv", "debug", "marked", "qs", "react", "semver"];

/// Packages that have the names of modules of Node.js, and work without it: bundlers take them, and so does who installs them.
const SUPPORT: [(&str, &str); 5] = [
    ("assert", "2.1.0"),
    ("path", "npm:path-browserify@1.0.1"),
    ("timers", "npm:timers-browserify@2.0.12"),
    ("url", "0.11.4"),
    ("util", "0.12.5"),
];

/// What the entry module does. It names what it found, so that a package that exports nothing is not taken for one that works.
const PROGRAM: &str = "import * as all from \"it\";\nconsole.log(JSON.stringify(Object.keys(all)));\n";

/// A package of the list.
struct Listed {
    name: String,
    version: String,
    /// What is imported of it; nothing is the package itself.
    subpath: String,
}

/// How locking and running a package went: what it is made of, or why it does not run.
struct Tried {
    format: String,
    result: Result<(), String>,
}

/// Tries the list on the engines of this machine.
pub(crate) fn run(choice: Choice) -> Result<()> {
    let engines = available(choice)?;
    let mut steps = Steps::new();
    let listed = list()?;
    let packages: Vec<&Listed> = listed.iter().collect();
    let folder = target()?.join("packages");
    install(&mut steps, &folder, &packages)?;
    let mut columns = Vec::new();
    for engine in &engines {
        demo::build(&mut steps, *engine)?;
        columns.push(column(&mut steps, *engine, &folder, &packages)?);
    }
    let path = root().join(TABLE);
    fs::create_dir_all(root().join("docs")).context("docs/ cannot be made")?;
    fs::write(&path, table(&engines, &packages, &columns))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    steps.summary("packages");
    println!("written: {TABLE}");
    Ok(())
}

/// Tries a few packages of the list, all of which must work, with the binary that was built last.
pub(crate) fn few(steps: &mut Steps, engine: Engine) -> Result<()> {
    let listed = list()?;
    let packages: Vec<&Listed> = listed
        .iter()
        .filter(|package| FEW.contains(&package.name.as_str()))
        .collect();
    let folder = target()?.join("packages-few");
    install(steps, &folder, &packages)?;
    let tried = column(steps, engine, &folder, &packages)?;
    let failed: Vec<String> = packages
        .iter()
        .zip(&tried)
        .filter_map(|(package, tried)| Some(format!("{}: {}", package.name, tried.result.as_ref().err()?)))
        .collect();
    if packages.len() != FEW.len() || !failed.is_empty() {
        bail!(
            "of the packages {}, these do not work: {}",
            FEW.join(", "),
            failed.join("; ")
        );
    }
    Ok(())
}

fn column(steps: &mut Steps, engine: Engine, folder: &Path, packages: &[&Listed]) -> Result<Vec<Tried>> {
    steps.step(&format!("packages ({engine})"), || {
        packages.iter().map(|package| attempt(folder, package)).collect()
    })
}

/// The lines of the list: `name@version`, and after a space a subpath where the package has no module of its own name.
fn list() -> Result<Vec<Listed>> {
    let text = fs::read_to_string(root().join(LIST)).with_context(|| format!("{LIST} cannot be read"))?;
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (package, subpath) = line.split_once(' ').unwrap_or((line, ""));
            let (name, version) = package
                .rsplit_once('@')
                .with_context(|| format!("{LIST}: {line:?} is not name@version"))?;
            Ok(Listed {
                name: name.to_owned(),
                version: version.to_owned(),
                subpath: subpath.to_owned(),
            })
        })
        .collect()
}

/// Puts the packages, with what they need, into one `node_modules`, as npm lays it out.
fn install(steps: &mut Steps, folder: &Path, chosen: &[&Listed]) -> Result<()> {
    setup::install_npm()?;
    let chosen = chosen
        .iter()
        .map(|package| (package.name.as_str(), package.version.as_str()));
    let dependencies: Vec<String> = chosen
        .chain(SUPPORT)
        .map(|(name, version)| format!("{name:?}: {version:?}"))
        .collect();
    let package_json = format!(
        "{{ \"private\": true, \"dependencies\": {{ {} }} }}\n",
        dependencies.join(", ")
    );
    let stamp = folder.join("node_modules").join(".installed-from.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == package_json) {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    fs::write(folder.join("package.json"), &package_json).context("package.json cannot be written")?;
    // No package may run a script of its own on the developer's machine.
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--legacy-peer-deps",
    ])
    .current_dir(folder);
    steps.run("npm install (packages)", &mut npm)?;
    fs::write(&stamp, &package_json).with_context(|| format!("{} cannot be written", stamp.display()))
}

/// Locks and runs a program that imports the package.
fn attempt(folder: &Path, package: &Listed) -> Result<Tried> {
    let manifest = format!(
        "[package]\nname = \"packages\"\nentry = \"main.js\"\n\n[imports]\nit = \"npm:{}@{}\"\n\n[limits]\nwall = \"60s\"\n",
        package.name, package.version
    );
    fs::write(folder.join("secure.toml"), manifest).context("secure.toml cannot be written")?;
    let program = PROGRAM.replace("\"it\"", &format!("{:?}", format!("it{}", package.subpath)));
    fs::write(folder.join("main.js"), program).context("main.js cannot be written")?;
    let lock = folder.join("secure.lock");
    if lock.exists() {
        fs::remove_file(&lock).context("secure.lock cannot be removed")?;
    }
    if let Err(reason) = ours(folder, &["lock"])? {
        return Ok(Tried {
            format: "?".to_owned(),
            result: Err(reason),
        });
    }
    let format = format(&ours(folder, &["graph", "show", "--json"])?.unwrap_or_default());
    let result = match ours(folder, &["run", "--locked"])? {
        Ok(printed) if printed.trim_end().ends_with(']') && !printed.trim_end().ends_with("[]") => Ok(()),
        Ok(_) => Err("it exports nothing".to_owned()),
        Err(reason) => Err(reason),
    };
    Ok(Tried { format, result })
}

/// Runs our binary in `folder`: what it printed, or the first line of its error.
fn ours(folder: &Path, arguments: &[&str]) -> Result<Result<String, String>> {
    let output = demo::runtime(arguments)?
        .current_dir(folder)
        .env("SECURE_RUNTIME_STORE", folder.join("store"))
        .env("NO_COLOR", "1")
        .output()
        .context("secure-runtime cannot be run")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(Ok(text(&output.stdout)));
    }
    let errors = text(&output.stderr);
    let line = errors.lines().find_map(|line| line.strip_prefix("error: "));
    let line = line.unwrap_or("it ended without an error");
    // Where the engine's sources are on this machine is of no use elsewhere.
    let reason = line.split_once(" at /").map_or(line, |(reason, _)| reason);
    Ok(Err(reason.to_owned()))
}

/// What kinds of modules a package and what it needs have, from `graph show --json`.
fn format(graph: &str) -> String {
    let kinds = [
        ("\"transformation\": \"CommonJS\"", "CommonJS"),
        ("\"kind\": \"json\"", "JSON"),
    ];
    let modules = graph.matches("\"kind\": \"javascript\"").count();
    let common_js = graph.matches(kinds[0].0).count();
    // The program's own module is one.
    let mut formats = Vec::new();
    if modules > common_js + 1 {
        formats.push("ESM");
    }
    formats.extend(
        kinds
            .iter()
            .filter(|(text, _)| graph.contains(text))
            .map(|(_, name)| *name),
    );
    formats.join(", ")
}

fn table(engines: &[Engine], packages: &[&Listed], columns: &[Vec<Tried>]) -> String {
    let mut text = String::from(
        "# Packages\n\nWritten by `cargo xtask packages`, from the list in xtask/packages.txt: packages that are downloaded much, \
         whether they work here or not.\nEach is locked, and imported whole by a program without any rights; what is said here is that its modules link and are\n\
         evaluated, not that every function of it works without rights.\n\n",
    );
    for (engine, column) in engines.iter().zip(columns) {
        let working = column.iter().filter(|tried| tried.result.is_ok()).count();
        text.push_str(&format!(
            "- {engine}: {working} of {} work ({:.1} %)\n",
            column.len(),
            100.0 * working as f64 / column.len().max(1) as f64
        ));
    }
    let names: Vec<String> = engines.iter().map(ToString::to_string).collect();
    text.push_str(&format!(
        "\n| package | version | format | {} | why not |\n| --- | --- | --- |{} --- |\n",
        names.join(" | "),
        " --- |".repeat(names.len())
    ));
    for (index, package) in packages.iter().enumerate() {
        let tried: Vec<&Tried> = columns.iter().filter_map(|column| column.get(index)).collect();
        let marks: Vec<&str> = tried
            .iter()
            .map(|tried| if tried.result.is_ok() { "yes" } else { "no" })
            .collect();
        let mut reasons: Vec<&str> = tried
            .iter()
            .filter_map(|tried| tried.result.as_ref().err().map(String::as_str))
            .collect();
        reasons.dedup();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            package.name,
            package.version,
            tried
                .first()
                .map(|tried| tried.format.as_str())
                .unwrap_or_default(),
            marks.join(" | "),
            reasons.join("; ").replace('|', "\\|")
        ));
    }
    text
}
