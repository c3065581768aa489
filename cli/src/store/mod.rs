//! `store`: manages the local store, and serves it over HTTP.

mod guard;
mod serve;

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use secure_runtime_capabilities::parse_duration;
use secure_runtime_loaders::store::{LocalStore, MAX_BLOB_SIZE, MAX_STREAM_SIZE, Store, StoreError};
use secure_runtime_loaders::{ContentHash, FileError, files, lockfile};
use serde::Serialize;

use super::console;
use super::failure::{Code, Failure};
use super::project;
use super::stores::StoreTokens;
use super::text::{self, Working, count, size};
use secure_runtime::StorePlace;
use secure_runtime::program::{self, OpenOptions};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add files, and print the hash of each
    Add {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Also add them to the store at this address, which requires a token
        #[arg(long, value_name = "URL")]
        to: Option<OsString>,
        #[command(flatten)]
        tokens: StoreTokens,
    },
    /// Print the bytes with a hash, verified
    Get {
        /// The hash: blake3:…
        hash: String,
        /// Write to this file, which must not exist, instead of standard output
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// If the local store does not have it, fetch it from this store and keep it (repeatable)
        #[arg(long, value_name = "DIR or URL")]
        store: Vec<OsString>,
        #[command(flatten)]
        tokens: StoreTokens,
    },
    /// Show the path of the store and list its blobs
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare every blob of the store with its hash
    Verify {
        /// Delete damaged blobs, so that they can be fetched or added again
        #[arg(long)]
        repair: bool,
    },
    /// Delete old data: incomplete files and, with --keep, blobs that no given lock names
    Gc {
        /// Keep the blobs of this secure.lock; blobs that no given lock names are deleted (repeatable)
        #[arg(long, value_name = "LOCK")]
        keep: Vec<PathBuf>,
        /// Keep everything that was written or used within this time
        #[arg(long, value_name = "DURATION", default_value = "1day", value_parser = parse_duration)]
        older_than: Duration,
    },
    /// Serve the store over HTTP until ctrl-c, either readable by everyone or only with a token
    Serve(serve::Arguments),
}

pub(super) fn store(command: &Command) -> Result<String, Failure> {
    let store = project::open_local_store()?;
    match command {
        Command::Add { files, to, tokens } => {
            let to = tokens.of(to.as_slice())?;
            add(&store, files, to.first())
        }
        Command::Get {
            hash,
            out,
            store: from,
            tokens,
        } => get(&store, hash, out.as_deref(), tokens.of(from)?),
        Command::List { json } => list(&store, *json),
        Command::Verify { repair } => verify(&store, *repair),
        Command::Gc { keep, older_than } => collect(&store, keep, *older_than),
        Command::Serve(arguments) => serve::serve(store, arguments),
    }
}

/// Adds the files to the local store, then to the other store if one is given.
fn add(store: &LocalStore, files: &[PathBuf], to: Option<&StorePlace>) -> Result<String, Failure> {
    // An invalid address is reported before any file is added.
    let to = match to {
        Some(place) if place.address().is_none() => {
            return Err(Failure::usage("--to takes the address of a store")
                .help("write https://…; files are added to another folder with SECURE_RUNTIME_STORE"));
        }
        Some(place) => Some(place.http()?),
        None => None,
    };
    let (mut added, mut hashes) = (String::new(), Vec::new());
    for path in files {
        let fault = |reason: String| {
            Failure::usage(format!("{}: {reason}", path.display()))
                .help("name regular files that you may read")
        };
        let (mut file, length) = files::open_named(path).map_err(|error| fault(error.to_string()))?;
        if length > MAX_STREAM_SIZE {
            return Err(fault(format!("has more than {}", size(MAX_STREAM_SIZE))));
        }
        // Files of /proc are said to be empty, and some have no end. Others may grow while they are read.
        let limit = length.max(MAX_BLOB_SIZE);
        let added_file = store.add_at_most(&mut file, limit);
        let (hash, _) = added_file.map_err(|error| match error {
            StoreError::File {
                error: FileError::TooLarge { limit },
                ..
            } => fault(format!(
                "has more than {}, although its size is stated as {}",
                size(limit),
                size(length)
            )),
            error => error.into(),
        })?;
        added.push_str(&format!("{hash}  {}\n", path.display()));
        hashes.push(hash);
    }
    if let Some(to) = to {
        let working = Working::steps("adding", hashes.len());
        reactor()?.block_on(async {
            for hash in &hashes {
                to.add(hash, store).await?;
                working.step();
            }
            Ok::<(), StoreError>(())
        })?;
    }
    Ok(added)
}

/// Writes the bytes of a blob without escaping, because they need not be text. Each byte is verified before it is
/// written.
fn get(store: &LocalStore, hash: &str, out: Option<&Path>, from: Vec<StorePlace>) -> Result<String, Failure> {
    let hash: ContentHash = hash.parse()?;
    if !from.is_empty() && !store.contains(&hash) {
        fetch(store, &hash, from)?;
    }
    let mut blob = store.stream(&hash, 0)?;
    match out.filter(|path| !project::is_standard(path)) {
        Some(path) => {
            let fault = |error: io::Error| {
                Failure::usage(format!("{}: {error}", path.display()))
                    .help("name a file that does not exist yet, where there is room for it")
            };
            let mut file = fs::File::create_new(path).map_err(fault)?;
            let copied = match blob.copy_to(&mut file) {
                Ok(copied) => copied.map_err(Failure::from),
                Err(error) => Err(fault(error)),
            };
            if let Err(failure) = copied {
                // An incomplete file could be mistaken for the whole blob.
                let _ = fs::remove_file(path);
                return Err(failure);
            }
        }
        None => {
            let mut stdout = console::results();
            let copied = blob
                .copy_to(&mut stdout)
                .and_then(|copied| stdout.flush().map(|()| copied));
            copied.map_err(|error| {
                Failure::usage(format!("standard output: {error}")).help("write it to a file with --out FILE")
            })??;
        }
    }
    Ok(String::new())
}

/// Fetches a blob from the first of these stores that has it.
fn fetch(local: &LocalStore, hash: &ContentHash, from: Vec<StorePlace>) -> Result<(), Failure> {
    let stores = program::stores(&OpenOptions {
        stores: from,
        ..OpenOptions::default()
    })?;
    let working = Working::on("fetching");
    let progress = |have: u64, total: Option<u64>| working.at(have, total);
    reactor()?.block_on(stores.fetch(hash, MAX_STREAM_SIZE, local, &progress))?;
    drop(working);
    for wrong in stores.distrusted() {
        console::warn(&wrong.to_string());
    }
    Ok(())
}

fn collect(store: &LocalStore, locks: &[PathBuf], older_than: Duration) -> Result<String, Failure> {
    let mut keep = HashSet::new();
    for path in locks {
        let graph = lockfile::read_lock(path)?;
        for module in graph.modules() {
            keep.insert(module.hash);
            keep.extend(module.origin.as_ref().map(|origin| origin.hash));
        }
    }
    let before = SystemTime::now()
        .checked_sub(older_than)
        .ok_or_else(|| Failure::usage("--older-than is too long").help("give a duration such as 30days"))?;
    let collected = store.collect((!locks.is_empty()).then_some(&keep), before)?;
    Ok(format!(
        "deleted {} and {} left half-written, {} in {}\n",
        count(usize::try_from(collected.blobs).unwrap_or(usize::MAX), "blob"),
        count(usize::try_from(collected.leftovers).unwrap_or(usize::MAX), "file"),
        size(collected.bytes),
        store.folder().display()
    ))
}

#[derive(Serialize)]
struct Listed {
    store: String,
    blobs: Vec<Blob>,
}

#[derive(Serialize)]
struct Blob {
    hash: String,
    size: u64,
}

fn list(store: &LocalStore, json: bool) -> Result<String, Failure> {
    let mut blobs = Vec::new();
    for hash in store.list()? {
        // Another process may have removed the blob after it was listed.
        if let Ok(metadata) = fs::symlink_metadata(store.path(&hash)) {
            blobs.push(Blob {
                hash: hash.to_string(),
                size: metadata.len(),
            });
        }
    }
    let listed = Listed {
        store: store.folder().display().to_string(),
        blobs,
    };
    if json {
        return text::json(&listed);
    }
    let total = listed.blobs.iter().map(|blob| blob.size).sum();
    let mut lines = format!(
        "{}: {}, {}\n",
        listed.store,
        count(listed.blobs.len(), "blob"),
        size(total)
    );
    for blob in &listed.blobs {
        lines.push_str(&format!("{} {:>10}\n", blob.hash, size(blob.size)));
    }
    Ok(lines)
}

fn verify(store: &LocalStore, repair: bool) -> Result<String, Failure> {
    let (mut right, mut bytes, mut wrong) = (0, 0, Vec::new());
    for blob in store.verify_all()? {
        match blob.result {
            Ok(length) => {
                right += 1;
                bytes += length;
            }
            Err(error) => {
                // A file that cannot be read may still be intact.
                if repair && error.is_integrity() {
                    store.remove(&blob.hash)?;
                }
                wrong.push(error.to_string());
            }
        }
    }
    if wrong.is_empty() {
        return Ok(format!(
            "verified {}, {} in {}\n",
            count(right, "blob"),
            size(bytes),
            store.folder().display()
        ));
    }
    Err(Failure::new(
        Code::Integrity,
        format!(
            "{} of {} wrong\n  {}",
            wrong.len(),
            count(right + wrong.len(), "blob"),
            wrong.join("\n  ")
        ),
    )
    .with_help(if repair {
        "the damaged blobs are deleted; `secure-runtime lock` adds the modules of a project again, `store add` adds files"
    } else {
        "`secure-runtime store verify --repair` deletes them; `secure-runtime lock` adds the modules of a project again"
    }))
}

fn reactor() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(format!("the event loop cannot be started: {error}")))
}
