//! `cargo xtask mutants`: checks that the tests of capabilities/ fail if its code is changed.
//!
//! It takes hours, so it is run by hand. `.cargo/mutants.toml` configures the changes.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::steps::{Steps, cargo};

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let is_there = Command::new("cargo-mutants")
        .args(["mutants", "--version"])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !is_there {
        bail!("cargo-mutants is missing: install it with `cargo install --locked cargo-mutants`");
    }
    let mut steps = Steps::new();
    let mut command = cargo(&["mutants", "--package", "secure-runtime-capabilities"]);
    // Most mutants are wrong for nearly all inputs, so a few cases of each property suffice.
    command.args(arguments).env("PROPERTY_CASES", "1000");
    steps.run("mutants", &mut command)?;
    steps.summary("mutants");
    Ok(())
}
