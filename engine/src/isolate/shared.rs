//! The state that the isolates of one run share.

use std::sync::Arc;

use bytes::Bytes;
use secure_runtime_loaders::{Graph, Store};

use crate::console::PrintSink;
use crate::extensions::{ProgramState, Rules};
use crate::limits::Limits;
use crate::outcome::{Exit, Outcome, Returned, RunError};
use crate::package_worker::PackageWorkers;
use crate::snapshot::{Snapshot, Startup};
use crate::termination::{Run, Stopped};

/// State that all isolates of one run share. It is complete before the first of them starts.
pub(crate) struct Shared {
    pub(crate) graph: Arc<Graph>,
    pub(crate) bytes: Arc<Vec<Bytes>>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) limits: Limits,
    pub(crate) print: PrintSink,
    pub(crate) run: Arc<Run>,
    /// The snapshot that the isolates start from.
    pub(crate) snapshot: Snapshot,
    pub(crate) rules: Rules,
    /// The states of the extensions for this program, in their order.
    pub(crate) programs: Vec<ProgramState>,
    pub(crate) remotes: Arc<PackageWorkers>,
    /// True if the program answers requests, and so has no end of its own.
    pub(crate) is_serving: bool,
}

impl Shared {
    /// Returns the outcome of the run, with the memory that it has used until now.
    pub(super) fn outcome(&self, exit: Exit) -> Outcome {
        Outcome {
            exit,
            memory: self.run.memory_used(),
            returned: Returned::Nothing,
        }
    }

    /// Returns the result of a run that was stopped.
    pub(super) fn stopped(&self, why: &Stopped) -> Result<Outcome, RunError> {
        exit(why).map(|exit| self.outcome(exit))
    }

    /// Closes what the extensions keep open for the program.
    pub(super) fn end_extensions(&self) {
        for (extension, program) in self.rules.extensions.iter().zip(&self.programs) {
            extension.end_program(program);
        }
    }

    /// Returns the parts that the program's isolates start from.
    pub(crate) fn startup(&self) -> Startup {
        Startup {
            snapshot: self.snapshot,
            extensions: self.rules.extensions.clone(),
        }
    }

    /// Returns the heap limit of this package's own isolate.
    pub(crate) fn heap_of(&self, package: &str) -> u64 {
        let own = self.limits.packages.get(package).and_then(|own| own.heap);
        own.unwrap_or(self.limits.heap)
    }
}

/// Returns the exit of a run that was stopped.
pub(super) fn exit(why: &Stopped) -> Result<Exit, RunError> {
    match why {
        Stopped::Asked => Ok(Exit::Stopped),
        Stopped::Limit(hit) => Ok(Exit::Limit(hit.clone())),
        Stopped::Failed(fault) => Err(RunError::engine(fault)),
    }
}
