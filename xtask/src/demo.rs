//! `cargo xtask demo`: from a fresh clone to a report, and a hostile package that gets nothing.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::engine::{Choice, Engine};
use crate::steps::{Steps, cargo, root};
use crate::{packages, setup};

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

/// Builds the binary so that the tests find nothing left to compile again: with the development profile, and together
/// with two small test programs (`tests/suite` of capabilities/ and loaders/), since cargo turns on the features that
/// development dependencies ask for only where a test is built, and would compile deno_core once with and once without.
pub(crate) fn build(steps: &mut Steps, engine: Engine) -> Result<()> {
    let mut command = cargo(&["build", "--workspace", "--bins", "--test", "suite"]);
    steps.run(
        &format!("build ({engine})"),
        command.args(engine.cargo_arguments()),
    )
}

/// Runs the examples with the binary that was built last.
pub(crate) fn examples(steps: &mut Steps, engine: Engine) -> Result<()> {
    let report = root().join(REPORT);
    // A report of an earlier run must not pass for this one's.
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
    )
}

/// The binary of this project. Cargo put it beside this program, whatever the target folder is.
pub(crate) fn runtime(arguments: &[&str]) -> Result<Command> {
    let this: PathBuf = env::current_exe().context("this program's own path is unknown")?;
    let mut command = Command::new(this.with_file_name(format!("secure-runtime{}", env::consts::EXE_SUFFIX)));
    command.args(arguments);
    Ok(command)
}
