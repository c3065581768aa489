//! The command `secure-runtime`, with the built-in families.

use std::process::ExitCode;

fn main() -> ExitCode {
    secure_runtime_cli::main([])
}
