//! The built-in families of secure-runtime. Each of them is an extension, and uses only the public interface of
//! extensions (`secure_runtime_engine::extension`). This crate does not depend on the JavaScript engine.

mod clock;
mod closing;
mod env;
mod fs;
mod http;
mod kv;
mod log;
mod net;
mod random;
mod secrets;

use std::sync::Arc;

use secure_runtime_engine::extension::AnyExtension;

pub use self::env::Variables;
pub use self::kv::{
    FileKvStore, KvChange, KvChanges, KvCheck, KvEntry, KvError, KvRange, KvStore, KvValue, KvVersion,
    MAX_KV_VALUE, MemoryKvStore, OpenKvError,
};

pub use self::log::{LogLevel, LogRecord, LogSink};
pub use self::secrets::{Secret, SecretSource};

/// The number of built-in families.
pub const BUILTIN: usize = 9;

/// The parts of the built-in families that a host provides.
#[derive(Clone)]
pub struct Settings {
    /// The lookup of environment variables.
    pub variables: Variables,
    /// The store of the entries of `kv`.
    pub kv: Arc<dyn KvStore>,
    /// The secrets that guests may use.
    pub secrets: SecretSource,
    /// The destination of log records.
    pub log: LogSink,
    /// The configuration of TLS connections. Without it, no https URL can be fetched.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            variables: Arc::new(|_| None),
            kv: Arc::new(MemoryKvStore::default()),
            secrets: Arc::new(|_| None),
            log: Arc::new(|record| record.trace()),
            tls: None,
        }
    }
}

/// Returns the built-in families, always in the same order.
pub fn builtin(settings: Settings) -> [AnyExtension; BUILTIN] {
    [
        fs::Fs.into(),
        net::Net(settings.tls).into(),
        env::Env(settings.variables).into(),
        clock::Clock.into(),
        random::Random.into(),
        kv::Kv(settings.kv).into(),
        http::Http.into(),
        secrets::Secrets(settings.secrets).into(),
        log::Log(settings.log).into(),
    ]
}
