//! The command line. Each command has its own file.
//!
//! The binary `secure-runtime` has the built-in families. A host with families of its own calls [`main`] with them.
//! Then manifests, locks, tokens, explanations and runs know these families. `examples/sqlite` does this.
//!
//! [`main`] parses the arguments and runs the command. It prints its output or its failure, and returns the exit code.
//! A command returns the text for standard output, so that one function writes and escapes it. `spec/cli.md` is the
//! specification.

mod advice;
mod completions;
mod console;
mod credentials;
mod doctor;
mod ending;
mod explain;
mod failure;
mod graph;
mod guest_log;
mod held_secrets;
mod host;
mod init;
mod key;
mod lock;
mod man;
mod presented;
mod project;
mod reason;
mod run;
mod secrets;
mod serve;
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

use clap::{CommandFactory, Parser, Subcommand};

use secure_runtime::extension::AnyExtension;
use secure_runtime::{Engine, panic_of_process, prepare};

use self::failure::{Code, Failure};

const AFTER_HELP: &str = "Exit codes: 0 success, 1 an uncaught JavaScript error, 2 wrong usage or manifest, \
    3 an uncaught denial, 4 bytes that differ from what was promised (hash, signature, lock), 5 a limit was hit, \
    70 a bug in secure-runtime, 130 and 143 stopped by SIGINT and SIGTERM.

Environment: SECURE_RUNTIME_STORE is the folder of the local store; without it, it is \
    $XDG_DATA_HOME/secure-runtime/store, or ~/.local/share/secure-runtime/store. Revocation lists are kept in \
    $XDG_STATE_HOME/secure-runtime/revocations, or ~/.local/state/secure-runtime/revocations. NO_COLOR turns colours off.";

/// Runs JavaScript that you did not write, with only the rights that you granted
#[derive(Debug, Parser)]
#[command(name = "secure-runtime", version = version(), after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a small working project: a manifest, an entry module, one third-party package without rights
    Init(init::Arguments),
    /// Verify a program and run it
    Run(run::Arguments),
    /// Verify a program and answer HTTP requests with its `export default { fetch }`
    Serve(serve::Arguments),
    /// Write secure.lock: the hash of every module, the target of each import, the grants; and its text for reviewers
    Lock(lock::Arguments),
    /// Compare every byte of a locked program with its lock, offline
    Verify(verify::Arguments),
    /// Sign a locked program or one of its packages, and add the signature to the local store
    Sign(sign::Arguments),
    /// Show the modules of a program
    #[command(subcommand)]
    Graph(graph::Command),
    /// Manage the local store, which keeps modules by their hash
    #[command(subcommand)]
    Store(store::Command),
    /// Create Ed25519 key pairs, and print public keys
    #[command(subcommand)]
    Key(key::Command),
    /// Create, narrow and verify Biscuit tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Show why an operation is or would be denied, block by block, and the smallest change that allows it
    Explain(explain::Arguments),
    /// Check if programs can run on this machine, and which protections are available
    Doctor(doctor::Arguments),
    /// Print a script with which a shell completes commands and options
    Completions(completions::Arguments),
    /// Write a manual page for every command into a folder
    Man(man::Arguments),
}

/// Returns the version text, for example `0.1.0 (V8 15.0.1)`.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let engine = match Engine::current() {
            Engine::V8 => format!("V8 {}", Engine::version()),
            // The bindings of QuickJS report the version of V8 whose interface they implement, not the version of
            // QuickJS.
            Engine::QuickJs => format!("QuickJS-ng, behind the interface of V8 {}", Engine::version()),
            other => format!("{other} {}", Engine::version()),
        };
        format!("{} ({engine})", env!("CARGO_PKG_VERSION"))
    })
}

/// Parses the arguments of the process, runs the command, prints a failure if there is one, and returns the exit code.
/// Programs can be granted the built-in families and those of the extensions.
///
/// It must be called once, at the start of the process: it sets a panic hook and handlers of signals.
pub fn main(extensions: impl IntoIterator<Item = AnyExtension>) -> ExitCode {
    std::panic::set_hook(Box::new(bug));
    if let Err(reason) = host::set(extensions.into_iter().collect()) {
        console::report(&Failure::usage(reason));
        return Code::Usage.into();
    }
    prepare();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap reports help and version as errors as well, but they belong on standard output.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            // An argument may be a file name that another person chose, so the message is escaped.
            let said = secrets::shown_usage(&error);
            let said = text::plain(said.trim_end());
            match said.strip_prefix("error: ") {
                Some(what) => console::say(&format!("{}{what}", text::ERROR)),
                // clap prints the help if a command is missing.
                None => console::say(&said),
            }
            return Code::Usage.into();
        }
    };
    let done = match arguments.command {
        Command::Init(arguments) => init::init(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments, Arguments::command()),
        Command::Man(arguments) => man::man(&arguments, Arguments::command()),
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
            console::report(&failure);
            Some(failure.code())
        }
    };
    console::finish(failed).map_or(ExitCode::SUCCESS, ExitCode::from)
}

/// Writes the output of a command. A reader that closes the pipe early, such as `head`, is not an error.
fn print(output: &str) -> Result<(), Failure> {
    let mut stdout = console::results();
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

/// The panic hook. A panic is always a bug, and a process in an unknown state must not continue, so the hook prints one
/// line and exits. A panic that ends only one isolate is reported to the owner of the isolate instead.
fn bug(panic: &std::panic::PanicHookInfo<'_>) {
    let Some(described) = panic_of_process(panic) else {
        return;
    };
    console::report(&Failure::bug(text::one_line(&described)));
    console::finish_soon();
    std::process::exit(Code::Bug as i32);
}

#[cfg(test)]
mod tests {
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
    fn every_argument_of_every_command_has_help() {
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
