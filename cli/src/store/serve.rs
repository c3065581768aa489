//! `store serve`: serves the local store over HTTP.

use std::io::{self, Write};
use std::time::Instant;

use secure_runtime_loaders::store::{self, LocalStore, ServeOptions};

use super::super::failure::Failure;
use super::super::presented::{RevocationArguments, keep_fresh};
use super::super::text;
use super::super::{console, credentials, ending};
use super::{guard, reactor};
use secure_runtime::parse_size;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7000")]
    listen: String,

    /// Require a token signed under this public key: store.read to read, store.add to add
    #[arg(long, value_name = "PUBLIC_KEY")]
    root_key: Option<String>,

    /// Let everyone read, and require a token only to add
    #[arg(long, requires = "root_key")]
    public_read: bool,

    #[command(flatten)]
    revocations: RevocationArguments,

    /// The largest blob that can be added, such as 10GiB; up to four times this size may be unverified per token
    #[arg(long, value_name = "SIZE", default_value = "64MiB", requires = "root_key", value_parser = parse_size)]
    max_blob: u64,

    /// Maximum number of simultaneous connections; one address may use a quarter of them
    #[arg(long, value_name = "NUMBER", default_value = "256", value_parser = clap::value_parser!(u16).range(4..))]
    max_connections: u16,
}

impl Arguments {
    fn options(&self) -> ServeOptions {
        let (blob, connections) = (self.max_blob, usize::from(self.max_connections));
        ServeOptions {
            connections,
            connections_per_address: connections / 4,
            blob,
            unproven: blob.saturating_mul(4),
            ..ServeOptions::default()
        }
    }
}

/// Serves the store. Prints the address before the first request is served, so that a script can wait for the line.
pub(super) fn serve(store: LocalStore, arguments: &Arguments) -> Result<String, Failure> {
    let listen = &arguments.listen;
    let root = arguments
        .root_key
        .as_deref()
        .map(|key| credentials::public_key(key, "--root-key"))
        .transpose()?;
    reactor()?.block_on(async {
        let fault = |error: io::Error| {
            Failure::usage(format!("cannot listen on {}: {error}", text::one_line(listen)))
                .help("give --listen an address and a free port of this machine, such as 127.0.0.1:0")
        };
        let feed = match &root {
            Some(root) => arguments.revocations.load(root).await?,
            None => None,
        };
        let revocations = feed.as_ref().map(|feed| feed.revocations());
        let guard = root.map(|root| guard::guard(root, revocations, arguments.public_read));
        // The list is refreshed until the last request is answered.
        let _fresh = feed.map(keep_fresh).transpose()?;
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        let serving = format!("serving {} at http://{address}", store.folder().display());
        let _ = writeln!(io::stdout(), "{}", text::message(&serving));
        // The console queue prints warnings about a list that cannot be refreshed, without waiting for a reader.
        let console = console::open()?;
        let interrupted = async {
            // If the handler cannot be installed, the signal itself ends the process.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let options = ServeOptions {
            guard,
            ..arguments.options()
        };
        let served = store::serve(store, listener, options, interrupted).await;
        console.end_by(Instant::now() + ending::FLUSH_OF_STOPPED);
        served.map_err(fault)
    })?;
    Ok(String::new())
}
