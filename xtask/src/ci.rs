//! `cargo xtask ci`: what must pass before a change is merged. The cheap checks come first.

use anyhow::Result;

use crate::engine::{Choice, Engine, available};
use crate::steps::{Steps, cargo};
use crate::{demo, fuzz, interop, packages, scoreboard, setup, table, test};

pub(crate) fn run(choice: Choice, is_quick: bool) -> Result<()> {
    let engines = available(choice)?;
    for engine in &engines {
        setup::install_for(*engine)?;
    }
    setup::install_rust_components()?;

    let mut steps = Steps::new();
    steps.run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    fuzz::format(&mut steps)?;
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
    }
    interop::tests(&mut steps)?;
    scoreboard::check(&mut steps)?;
    if let Some(engine) = engines.first() {
        benches(&mut steps, *engine)?;
        token_example(&mut steps)?;
    }
    fuzz::fixed(&mut steps)?;
    if !is_quick {
        fuzz::for_seconds(&mut steps, fuzz::SECONDS, &[])?;
        if let Some(engine) = engines.first() {
            fuzz::operations(&mut steps, *engine, fuzz::SECONDS)?;
        }
    }

    steps.summary("ci");
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

/// The token crate by itself, authorising printers.
fn token_example(steps: &mut Steps) -> Result<()> {
    let arguments = [
        "run",
        "--quiet",
        "-p",
        "secure-runtime-capabilities",
        "--example",
        "printers",
    ];
    steps.run("the token crate's example", &mut cargo(&arguments))
}

/// Each benchmark once, unoptimised: that it runs is checked here, how fast it is is not.
fn benches(steps: &mut Steps, engine: Engine) -> Result<()> {
    let mut command = cargo(&["test", "--workspace", "--bench", "*"]);
    steps.run("benches, once each", command.args(engine.cargo_arguments()))
}
