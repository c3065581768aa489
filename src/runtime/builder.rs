//! The builder of a runtime.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fmt, io};

use secure_runtime_capabilities::{
    Families, KeyError, KeyPair, PublicKey, Revocations, ScopeError, Token, TokenError,
};
use secure_runtime_engine::extension::{AnyExtension, ExtensionError};
use secure_runtime_engine::{
    AuditRecord, AuditSink, ConsoleLine, ConsoleWriter, Credentials, Limits, MOST_PARKED, Pool, PrintSink,
    Running, StartingIsolate,
};
use secure_runtime_families::{KvStore, LogRecord, Secret, Settings};
use secure_runtime_loaders::store::Store;

use crate::base::{self, BaseError};

use super::{Inner, Runtime, WarmIsolate, startup};

/// The configuration of a [`Runtime`]. See [`Runtime::builder`].
pub struct Builder {
    base: Option<PathBuf>,
    root_key: Option<PublicKey>,
    token: Option<Vec<u8>>,
    store: Option<Arc<dyn Store>>,
    limits: Limits,
    audit: AuditSink,
    print: PrintSink,
    console_to_log: bool,
    settings: Settings,
    extensions: Vec<AnyExtension>,
    idle_isolates: usize,
    most_parked: usize,
    started: Option<StartingIsolate>,
    credentials: Credentials,
}

/// The reason why a runtime could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no base folder for relative paths.
    #[error(
        "no base folder: call .base(folder) with the folder that relative paths of grants and operations refer to"
    )]
    NoBase,
    /// The base folder is not usable.
    #[error("the base folder {folder:?}: {error}")]
    Base {
        /// The folder as given.
        folder: PathBuf,
        /// The reason.
        #[source]
        error: BaseError,
    },
    /// There is no store.
    #[error("no store: call .store(store) with the store of the modules' bytes")]
    NoStore,
    /// There is a token, but no key that verifies it.
    #[error(
        "a token without a root key: call .root_key(key) with the public key that the token was signed under"
    )]
    NoRootKey,
    /// The token could not be verified, or its content is outside the profile.
    #[error("the token: {0}")]
    Token(#[from] TokenError),
    /// The root key is not usable.
    #[error("the root key: {0}")]
    Key(#[from] KeyError),
    /// The runtime cannot enforce a limit.
    #[error("limit {limit}: {reason}")]
    Limit {
        /// The limit.
        limit: &'static str,
        /// The reason.
        reason: String,
    },
    /// The threads for waiting isolates could not be started.
    #[error("no thread for an isolate: {0}; ask for fewer idle isolates, or raise the limit of threads")]
    Threads(#[source] io::Error),
    /// An extension cannot be added.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// The family of an extension cannot be added.
    #[error("an extension: {0}")]
    Family(#[source] ScopeError),
    /// The TLS configuration could not be created.
    #[error("TLS: {0}")]
    Tls(#[source] rustls::Error),
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
            console_to_log: false,
            settings: Settings::default(),
            extensions: Vec::new(),
            idle_isolates: 0,
            most_parked: MOST_PARKED,
            started: None,
            credentials: Credentials::default(),
        }
    }

    /// Sets the base folder of relative paths in grants and operations. This is normally the manifest's folder. Links
    /// in it are resolved when the runtime is built.
    ///
    /// If the path is not UTF-8, relative scopes and resources of `fs` are refused, because they are text in tokens and
    /// for guests. All other rights work, and so do absolute paths.
    pub fn base(mut self, folder: impl AsRef<Path>) -> Self {
        self.base = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets the public key that the token must be signed under.
    pub fn root_key(mut self, key: PublicKey) -> Self {
        self.root_key = Some(key);
        self
    }

    /// Sets a token, as bytes. It is the upper bound of the rights of all programs of this runtime. Without a token, a
    /// program's own grants are the upper bound.
    pub fn token(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.token = Some(bytes.into());
        self
    }

    /// Presents the token as the owner of this key pair. A token that is bound to the public key requires this. The
    /// private key is not kept.
    pub fn holder_key(mut self, key: &KeyPair) -> Self {
        self.credentials.keys.push(key.holder());
        self
    }

    /// Applies these revocations to every decision from now on. Keep a clone to supply newer lists. While the list is
    /// not current, nothing is allowed.
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.credentials.revocations = Some(revocations);
        self
    }

    /// Sets the source of the modules' bytes.
    pub fn store(self, store: impl Store + 'static) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// Sets the source like [`Builder::store`], for a store that is also used elsewhere.
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets the limits of each run.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets a sink for audit records. The runtime calls it for every decision, on the isolate's thread, before the
    /// operation proceeds. If the sink rejects a record, the operation is refused. Without a sink, no records are made.
    ///
    /// The operation proceeds when the sink returns. A record survives an abort of the process if the sink has passed
    /// it to the operating system by then, like [`crate::AuditLog`]. It does not survive if the sink has only queued
    /// it.
    pub fn audit(
        mut self,
        sink: impl Fn(&AuditRecord) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.audit = AuditSink::new(sink);
        self
    }

    /// Sets a sink for the output of guests. The runtime calls it on the isolate's thread. Without a sink, the output
    /// is discarded.
    ///
    /// A sink that blocks also blocks the isolate, and limits do not interrupt it. In this case, the run returns within
    /// two seconds, and the thread stays until the sink returns. [`Builder::console_writer`] does not have this
    /// problem.
    pub fn console(mut self, sink: impl Fn(ConsoleLine<'_>) + Send + Sync + 'static) -> Self {
        self.print = PrintSink::new(sink);
        self
    }

    /// Prints the output of guests with this writer, instead of a sink.
    ///
    /// ```no_run
    /// # fn embed(builder: secure_runtime::Builder) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::{Duration, Instant};
    ///
    /// use secure_runtime::ConsoleWriter;
    ///
    /// let console = ConsoleWriter::standard()?;
    /// let runtime = builder.console_writer(&console).build()?;
    /// // … runs …
    /// console.finish(Some(Instant::now() + Duration::from_secs(2)))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn console_writer(mut self, writer: &ConsoleWriter) -> Self {
        self.print = writer.into();
        self
    }

    /// Sets the lookup of environment variables for `env.get`. It is called after a name was allowed. Without it, every
    /// variable is unset. To offer the variables of the process: `|name| std::env::var(name).ok()`.
    pub fn variables(mut self, lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.settings.variables = Arc::new(lookup);
        self
    }

    /// Sets a sink for the log records of guests (the family `log`). It is called on the isolate's thread, and must not
    /// block. Without it, each record is an event of the crate `tracing`: see [`LogRecord::trace`].
    pub fn log(mut self, sink: impl Fn(&LogRecord<'_>) + Send + Sync + 'static) -> Self {
        self.settings.log = Arc::new(sink);
        self
    }

    /// Makes each line that guests print with `console` a log record, instead of output. The level is error for
    /// `console.error` and `console.warn`, and info otherwise.
    pub fn console_to_log(mut self) -> Self {
        self.console_to_log = true;
        self
    }

    /// Sets the lookup of secrets for `secrets`, by name. It is called at each use, so a secret may change. It must not
    /// block. Without it, there are no secrets.
    ///
    /// No guest can read a secret. `fetch` sends it to the origins of the rights `secrets.send`. `crypto.subtle` uses
    /// it with the algorithms of the rights `secrets.key`.
    pub fn secrets(mut self, lookup: impl Fn(&str) -> Option<Secret> + Send + Sync + 'static) -> Self {
        self.settings.secrets = Arc::new(lookup);
        self
    }

    /// Sets the store of the entries that `kv` reads and writes. Without it, they are in memory and live as long as the
    /// runtime: see [`crate::MemoryKvStore`].
    pub fn kv(mut self, store: impl KvStore + 'static) -> Self {
        self.settings.kv = Arc::new(store);
        self
    }

    /// Adds a family of operations besides the built-in ones.
    ///
    /// Open programs with the same families ([`crate::OpenOptions::families`]), so that their manifests can grant it.
    pub fn extension(mut self, extension: impl Into<AnyExtension>) -> Self {
        self.extensions.push(extension.into());
        self
    }

    /// Keeps `count` isolates ready, each on its own thread, so that a program does not wait for its engine to start.
    /// After an isolate is used, another one is started. The default is 0.
    pub fn idle_isolates(mut self, count: usize) -> Self {
        self.idle_isolates = count;
        self
    }

    /// Sets the number of parked threads of this process at which no further program is started (see
    /// [`crate::parked_threads`]). Then `run` returns [`crate::RunError::Parked`]. The default is 64.
    ///
    /// Each parked thread keeps its heap, which can have four times its limit. So a host with large heaps should allow
    /// fewer.
    pub fn most_parked_threads(mut self, count: usize) -> Self {
        self.most_parked = count;
        self
    }

    /// Runs the first program in this isolate, if its heap limit is that of the limits.
    pub fn warm_isolate(mut self, isolate: WarmIsolate) -> Self {
        self.started = Some(isolate.0);
        self
    }

    /// Builds the runtime.
    ///
    /// # Errors
    /// [`BuildError`]: a setting is missing, cannot be verified, or cannot be enforced.
    pub fn build(self) -> Result<Runtime, BuildError> {
        let folder = self.base.ok_or(BuildError::NoBase)?;
        let base = base::resolve(&folder).map_err(|error| BuildError::Base { folder, error })?;
        let store = self.store.ok_or(BuildError::NoStore)?;
        let print = if self.console_to_log {
            let sink = self.settings.log.clone();
            PrintSink::new(move |line| sink(&LogRecord::of_console(&line)))
        } else {
            self.print
        };
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
        let mut families = Families::builtin();
        for extension in &self.extensions {
            families = families
                .with(extension.family().clone())
                .map_err(BuildError::Family)?;
        }
        let startup = startup(
            Settings {
                tls: Some(Arc::new(tls()?)),
                ..self.settings
            },
            &self.extensions,
        )?;
        let pool = match self.idle_isolates {
            0 => None,
            count => {
                Some(Pool::start(count, self.limits.heap, startup.clone()).map_err(BuildError::Threads)?)
            }
        };
        Ok(Runtime {
            inner: Arc::new(Inner {
                families,
                base,
                token,
                store,
                limits: self.limits,
                audit: self.audit,
                print,
                credentials: self.credentials,
                startup,
                running: Arc::new(Running::default()),
                pool,
                most_parked: self.most_parked,
                started: Mutex::new(self.started),
            }),
        })
    }
}

/// Returns the TLS configuration of guests' connections.
fn tls() -> Result<rustls::ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
