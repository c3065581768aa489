//! `cargo xtask interop`: tests that compare this project's tokens, graphs and TypeScript output with other
//! tools.
//!
//! The packages of those tools are installed into target/peers, pinned by hash. They are never part of a
//! build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::engine::Engine;
use crate::setup;
use crate::steps::{Steps, cargo, root, target};

/// The peers' scripts, and the files that pin their packages.
const SOURCE: &str = "capabilities/tests/interop/peers";

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    peers(&mut steps)?;
    for (title, package) in [
        ("interop tests (tokens)", "secure-runtime-capabilities"),
        ("interop tests (graphs)", "secure-runtime-loaders"),
    ] {
        let mut command = cargo(&["test", "--package", package, "--test", "interop"]);
        steps.run(title, with_peers(&mut command)?)?;
    }
    steps.summary("interop");
    Ok(())
}

/// Runs the same tests with the features of the workspace's tests, so that nothing is compiled again.
pub(crate) fn tests(steps: &mut Steps, engine: Engine) -> Result<()> {
    peers(steps)?;
    let mut command = cargo(&["test", "--workspace", "--test", "interop"]);
    command.args(engine.cargo_arguments());
    steps.run("interop tests", with_peers(&mut command)?)
}

/// Adds the arguments that enable the tests with peers, and the folder of the peers.
fn with_peers(command: &mut Command) -> Result<&mut Command> {
    Ok(command
        .args(["--", "--ignored", "--show-output"])
        .env("SECURE_RUNTIME_PEERS", folder()?))
}

fn folder() -> Result<PathBuf> {
    Ok(target()?.join("peers"))
}

/// Installs the peers.
fn peers(steps: &mut Steps) -> Result<()> {
    let folder = folder()?;
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    python(steps, &folder)?;
    node(steps, &folder)
}

/// Installs biscuit-python into its own virtual environment.
fn python(steps: &mut Steps, folder: &Path) -> Result<()> {
    let requirements = root().join(SOURCE).join("requirements.txt");
    let environment = folder.join("venv");
    install(&requirements, &environment.join(".installed-from.txt"), || {
        setup::install_python()?;
        steps.run(
            "python environment (interop)",
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&environment),
        )?;
        // Only wheels are installed: building a package would run its scripts.
        let mut pip = Command::new(environment.join("bin").join("python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ])
        .args(["--only-binary=:all:", "--require-hashes", "--requirement"])
        .arg(&requirements);
        steps.run("pip install (interop)", &mut pip)
    })
}

/// Installs biscuit-wasm, cborg and ts-blank-space into `node_modules`.
fn node(steps: &mut Steps, folder: &Path) -> Result<()> {
    let source = root().join(SOURCE);
    let stamp = folder.join("node_modules").join(".installed-from.json");
    install(&source.join("package-lock.json"), &stamp, || {
        setup::install_npm()?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(source.join(name), folder.join(name))
                .with_context(|| format!("{name} cannot be copied"))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder);
        steps.run("npm ci (interop)", &mut npm)
    })
}

/// Installs what a file pins. It does nothing if the stamp beside the packages equals that file.
fn install(pins: &Path, stamp: &Path, action: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(pins).with_context(|| format!("{} cannot be read", pins.display()))?;
    if fs::read(stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    action()?;
    fs::write(stamp, &wanted).with_context(|| format!("{} cannot be written", stamp.display()))
}
