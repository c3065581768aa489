//! `cargo xtask test`: every test, with one engine.

use anyhow::Result;

use crate::engine::{Choice, Engine};
use crate::steps::{Steps, cargo};
use crate::{packages, setup};

pub(crate) fn run(choice: Choice) -> Result<()> {
    let engine = setup::run(choice)?;
    let mut steps = Steps::new();
    packages::install(&mut steps)?;
    tests(&mut steps, engine)?;
    steps.summary("test");
    Ok(())
}

/// Unit, integration and documentation tests of all packages.
pub(crate) fn tests(steps: &mut Steps, engine: Engine) -> Result<()> {
    let mut command = cargo(&["test", "--workspace"]);
    steps.run(
        &format!("tests ({engine})"),
        command.args(engine.cargo_arguments()),
    )
}
