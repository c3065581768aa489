//! The command line: parse, call the library, map the result to an exit code.

fn main() -> std::process::ExitCode {
    secure_runtime::cli::main()
}
