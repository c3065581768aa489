//! The start of a program: its isolates, and the state that they share.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use secure_runtime_capabilities::{Base, Families};
use secure_runtime_loaders::Graph;
use secure_runtime_loaders::store::Store;
use tokio::sync::oneshot;

use crate::audit::AuditSink;
use crate::console::PrintSink;
use crate::extensions::{Credentials, ProgramStart, Rules};
use crate::isolate::{Completion, Entry, Job, Pool, Shared, StartingIsolate, perform};
use crate::limits::Limits;
use crate::modules::LinkPlan;
use crate::outcome::{Outcome, RunError};
use crate::package_worker::PackageWorker;
use crate::quota::QuotaUse;
use crate::serving::Instance;
use crate::snapshot::Startup;
use crate::termination::{Run, Running, UnderWay};

/// A verified program with its rights, its limits and its surroundings, ready to start.
pub struct Program {
    /// The graph.
    pub graph: Arc<Graph>,
    /// The authority of each module.
    pub plan: Arc<LinkPlan>,
    /// The verified bytes of each module, in the order of the graph.
    pub bytes: Vec<Bytes>,
    /// The store of modules that are added at run time.
    pub store: Arc<dyn Store>,
    /// The limits of the run.
    pub limits: Limits,
    /// The families of operations that scopes refer to.
    pub families: Families,
    /// The folder of relative paths.
    pub base: Base,
    /// The credentials of the host.
    pub credentials: Credentials,
    /// The receiver of audit records.
    pub audit: AuditSink,
    /// The destination of printed text.
    pub print: PrintSink,
    /// The parts that isolates start from.
    pub startup: Startup,
}

impl Program {
    /// Starts the program's isolates, and calls the entry module's function with `args`. The receiver gets the outcome.
    ///
    /// The program's own isolate is `started` if its heap limit fits. Otherwise it is one of the `pool`, or a new one.
    ///
    /// # Errors
    /// There is no thread for an isolate.
    pub fn start(
        self,
        args: Vec<String>,
        running: &Arc<Running>,
        pool: Option<&Arc<Pool>>,
        started: Option<StartingIsolate>,
    ) -> Result<oneshot::Receiver<Result<Outcome, RunError>>, RunError> {
        let (asker, outcome) = oneshot::channel();
        // If the future of the run was dropped, there is no receiver.
        let answer = Completion::to(move |ended| {
            let _ = asker.send(ended);
        });
        let run = Arc::new(Run::default());
        self.perform(Entry::Call(args), run, answer, running, pool, started)?;
        Ok(outcome)
    }

    /// Starts the program's isolates like [`Program::start`], and answers requests with the entry module. The receiver
    /// completes when the instance is ready, and fails if it ends before.
    ///
    /// # Errors
    /// There is no thread for an isolate.
    pub fn serve(
        self,
        running: &Arc<Running>,
        pool: Option<&Arc<Pool>>,
    ) -> Result<(Instance, oneshot::Receiver<()>), RunError> {
        let run = Arc::new(Run::default());
        let (instance, queue, is_ready, end) = Instance::new(&self.limits, &run);
        let answer = Completion::to(move |ended| {
            end.send_replace(Some(ended.map_err(Arc::new)));
        });
        let entry = Entry::Serve(RefCell::new(Some(queue)));
        self.perform(entry, run, answer, running, pool, None)?;
        Ok((instance, is_ready))
    }

    fn perform(
        self,
        entry: Entry,
        run: Arc<Run>,
        answer: Completion,
        running: &Arc<Running>,
        pool: Option<&Arc<Pool>>,
        started: Option<StartingIsolate>,
    ) -> Result<(), RunError> {
        let heap = self.limits.heap;
        let startup = self.startup;
        let start = ProgramStart {
            authority: self.plan.ceiling(),
            limits: &self.limits,
        };
        let extensions = startup.extensions.iter();
        let programs = extensions
            .map(|extension| extension.start_program(&start))
            .collect();
        let shared = Arc::new(Shared {
            rules: Rules {
                families: self.families,
                base: self.base,
                plan: self.plan,
                extensions: startup.extensions.clone(),
                credentials: self.credentials,
                program: self.graph.hash().to_string(),
                audit: self.audit,
                quotas_used: Arc::new(QuotaUse::new(&self.limits, &run)),
                marks: Arc::default(),
            },
            graph: self.graph,
            bytes: Arc::new(self.bytes),
            store: self.store,
            limits: self.limits,
            print: self.print,
            snapshot: startup.snapshot,
            programs,
            run,
            remotes: Arc::default(),
            is_serving: matches!(entry, Entry::Serve(_)),
        });
        let under_way = UnderWay::begin(running, &shared.run);
        start_workers(&shared, pool).map_err(RunError::Thread)?;
        let job = Job::Run {
            shared,
            entry,
            _under_way: under_way,
            answer,
        };
        perform(started, pool, heap, &startup, job).map_err(RunError::Thread)
    }
}

/// Starts all package workers in advance, before another isolate needs them.
///
/// # Errors
/// No thread could be started for one of them.
fn start_workers(shared: &Arc<Shared>, pool: Option<&Arc<Pool>>) -> io::Result<()> {
    for (package, index) in shared.graph.packages().iter().zip(0..) {
        if !package.isolate {
            continue;
        }
        let (remote, requests) = PackageWorker::new(package.name.clone(), shared.limits.heap);
        shared.remotes.add(index, remote.clone());
        let heap = shared.heap_of(&package.name);
        let job = Job::Serve {
            shared: shared.clone(),
            package: index,
            remote,
            requests: RefCell::new(Some(requests)),
        };
        perform(None, pool, heap, &shared.startup(), job)?;
    }
    Ok(())
}
