//! The command line: parses arguments, calls the library, and maps the result to an exit code.

fn main() -> std::process::ExitCode {
    secure_runtime::cli::main()
}
