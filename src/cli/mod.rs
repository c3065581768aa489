//! The command line: one file a command.

mod run;

use std::process::ExitCode;

/// Parses the arguments, runs the command, says what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_default();
    let args: Vec<String> = std::env::args().skip(2).collect();
    run::quick(&path, &args)
}
