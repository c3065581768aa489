//! `cargo xtask ci`: all checks that must pass before a merge, the cheap ones first.

use std::process::Command;

use anyhow::Result;

use crate::engine::{Choice, Engine, available};
use crate::steps::{Steps, cargo, target};
use crate::{
    demo, dependencies, fuzz, interop, packages, scoreboard, setup, sqlite, table, test, tidy, used,
};

/// Seconds of new inputs for each fuzz target. `cargo xtask fuzz` runs longer.
const NEW_INPUTS_SECONDS: u32 = 10;

pub(crate) fn run(choice: Choice, is_quick: bool) -> Result<()> {
    let engines = available(choice)?;
    for engine in &engines {
        setup::install_for(*engine)?;
    }
    setup::install_rust_components()?;

    let mut steps = Steps::new();
    steps.run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    fuzz::format(&mut steps)?;
    sqlite::format(&mut steps)?;
    tidy::check(&mut steps)?;
    let are_dependencies_checked = dependencies::check(&mut steps)?;
    packages::install(&mut steps)?;
    for engine in &engines {
        let mut command = cargo(&["clippy", "--workspace", "--all-targets"]);
        command
            .args(engine.cargo_arguments())
            .args(["--", "-D", "warnings"]);
        steps.run(&format!("clippy ({engine})"), &mut command)?;
    }
    if let Some(engine) = engines.first() {
        documentation(&mut steps, *engine)?;
    }
    for engine in &engines {
        test::tests(&mut steps, *engine)?;
        demo::build(&mut steps, *engine)?;
        demo::examples(&mut steps, *engine)?;
        table::few(&mut steps, *engine)?;
        used::few(&mut steps, *engine)?;
        library_examples(&mut steps, *engine)?;
    }
    if let Some(engine) = engines.last() {
        interop::tests(&mut steps, *engine)?;
        token_example(&mut steps)?;
    }
    if engines.contains(&Engine::V8) {
        sqlite::tests(&mut steps)?;
    }
    scoreboard::check(&mut steps)?;
    if let Some(engine) = engines.first() {
        benches(&mut steps, *engine)?;
    }
    fuzz::fixed(&mut steps)?;
    if !is_quick {
        fuzz::for_seconds(&mut steps, NEW_INPUTS_SECONDS, &[])?;
        if let Some(engine) = engines.first() {
            fuzz::operations(&mut steps, *engine, NEW_INPUTS_SECONDS)?;
        }
    }

    steps.summary("ci");
    if !are_dependencies_checked {
        println!("the dependencies were not checked: install cargo-deny to check them");
    }
    if !engines.contains(&Engine::V8) {
        println!("V8 was not tested");
    }
    if !engines.contains(&Engine::QuickJs) {
        println!("QuickJS was not tested");
    }
    Ok(())
}

fn documentation(steps: &mut Steps, engine: Engine) -> Result<()> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    command
        .args(engine.cargo_arguments())
        .env("RUSTDOCFLAGS", "-Dwarnings");
    steps.run("documentation", &mut command)
}

/// Runs the examples of the library. The tests of this engine have built them.
fn library_examples(steps: &mut Steps, engine: Engine) -> Result<()> {
    for name in ["hello", "delegate", "many_tenants"] {
        let program = target()?.join("debug/examples").join(name);
        steps.run(
            &format!("examples/{name}.rs ({engine})"),
            &mut Command::new(program),
        )?;
    }
    Ok(())
}

/// Runs the token crate's example, a print server. The tests have built it.
fn token_example(steps: &mut Steps) -> Result<()> {
    let program = target()?.join("debug/examples/printers");
    steps.run("the token crate's example", &mut Command::new(program))
}

/// Runs each benchmark once, unoptimised, to check that it works. Speed is not measured.
fn benches(steps: &mut Steps, engine: Engine) -> Result<()> {
    let mut command = cargo(&["test", "--workspace", "--bench", "*"]);
    steps.run("benches, once each", command.args(engine.cargo_arguments()))
}
