//! `doctor`: checks if programs can run on this machine, and which protections are available.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secure_runtime_loaders::store::{LocalStore, MemoryStore};
use secure_runtime_loaders::{Graph, Module, ModuleKind, Package};
use serde::Serialize;

use super::failure::Failure;
use super::{project, text, version};
use secure_runtime::{Engine, Exit, Limits, Runtime, Sandbox};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The state of one checked item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// The item works.
    Good,
    /// Programs run, but with less protection than possible.
    Lacking,
    /// Programs cannot run.
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    found: String,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Finding {
            what,
            state: State::Good,
            found: found.into(),
        }
    }

    fn of(what: &'static str, found: Result<String, String>, otherwise: State) -> Self {
        let (state, found) = match found {
            Ok(found) => (State::Good, found),
            Err(found) => (otherwise, found),
        };
        Finding { what, state, found }
    }
}

/// Checks every item, even after one of them failed, so that the user sees all problems at once.
pub(super) fn doctor(arguments: &Arguments) -> Result<String, Failure> {
    let findings = [
        Finding::good("secure-runtime", version()),
        Finding::of("engine", trial(Limits::default()), State::Bad),
        Finding::of("untrusted code", untrusted_code(), State::Lacking),
        Finding::of("processor limit", processor_limit(), State::Lacking),
        Finding::of("OS sandbox", sandbox(), State::Lacking),
        Finding::of("openat2", openat2(), State::Lacking),
        Finding::of("local store", local_store(), State::Bad),
        Finding::of("revocation lists", revocation_lists(), State::Lacking),
    ];
    let shown = if arguments.json {
        text::json(&findings)?
    } else {
        findings.iter().map(line).collect()
    };
    match findings.iter().find(|finding| finding.state == State::Bad) {
        None => Ok(shown),
        Some(bad) => {
            super::print(&shown)?;
            Err(Failure::usage(format!(
                "programs cannot be run here: {}: {}",
                bad.what, bad.found
            ))
            .help("fix the findings that are marked `bad` above"))
        }
    }
}

fn line(finding: &Finding) -> String {
    let state = match finding.state {
        State::Good => "good",
        State::Lacking => "lacking",
        State::Bad => "bad",
    };
    format!("{:<17} {state:<8} {}\n", finding.what, finding.found)
}

/// Runs a program with one line of code.
fn trial(limits: Limits) -> Result<String, String> {
    let source = "export default () => 1 + 1;";
    let mut store = MemoryStore::default();
    let module = Module {
        name: "app:/trial.js".to_owned(),
        package: 0,
        hash: store.put(source),
        size: source.len() as u64,
        kind: ModuleKind::JavaScript,
        origin: None,
        imports: Default::default(),
        globals: Vec::new(),
        grants: None,
    };
    let graph = Graph::new(0, vec![Package::default()], vec![module]).map_err(|error| error.to_string())?;
    let runtime = Runtime::builder().base("/").store(store).limits(limits).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let outcome = project::wait_for(async { Ok(runtime.run(&graph, &[]).await?) });
    match outcome.map(|outcome| outcome.exit) {
        Ok(Exit::Completed) => Ok("starts and runs a module".to_owned()),
        Ok(exit) => Err(format!("a module of one line ended with {exit:?}")),
        Err(failure) => Err(failure.what().to_owned()),
    }
}

/// Checks that the engine of this build is suitable for untrusted code.
fn untrusted_code() -> Result<String, String> {
    match Engine::current().caution() {
        None => Ok(format!(
            "{} is the engine for code that you do not trust",
            Engine::current()
        )),
        Some(caution) => Err(caution.to_owned()),
    }
}

fn processor_limit() -> Result<String, String> {
    let limits = Limits {
        cpu: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    trial(limits).map(|_| "the processor time of a program can be limited".to_owned())
}

fn sandbox() -> Result<String, String> {
    let support = Sandbox::support();
    if support.lacks().is_empty() {
        Ok(support.to_string())
    } else {
        Err(support.to_string())
    }
}

#[cfg(target_os = "linux")]
fn openat2() -> Result<String, String> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    match rustix::fs::openat2(
        CWD,
        ".",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH,
    ) {
        Ok(_) => Ok("the kernel keeps paths beneath their folders".to_owned()),
        Err(error) => Err(format!(
            "{error}: paths are kept beneath their folders step by step"
        )),
    }
}

#[cfg(not(target_os = "linux"))]
fn openat2() -> Result<String, String> {
    Err("only Linux has it: paths are kept beneath their folders step by step".to_owned())
}

fn local_store() -> Result<String, String> {
    let folder = project::local_store()
        .ok_or("none: neither SECURE_RUNTIME_STORE, XDG_DATA_HOME nor HOME is set".to_owned())?;
    let shown = folder.display();
    if folder.join("blobs").is_dir() {
        let store = LocalStore::open(&folder).map_err(|error| error.to_string())?;
        let blobs = store.list().map_err(|error| error.to_string())?;
        let blobs = text::count(blobs.len(), "blob");
        Ok(format!("{shown}, {blobs}{}", free(&folder)))
    } else if folder.symlink_metadata().is_ok() && !folder.is_dir() {
        Err(format!("{shown} is not a folder"))
    } else {
        Ok(format!(
            "{shown}, not created yet: `secure-runtime lock` creates it{}",
            free(&folder)
        ))
    }
}

/// Formats the free space, for example `, 12.3 GiB free`. The file system is that of the folder or of its nearest
/// existing ancestor.
fn free(folder: &Path) -> String {
    let existing = folder.ancestors().find(|folder| folder.is_dir());
    match existing.map(rustix::fs::statvfs) {
        Some(Ok(system)) => {
            let bytes = system.f_bavail.saturating_mul(system.f_frsize);
            format!(", {} free", text::size(bytes))
        }
        _ => String::new(),
    }
}

fn revocation_lists() -> Result<String, String> {
    let folder: PathBuf = project::revocation_folder().map_err(|failure| failure.what().to_owned())?;
    let made = if folder.is_dir() {
        ""
    } else {
        ", not created yet: `--revocations` creates it"
    };
    Ok(format!("{}{made}", folder.display()))
}
