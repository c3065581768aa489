//! `cargo xtask fuzz`: new inputs for the fuzz targets, with the stable compiler.

use anyhow::Result;

use crate::engine::{self, Choice, Engine};
use crate::steps::{Steps, cargo};

/// The target that needs an engine. It is a test of the main suite, because the workspace of the others has no engine.
const OPERATIONS: &str = "operations";

/// Default number of seconds for each target.
pub(crate) const SECONDS: u32 = 40;

pub(crate) fn run(choice: Choice, seconds: u32, targets: &[String]) -> Result<()> {
    let mut steps = Steps::new();
    let others: Vec<String> = targets
        .iter()
        .filter(|name| *name != OPERATIONS)
        .cloned()
        .collect();
    if targets.is_empty() || !others.is_empty() {
        for_seconds(&mut steps, seconds, &others)?;
    }
    if targets.is_empty() || others.len() < targets.len() {
        operations(&mut steps, engine::choose(choice)?, seconds)?;
    }
    steps.summary("fuzz");
    Ok(())
}

/// Runs each target for some seconds, as many at once as there are cores. Without names, it runs all targets.
pub(crate) fn for_seconds(steps: &mut Steps, seconds: u32, targets: &[String]) -> Result<()> {
    let title = format!("fuzz targets, {seconds} s each");
    let mut command = seeds();
    command.args(["--seconds", &seconds.to_string()]).args(targets);
    steps.run(&title, &mut command)
}

/// Runs new calls of operations for this time. The suite makes the calls of the seeds.
pub(crate) fn operations(steps: &mut Steps, engine: Engine, seconds: u32) -> Result<()> {
    let mut command = cargo(&["test", "--quiet", "--workspace", "--test", "main"]);
    command
        .args(engine.cargo_arguments())
        .args([
            "--",
            "--exact",
            "attacks::hostile::a113_no_argument_of_an_operation_is_a_panic",
            "--nocapture",
        ])
        .env("FUZZ_SECONDS", seconds.to_string());
    steps.run(
        &format!("fuzz target {OPERATIONS} ({engine}), {seconds} s"),
        &mut command,
    )
}

/// Runs the same mutations of the seeds on every machine. It takes seconds, and detects regressions.
pub(crate) fn fixed(steps: &mut Steps) -> Result<()> {
    steps.run("fuzz targets over their seeds", &mut seeds())
}

/// Checks the format of the targets. They are in a separate workspace, which the checks of this one do not
/// cover.
pub(crate) fn format(steps: &mut Steps) -> Result<()> {
    let mut command = cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]);
    steps.run("format (fuzz)", &mut command)
}

fn seeds() -> std::process::Command {
    cargo(&[
        "run",
        "--quiet",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--bin",
        "seeds",
        "--",
    ])
}
