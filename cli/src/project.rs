//! The project that a command works on, the local store, and files that the command line names.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secure_runtime_capabilities::Base;
use secure_runtime_loaders::store::LocalStore;
use secure_runtime_loaders::{Graph, files, lockfile, resolve};

use super::failure::Failure;
use super::secrets;
use crate::host;
use secure_runtime::Manifest;
use secure_runtime::program::{self, LOCK};

/// Maximum size in bytes of a key, a token or another small file.
const SMALL_FILE: u64 = 1 << 20;

/// A project's manifest and graph. Without a lock file, the graph is locked in memory.
pub(super) struct Project {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) graph: Graph,
    pub(super) is_locked: bool,
}

impl Project {
    /// Reads the project in this folder. If there is a lock, no module is read.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let folder = Manifest::folder_of(path);
        let manifest = Manifest::read(&folder, host::families())?;
        let lock = folder.join(LOCK);
        let is_locked = lock.exists();
        let graph = if is_locked {
            program::within_lock(&lockfile::read_lock(&lock)?, &manifest, &folder)?
        } else {
            resolve::lock(&program::lock_input(&folder, &manifest)?)?.graph
        };
        Ok(Project {
            folder,
            manifest,
            graph,
            is_locked,
        })
    }
}

/// Returns the folder of the local store by the rules of spec/cli.md, or `None` if the environment names no place.
pub(super) fn local_store() -> Option<PathBuf> {
    if let Some(folder) = variable("SECURE_RUNTIME_STORE") {
        return Some(folder);
    }
    Some(our_folder("XDG_DATA_HOME", ".local/share")?.join("store"))
}

/// Returns the folder for revocation lists by the rules of spec/cli.md.
pub(super) fn revocation_folder() -> Result<PathBuf, Failure> {
    let folder = our_folder("XDG_STATE_HOME", ".local/state").ok_or_else(|| {
        Failure::usage("no place to keep revocation lists is known: neither XDG_STATE_HOME nor HOME is set")
            .help("set XDG_STATE_HOME to a folder")
    })?;
    Ok(folder.join("revocations"))
}

/// Returns the folder `secure-runtime` in the folder that the variable names, or else in `in_home` below the home.
fn our_folder(name: &str, in_home: &str) -> Option<PathBuf> {
    // The XDG base directory specification demands that relative paths are ignored.
    let folder = variable(name)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(variable("HOME")?.join(in_home)))?;
    Some(folder.join("secure-runtime"))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Runs a future to completion on a new event loop.
pub(super) fn wait_for<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(format!("the event loop cannot be started: {error}")))?;
    let done = reactor.block_on(future);
    // A name lookup or file operation on another thread may still block. The command does not wait for it.
    reactor.shutdown_background();
    done
}

/// Opens the local store, and creates it if it does not exist.
pub(super) fn open_local_store() -> Result<LocalStore, Failure> {
    let folder = local_store().ok_or_else(|| {
        Failure::usage("no place for the local store is known: neither SECURE_RUNTIME_STORE, XDG_DATA_HOME nor HOME is set")
            .help("set SECURE_RUNTIME_STORE to a folder")
    })?;
    LocalStore::create(&folder).map_err(|error| {
        Failure::from(error).help(format!(
            "set SECURE_RUNTIME_STORE to a folder that can be written; it is {} now",
            folder.display()
        ))
    })
}

/// Returns the base of relative paths in grants and operations: this folder, with symbolic links resolved.
pub(super) fn base_of(folder: &Path) -> Result<Base, Failure> {
    program::base_of(folder).map_err(|error| Failure::from(error).help("name a folder that exists"))
}

/// Reads the text of a small file, or of standard input for `-`, without the final line break. Of all files that are
/// not regular, only the pipe of a shell's `<(command)` is read.
pub(super) fn read_text(path: &Path, what: &str) -> Result<String, Failure> {
    let fault = |reason: String| {
        Failure::usage(format!("{what} {}: {reason}", secrets::shown_path(path)))
            .help(format!("give the path of {what}, or - for standard input"))
    };
    let bytes = if is_standard(path) {
        files::read_bounded(io::stdin().lock(), SMALL_FILE)
    } else {
        files::read_given(path, SMALL_FILE)
    }
    .map_err(|error| fault(error.to_string()))?;
    let mut text = String::from_utf8(bytes.into()).map_err(|_| fault("it is not text".to_owned()))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Returns true if the path is `-`, which means standard input or output.
pub(super) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes a new file that only the current user can read. An existing file is not overwritten.
pub(super) fn write_secret(path: &Path, content: &str, what: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| {
        let help = if error.kind() == io::ErrorKind::AlreadyExists {
            "nothing is overwritten: name another file, or remove this one yourself"
        } else {
            "name a file in a folder that exists and that you may write"
        };
        Failure::usage(format!("{what} {}: {error}", path.display())).help(help)
    })
}

/// Writes a secret to a new file if one is given. Otherwise returns it for standard output.
pub(super) fn write_or_give(out: Option<&Path>, content: String, what: &str) -> Result<String, Failure> {
    match out {
        Some(path) if !is_standard(path) => {
            write_secret(path, &content, what)?;
            Ok(String::new())
        }
        _ => Ok(content),
    }
}
