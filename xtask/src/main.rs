//! Tasks of the repository, which `cargo xtask` runs: `setup`, `demo`, `test`, `tidy`, `interop`, `packages`,
//! `scoreboard`, `fuzz`, `calls`, `crash`, `mutants`, `ci` and `engine`.
//!
//! Continuous integration runs the same commands as people: `.ci/run` is `cargo xtask ci`. Nothing here
//! depends on a JavaScript engine, because xtask selects the engine, so it is built first.

mod api;
mod calls;
mod ci;
mod crash;
mod demo;
mod dependencies;
mod engine;
mod fuzz;
mod interop;
mod layers;
mod mutants;
mod packages;
mod scoreboard;
mod setup;
mod sqlite;
mod steps;
mod table;
mod test;
mod tidy;
mod used;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::engine::Choice;

/// Tasks of the repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Task,

    /// JavaScript engine; `auto` uses V8 if its library is available, else QuickJS
    #[arg(long, global = true, value_enum, default_value_t = Choice::Auto)]
    engine: Choice,
}

#[derive(Subcommand)]
enum Task {
    /// Install the tools that a build needs, if this machine allows it
    Setup,
    /// Build everything and run the examples: an HTML report, a hostile package that gains nothing, and a service
    Demo,
    /// Run every test
    Test,
    /// Check the rules for comments and files
    Tidy,
    /// Compare tokens, graphs and TypeScript output with other tools, which are installed into the target
    /// folder
    Interop,
    /// Load the packages in xtask/packages.txt on every engine, and write docs/packages.md; run the programs in
    /// xtask/packages/, and write docs/packages-used.md (takes many minutes)
    Packages {
        /// Run the programs only, and write docs/packages-used.md
        #[arg(long)]
        used: bool,
        /// Names of programs in xtask/packages/, such as `hono`: run them only, and write no table
        programs: Vec<String>,
    },
    /// Run the attack cases on other systems, which npm installs, and write docs/scoreboard.md (takes
    /// minutes)
    Scoreboard,
    /// Run the fuzz targets on new inputs
    Fuzz {
        /// Seconds for each target
        #[arg(long, default_value_t = fuzz::SECONDS)]
        seconds: u32,
        /// Names of targets; without names, all
        targets: Vec<String>,
    },
    /// Run tests under strace, and print the system calls that they make in the OS sandbox (takes many
    /// minutes)
    Calls {
        /// Names of tests; without names, those that run programs in the sandbox
        tests: Vec<String>,
    },
    /// Kill processes while they write into a store, and check the store afterwards (takes minutes)
    Crash {
        /// Number of rounds
        #[arg(long, default_value_t = crash::ROUNDS)]
        rounds: u32,
    },
    /// Check that the token crate's tests detect each mutation of its code (takes hours; needs cargo-mutants)
    Mutants {
        /// Arguments for cargo-mutants, such as `--file capabilities/src/path.rs`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run all checks that must pass before a merge
    Ci {
        /// Skip fuzzing with new inputs
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
        Task::Tidy => tidy::run(),
        Task::Interop => interop::run(),
        Task::Packages {
            used: false,
            programs,
        } if programs.is_empty() => table::run(arguments.engine),
        Task::Packages { programs, .. } => used::run(arguments.engine, &programs),
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
