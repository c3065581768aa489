//! `token revocations`: shows the content of a revocation list. A list with an invalid signature is not shown.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use secure_runtime_capabilities::{MAX_REVOCATION_LIST, PublicKey, RevocationList};
use secure_runtime_loaders::files::{FileError, read_regular};
use serde::Serialize;

use super::{shown_time, time};
use crate::credentials;
use crate::failure::Failure;
use crate::text;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file of the revocation list
    list: PathBuf,

    /// The public key that it must be signed under: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    key: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    number: u64,
    issued: String,
    /// The time from which the list is stale.
    next_update: String,
    is_stale: bool,
    ids: Vec<String>,
}

pub(super) fn revocations(arguments: &Arguments) -> Result<String, Failure> {
    let key = credentials::public_key(&arguments.key, "--key")?;
    let list = read(&arguments.list, &key)?.ok_or_else(|| {
        Failure::usage(format!("{}: there is no such file", arguments.list.display()))
            .help("`secure-runtime token revoke` makes a revocation list")
    })?;
    let shown = Shown {
        number: list.sequence,
        issued: shown_time(list.issued),
        next_update: shown_time(list.next_update),
        is_stale: time("0s", SystemTime::now())? >= list.next_update,
        ids: list.ids().iter().map(ToString::to_string).collect(),
    };
    if arguments.json {
        return text::json(&shown);
    }
    let state = if shown.is_stale {
        "stale since"
    } else {
        "current until"
    };
    let mut lines = format!(
        "a revocation list; its signature holds\n  number {}, made {}, {state} {}\n  revokes {}\n",
        shown.number,
        shown.issued,
        shown.next_update,
        text::count(shown.ids.len(), "block"),
    );
    for id in &shown.ids {
        lines.push_str(&format!("    {id}\n"));
    }
    Ok(lines)
}

/// Reads and verifies the list in this file. Returns `None` if there is no file.
pub(super) fn read(path: &Path, key: &PublicKey) -> Result<Option<RevocationList>, Failure> {
    let at = |what: String| format!("the revocation list {}: {what}", path.display());
    let bytes = match read_regular(path, MAX_REVOCATION_LIST as u64) {
        Ok(bytes) => bytes,
        Err(FileError::NotFound) => return Ok(None),
        Err(error) => {
            return Err(Failure::usage(at(error.to_string())).help("name a regular file that you may read"));
        }
    };
    let list = RevocationList::verify(&bytes, key);
    list.map(Some).map_err(|error| Failure::from(error).map(at))
}
