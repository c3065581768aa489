//! `token revoke`: creates or extends a signed revocation list.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use secure_runtime_capabilities::{RevocationId, RevocationList, parse_duration};
use secure_runtime_loaders::files::{FileError, FolderLock, write_atomic};

use super::{revocations, shown_time, time};
use crate::failure::Failure;
use crate::{console, credentials, text};

/// Default validity of a first list, in seconds.
const VALIDITY: u64 = 7 * 24 * 3_600;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The files of the tokens to revoke; without tokens and --id, the list is renewed unchanged
    #[arg(requires = "root_key")]
    files: Vec<PathBuf>,

    /// The public key that the tokens must be signed under: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    root_key: Option<String>,

    /// The file of the private key that signs the list: the root key, or a separate one (- is standard input)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// The file of the list, which is created or replaced by the next list
    #[arg(long, value_name = "FILE")]
    list: PathBuf,

    /// The id of a block, from `token inspect` (repeatable)
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,

    /// The block of the tokens to revoke. The last one (default) revokes the token and all tokens derived from it; 0
    /// revokes all tokens derived from the minted token
    #[arg(long, value_name = "NUMBER", requires = "files")]
    block: Option<usize>,

    /// Duration for which the list is current; if the newest list is older, nothing is allowed. Default: the validity
    /// of the previous list, or 7d
    #[arg(long, value_name = "DURATION")]
    valid: Option<String>,
}

/// A block to revoke, with a description.
struct Revoked {
    id: RevocationId,
    what: String,
}

pub(super) fn revoke(arguments: &Arguments) -> Result<String, Failure> {
    let revoked = revoked(arguments)?;
    let pair = credentials::private_key(&arguments.key, "--key")?;
    let valid = arguments.valid.as_deref().map(validity).transpose()?;
    let path = &arguments.list;
    let fault = |error: FileError| {
        Failure::usage(format!("the revocation list {}: {error}", path.display()))
            .help("name a file in a folder that exists and that you may write")
    };
    // If two processes revoke at the same time, the lock makes the second one add to the list of the first.
    let _lock = FolderLock::beside(path).map_err(fault)?;
    let old = revocations::read(path, &pair.public())?;
    let list = next(old.as_ref(), &revoked, valid, time("0s", SystemTime::now())?)?;
    write_atomic(path, &list.sign(&pair)?).map_err(fault)?;

    if old.is_none() {
        console::note(&format!(
            "{} is a first list: if another list was published under this key, put that list here and revoke again",
            path.display()
        ));
    }
    let mut said = String::new();
    for Revoked { id, what } in &revoked {
        let is_old = old.as_ref().is_some_and(|old| old.contains(id));
        let verb = if is_old { "was revoked already:" } else { "revoked" };
        said.push_str(&format!("{verb} {what}\n  id {id}\n"));
    }
    said.push_str(&format!(
        "{}: number {}, revokes {}, current until {}\n",
        path.display(),
        list.sequence,
        text::count(list.ids().len(), "block"),
        shown_time(list.next_update),
    ));
    Ok(said)
}

/// Returns the next list. It contains all ids of the old list, and its number is one higher.
fn next(
    old: Option<&RevocationList>,
    revoked: &[Revoked],
    valid: Option<u64>,
    now: u64,
) -> Result<RevocationList, Failure> {
    if let Some(old) = old.filter(|old| now < old.issued) {
        return Err(Failure::usage(format!(
            "the list was made at {}, which is in the future",
            shown_time(old.issued)
        ))
        .help("set this machine's clock"));
    }
    let valid = valid.or(old.map(|old| old.next_update.saturating_sub(old.issued)));
    let too_many =
        || Failure::usage("the list has the highest possible number").help("issue lists under a new key");
    let sequence = old
        .map_or(Some(1), |old| old.sequence.checked_add(1))
        .ok_or_else(too_many)?;
    let ids = old.map_or(&[][..], RevocationList::ids).iter().copied();
    Ok(RevocationList::new(
        sequence,
        now,
        now.saturating_add(valid.unwrap_or(VALIDITY)),
        ids.chain(revoked.iter().map(|revoked| revoked.id)),
    )?)
}

fn revoked(arguments: &Arguments) -> Result<Vec<Revoked>, Failure> {
    let mut revoked = Vec::new();
    for id in &arguments.ids {
        let id: RevocationId = id.parse()?;
        let what = "every token with the block of this id".to_owned();
        revoked.push(Revoked { id, what });
    }
    let root_key = arguments.root_key.as_deref().unwrap_or_default();
    for file in &arguments.files {
        let root = credentials::public_key(root_key, "--root-key")?;
        let token = credentials::token(file, "the token", &root)?;
        let ids = token.revocation_ids();
        let last = ids.len().saturating_sub(1);
        let block = arguments.block.unwrap_or(last);
        let id = ids.get(block).copied().ok_or_else(|| {
            Failure::usage(format!(
                "{} has no block {block}: its last one is {last}",
                file.display()
            ))
            .help("`secure-runtime token inspect` shows its blocks")
        })?;
        let reach = match block {
            0 => "the authority block: all tokens derived from the minted token",
            _ if block == last => "its last block: this token and all tokens derived from it",
            _ => "this token and all other tokens with this block",
        };
        let what = format!("block {block} of {}, {reach}", file.display());
        revoked.push(Revoked { id, what });
    }
    Ok(revoked)
}

/// Parses a duration of at least one second, and returns its seconds.
fn validity(text: &str) -> Result<u64, Failure> {
    let help = "write a duration such as 7d or 12h";
    match parse_duration(text) {
        Ok(duration) if duration >= Duration::from_secs(1) => Ok(duration.as_secs()),
        Ok(_) => Err(Failure::usage(format!("--valid {text:?} is less than a second")).help(help)),
        Err(error) => Err(Failure::usage(format!("--valid: {error}")).help(help)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_list_keeps_all_ids() {
        let id = |byte| RevocationId::from_bytes([byte; 64]);
        let what = |byte| Revoked {
            id: id(byte),
            what: String::new(),
        };
        let first = next(None, &[what(7)], None, 1_000).unwrap();
        assert_eq!((first.sequence, first.next_update), (1, 1_000 + VALIDITY));
        let second = next(Some(&first), &[what(3)], Some(60), 2_000).unwrap();
        assert_eq!(second.ids(), [id(3), id(7)]);
        assert_eq!((second.sequence, second.next_update), (2, 2_060));
        let renewed = next(Some(&second), &[], None, 2_000).unwrap();
        assert_eq!(renewed.ids(), second.ids());
        assert_eq!((renewed.sequence, renewed.next_update), (3, 2_060));
        assert!(
            next(Some(&second), &[], None, 1_999).is_err(),
            "a clock that was set back"
        );
        let last = RevocationList::new(u64::MAX, 0, 1, []).unwrap();
        assert!(next(Some(&last), &[], None, 5).is_err());
    }
}
