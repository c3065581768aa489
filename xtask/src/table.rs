//! `cargo xtask packages`: tests which packages of the registry load, on each engine, and records the reasons
//! of failures.
//!
//! The list is xtask/packages.txt. For each package, a program of one line locks and imports it without
//! rights. If that fails, the package is tried again with rights that reveal nothing. The results are in
//! docs/packages.md.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engine::{Choice, Engine, available};
use crate::steps::{Steps, root, target};
use crate::{demo, setup, used};

const LIST: &str = "xtask/packages.txt";
const TABLE: &str = "docs/packages.md";

/// The packages for continuous integration: one for each format of packages.
const FEW: [&str; 6] = ["ajv", "debug", "marked", "qs", "react", "semver"];

/// Packages that replace modules of Node.js with the same names. Bundlers use them, and so do users who
/// install them.
const SUPPORT: [(&str, &str); 5] = [
    ("assert", "2.1.0"),
    ("path", "npm:path-browserify@1.0.1"),
    ("timers", "npm:timers-browserify@2.0.12"),
    ("url", "0.11.4"),
    ("util", "0.12.5"),
];

/// The entry module. It prints the exports, so that a package without exports does not count as loaded.
const PROGRAM: &str = "import * as all from \"it\";\nconsole.log(JSON.stringify(Object.keys(all)));\n";

/// A package of the list.
struct Listed {
    name: String,
    version: String,
    /// The path of the imported module within the package; empty for the package's main module.
    subpath: String,
    /// True if the package needs features that only Node.js has.
    is_for_node: bool,
}

/// The result of locking and running a package: its formats, and the rights that it needs or the reason of
/// the failure.
struct Tried {
    format: String,
    result: Result<Rights, String>,
}

/// The rights with which a package was imported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rights {
    None,
    /// A stopped clock, and random numbers derived from the module's own hash: [`POWERLESS`].
    Powerless,
}

const POWERLESS: &str = "clock = \"never\", random = \"seeded\"";

/// Loads all packages of the list on the engines of this machine, and writes the table. Then writes the table
/// of packages in use.
pub(crate) fn run(choice: Choice) -> Result<()> {
    let engines = available(choice)?;
    let mut steps = Steps::new();
    let listed = list()?;
    let packages: Vec<&Listed> = listed.iter().collect();
    let folder = target()?.join("packages");
    install_listed(&mut steps, &folder, &packages)?;
    let mut columns = Vec::new();
    for engine in &engines {
        demo::build(&mut steps, *engine)?;
        columns.push(column(&mut steps, *engine, &folder, &packages)?);
    }
    let path = root().join(TABLE);
    fs::create_dir_all(root().join("docs")).context("docs/ cannot be made")?;
    fs::write(&path, table(&engines, &packages, &columns))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    println!("written: {TABLE}");
    used::write(&mut steps, &engines)?;
    steps.summary("packages");
    Ok(())
}

/// Loads a few packages of the list with the most recently built binary. All must load.
pub(crate) fn few(steps: &mut Steps, engine: Engine) -> Result<()> {
    let listed = list()?;
    let packages: Vec<&Listed> = listed
        .iter()
        .filter(|package| FEW.contains(&package.name.as_str()))
        .collect();
    let folder = target()?.join("packages-few");
    install_listed(steps, &folder, &packages)?;
    let tried = column(steps, engine, &folder, &packages)?;
    let failed: Vec<String> = packages
        .iter()
        .zip(&tried)
        .filter_map(|(package, tried)| Some(format!("{}: {}", package.name, tried.result.as_ref().err()?)))
        .collect();
    if packages.len() != FEW.len() || !failed.is_empty() {
        bail!(
            "of the packages {}, these do not load: {}",
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

/// Parses the list. A line is `name@version`, and packages for Node.js follow the line `[node]`. If the
/// package has no main module, a space and a subpath follow the version.
fn list() -> Result<Vec<Listed>> {
    let text = fs::read_to_string(root().join(LIST)).with_context(|| format!("{LIST} cannot be read"))?;
    let (pure, node) = text
        .split_once("\n[node]\n")
        .with_context(|| format!("{LIST} has no line [node]"))?;
    let pure = pure.lines().map(|line| (line, false));
    pure.chain(node.lines().map(|line| (line, true)))
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, is_for_node)| {
            let (package, subpath) = line.split_once(' ').unwrap_or((line, ""));
            let (name, version) = package
                .rsplit_once('@')
                .with_context(|| format!("{LIST}: {line:?} is not name@version"))?;
            Ok(Listed {
                name: name.to_owned(),
                version: version.to_owned(),
                subpath: subpath.to_owned(),
                is_for_node,
            })
        })
        .collect()
}

/// Installs the packages of the list, and [`SUPPORT`].
fn install_listed(steps: &mut Steps, folder: &Path, chosen: &[&Listed]) -> Result<()> {
    let chosen = chosen
        .iter()
        .map(|package| (package.name.as_str(), package.version.as_str()));
    install(steps, folder, chosen.chain(SUPPORT))
}

/// Installs packages, each a name and a version, and their dependencies into one `node_modules`, with npm's
/// layout.
pub(crate) fn install<'a>(
    steps: &mut Steps,
    folder: &Path,
    packages: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    setup::install_npm()?;
    let dependencies: Vec<String> = packages
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
    // A package's scripts must not run on the developer's machine.
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
    fs::write(folder.join("secure.toml"), manifest(package, &[])).context("secure.toml cannot be written")?;
    let program = PROGRAM.replace("\"it\"", &format!("{:?}", format!("it{}", package.subpath)));
    fs::write(folder.join("main.js"), program).context("main.js cannot be written")?;
    if let Err(reason) = lock(folder)? {
        return Ok(Tried {
            format: "?".to_owned(),
            result: Err(reason),
        });
    }
    let graph: serde_json::Value =
        serde_json::from_str(&ours(folder, &["graph", "show", "--json"])?.unwrap_or_default())
            .context("the output of `graph show --json` is not JSON")?;
    let mut result = run_locked(folder)?.map(|()| Rights::None);
    if result.is_err() {
        let names = graph
            .get("packages")
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten();
        let names: Vec<&str> = names
            .filter_map(|package| package.get("name").and_then(serde_json::Value::as_str))
            .collect();
        fs::write(folder.join("secure.toml"), manifest(package, &names))
            .context("secure.toml cannot be written")?;
        result = match lock(folder)? {
            Ok(()) => run_locked(folder)?.map(|()| Rights::Powerless),
            Err(reason) => Err(reason),
        };
    }
    Ok(Tried {
        format: format(&graph),
        result,
    })
}

/// Returns the manifest of a program that imports `package`. The packages in `powerless` get rights that
/// reveal nothing.
fn manifest(package: &Listed, powerless: &[&str]) -> String {
    let mut manifest = format!(
        "[package]\nname = \"packages\"\nentry = \"main.js\"\n\n[imports]\nit = \"npm:{}@{}\"\n\n[limits]\nwall = \"60s\"\n",
        package.name, package.version
    );
    if !powerless.is_empty() {
        manifest.push_str(&format!("\n[grants]\n{}\n", POWERLESS.replace(", ", "\n")));
    }
    for name in powerless.iter().filter(|name| !name.is_empty()) {
        manifest.push_str(&format!("\n[packages.{name:?}]\ngrants = {{ {POWERLESS} }}\n"));
    }
    manifest
}

/// Locks the program in `folder` anew. Returns the first line of the error.
pub(crate) fn lock(folder: &Path) -> Result<Result<(), String>> {
    let lock = folder.join("secure.lock");
    if lock.exists() {
        fs::remove_file(&lock).context("secure.lock cannot be removed")?;
    }
    Ok(ours(folder, &["lock"])?.map(drop))
}

fn run_locked(folder: &Path) -> Result<Result<(), String>> {
    Ok(match ours(folder, &["run", "--locked"])? {
        Ok(printed) if printed.trim_end().ends_with(']') && !printed.trim_end().ends_with("[]") => Ok(()),
        Ok(_) => Err("it exports nothing".to_owned()),
        Err(reason) => Err(reason),
    })
}

/// Runs this project's binary in `folder`. Returns its output, or the first line of its error.
pub(crate) fn ours(folder: &Path, arguments: &[&str]) -> Result<Result<String, String>> {
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
    // Removes the location of the engine's sources on this machine, which is meaningless elsewhere.
    let reason = line.split_once(" at /").map_or(line, |(reason, _)| reason);
    Ok(Err(reason.to_owned()))
}

/// Returns the formats of the modules in a package and its dependencies, from `graph show --json`.
fn format(graph: &serde_json::Value) -> String {
    let modules = || {
        let packages = graph
            .get("packages")
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten();
        packages
            .filter(|package| package.get("name").is_some_and(|name| name != ""))
            .flat_map(|package| {
                package
                    .get("modules")
                    .and_then(serde_json::Value::as_array)
                    .into_iter()
                    .flatten()
            })
    };
    let is_common_js = |module: &serde_json::Value| {
        module
            .pointer("/origin/transformation")
            .is_some_and(|name| name == "CommonJS")
    };
    let has = |kind: &str, common_js: bool| {
        modules().any(|module| {
            module.get("kind").is_some_and(|name| name == kind) && is_common_js(module) == common_js
        })
    };
    let formats = [
        (has("javascript", false), "ESM"),
        (has("javascript", true), "CommonJS"),
        (has("json", false), "JSON"),
    ];
    let formats: Vec<&str> = formats
        .into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, name)| name)
        .collect();
    formats.join(", ")
}

fn table(engines: &[Engine], packages: &[&Listed], columns: &[Vec<Tried>]) -> String {
    let mut text = String::from(
        "# Packages\n\nWritten by `cargo xtask packages`, from the list in xtask/packages.txt, which has much-downloaded packages.\n\
         For each package, a program without any rights locks and imports all of it. The columns *loads* show if that succeeds: all\n\
         modules are found, linked and evaluated. No function is called, so the columns do not show that the functions work.\n\
         If a package does not load, it is tried again with rights that reveal nothing (*still* in the table): a clock that stands\n\
         at 1970, and random numbers derived from the module's own hash (`clock = \"never\"`, `random = \"seeded\"`). Packages that require\n\
         modules of Node.js get packages with the same names, like bundlers do: assert, path, timers, url, util, and those in\n\
         the list.\n\n",
    );
    for (engine, column) in engines.iter().zip(columns) {
        let pure = || {
            let tried = packages.iter().zip(column);
            tried
                .filter(|(package, _)| !package.is_for_node)
                .map(|(_, tried)| tried)
        };
        let all = pure().count();
        let loading = pure().filter(|tried| tried.result.is_ok()).count();
        let without = pure().filter(|tried| tried.result == Ok(Rights::None)).count();
        let of_node = column.len() - all;
        let of_node_loading = column.iter().filter(|tried| tried.result.is_ok()).count() - loading;
        let share = |count: usize| 100.0 * count as f64 / all.max(1) as f64;
        text.push_str(&format!(
            "- {engine}: {loading} of {all} load ({:.1} %), {without} of them without any rights ({:.1} %); of {of_node} that need features of \
             Node.js, {of_node_loading}\n",
            share(loading),
            share(without)
        ));
    }
    let names: Vec<String> = engines.iter().map(|engine| format!("{engine} loads")).collect();
    text.push_str(&format!(
        "\n| package | version | format | {} | why not |\n| --- | --- | --- |{} --- |\n",
        names.join(" | "),
        " --- |".repeat(names.len())
    ));
    for (index, package) in packages.iter().enumerate() {
        let tried: Vec<&Tried> = columns.iter().filter_map(|column| column.get(index)).collect();
        let marks: Vec<&str> = tried
            .iter()
            .map(|tried| match tried.result {
                Ok(Rights::None) => "yes",
                Ok(Rights::Powerless) => "still",
                Err(_) => "no",
            })
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
