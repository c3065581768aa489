//! The engine of secure-runtime: isolates with a locked realm, the families of operations, quotas and termination.
//!
//! This crate is the only one that depends on the JavaScript engine. It decides nothing about programs: its caller
//! passes the verified bytes, the authority of every module and the limits. Use the crate `secure-runtime`, which does
//! this. The interface of this crate may change with every version.

#[cfg(all(feature = "v8", feature = "quickjs"))]
compile_error!(
    "features `v8` and `quickjs` exclude each other; build with --no-default-features --features quickjs"
);
#[cfg(not(any(feature = "v8", feature = "quickjs")))]
compile_error!("choose an engine: feature `v8` (default) or `quickjs`");

mod audit;
mod console;
mod extensions;
mod isolate;
mod limits;
mod memory;
mod modules;
mod outcome;
mod package_worker;
mod park;
mod program;
#[cfg(feature = "quickjs")]
mod quickjs;
mod quota;
mod realm;
mod serving;
mod snapshot;
mod termination;
#[cfg(feature = "v8")]
mod v8;

#[cfg(feature = "quickjs")]
use quickjs as js_engine;
#[cfg(feature = "v8")]
use v8 as js_engine;

pub use self::audit::{AuditRecord, AuditSink, Sealed, Verdict};
pub use self::console::{ConsoleLine, ConsoleWriter, PrintSink, Unwritten};
pub use self::extensions::{Credentials, Extensions, OperationRow, SEAL, operations, types};
pub use self::isolate::{Pool, StartingIsolate, prepare, start_engine};
pub use self::limits::{Limit, LimitHit, LimitScope, Limits, PackageLimits, Quotas, RequestLimits};
pub use self::memory::MemoryUse;
pub use self::modules::{LinkPlan, PlanError, Principal, Unattested};
pub use self::outcome::{
    DenialReport, Engine, Exit, Outcome, RelatedError, Returned, RunError, UncaughtError,
};
pub use self::package_worker::cycle as isolate_cycle;
pub use self::park::{MOST_PARKED, parked_threads};
pub use self::program::Program;
pub use self::serving::{FetchError, Instance, RequestContext};
pub use self::snapshot::{Snapshot, Startup};
pub use self::termination::Running;
#[cfg(feature = "v8")]
pub use self::v8::create_snapshot;

/// The interface of extensions: families of operations that a developer adds to the runtime.
pub mod extension {
    pub use crate::extensions::{
        AnyExtension, Arguments, Asked, CapabilityView, CountedBytes, Decision, Each, Extension,
        ExtensionError, Extensions, Global, Granted, IsolateView, Kept, Methods, OpenPermit, OperationError,
        Origin, Output, ProgramStart, ResourceDecision, ResourceMethods, SandboxRule, Script, Value, clipped,
    };
    pub use crate::limits::RequestLimits;
    pub use crate::memory::Reservation;
    pub use crate::serving::{FetchError, RequestEvents, Requester};
}

/// Returns the message of a panic that concerns the whole process. Returns `None` if the panic ends only the isolate on
/// this thread, or if a function of this crate catches it.
pub fn panic_of_process(panic: &std::panic::PanicHookInfo<'_>) -> Option<String> {
    use isolate::panics;

    if extensions::panic_is_expected() || panics::ends_an_isolate(panic) {
        return None;
    }
    Some(panics::of_this_isolate().unwrap_or_else(|| panics::described(panic)))
}
