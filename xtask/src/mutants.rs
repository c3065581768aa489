//! `cargo xtask mutants`: whether the tests of capabilities/ notice when its code is wrong.
//!
//! By hand, as it takes hours: what is changed, and how, is in `.cargo/mutants.toml`.

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
    // A mutant is wrong nearly everywhere, so that property tests show it in few cases.
    command.args(arguments).env("PROPERTY_CASES", "1000");
    steps.run("mutants", &mut command)?;
    steps.summary("mutants");
    Ok(())
}
