//! `cargo xtask fuzz`: new inputs for the fuzz targets, with the stable compiler.

use anyhow::Result;

use crate::steps::{Steps, cargo};

/// Default number of seconds for each target.
pub(crate) const SECONDS: u32 = 40;

pub(crate) fn run(seconds: u32, targets: &[String]) -> Result<()> {
    let mut steps = Steps::new();
    for_seconds(&mut steps, seconds, targets)?;
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
