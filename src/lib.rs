//! secure-runtime runs JavaScript that you did not write with only the rights that you gave it.
//!
//! Every module of a program holds its own signed token, narrowed from the program's; every module's bytes are
//! fetched by their BLAKE3 hash and verified; every operation on a file, a socket or anything else outside the
//! isolate is decided against the caller's token chain before it happens.
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
//! With the engine V8, the first run sets the flags `--no-concurrent-recompilation` and `--no-concurrent-sparkplug`, unless V8 runs
//! already: without them, a guest that fills its heap can end the process (`src/runtime/thread.rs` says how). A host that starts V8
//! itself sets them before.
//!
//! V8 ends the process where an allocation fails. The first run sets handlers that park the thread of the isolate instead, where a guest
//! caused it: [`parked_threads`] returns how many there are, and each keeps its memory until the process ends. A
//! runtime starts no further program once there are as many as [`Builder::most_parked_threads`] says.
//!
//! With the engine QuickJS, the first run sets the variable `V82JSC_NO_BC_CACHE` in the environment of the process, without which the
//! engine's bindings would keep compiled code in a folder of the user. A process with other threads that read the environment
//! through C at that moment should set it itself when it starts.
//!
//! The parts: [`secure_runtime_capabilities`] (grants, tokens, decisions; no I/O), [`secure_runtime_loaders`] (content
//! addresses, stores, graphs; no engine), and this crate, the only one that knows the JavaScript engine.

#[cfg(all(feature = "v8", feature = "quickjs"))]
compile_error!(
    "features `v8` and `quickjs` exclude each other; build with --no-default-features --features quickjs"
);
#[cfg(not(any(feature = "v8", feature = "quickjs")))]
compile_error!("choose an engine: feature `v8` (default) or `quickjs`");

mod audit;
mod bounds;
pub mod cli;
mod drift;
mod extensions;
mod manifest;
mod modules;
mod program;
mod realm;
mod review;
mod revocation;
mod runtime;
mod self_write;
mod signatures;
mod snapshot;
mod wall;
mod within_lock;

pub use audit::{AuditLog, AuditOptions, AuditRecord, Sealed, Verdict};
pub use extensions::{KvError, KvStore, KvValue, MAX_KV_VALUE, MemoryKvStore, OPERATIONS, OperationRow};
pub use manifest::{Manifest, ManifestError};
pub use program::{OpenOptions, Program, ProgramError, StorePlace};
pub use revocation::{Refresher, RevocationFeed, RevocationFeedError, RevocationsLoaded};
pub use runtime::{
    BuildError, Builder, ConsoleLine, ConsoleWriter, DenialReport, Engine, Exit, Limit, LimitHit, Limits,
    MemoryUse, Outcome, PackageLimits, Quotas, RelatedError, RunError, Runtime, Stop, UncaughtError, Unit,
    Unwritten, parked_threads,
};
pub use signatures::{Lack, SignatureError, Trust, TrustError, TrustedKey};
pub use wall::{Wall, WallError, WallReport, WallSupport};
