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
    // What a property test finds in its full number of cases, a mutant shows in a few: it is wrong nearly everywhere.
    command.args(arguments).env("PROPERTY_CASES_PERCENT", "10");
    steps.run("mutants", &mut command)?;
    steps.summary("mutants");
    Ok(())
}
