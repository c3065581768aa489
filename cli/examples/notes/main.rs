//! The command with a family of its own. `docs/extensions.md` explains it line by line.

mod notes;

use std::process::ExitCode;

fn main() -> ExitCode {
    secure_runtime_cli::main([notes::Notes.into()])
}
