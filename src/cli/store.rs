//! `store`: the local store, and offering it over HTTP.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secure_runtime_loaders::ContentHash;
use secure_runtime_loaders::store::{LocalStore, MAX_BLOB_SIZE};
use serde::Serialize;

use super::failure::{Code, Failure};
use super::project;
use super::text::{self, count, size};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Keep files, and print the hash of each
    Add {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Give the bytes with a hash, verified
    Get {
        /// The hash: blake3:…
        hash: String,
        /// Write to this file, which must not exist, instead of standard output
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say where the store is, and list what it has
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read everything in the store and compare it with its hash
    Verify,
    /// Offer the store over HTTP until ctrl-c, for reading
    Serve {
        /// The address to listen on; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7000")]
        listen: String,
    },
}

pub(super) fn store(command: &Command) -> Result<String, Failure> {
    let store = project::open_local_store()?;
    match command {
        Command::Add { files } => add(&store, files),
        Command::Get { hash, out } => get(&store, hash, out.as_deref()),
        Command::List { json } => list(&store, *json),
        Command::Verify => verify(&store),
        Command::Serve { listen } => serve(store, listen),
    }
}

fn add(store: &LocalStore, files: &[PathBuf]) -> Result<String, Failure> {
    let mut added = String::new();
    for path in files {
        let fault = |reason: String| {
            Failure::usage(format!("{}: {reason}", path.display()))
                .help("name regular files that you may read")
        };
        let metadata = fs::metadata(path).map_err(|error| fault(error.to_string()))?;
        if !metadata.is_file() {
            return Err(fault("is not a regular file".to_owned()));
        }
        if metadata.len() > MAX_BLOB_SIZE {
            return Err(fault(format!("has more than {}", size(MAX_BLOB_SIZE))));
        }
        let bytes = fs::read(path).map_err(|error| fault(error.to_string()))?;
        let hash = store.put(&bytes)?;
        added.push_str(&format!("{hash}  {}\n", path.display()));
    }
    Ok(added)
}

/// Gives bytes that may be no text: they are written as they are, not through the escaping of messages.
fn get(store: &LocalStore, hash: &str, out: Option<&Path>) -> Result<String, Failure> {
    let hash: ContentHash = hash.parse()?;
    let bytes = store.read(&hash, MAX_BLOB_SIZE)?;
    match out.filter(|path| !project::is_standard(path)) {
        Some(path) => {
            let written = fs::File::create_new(path).and_then(|mut file| file.write_all(&bytes));
            written.map_err(|error| {
                Failure::usage(format!("{}: {error}", path.display()))
                    .help("name a file that does not exist yet")
            })?;
        }
        None => {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            written.map_err(|error| {
                Failure::usage(format!("standard output: {error}")).help("write it to a file with --out FILE")
            })?;
        }
    }
    Ok(String::new())
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
        // One that was removed meanwhile is not there any more.
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

fn verify(store: &LocalStore) -> Result<String, Failure> {
    let (mut right, mut bytes, mut wrong) = (0, 0, Vec::new());
    for blob in store.verify_all()? {
        match blob.result {
            Ok(length) => {
                right += 1;
                bytes += length;
            }
            Err(error) => wrong.push(error.to_string()),
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
    .with_help("delete these files; `secure-runtime lock` puts the modules of a project back"))
}

/// Prints the address before the first request can be answered, so that a script can wait for the line.
fn serve(store: LocalStore, listen: &str) -> Result<String, Failure> {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::bug(format!("no event loop: {error}")))?;
    reactor.block_on(async {
        let fault = |error: io::Error| {
            Failure::usage(format!("cannot listen on {}: {error}", text::one_line(listen)))
                .help("give --listen an address and a free port of this machine, such as 127.0.0.1:0")
        };
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        let _ = writeln!(
            io::stdout(),
            "serving {} at http://{address}",
            store.folder().display()
        );
        let interrupted = async {
            // Where no signal can be waited for, the process ends by the signal itself.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        secure_runtime_loaders::store::serve(store, listener, None, interrupted)
            .await
            .map_err(fault)
    })?;
    Ok(String::new())
}
