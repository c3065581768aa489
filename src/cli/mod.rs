//! The command line: one file a command.
//!
//! [`main`] reads as what happens: parse, run the command, print what it gives or say what went wrong, exit. A command
//! returns the text for standard output, so that one place writes it, escaped. `spec/cli.md` is the promise.

mod advice;
mod console;
mod doctor;
mod ending;
mod explain;
mod failure;
mod graph;
mod init;
mod key;
mod lock;
mod presented;
mod project;
mod reason;
mod run;
mod secrets;
mod sign;
mod signals;
mod signed_by;
mod store;
mod stores;
mod text;
mod token;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{Parser, Subcommand};

use self::failure::{Code, Failure};
use crate::Engine;
use crate::runtime::panics;

const AFTER_HELP: &str = "Exit codes: 0 success, 1 an uncaught JavaScript error, 2 wrong usage or manifest, \
    3 an uncaught denial, 4 bytes that differ from what was promised (hash, signature, lock), 5 a limit was hit, \
    70 a bug in secure-runtime, 130 and 143 stopped by SIGINT and SIGTERM.

Environment: SECURE_RUNTIME_STORE is the folder of the local store; without it, it is \
    $XDG_DATA_HOME/secure-runtime/store, or ~/.local/share/secure-runtime/store. Revocation lists are kept in \
    $XDG_STATE_HOME/secure-runtime/revocations, or ~/.local/state/secure-runtime/revocations. NO_COLOR turns colours off.";

/// Runs JavaScript that you did not write with only the rights that you gave it
#[derive(Debug, Parser)]
#[command(name = "secure-runtime", version = version(), after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a small working project: a manifest, an entry module, one third-party package with no rights
    Init(init::Arguments),
    /// Verify a program and run it
    Run(run::Arguments),
    /// Write secure.lock: every module's hash, what each import means, and the grants
    Lock(lock::Arguments),
    /// Compare every byte of a locked program with its lock, offline
    Verify(verify::Arguments),
    /// Sign a locked program, or a package of it, and keep the signature beside its content
    Sign(sign::Arguments),
    /// Look at the modules of a program
    #[command(subcommand)]
    Graph(graph::Command),
    /// The local store, which keeps modules by their hash
    #[command(subcommand)]
    Store(store::Command),
    /// Ed25519 key pairs
    #[command(subcommand)]
    Key(key::Command),
    /// Biscuit tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Say why an operation is or would be denied, block by block, and the smallest change that allows it
    Explain(explain::Arguments),
    /// Say whether programs can be run here, and what guards them
    Doctor(doctor::Arguments),
}

/// `0.1.0 (V8 15.0.1)`
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let engine = match Engine::current() {
            Engine::V8 => format!("V8 {}", Engine::version()),
            // It tells the version of the interface that it stands behind, and not its own.
            Engine::QuickJs => format!("QuickJS-ng, behind the interface of V8 {}", Engine::version()),
        };
        format!("{} ({engine})", env!("CARGO_PKG_VERSION"))
    })
}

/// Parses the arguments, runs the command, says what went wrong, and gives the exit code.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(bug));
    crate::runtime::prepare();
    // While the arguments are read.
    if std::env::args_os().nth(1).is_some_and(|command| command == "run") {
        crate::runtime::start_engine();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come here too, and belong on standard output.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            // An argument may be the name of a file that somebody else chose.
            let said = secrets::shown_usage(&error);
            let said = text::plain(said.trim_end());
            match said.strip_prefix("error: ") {
                Some(what) => console::say(&format!("{}{what}", text::ERROR)),
                // Help, where a command was left out.
                None => console::say(&said),
            }
            return Code::Usage.into();
        }
    };
    let done = match arguments.command {
        Command::Init(arguments) => init::init(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Sign(arguments) => sign::sign(&arguments),
        Command::Graph(command) => graph::graph(&command),
        Command::Store(command) => store::store(&command),
        Command::Key(command) => key::key(&command),
        Command::Token(command) => token::token(&command),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
    };
    let failed = match done.and_then(|output| print(&output)) {
        Ok(()) => None,
        Err(failure) => {
            failure.report();
            Some(failure.code())
        }
    };
    console::finish(failed).map_or(ExitCode::SUCCESS, ExitCode::from)
}

/// Writes a command's output. A reader that has seen enough (`| head`) is no error.
fn print(output: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text::plain(&secrets::without_arguments(output)).as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(console::unwritten(&format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A panic is never the user's fault, and a half-dead process must not go on: one line, and out. Where it ends an isolate alone, whoever waits
/// for the isolate is told.
fn bug(panic: &std::panic::PanicHookInfo<'_>) {
    if crate::extensions::panic_is_expected() || panics::ends_an_isolate(panic) {
        return;
    }
    let described = panics::of_this_isolate().unwrap_or_else(|| panics::described(panic));
    Failure::bug(text::one_line(&described)).report();
    console::finish_soon();
    std::process::exit(Code::Bug as i32);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn check(command: &clap::Command) {
        for argument in command.get_arguments() {
            let said = argument.get_help().is_some();
            assert!(
                said,
                "{} of {} says nothing about itself",
                argument.get_id(),
                command.get_name()
            );
        }
        command.get_subcommands().for_each(check);
    }

    #[test]
    fn every_argument_of_every_command_says_what_it_is() {
        Arguments::command().debug_assert();
        check(&Arguments::command());
    }

    #[test]
    fn exit_codes_are_a_contract() {
        let codes = [
            Code::Uncaught,
            Code::Usage,
            Code::Denied,
            Code::Integrity,
            Code::Limit,
            Code::Bug,
            Code::Interrupted,
            Code::Terminated,
        ];
        assert_eq!(codes.map(|code| code as u8), [1, 2, 3, 4, 5, 70, 130, 143]);
        assert_eq!(Failure::bug("x").code(), Code::Bug);
    }
}
