//! The outcome of a run.

use std::sync::Arc;
use std::{fmt, io};

use secure_runtime_capabilities::{Authority, Denial, Operation, PublicKey};
use secure_runtime_loaders::store::StoreError;
use secure_runtime_loaders::{Cause, ContentHash};
use secure_runtime_text::escaped;

use crate::js_engine;
use crate::limits::LimitHit;
use crate::memory::MemoryUse;
use crate::modules::PlanError;

/// The outcome of a program that was started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The way in which it ended.
    pub exit: Exit,
    /// The memory that it used.
    pub memory: MemoryUse,
    /// The result of the entry module's default export. It is [`Returned::Nothing`] unless the program completed.
    pub returned: Returned,
}

/// The result of the function that the runtime called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Returned {
    /// There is no function, or it returned `undefined`.
    #[default]
    Nothing,
    /// The JSON of the value that it returned, or that its promise was fulfilled with.
    Json(String),
    /// The content of the `Uint8Array` that it returned.
    Bytes(Vec<u8>),
}

/// The way in which a program ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// The program ran to its end.
    Completed,
    /// A JavaScript error was not caught.
    Uncaught(UncaughtError),
    /// A denial was not caught. Or a module imports a WebAssembly module that it may not import, and nothing was
    /// evaluated.
    Denied(Box<DenialReport>, UncaughtError),
    /// The program hit a limit.
    Limit(LimitHit),
    /// The host stopped the program.
    Stopped,
}

/// An uncaught JavaScript error, as text. A guest wrote the text: escape control characters before you show it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UncaughtError {
    /// The message, with the error's name.
    pub message: String,
    /// The stack trace. It is empty if the guest threw a value without one.
    pub stack: String,
    /// The errors that this one contains: its `cause`, and the `errors` of an `AggregateError`, each with its own
    /// related errors. If there are too many or they are too deep, only the first ones are included.
    pub related: Vec<RelatedError>,
}

/// An error that another error contains.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelatedError {
    /// The number among the `errors` of an `AggregateError`, from 1. It is `None` if the error is the `cause`.
    pub number: Option<usize>,
    /// The error.
    pub error: UncaughtError,
}

impl UncaughtError {
    /// Creates an error that has only a message.
    pub(crate) fn of(message: String) -> Self {
        UncaughtError {
            message,
            stack: String::new(),
            related: Vec::new(),
        }
    }
}

/// The message and the stack of the error, with those of its causes. Control characters are escaped, and further lines
/// are marked, so that they cannot imitate other output.
impl fmt::Display for UncaughtError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = vec![(None, self)];
        while let Some((related, error)) = left.pop() {
            match related {
                None => {}
                Some(None) => formatter.write_str("\n  caused by ")?,
                Some(Some(number)) => write!(formatter, "\n  error {number} of it: ")?,
            }
            let mut lines = error.message.lines();
            formatter.write_str(&escaped(lines.next().unwrap_or_default()))?;
            for line in lines {
                write!(formatter, "\n    | {}", escaped(line))?;
            }
            for line in error.stack.lines() {
                write!(formatter, "\n    {}", escaped(line.trim_start()))?;
            }
            let related = error.related.iter().rev();
            left.extend(related.map(|related| (Some(related.number), &related.error)));
        }
        Ok(())
    }
}

/// A denial, with everything that an explanation needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DenialReport {
    /// The module whose authority was used.
    pub module: String,
    /// The package of the module. It is empty for the program itself.
    pub package: String,
    /// The operation.
    pub operation: Operation<'static>,
    /// The block that refused, with the reason. It is `None` if the chain allows the operation and another check
    /// refused it.
    pub denial: Option<Denial>,
    /// The authority of the operation. If more than 4,096 other operations were denied before this error was thrown
    /// again, it is the module's authority. In this case, attenuations in the program are not included.
    pub authority: Authority,
    /// The origin of each block of the module's own chain. Later blocks were added by `attenuate`.
    pub block_names: Arc<[String]>,
}

impl DenialReport {
    /// Returns the origin of the block, for people.
    pub fn block_name(&self, block: usize) -> &str {
        self.block_names
            .get(block)
            .map_or("an attenuation in the program", String::as_str)
    }
}

/// The reason why a program was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The bytes of a module are missing or wrong.
    #[error("module {module}: {error}")]
    Module {
        /// The module.
        module: String,
        /// The reason.
        #[source]
        error: Box<StoreError>,
    },
    /// A grant that the graph records cannot be linked.
    #[error("grants: {0}")]
    Grants(#[from] PlanError),
    /// A WebAssembly module may not be instantiated, for another reason than a denial.
    #[error("grants: {0}")]
    WebAssemblyRefused(
        /// The [`OperationError`](crate::extension::OperationError).
        #[source]
        Cause,
    ),
    /// The token requires an attestation of every module, and this module has none.
    #[error(
        "module {module} ({hash}) is not attested by {by}, which the token demands of every module; have the owner of that key review the module and attest its hash in a block of the token, or remove the module from the program"
    )]
    NotAttested {
        /// The module.
        module: String,
        /// Its content hash.
        hash: ContentHash,
        /// The key that must attest the module.
        by: PublicKey,
    },
    /// The program has a WebAssembly module, and the engine of this build does not run WebAssembly.
    #[error(
        "module {module} is WebAssembly, which this build does not run: in {engine}, its memories have other sizes than in the standard",
        engine = Engine::current()
    )]
    WebAssembly {
        /// The module.
        module: String,
    },
    /// There are limits for a package that is not part of the program.
    #[error(
        "limits for package {package}, which is not a package of the program: correct the name, or remove them"
    )]
    NoSuchPackage {
        /// The name.
        package: String,
    },
    /// A package in the program's isolate has a limit that only an isolate can have.
    #[error(
        "limit `{limit}` of package {package}: only an isolate has it; give the package an isolate of its own with `isolate = true`, or remove the limit"
    )]
    SharedLimit {
        /// The package.
        package: String,
        /// The limit's key.
        limit: &'static str,
    },
    /// Packages in their own isolates import each other, so each would wait for the other.
    #[error(
        "packages in isolates of their own import each other: {}; let one of them share an isolate",
        packages.join(" imports ")
    )]
    IsolateCycle {
        /// The names of the packages. The first is repeated at the end.
        packages: Vec<String>,
    },
    /// Too many threads of this process are parked.
    #[error(
        "{count} threads of isolates are parked in this process, and each keeps its heap until the process ends: no further program is started; restart the process, or allow more with `Builder::most_parked_threads`"
    )]
    Parked {
        /// The number of parked threads.
        count: usize,
    },
    /// A thread for an isolate could not be started.
    #[error("engine: no thread for an isolate: {0}")]
    Thread(#[source] io::Error),
    /// The engine failed. This is a bug in secure-runtime.
    #[error("engine: {0}")]
    Engine(String),
}

impl RunError {
    /// Returns the failure of the engine for this reason.
    pub(crate) fn engine(reason: impl fmt::Display) -> RunError {
        RunError::Engine(reason.to_string())
    }
}

/// The JavaScript engine of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// V8, with a just-in-time compiler.
    V8,
    /// QuickJS-ng, a small and portable engine.
    QuickJs,
}

impl Engine {
    /// Returns the engine of this build.
    pub const fn current() -> Engine {
        if js_engine::IS_V8 {
            Engine::V8
        } else {
            Engine::QuickJs
        }
    }

    /// Returns a warning about the use of this engine for untrusted code, if there is one.
    pub const fn caution(self) -> Option<&'static str> {
        match self {
            Engine::V8 => None,
            Engine::QuickJs => Some(
                "this build has QuickJS-ng, the engine for machines without V8: it has been exposed to less hostile code, and its \
                 bindings can panic; use a build with V8 for code that you do not trust",
            ),
        }
    }

    /// Returns the engine's version. The bindings do not report that of QuickJS-ng. So for QuickJS-ng, it is the
    /// version of the V8 interface that they implement.
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
