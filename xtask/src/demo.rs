//! `cargo xtask demo`: builds a fresh clone, writes a report, and shows that a hostile package gains nothing.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engine::{Choice, Engine};
use crate::steps::{Steps, cargo, root};
use crate::{api, packages, setup};

const REPORT: &str = "examples/report/out/report.html";

pub(crate) fn run(choice: Choice) -> Result<()> {
    let engine = setup::run(choice)?;
    let mut steps = Steps::new();
    packages::install(&mut steps)?;
    build(&mut steps, engine)?;
    examples(&mut steps, engine)?;
    println!("\nThe report is {}", root().join(REPORT).display());
    Ok(())
}

/// Builds the binary with the same features as the tests, so that those compile nothing again. This needs the
/// development profile, and two small test programs (`tests/suite` of capabilities/ and loaders/). Without a
/// test, cargo does not enable the features of development dependencies, and deno_core would be compiled
/// twice.
pub(crate) fn build(steps: &mut Steps, engine: Engine) -> Result<()> {
    let mut command = cargo(&["build", "--workspace", "--bins", "--test", "suite"]);
    steps.run(
        &format!("build ({engine})"),
        command.args(engine.cargo_arguments()),
    )
}

/// Runs the examples with the most recently built binary.
pub(crate) fn examples(steps: &mut Steps, engine: Engine) -> Result<()> {
    let report = root().join(REPORT);
    // Removes the report of an earlier run, which must not count as this one's.
    if report.exists() {
        fs::remove_file(&report).with_context(|| format!("{} cannot be removed", report.display()))?;
    }
    steps.run(
        &format!("examples/report ({engine})"),
        runtime(&["run", "examples/report", "--locked"])?.current_dir(root()),
    )?;
    if !report.is_file() {
        bail!("examples/report ended without writing {REPORT}");
    }
    steps.run(
        &format!("examples/hostile ({engine})"),
        runtime(&["run", "examples/hostile", "--locked"])?.current_dir(root()),
    )?;
    match engine {
        Engine::V8 => steps.step(&format!("examples/api ({engine})"), api::drive),
        // It has no `crypto.subtle`.
        Engine::QuickJs => Ok(()),
    }
}

/// Returns a command that runs this project's binary. Cargo puts it beside this program, in any target
/// folder.
pub(crate) fn runtime(arguments: &[&str]) -> Result<Command> {
    let this: PathBuf = env::current_exe().context("the path of this program is unknown")?;
    let mut command = Command::new(this.with_file_name(format!("secure-runtime{}", env::consts::EXE_SUFFIX)));
    command.args(arguments);
    Ok(command)
}
