//! `cargo xtask fuzz`: new inputs for the fuzz targets, with the stable compiler.

use anyhow::Result;

use crate::steps::{Steps, cargo};

/// How long a target runs where nothing else is said.
pub(crate) const SECONDS: u32 = 40;

pub(crate) fn run(seconds: u32, targets: &[String]) -> Result<()> {
    let mut steps = Steps::new();
    for_seconds(&mut steps, seconds, targets)?;
    steps.summary("fuzz");
    Ok(())
}

/// Each target for so long, as many at once as there are cores. Without names, all.
pub(crate) fn for_seconds(steps: &mut Steps, seconds: u32, targets: &[String]) -> Result<()> {
    let title = format!("fuzz targets, {seconds} s each");
    let mut command = seeds();
    command.args(["--seconds", &seconds.to_string()]).args(targets);
    steps.run(&title, &mut command)
}

/// The same mutations of the seeds on every machine: in seconds, and finds what a change has broken.
pub(crate) fn fixed(steps: &mut Steps) -> Result<()> {
    steps.run("fuzz targets over their seeds", &mut seeds())
}

/// The workspace of the targets is one of its own, which the checks of this one do not reach.
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
