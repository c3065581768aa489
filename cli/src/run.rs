//! `run`: verifies, links and runs a program.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secure_runtime_loaders::Graph;
use secure_runtime_text::{code_point, foreign_letter};

use super::advice::{Advice, AdviceContext};
use super::failure::{Code, Failure};
use super::guest_log::LogForm;
use super::held_secrets::HeldSecrets;
use super::presented::{Presented, PresentedArguments, keep_fresh};
use super::signals::{self, Told};
use super::signed_by::SignedBy;
use super::stores::StoreTokens;
use super::text::{self, Working};
use super::{console, ending, project};
use crate::host;
use secure_runtime::SEAL;
use secure_runtime::parse_size;
use secure_runtime::{
    AuditLog, AuditOptions, ConsoleWriter, DenialReport, Engine, Exit, FileKvStore, Limit, LimitHit,
    LimitScope, Limits, Manifest, OpenOptions, Outcome, Program, Refresher, RunError, Runtime, Sandbox,
    UncaughtError, WarmIsolate, initialize,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    program: ProgramArguments,

    /// The arguments that the default export of the entry module is called with
    #[arg(last = true)]
    args: Vec<String>,
}

/// The arguments of commands that run a program.
#[derive(Debug, clap::Args)]
pub(super) struct ProgramArguments {
    /// A folder with a secure.toml, or one JavaScript file
    #[arg(default_value = ".", value_name = "DIR or ENTRY")]
    pub(super) program: PathBuf,

    /// Refuse to run a program without a secure.lock, or with one that is out of date
    #[arg(long)]
    locked: bool,

    #[command(flatten)]
    audit: AuditArguments,

    #[command(flatten)]
    presented: PresentedArguments,

    #[command(flatten)]
    signed_by: SignedBy,

    /// For a file without a manifest: a grant, such as 'fs.read=./data/**' (repeatable)
    #[arg(long, value_name = "GRANT")]
    grant: Vec<String>,

    /// An additional store to get modules from, after the local store (repeatable)
    #[arg(long, value_name = "DIR or URL")]
    store: Vec<OsString>,

    #[command(flatten)]
    store_tokens: StoreTokens,

    /// Keep the entries of `kv` in this file, which is created if it does not exist; the default is the file of [kv] in
    /// secure.toml. Without one, the entries end with the run
    #[arg(long, value_name = "FILE")]
    kv: Option<PathBuf>,

    /// The most bytes that the entries in the file of --kv may take; each counts as its key, its value and 256 bytes
    #[arg(long, value_name = "SIZE", requires = "kv", value_parser = parse_size, default_value = "1 GiB")]
    kv_size: u64,

    /// A secret that the program may use and cannot read, for the rights `secrets`: NAME=env:VARIABLE or NAME=file:PATH
    /// (repeatable). `env` does not show the variable
    #[arg(long, value_name = "NAME=SOURCE")]
    secret: Vec<String>,

    /// The form of log records on standard error, for the rights `log`
    #[arg(long, value_name = "FORM", default_value = "auto")]
    log: LogForm,

    /// Run a program that may write its own secure.toml, its secure.lock, the audit file or the file of --kv
    #[arg(long)]
    allow_self_write: bool,

    /// Choose whether the OS sandbox confines the process to the program's grants, in addition to the check of every
    /// operation
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    sandbox: SandboxChoice,

    /// Write each system call that the OS sandbox refuses to standard error
    #[arg(long)]
    sandbox_log: bool,
}

/// The arguments that configure the audit file.
#[derive(Debug, clap::Args)]
struct AuditArguments {
    /// Append every decision to this file as JSON Lines; an operation that cannot be recorded is refused
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,

    /// Record only denials
    #[arg(long, requires = "audit")]
    audit_denials: bool,

    /// Accepted for scripts of older versions: every operation waits until its record is written
    #[arg(long, requires = "audit", hide = true)]
    audit_wait: bool,

    /// Begin a new audit file when this one would exceed the size, and keep the old one as FILE.1
    #[arg(long, value_name = "SIZE", requires = "audit", value_parser = parse_size)]
    audit_max_size: Option<u64>,

    /// The number of older audit files to keep
    #[arg(long, value_name = "NUMBER", default_value_t = 5, requires = "audit_max_size")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    audit_keep: u32,
}

impl AuditArguments {
    /// Returns the paths of the audit file and of its kept predecessors.
    fn files(&self) -> Vec<PathBuf> {
        /// Maximum number of older audit files that are checked individually.
        const MOST: u32 = 1000;
        let Some(file) = &self.audit else {
            return Vec::new();
        };
        let kept = self.audit_max_size.map_or(0, |_| self.audit_keep.min(MOST));
        let kept = (1..=kept).map(|number| {
            let mut name = file.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        });
        std::iter::once(file.clone()).chain(kept).collect()
    }
}

/// The condition for the use of the OS sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SandboxChoice {
    /// Use the parts that this kernel supports
    Auto,
    /// Do not run the program unless this kernel supports all parts
    Required,
    /// Do not use it
    Off,
}

/// Maximum number of stack trace lines that are shown.
const STACK_LINES: usize = 20;

/// Maximum number of related errors that are shown: causes, and members of an `AggregateError`.
const RELATED: usize = 10;

/// Maximum number of stack trace lines of each related error.
const RELATED_STACK_LINES: usize = 5;

/// Runs the program. Its output is written to standard output and standard error at once.
pub(super) fn run(arguments: &Arguments) -> Result<String, Failure> {
    // The engine starts on another thread while the manifest is read.
    initialize();
    project::wait_for(run_here(arguments))?;
    Ok(String::new())
}

/// A program that is ready to run, with everything that must live until it ends.
pub(super) struct Prepared {
    pub(super) program: Program,
    pub(super) runtime: Runtime,
    pub(super) console: &'static ConsoleWriter,
    manifest: Option<Manifest>,
    context: AdviceContext,
    audit: Option<AuditLog>,
    /// The list of revocations is refreshed until this is dropped.
    _fresh: Option<Refresher>,
}

/// Verifies a program, prepares its runtime, and enters the OS sandbox. `adjust` changes the limits, and
/// `also_allowed` adds what the caller needs to the sandbox.
pub(super) async fn prepare(
    arguments: &ProgramArguments,
    adjust: impl FnOnce(&mut Limits),
    also_allowed: impl FnOnce(Sandbox) -> Sandbox,
) -> Result<Prepared, Failure> {
    // The OS sandbox may block access to the manifest later, but the explanation of a denial needs it. So it is read
    // now.
    let manifest = match Manifest::folder_of(&arguments.program) {
        folder if folder.is_dir() => Some(Manifest::read(&folder, host::families())?),
        _ => None,
    };
    let limits = manifest
        .as_ref()
        .map(|manifest| manifest.limits.clone())
        .unwrap_or_default();
    // The isolate starts while everything else is verified. No module reaches it before that is done.
    let isolate = WarmIsolate::start(limits.heap, host::extensions());
    let isolate = isolate.map_err(|error| Failure::usage(error.to_string()))?;
    let presented = arguments.presented.read().await?;
    let program = {
        let working = Working::on("verifying");
        let progress = |ready, total| working.at(ready, Some(total));
        Program::open_with_progress(&arguments.program, &options(arguments)?, &progress).await?
    };
    for warning in program.warnings() {
        console::warn(warning);
    }
    if !program.was_locked() && manifest.is_some() {
        console::note("no secure.lock: the modules that run are not pinned; `secure-runtime lock` pins them");
    }

    may_not_write_itself(arguments, &program, presented.as_ref())?;
    if let Some(caution) = Engine::current().caution()
        && program
            .graph()
            .packages()
            .iter()
            .any(|package| !package.name.is_empty())
    {
        console::note(caution);
    }

    let audit = audit_log(&arguments.audit)?;
    let kv = match &arguments.kv {
        Some(file) => FileKvStore::open(file, arguments.kv_size).map(Some),
        None => program.open_kv(),
    };
    let kv = kv.map_err(|error| Failure::usage(error.to_string()))?;
    let held = HeldSecrets::read(&arguments.secret)?;
    may_not_read_secrets(&program, presented.as_ref(), &held)?;
    let (secrets, variables) = held.lookups();
    let mut limits = program.limits().clone();
    adjust(&mut limits);
    let mut builder = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .limits(limits)
        .warm_isolate(isolate)
        .variables(variables)
        .secrets(secrets);
    if let Some(kv) = kv {
        builder = builder.kv(kv);
    }
    for extension in host::extensions() {
        builder = builder.extension(extension.clone());
    }
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
    // The handles of standard output and error are opened before the sandbox is entered, so that it need not allow
    // them.
    let console = console::open()?;
    enter_sandbox(arguments, &program, presented.as_ref(), also_allowed)?;
    // The list is refreshed until the program has ended.
    let fresh = match presented.and_then(|presented| presented.revocations) {
        Some(feed) => Some(keep_fresh(feed)?),
        None => None,
    };
    if let Some(audit) = audit.clone() {
        builder = builder.audit(move |record| audit.record(record));
    }
    let builder = builder.log(arguments.log.sink(console));
    let runtime = builder.console_writer(console).build()?;
    if let Some(audit) = &audit {
        audit.stop_on_failure(runtime.stop_handle());
    }
    Ok(Prepared {
        program,
        runtime,
        console,
        manifest,
        context,
        audit,
        _fresh: fresh,
    })
}

async fn run_here(arguments: &Arguments) -> Result<(), Failure> {
    let prepared = prepare(&arguments.program, |_| (), |sandbox| sandbox).await?;
    let Prepared {
        program,
        runtime,
        console,
        audit,
        ..
    } = &prepared;
    signals::listen(runtime.stop_handle(), console)?;
    let begun = Instant::now();
    let outcome = runtime.run(program.graph(), &arguments.args).await;
    let is_stopped = stopped(&outcome);
    if let Some(code) = is_stopped {
        console.end_by(Instant::now() + ending::FLUSH_OF_STOPPED);
        ending::soon(code);
    }
    finish(audit.as_ref())?;
    if let (Some(_), Some(told)) = (is_stopped, signals::told()) {
        return Err(told.failure());
    }
    let exit = outcome?.exit;
    let waits_for_reader = !matches!(exit, Exit::Limit(_) | Exit::Stopped);
    let ended = prepared.ended(exit);
    match prepared.program.limits().wall.filter(|_| waits_for_reader) {
        Some(wall) => read_in_time(console, begun, wall).and(ended),
        None => ended,
    }
}

impl Prepared {
    /// Finishes the audit file.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        finish(self.audit.as_ref())
    }

    /// Returns the failure of a program that ended like this, if it is one.
    pub(super) fn ended(&self, exit: Exit) -> Result<(), Failure> {
        Err(match exit {
            Exit::Completed => return Ok(()),
            Exit::Uncaught(error) => uncaught(&error, self.program.graph()),
            Exit::Denied(report, error) => denied(
                &report,
                &error,
                self.manifest.as_ref(),
                &self.program,
                &self.context,
            )?,
            Exit::Limit(hit) => Failure::new(Code::Limit, hit.to_string()).with_help(raise(&hit)),
            Exit::Stopped => Failure::new(Code::Limit, "the program was stopped"),
            other => Failure::bug(format!("an unknown end: {other:?}")),
        })
    }
}

/// Returns the exit code if the run was stopped.
fn stopped(outcome: &Result<Outcome, RunError>) -> Option<Code> {
    let told = signals::told().map(Told::code);
    match outcome {
        Ok(outcome) => match outcome.exit {
            Exit::Limit(_) => Some(told.unwrap_or(Code::Limit)),
            // No signal arrived, so the audit log stopped the run because it cannot be written.
            Exit::Stopped => Some(told.unwrap_or(Code::Usage)),
            _ => None,
        },
        // An engine that was stopped may fail during teardown.
        Err(_) => told,
    }
}

/// Waits for the output within the wall time limit. The limit includes the output: a program that waits for its reader
/// has not ended.
fn read_in_time(console: &ConsoleWriter, begun: Instant, wall: Duration) -> Result<(), Failure> {
    let end = begun
        .checked_add(wall)
        .and_then(|end| end.checked_add(ending::FLUSH));
    if let Some(end) = end {
        console.end_by(end);
    }
    let is_read = console.finish(begun.checked_add(wall));
    let Err(unwritten) = is_read else {
        return Ok(());
    };
    if let Some(told) = signals::told() {
        return Err(told.failure());
    }
    ending::soon(Code::Limit);
    let limit = LimitHit::new(LimitScope::Program, Limit::Wall(wall));
    let help = format!("the program ended before, but {unwritten}");
    Err(Failure::new(Code::Limit, limit.to_string()).with_help(help))
}

/// Returns advice that names the table and the key of the exceeded limit.
fn raise(hit: &LimitHit) -> String {
    let table = match &hit.unit {
        LimitScope::Package(name) => format!("[packages.{name:?}.limits]"),
        _ => "[limits]".to_owned(),
    };
    let key = hit.limit.key();
    format!("raise `{key}` under {table} in secure.toml, or find out what reaches the limit")
}

fn options(arguments: &ProgramArguments) -> Result<OpenOptions, Failure> {
    // The local store is created only if fetched modules must be kept, which needs other stores.
    let local_store =
        project::local_store().filter(|folder| !arguments.store.is_empty() || folder.join("blobs").is_dir());
    Ok(OpenOptions {
        locked: arguments.locked,
        grants: arguments.grant.clone(),
        signed_by: arguments.signed_by.trust()?,
        local_store,
        stores: arguments.store_tokens.of(&arguments.store)?,
        families: host::families().clone(),
    })
}

/// Refuses a program that may write files that decide about it, unless the user allowed that.
fn may_not_write_itself(
    arguments: &ProgramArguments,
    program: &Program,
    presented: Option<&Presented>,
) -> Result<(), Failure> {
    let audit = arguments.audit.files();
    let kv = arguments.kv.clone().or_else(|| program.kv_file());
    let files: Vec<&Path> = audit.iter().chain(&kv).map(PathBuf::as_path).collect();
    let written = program.may_write(presented.map(|presented| &presented.token), &files);
    let Some(first) = written.first() else {
        return Ok(());
    };
    let what = format!(
        "the program may write {}, and so change its own restrictions or records",
        first.display()
    );
    if arguments.allow_self_write {
        console::warn(&what);
        return Ok(());
    }
    Err(Failure::usage(what).with_help(
        "grant it a folder without that file, such as fs.write = [\"./out/**\"], or accept it with --allow-self-write",
    ))
}

/// Refuses a program that may read the file of a secret.
fn may_not_read_secrets(
    program: &Program,
    presented: Option<&Presented>,
    held: &HeldSecrets,
) -> Result<(), Failure> {
    let files: Vec<&Path> = held.files.iter().map(PathBuf::as_path).collect();
    let read = program.may_read(presented.map(|presented| &presented.token), &files);
    let Some(first) = read.first() else {
        return Ok(());
    };
    let what = format!(
        "the program may read {}, which has a secret that it may use and not read",
        first.display()
    );
    Err(Failure::usage(what).with_help("keep the secret outside of the folders of fs.read"))
}

/// Enters the OS sandbox, which confines the process to the grants of the program. Files that are already open stay
/// usable: the audit file, standard input and output.
fn enter_sandbox(
    arguments: &ProgramArguments,
    program: &Program,
    presented: Option<&Presented>,
    also_allowed: impl FnOnce(Sandbox) -> Sandbox,
) -> Result<(), Failure> {
    let choice = arguments.sandbox;
    if choice == SandboxChoice::Off {
        return Ok(());
    }
    let support = Sandbox::support();
    if choice == SandboxChoice::Required && !support.lacks().is_empty() {
        return Err(
            Failure::usage(format!("--sandbox required: this kernel has {support}")).help(
                "run it on a Linux kernel with seccomp and all parts of Landlock, or with --sandbox auto",
            ),
        );
    }
    let mut sandbox = Sandbox::new().program(program, presented.map(|presented| &presented.token))?;
    for extension in host::extensions() {
        sandbox = sandbox.extension(extension.clone());
    }
    if let Some(feed) = presented.and_then(|presented| presented.revocations.as_ref()) {
        sandbox = sandbox.revocations(feed);
    }
    if let (Some(file), Some(_)) = (&arguments.audit.audit, arguments.audit.audit_max_size) {
        // Log rotation creates new files in this folder.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        sandbox = sandbox.write(folder.unwrap_or(Path::new(".")));
    }
    if arguments.sandbox_log {
        sandbox = sandbox.report_refusals();
    }
    also_allowed(sandbox).enter()?;
    Ok(())
}

fn uncaught(error: &UncaughtError, graph: &Graph) -> Failure {
    let failure = Failure::new(Code::Uncaught, format!("uncaught {}", shown(error)));
    // The text matches the message of `OperationError::system`.
    if error.message.ends_with("the operating system refuses it") {
        return failure.with_help(
            "if the program has a grant for it and the user has access, the OS sandbox refuses it: the granted file was \
             replaced, removed or missing when the program started; grant its folder, or try --sandbox off; --sandbox-log names \
             refused system calls",
        );
    }
    match only_strict(error, graph) {
        Some(module) => failure.with_help(format!(
            "{} is CommonJS, which runs as strict code here: strict code cannot assign undeclared names or read-only \
             properties",
            text::plain(module)
        )),
        None => failure,
    }
}

/// Returns the CommonJS module that threw an error which only strict mode throws. The message is the only evidence.
fn only_strict<'a>(error: &UncaughtError, graph: &'a Graph) -> Option<&'a str> {
    let is_name = error.message.starts_with("ReferenceError: ") && error.message.ends_with(" is not defined");
    let strict = [
        "Cannot assign to read only property",
        "Cannot add property",
        "Cannot create property",
        "Cannot delete property",
        "which has only a getter",
        "is read-only",
        "no setter for property",
        "could not delete property",
        "is not extensible",
    ];
    let is_property = error.message.starts_with("TypeError: ")
        && strict.into_iter().any(|words| error.message.contains(words));
    if !is_name && !is_property {
        return None;
    }
    let frame = error.stack.lines().next()?.trim_end_matches(')');
    let place = frame.rsplit_once(" (").map_or(frame, |(_, place)| place);
    let place = place.trim_start().trim_start_matches("at ");
    let module = graph.modules().iter().find(|module| {
        let rest = place.strip_prefix(module.name.as_str());
        rest.is_some_and(|rest| rest.starts_with(':'))
    })?;
    let origin = module.origin.as_ref()?;
    origin
        .transformation
        .is_common_js()
        .then_some(module.name.as_str())
}

/// Formats an error of a guest. The further lines of a message are marked, so that they cannot imitate output of this
/// command.
fn shown(error: &UncaughtError) -> String {
    let mut shown = with_stack(error, STACK_LINES);
    let mut left = RELATED;
    add_related(&mut shown, error, 1, &mut left);
    shown
}

fn with_stack(error: &UncaughtError, lines: usize) -> String {
    let mut shown = text::quoted_lines(&error.message);
    for line in error.stack.lines().take(lines) {
        // The guest chooses the names of functions as well.
        let mark = if line.starts_with("    at ") { "" } else { "    | " };
        shown.push_str(&format!("\n{mark}{}", text::quoted_lines(line)));
    }
    shown
}

/// Appends the related errors of this error, until the maximum number is reached.
fn add_related(shown: &mut String, error: &UncaughtError, depth: usize, left: &mut usize) {
    for related in &error.related {
        if *left == 0 {
            shown.push_str("\n  …");
            return;
        }
        *left -= 1;
        let what = match related.number {
            None => "caused by".to_owned(),
            Some(number) => format!("error {number} of it:"),
        };
        let indent = "  ".repeat(depth.min(RELATED));
        shown.push_str(&format!(
            "\n{indent}{what} {}",
            with_stack(&related.error, RELATED_STACK_LINES)
        ));
        add_related(shown, &related.error, depth + 1, left);
    }
}

fn denied(
    report: &DenialReport,
    error: &UncaughtError,
    manifest: Option<&Manifest>,
    program: &Program,
    context: &AdviceContext,
) -> Result<Failure, Failure> {
    let asked = text::one_line(&report.operation.to_string());
    let alike = foreign_letter(&asked).map(|letter| {
        let letter = code_point(letter);
        format!("\n  {letter} in it looks like a letter of another script")
    });
    if report.operation.action().as_str() == SEAL {
        // No grant allows it, so no grant can be advised.
        let what = format!(
            "{asked} was denied to module {}\n  uncaught {}",
            report.module,
            shown(error)
        );
        return Ok(Failure::new(Code::Denied, what).with_help(
            "seal a capability that still has grants and is not revocable, in a program that runs with --token",
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
        // Some denials do not come from grants, for example for the content of a removed folder or for a special file
        // system.
        None => "a rule of its family".to_owned(),
        Some(denial) => format!("block {}: {}", denial.block, report.block_name(denial.block)),
    };
    Ok(Failure::new(
        Code::Denied,
        format!(
            "{asked} was denied to module {}\n  uncaught {}\n  refused by {refused_by}{}",
            report.module,
            shown(error),
            alike.unwrap_or_default(),
        ),
    )
    .with_help(advice.help()))
}

/// Opens the audit log that the arguments request.
fn audit_log(arguments: &AuditArguments) -> Result<Option<AuditLog>, Failure> {
    let Some(path) = &arguments.audit else {
        return Ok(None);
    };
    let options = AuditOptions {
        denials_only: arguments.audit_denials,
        max_size: arguments.audit_max_size,
        keep: arguments.audit_keep,
    };
    let log = AuditLog::open(path, options);
    log.map(Some).map_err(|error| audit_failure(path, &error))
}

/// Waits until all audit records are written, however the program ended.
fn finish(audit: Option<&AuditLog>) -> Result<(), Failure> {
    match audit {
        Some(audit) => audit
            .finish()
            .map_err(|error| audit_failure(audit.path(), &error)),
        None => Ok(()),
    }
}

fn audit_failure(path: &Path, reason: &io::Error) -> Failure {
    Failure::usage(format!(
        "the audit file {} cannot be written: {reason}: an operation that cannot be recorded is refused",
        path.display()
    ))
    .help("name a file that can be written, or free some space")
}
