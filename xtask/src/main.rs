//! Chores of the repository: `cargo xtask <setup|demo|test|interop|packages|scoreboard|fuzz|calls|crash|mutants|ci|engine>`.
//!
//! What a person types is what continuous integration runs: `.ci/run` is `cargo xtask ci`. Nothing here depends on a
//! JavaScript engine, so that it can be built before it is known which engine this machine can have.

mod calls;
mod ci;
mod crash;
mod demo;
mod engine;
mod fuzz;
mod interop;
mod mutants;
mod packages;
mod scoreboard;
mod setup;
mod steps;
mod table;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::engine::Choice;

/// Chores of the repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Task,

    /// JavaScript engine; `auto` takes V8 where its library can be had, else QuickJS
    #[arg(long, global = true, value_enum, default_value_t = Choice::Auto)]
    engine: Choice,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building needs, where this machine allows it
    Setup,
    /// Build everything, then run the examples: an HTML report, and a hostile package that gets nothing
    Demo,
    /// Run every test
    Test,
    /// Hold the tokens against other Biscuit tools, which are installed into the target folder
    Interop,
    /// Try the packages in xtask/packages.txt on every engine, and write docs/packages.md (takes many minutes)
    Packages,
    /// Try the attack cases on other systems, which npm gets, and write docs/scoreboard.md (takes minutes)
    Scoreboard,
    /// Feed the fuzz targets new inputs
    Fuzz {
        /// How long each runs
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u32,
        /// Which; all, if none is named
        targets: Vec<String>,
    },
    /// Run tests under strace, and print the system calls that they make behind the OS sandbox (takes many minutes)
    Calls {
        /// Which tests; those that run programs behind it, if none is named
        tests: Vec<String>,
    },
    /// Kill processes while they write into a store, and look at what is left (takes minutes)
    Crash {
        /// How often
        #[arg(long, default_value_t = crash::ROUNDS)]
        rounds: u32,
    },
    /// Change the token crate piece by piece and see whether its tests notice (takes hours; needs cargo-mutants)
    Mutants {
        /// For cargo-mutants, as in `--file capabilities/src/path.rs`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything that must pass before a change is merged
    Ci {
        /// Leave out the minutes of fuzzing with new inputs
        #[arg(long)]
        quick: bool,
    },
    /// Print the engine that the other commands would use
    Engine,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Task::Setup => setup::run(arguments.engine).map(|_engine| ()),
        Task::Demo => demo::run(arguments.engine),
        Task::Test => test::run(arguments.engine),
        Task::Interop => interop::run(),
        Task::Packages => table::run(arguments.engine),
        Task::Scoreboard => scoreboard::run(),
        Task::Fuzz { seconds, targets } => fuzz::run(arguments.engine, seconds, &targets),
        Task::Calls { tests } => calls::run(arguments.engine, &tests),
        Task::Crash { rounds } => crash::run(rounds),
        Task::Mutants { arguments } => mutants::run(&arguments),
        Task::Ci { quick } => ci::run(arguments.engine, quick),
        Task::Engine => engine::run(arguments.engine),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
