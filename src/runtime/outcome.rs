//! How a run ended.

use std::fmt;
use std::sync::Arc;

use secure_runtime_capabilities::{Authority, Denial, Operation, PublicKey};
use secure_runtime_loaders::ContentHash;
use secure_runtime_loaders::store::StoreError;

use super::LimitHit;

/// What a program that started came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// How much memory it took.
    pub memory: MemoryUse,
}

/// The most memory that the isolates of one program took. Each counts with its own peak, whenever that was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Bytes of the engine's heap. On V8 they are read at each collection of garbage and at the end, and the memory of its compilers is
    /// among them; on QuickJS, at the end. On both, the heap limit counts whole where it was hit.
    pub heap: u64,
    /// Bytes outside the engine's heap that the isolates' accounts counted: array buffers (V8), results, capabilities and what else
    /// spec/runtime.md names (RUN-86).
    pub held: u64,
}

impl MemoryUse {
    /// Returns the sum.
    pub(crate) fn and(self, other: MemoryUse) -> MemoryUse {
        MemoryUse {
            heap: self.heap.saturating_add(other.heap),
            held: self.held.saturating_add(other.held),
        }
    }
}

/// How a program ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// It ran to its end.
    Completed,
    /// A JavaScript error was not caught.
    Uncaught(UncaughtError),
    /// A refusal was not caught; or a module imports WebAssembly that it may not import, and nothing was evaluated.
    Denied(Box<DenialReport>, UncaughtError),
    /// It hit a limit.
    Limit(LimitHit),
    /// The host stopped it.
    Stopped,
}

/// A JavaScript error that nobody caught, as text. Made by guests: escape control characters before showing it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UncaughtError {
    /// The message, with the error's name.
    pub message: String,
    /// Where, as a stack trace; empty where the guest threw something that has none.
    pub stack: String,
    /// The errors that it was made of: its `cause`, and the `errors` of an `AggregateError`, each with its own. Of many and deep ones, the
    /// first.
    pub related: Vec<RelatedError>,
}

/// An error that another one was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelatedError {
    /// Its number among the `errors` of an `AggregateError`, from 1; none where it is the `cause`.
    pub number: Option<usize>,
    /// The error.
    pub error: UncaughtError,
}

impl UncaughtError {
    /// One that has a message, and nothing else.
    pub(crate) fn of(message: String) -> Self {
        UncaughtError {
            message,
            stack: String::new(),
            related: Vec::new(),
        }
    }
}

/// A refusal, with what is needed to explain it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DenialReport {
    /// The module whose authority was used.
    pub module: String,
    /// Its package; empty for the program itself.
    pub package: String,
    /// The operation.
    pub operation: Operation<'static>,
    /// The block that refused, and why. None where the chain allows it and something else refused.
    pub denial: Option<Denial>,
    /// The authority. If more than 4,096 other operations were denied before this error was thrown again, that of the module, without what
    /// was attenuated in the program.
    pub authority: Authority,
    /// Where each block of the module's own chain comes from; blocks after these were added by `attenuate`.
    pub block_names: Arc<[String]>,
}

impl DenialReport {
    /// Where the block comes from, for people.
    pub fn block_name(&self, block: usize) -> &str {
        self.block_names
            .get(block)
            .map_or("an attenuation in the program", String::as_str)
    }
}

/// What kept a program from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A module's bytes could not be had, or were wrong.
    #[error("module {module}: {error}")]
    Module {
        /// The module.
        module: String,
        /// Why.
        #[source]
        error: Box<StoreError>,
    },
    /// A grant that the graph records cannot be linked.
    #[error("grants: {0}")]
    Grants(String),
    /// The token demands modules that somebody attested, and this one is not.
    #[error(
        "module {module} ({hash}) is not attested by {by}, which the token demands of every module; have the owner of that key review the module and attest its hash in a block of the token, or remove the module from the program"
    )]
    NotAttested {
        /// The module.
        module: String,
        /// Its content hash.
        hash: ContentHash,
        /// Whose attestation it lacks.
        by: PublicKey,
    },
    /// The program has a WebAssembly module, and this build's engine is not one that runs them.
    #[error(
        "module {module} is WebAssembly, which this build does not run: {engine} gives memories of it other sizes than the standard",
        engine = Engine::current()
    )]
    WebAssembly {
        /// The module.
        module: String,
    },
    /// Limits for a package that the program does not have.
    #[error(
        "limits for package {package}, which is no package of the program: correct the name, or take them out"
    )]
    NoSuchPackage {
        /// The name.
        package: String,
    },
    /// A limit that only an isolate can have, for a package that shares the program's.
    #[error(
        "limit `{limit}` of package {package}: only an isolate has one; give the package one of its own with `isolate = true`, or take the limit out"
    )]
    SharedLimit {
        /// The package.
        package: String,
        /// The limit's key.
        limit: &'static str,
    },
    /// Packages in isolates of their own that import each other: each would wait for the other.
    #[error(
        "packages in isolates of their own import each other: {}; let one of them share an isolate",
        packages.join(" imports ")
    )]
    IsolateCycle {
        /// Their names, the first again at the end.
        packages: Vec<String>,
    },
    /// Too many threads of this process are parked.
    #[error(
        "{count} threads of isolates are parked in this process, and each keeps its heap until the process ends: no further program is started; restart the process, or allow more with `Builder::most_parked_threads`"
    )]
    Parked {
        /// How many.
        count: usize,
    },
    /// The engine did not do what it should: a bug in secure-runtime.
    #[error("engine: {0}")]
    Engine(String),
}

/// The JavaScript engine that this build uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// V8: just-in-time compiler.
    V8,
    /// QuickJS-ng: small and portable.
    QuickJs,
}

impl Engine {
    /// The engine of this build.
    pub const fn current() -> Engine {
        if cfg!(feature = "quickjs") {
            Engine::QuickJs
        } else {
            Engine::V8
        }
    }

    /// A caution about this engine for code that nobody vouches for, if there is one.
    pub const fn caution(self) -> Option<&'static str> {
        match self {
            Engine::V8 => None,
            Engine::QuickJs => Some(
                "this build has QuickJS-ng, the engine for machines where V8 cannot be had: it has seen less hostile code, and its \
                 bindings can panic; use a build with V8 for code that you do not trust",
            ),
        }
    }

    /// Its version; for QuickJS-ng, which does not tell its own, that of the V8 interface that it stands behind.
    pub fn version() -> &'static str {
        deno_core::v8::V8::get_version()
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Engine::V8 => "V8",
            Engine::QuickJs => "QuickJS-ng",
        })
    }
}
