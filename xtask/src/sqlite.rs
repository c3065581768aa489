//! The crate examples/sqlite, which is a separate workspace like the crate of an embedder.

use std::process::Command;

use anyhow::Result;

use crate::steps::{Steps, cargo, target};

/// Checks the format.
pub(crate) fn format(steps: &mut Steps) -> Result<()> {
    let mut command = cargo(&["fmt", "--manifest-path", MANIFEST, "--check"]);
    steps.run("format (examples/sqlite)", &mut command)
}

/// Checks and tests the crate with V8.
pub(crate) fn tests(steps: &mut Steps) -> Result<()> {
    let mut clippy = shared(&["clippy", "--locked", "--manifest-path", MANIFEST, "--all-targets"])?;
    clippy.args(["--", "-D", "warnings"]);
    steps.run("clippy (examples/sqlite)", &mut clippy)?;
    let mut test = shared(&["test", "--locked", "--manifest-path", MANIFEST])?;
    steps.run("tests (examples/sqlite)", &mut test)
}

const MANIFEST: &str = "examples/sqlite/Cargo.toml";

/// Returns a cargo command that shares the target folder of this workspace, so that packages are compiled once.
fn shared(arguments: &[&str]) -> Result<Command> {
    let mut command = cargo(arguments);
    command.env("CARGO_TARGET_DIR", target()?);
    Ok(command)
}
