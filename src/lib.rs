//! secure-runtime runs JavaScript that you did not write, with only the rights that you granted.
//!
//! Every module of a program has its own signed token, attenuated from the token of the program. The bytes of every
//! module are fetched by their BLAKE3 hash and verified. Every operation on a file, a socket or another resource
//! outside the isolate is decided against the caller's token chain before it is executed.
//!
//! ```no_run
//! # async fn embed() -> Result<(), Box<dyn std::error::Error>> {
//! use secure_runtime::{Limits, OpenOptions, Program, Runtime};
//!
//! let program = Program::open("examples/report".as_ref(), &OpenOptions::default()).await?;
//! let runtime = Runtime::builder()
//!     .base(program.base())
//!     .shared_store(program.store())
//!     .limits(Limits { wall: Some(std::time::Duration::from_secs(30)), ..Limits::default() })
//!     .build()?;
//! let outcome = runtime.run(program.graph(), &[]).await?;
//! println!("{:?}", outcome.exit);
//! # Ok(())
//! # }
//! ```
//!
//! With V8, the first run sets the flags `--no-concurrent-recompilation` and `--no-concurrent-sparkplug`, unless V8
//! already runs. Without them, a guest that fills its heap can end the process (see `engine/src/v8/mod.rs`). A host
//! that starts V8 itself must set them before.
//!
//! V8 ends the process if an allocation fails. The first run installs handlers that park the thread of the isolate
//! instead, if a guest caused the failure. [`parked_threads`] returns the number of parked threads. Each keeps its
//! memory until the process ends. A runtime starts no further program while there are as many as
//! [`Builder::most_parked_threads`] allows.
//!
//! The first run also sets a panic hook, which calls the previous hook unless it parks the thread of an isolate. A host
//! with its own hook must set it before that. A parked thread keeps the lock of Rust's panic hook.
//!
//! With QuickJS, the first run sets the environment variable `V82JSC_NO_BC_CACHE`. Without it, the engine's bindings
//! would store compiled code in a folder of the user. If other threads may read the environment through C at that
//! moment, the process should set the variable itself when it starts.
//!
//! [`initialize`] has these effects without a run, at a time that the host chooses.
//!
//! One `use secure_runtime::…` is enough for most hosts. The parts are crates of their own. [`capabilities`] contains
//! grants, tokens and decisions, and does no I/O. [`loaders`] contains content addresses, stores and graphs, and no
//! engine. The crate `secure-runtime-engine` contains isolates, and is the only one that depends on the JavaScript
//! engine.

mod audit;
mod base;
mod bounds;
pub mod drift;
mod manifest;
pub mod program;
pub mod reachable;
pub mod review;
mod revocation;
mod runtime;
mod sandbox;
pub mod signatures;
mod snapshot;
mod within_lock;

pub use audit::{AuditLog, AuditOptions};
pub use base::BaseError;
pub use bounds::Bounds;
pub use manifest::{KvFile, Manifest, ManifestError, SizeError, parse_size};
pub use program::{OpenOptions, Program, ProgramError, StorePlace};
pub use revocation::{Refresher, RevocationFeed, RevocationFeedError, RevocationsLoaded};
pub use runtime::{
    BuildError, Builder, Runtime, StartError, Stop, WarmIsolate, initialize, operations, types,
};
pub use sandbox::{Sandbox, SandboxError, SandboxReport, SandboxSupport};
pub use secure_runtime_capabilities::{
    self as capabilities, Base, Families, KeyPair, PublicKey, Revocations, Rights, Token,
};
pub use secure_runtime_engine::{
    AuditRecord, ConsoleLine, ConsoleWriter, DenialReport, Engine, Exit, FetchError, Instance, Limit,
    LimitHit, LimitScope, Limits, LinkPlan, MemoryUse, OperationRow, Outcome, PackageLimits, PlanError,
    Quotas, RelatedError, RequestContext, RequestLimits, Returned, RunError, SEAL, Sealed, UncaughtError,
    Unwritten, Verdict, extension, panic_of_process, parked_threads, prepare,
};
pub use secure_runtime_families::{
    FileKvStore, KvChange, KvChanges, KvCheck, KvEntry, KvError, KvRange, KvStore, KvValue, KvVersion,
    LogLevel, LogRecord, MAX_KV_VALUE, MemoryKvStore, OpenKvError, Secret,
};
pub use secure_runtime_http as http;
pub use secure_runtime_loaders::{self as loaders, Cause, ContentHash, Graph, LocalStore, Store};
pub use signatures::{MissingSignature, SignatureError, Trust, TrustError, TrustedKey};
