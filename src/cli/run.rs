//! `run`: verify, link, run.

use std::fs::{File, OpenOptions as FileOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::advice::{Advice, AdviceContext};
use super::failure::{Code, Failure};
use super::presented::{Presented, PresentedArguments, keep_fresh};
use super::project;
use super::signed_by::SignedBy;
use super::stores::StoreTokens;
use super::text::{self, Working};
use crate::extensions::SEAL;
use crate::{
    AuditRecord, DenialReport, Exit, LimitHit, Manifest, OpenOptions, Program, Runtime, Stop, UncaughtError,
    Unit, Wall,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A folder with a secure.toml, or one JavaScript file
    #[arg(default_value = ".", value_name = "DIR or ENTRY")]
    program: PathBuf,

    /// What the entry module's default export is called with
    #[arg(last = true)]
    args: Vec<String>,

    /// Refuse to run a program that has no secure.lock
    #[arg(long)]
    locked: bool,

    /// Append every decision to this file, as JSON Lines; what cannot be recorded is not done
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,

    #[command(flatten)]
    presented: PresentedArguments,

    #[command(flatten)]
    signed_by: SignedBy,

    /// For a file without a manifest: what it may do, such as 'fs.read=./data/**' (repeatable)
    #[arg(long, value_name = "GRANT")]
    grant: Vec<String>,

    /// A further store to get modules from, asked after the local one (repeatable)
    #[arg(long, value_name = "DIR or URL")]
    store: Vec<String>,

    #[command(flatten)]
    store_tokens: StoreTokens,

    /// Whether the process confines itself to what the program was granted, besides deciding every operation
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    wall: WallChoice,
}

/// When the second wall is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum WallChoice {
    /// With what this kernel has to build it of
    Auto,
    /// Whole, or the program is not run
    Required,
    /// Not at all
    Off,
}

/// Most lines of a stack trace that are shown.
const STACK_LINES: usize = 20;

/// Runs the program. What it prints goes to standard output and error as it comes.
pub(super) fn run(arguments: &Arguments) -> Result<String, Failure> {
    project::wait_for(run_here(arguments))?;
    Ok(String::new())
}

async fn run_here(arguments: &Arguments) -> Result<(), Failure> {
    let presented = arguments.presented.read().await?;
    let program = {
        let working = Working::on("verifying");
        let progress = |ready, total| working.at(ready, Some(total));
        Program::open_with_progress(&arguments.program, &options(arguments)?, &progress).await?
    };
    for warning in program.warnings() {
        text::warn(warning);
    }
    // Read now: behind the wall it may be out of reach, and what explains a denial must not depend on that.
    let manifest = match Manifest::folder_of(&arguments.program) {
        folder if folder.is_dir() => Some(Manifest::read(&folder)?),
        _ => None,
    };
    if !program.was_locked() && manifest.is_some() {
        text::note("no secure.lock: what runs is not pinned; `secure-runtime lock` pins it");
    }

    let audit = match &arguments.audit {
        Some(path) => Some(AuditFile::open(path)?),
        None => None,
    };
    let mut builder = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .limits(program.limits().clone())
        .variables(|name| std::env::var(name).ok())
        .console(|line| {
            // A reader that is gone does not stop a program.
            let _ = if line.is_error {
                io::stderr().write_all(line.text.as_bytes())
            } else {
                io::stdout().write_all(line.text.as_bytes())
            };
        });
    if let Some(Presented {
        token, holder_key, ..
    }) = &presented
    {
        builder = builder.root_key(*token.root()).token(token.as_bytes());
        if let Some(key) = holder_key {
            builder = builder.holder_key(key);
        }
    }
    let context = AdviceContext::of(presented.as_ref());
    if let Some(revocations) = &context.revocations {
        builder = builder.revocations(revocations.clone());
    }
    enter_wall(arguments.wall, &program, presented.as_ref())?;
    // Until the program has ended.
    let _fresh = match presented.and_then(|presented| presented.revocations) {
        Some(feed) => Some(keep_fresh(feed)?),
        None => None,
    };
    if let Some(audit) = audit.clone() {
        builder = builder.audit(move |record| audit.append(record));
    }
    let runtime = builder.build()?;
    if let Some(audit) = &audit {
        audit.stop_on_failure(runtime.stop_handle());
    }
    let outcome = runtime.run(program.graph(), &arguments.args).await?;
    let _ = io::stdout().flush();

    if let Some(failure) = audit.and_then(|audit| audit.failure()) {
        return Err(failure);
    }
    match outcome.exit {
        Exit::Completed => Ok(()),
        Exit::Uncaught(error) => Err(uncaught(&error)),
        Exit::Denied(report, error) => Err(denied(&report, &error, manifest.as_ref(), &program, &context)?),
        Exit::Limit(hit) => Err(Failure::new(Code::Limit, hit.to_string()).with_help(raise(&hit))),
        Exit::Stopped => Err(Failure::new(Code::Limit, "the program was stopped")),
    }
}

/// Where the limit stands that was hit.
fn raise(hit: &LimitHit) -> String {
    let table = match &hit.unit {
        Unit::Package(name) => format!("[packages.{name:?}.limits]"),
        _ => "[limits]".to_owned(),
    };
    let key = hit.limit.key();
    format!("raise `{key}` under {table} in secure.toml, or find out what uses it up")
}

fn options(arguments: &Arguments) -> Result<OpenOptions, Failure> {
    // Without other stores to keep answers of, a store that does not exist need not be made.
    let local_store =
        project::local_store().filter(|folder| !arguments.store.is_empty() || folder.join("blobs").is_dir());
    Ok(OpenOptions {
        locked: arguments.locked,
        grants: arguments.grant.clone(),
        signed_by: arguments.signed_by.trust()?,
        local_store,
        stores: arguments.store_tokens.of(&arguments.store)?,
    })
}

/// Confines the process to what the program was granted. What is open by now (the audit file, standard input and output)
/// stays open.
fn enter_wall(choice: WallChoice, program: &Program, presented: Option<&Presented>) -> Result<(), Failure> {
    if choice == WallChoice::Off {
        return Ok(());
    }
    let support = Wall::support();
    if choice == WallChoice::Required && !support.lacks().is_empty() {
        return Err(
            Failure::usage(format!("--wall required: this kernel has {support}"))
                .help("run it on a newer Linux kernel that has Landlock, or with --wall auto"),
        );
    }
    let mut wall = Wall::new().program(program, presented.map(|presented| &presented.token))?;
    if let Some(feed) = presented.and_then(|presented| presented.revocations.as_ref()) {
        wall = wall.revocations(feed);
    }
    wall.enter()?;
    Ok(())
}

fn uncaught(error: &UncaughtError) -> Failure {
    let failure = Failure::new(Code::Uncaught, format!("uncaught {}", shown(error)));
    // As `OpError::system` words it.
    if error.message.ends_with("the operating system refuses it") {
        return failure.with_help(
            "if it is granted and the user may do it, the second wall refuses it: what was granted was replaced, removed or \
             not there when the program started; grant its folder, or see whether --wall off changes it",
        );
    }
    failure
}

/// The guest's words, none of which can pass for ours: further lines of a message are marked.
fn shown(error: &UncaughtError) -> String {
    let mut shown = text::quoted_lines(&error.message);
    for line in error.stack.lines().take(STACK_LINES) {
        // The name of a function is the guest's, too.
        let mark = if line.starts_with("    at ") { "" } else { "    | " };
        shown.push_str(&format!("\n{mark}{}", text::quoted_lines(line)));
    }
    shown
}

fn denied(
    report: &DenialReport,
    error: &UncaughtError,
    manifest: Option<&Manifest>,
    program: &Program,
    context: &AdviceContext,
) -> Result<Failure, Failure> {
    let asked = text::one_line(&report.operation.to_string());
    if report.operation.action().as_str() == SEAL {
        // No grant gives it, so there is none to advise.
        let what = format!(
            "{asked} was denied to module {}\n  uncaught {}",
            report.module,
            shown(error)
        );
        return Ok(Failure::new(Code::Denied, what).with_help(
            "seal what still allows something and cannot be revoked, in a program that runs with --token",
        ));
    }
    let advice = Advice {
        module: &report.module,
        package: &report.package,
        operation: &report.operation,
        authority: &report.authority,
        block_names: &report.block_names,
        manifest,
        is_locked: program.was_locked(),
        base: &project::base_of(program.base())?,
        context,
    };
    let refused_by = match report.denial {
        // Some refusals are not about grants: a removed folder's content, a special file system.
        None => "a rule of its family".to_owned(),
        Some(denial) => format!("block {}: {}", denial.block, report.block_name(denial.block)),
    };
    Ok(Failure::new(
        Code::Denied,
        format!(
            "{asked} was denied to module {}\n  uncaught {}\n  refused by {refused_by}",
            report.module,
            shown(error),
        ),
    )
    .with_help(advice.help()))
}

/// The audit file of one run.
#[derive(Clone)]
struct AuditFile(Arc<Audit>);

struct Audit {
    path: PathBuf,
    file: Mutex<File>,
    /// The first failure; from then on every operation is refused.
    failed: OnceLock<String>,
    stop: OnceLock<Stop>,
}

impl AuditFile {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file = FileOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| audit_failure(path, &error.to_string()))?;
        Ok(AuditFile(Arc::new(Audit {
            path: path.to_owned(),
            file: Mutex::new(file),
            failed: OnceLock::new(),
            stop: OnceLock::new(),
        })))
    }

    /// Ends the run when a record cannot be written: a program that catches denials must not go on either.
    fn stop_on_failure(&self, stop: Stop) {
        let _ = self.0.stop.set(stop);
    }

    /// Writes the record in one call, so that the lines of programs that share a file do not mix.
    fn append(&self, record: &AuditRecord) -> io::Result<()> {
        if let Some(failed) = self.0.failed.get() {
            return Err(io::Error::other(failed.clone()));
        }
        let line = format!("{}\n", record.to_json_line());
        let mut file = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).inspect_err(|error| {
            let _ = self.0.failed.set(error.to_string());
            if let Some(stop) = self.0.stop.get() {
                stop.stop();
            }
        })
    }

    fn failure(&self) -> Option<Failure> {
        Some(audit_failure(&self.0.path, self.0.failed.get()?))
    }
}

fn audit_failure(path: &Path, reason: &str) -> Failure {
    Failure::usage(format!(
        "the audit file {} cannot be written: {reason}: what cannot be recorded is not done",
        path.display()
    ))
    .help("name a file that can be written, or free some space")
}
