//! Putting a runtime together.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use secure_runtime_capabilities::{
    Base, Families, KeyError, KeyPair, PathError, PublicKey, Revocations, Token, TokenError,
};
use secure_runtime_loaders::store::Store;

use super::park::MOST_PARKED;
use super::pool::{Pool, Started};
use super::{ConsoleLine, ConsoleWriter, Inner, Limits, PrintSink, Running, Runtime};
use crate::audit::{AuditRecord, AuditSink};
use crate::extensions::{KvStore, MemoryKvStore, Presentation, Variables};

/// What a [`Runtime`] is made of. See [`Runtime::builder`].
pub struct Builder {
    base: Option<String>,
    root_key: Option<PublicKey>,
    token: Option<Vec<u8>>,
    store: Option<Arc<dyn Store>>,
    limits: Limits,
    audit: AuditSink,
    print: PrintSink,
    variables: Variables,
    kv: Arc<dyn KvStore>,
    idle_isolates: usize,
    most_parked: usize,
    started: Option<Started>,
    presentation: Presentation,
}

/// Why a runtime could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No folder was given that relative paths mean.
    #[error(
        "no base folder: call .base(folder) with the folder that relative paths of grants and operations mean"
    )]
    NoBase,
    /// The base folder is not usable.
    #[error("the base folder {folder:?}: {reason}")]
    Base {
        /// The folder as given.
        folder: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No store was given.
    #[error("no store: call .store(store) with the place that has the modules' bytes")]
    NoStore,
    /// A token without the key that verifies it.
    #[error(
        "a token without a root key: call .root_key(key) with the public key that the token was signed under"
    )]
    NoRootKey,
    /// The token did not verify, or says something outside the profile.
    #[error("the token: {0}")]
    Token(#[from] TokenError),
    /// The root key is not usable.
    #[error("the root key: {0}")]
    Key(#[from] KeyError),
    /// A limit that this runtime cannot hold.
    #[error("limit {limit}: {reason}")]
    Limit {
        /// Which limit.
        limit: &'static str,
        /// Why not.
        reason: String,
    },
    /// There are no threads for isolates that wait.
    #[error("no thread for an isolate: {0}; ask for fewer idle isolates, or raise the limit of threads")]
    Threads(String),
    /// The TLS configuration could not be made.
    #[error("TLS: {0}")]
    Tls(String),
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("base", &self.base)
            .field("limits", &self.limits)
            .finish()
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        Builder {
            base: None,
            root_key: None,
            token: None,
            store: None,
            limits: Limits::default(),
            audit: AuditSink::none(),
            print: PrintSink::discard(),
            variables: Arc::new(|_| None),
            kv: Arc::new(MemoryKvStore::default()),
            idle_isolates: 0,
            most_parked: MOST_PARKED,
            started: None,
            presentation: Presentation::default(),
        }
    }

    /// The folder that relative paths mean, in grants and in operations: normally the manifest's. Links in it are
    /// resolved now.
    pub fn base(mut self, folder: impl AsRef<Path>) -> Self {
        self.base = Some(folder.as_ref().to_string_lossy().into_owned());
        self
    }

    /// The public key that the token must be signed under.
    pub fn root_key(mut self, key: PublicKey) -> Self {
        self.root_key = Some(key);
        self
    }

    /// A token from outside, as bytes: what all programs of this runtime may do at the most. Without one, a program's
    /// own grants are the ceiling.
    pub fn token(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.token = Some(bytes.into());
        self
    }

    /// Presents the token as the owner of this key pair: what a token that is bound to its public key needs. The key
    /// itself is not kept.
    pub fn holder_key(mut self, key: &KeyPair) -> Self {
        self.presentation.keys.push(key.holder());
        self
    }

    /// Heeds these revocations, in every decision from the next on. Keep a clone, to bring it newer lists; while it has
    /// no current one, nothing is allowed.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.presentation.revocations = Some(revocations);
        self
    }

    /// Where modules' bytes come from.
    pub fn store(self, store: impl Store + 'static) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// As [`Builder::store`], for a store that others use too.
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// What each run may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Called for every decision, on the isolate's thread, before the operation goes ahead. An operation whose record
    /// the sink refuses is refused too. Without a sink, no records are made.
    ///
    /// The operation goes ahead when the sink returns. So a record survives an abort of the process if the sink has handed it to the
    /// operating system by then, as [`crate::AuditLog`] does, and not if the sink has only put it into a queue.
    pub fn audit(
        mut self,
        sink: impl Fn(&AuditRecord) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.audit = AuditSink::new(sink);
        self
    }

    /// Called for everything that guests print, on the isolate's thread. Without one, it is dropped.
    ///
    /// A sink that waits holds the isolate up, and is not interrupted by limits: the run is then answered within two seconds, and the
    /// thread stays until the sink returns. [`Builder::console_writer`] has no such wait.
    pub fn console(mut self, sink: impl Fn(ConsoleLine<'_>) + Send + Sync + 'static) -> Self {
        self.print = PrintSink::new(sink);
        self
    }

    /// Prints what guests print with this writer, in place of a sink.
    pub fn console_writer(mut self, writer: &ConsoleWriter) -> Self {
        self.print = writer.into();
        self
    }

    /// What `env.get` looks variables up in, once a name was allowed. Without one, every variable is unset; to offer
    /// the process's own: `|name| std::env::var(name).ok()`.
    pub fn variables(mut self, lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.variables = Arc::new(lookup);
        self
    }

    /// Where the entries are that `kv` reads and writes. Without one they are in memory, as long as the runtime is: see
    /// [`MemoryKvStore`].
    pub fn kv(mut self, store: impl KvStore + 'static) -> Self {
        self.kv = Arc::new(store);
        self
    }

    /// Keeps so many isolates ready, each on a thread of its own, so that a program need not wait for its engine to start. One
    /// that was taken is replaced. 0 unless this is called.
    pub fn idle_isolates(mut self, count: usize) -> Self {
        self.idle_isolates = count;
        self
    }

    /// Starts no further program where so many threads of this process are parked (see [`crate::parked_threads`]): `run` returns
    /// [`crate::RunError::Parked`]. 64 unless this is called. Each such thread keeps its heap, which can have four times its limit, so a
    /// host with large heaps allows fewer.
    pub fn most_parked_threads(mut self, count: usize) -> Self {
        self.most_parked = count;
        self
    }

    /// Runs the first program in this isolate, if its heap is what the limits say.
    pub(crate) fn started(mut self, started: Started) -> Self {
        self.started = Some(started);
        self
    }

    /// The runtime.
    ///
    /// # Errors
    /// [`BuildError`]: something is missing, does not verify, or cannot be held.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let folder = self.base.ok_or(BuildError::NoBase)?;
        let fault = |reason: String| BuildError::Base {
            folder: folder.clone(),
            reason,
        };
        let real = std::fs::canonicalize(&folder).map_err(|error| fault(error.to_string()))?;
        let real = real
            .to_str()
            .ok_or_else(|| fault("its path is not UTF-8".to_owned()))?;
        let base = Base::new(real).map_err(|error: PathError| fault(error.to_string()))?;
        let store = self.store.ok_or(BuildError::NoStore)?;
        let token = match (self.token, self.root_key) {
            (None, _) => None,
            (Some(_), None) => return Err(BuildError::NoRootKey),
            (Some(bytes), Some(key)) => Some(Token::verify(&bytes, &key)?),
        };
        let heaps = self.limits.packages.values().filter_map(|limits| limits.heap);
        let smallest = heaps.fold(self.limits.heap, u64::min);
        if smallest < Limits::SMALLEST_HEAP {
            let reason = format!(
                "{smallest} bytes is less than the {} that the realm needs",
                Limits::SMALLEST_HEAP
            );
            return Err(BuildError::Limit {
                limit: "heap",
                reason,
            });
        }
        let mut packages = self.limits.packages.values();
        let is_cpu_limited = self.limits.cpu.is_some() || packages.any(|limits| limits.cpu.is_some());
        if is_cpu_limited && !cfg!(target_os = "linux") {
            let reason = "processor time is measured on Linux only; use the wall limit".to_owned();
            return Err(BuildError::Limit { limit: "cpu", reason });
        }
        let pool = match self.idle_isolates {
            0 => None,
            count => Some(
                Pool::start(count, self.limits.heap)
                    .map_err(|error| BuildError::Threads(error.to_string()))?,
            ),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| BuildError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Runtime {
            inner: Arc::new(Inner {
                families: Families::builtin(),
                base,
                token,
                store,
                limits: self.limits,
                audit: self.audit,
                print: self.print,
                variables: self.variables,
                kv: self.kv,
                presentation: self.presentation,
                tls: Arc::new(tls),
                running: Arc::new(Running::default()),
                pool,
                most_parked: self.most_parked,
                started: Mutex::new(self.started),
            }),
        })
    }
}
