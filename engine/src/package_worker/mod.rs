//! Package workers: packages in their own isolates, seen from the other isolates of the program.

mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use secure_runtime_loaders::{Graph, ModuleKind};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use self::message::{Call, Contents, Crossing, Description, Request};
use crate::extensions::Marks;
use crate::limits::LimitHit;
use crate::termination::{Stopped, Termination};

/// Maximum size of arguments and results, in bytes, that are never refused.
const SMALL: u64 = 1024;

/// The isolate of one package.
pub(crate) struct PackageWorker {
    /// The package's name.
    pub(crate) package: String,
    requests: mpsc::UnboundedSender<Request>,
    ended: watch::Sender<Option<Ended>>,
    termination: OnceLock<Termination>,
    /// Bytes of arguments and results in transit. No isolate's heap contains them, so they are counted here.
    on_the_way: Arc<AtomicU64>,
    most_on_the_way: u64,
}

/// The way in which an isolate ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The program has ended, or the host stopped it.
    Stopped,
    Limit(LimitHit),
    /// An error in the isolate was not caught.
    Uncaught(String),
    /// The engine failed.
    Fault(String),
}

impl From<&Stopped> for Ended {
    fn from(why: &Stopped) -> Self {
        match why {
            Stopped::Asked => Ended::Stopped,
            Stopped::Limit(hit) => Ended::Limit(hit.clone()),
            Stopped::Failed(fault) => Ended::Fault(fault.clone()),
        }
    }
}

/// Bytes in transit between two isolates. They are counted until the receiver takes them.
#[derive(Default)]
pub(crate) struct OnTheWay(Option<(Arc<AtomicU64>, u64)>);

impl Drop for OnTheWay {
    fn drop(&mut self) {
        if let Some((counter, bytes)) = &self.0 {
            counter.fetch_sub(*bytes, Ordering::Relaxed);
        }
    }
}

impl PackageWorker {
    /// Creates the package worker, and the receiver of its requests. `most_on_the_way` is the maximum number of bytes
    /// of arguments and results in transit.
    pub(crate) fn new(
        package: String,
        most_on_the_way: u64,
    ) -> (Arc<PackageWorker>, mpsc::UnboundedReceiver<Request>) {
        let (sender, requests) = mpsc::unbounded_channel();
        let remote = PackageWorker {
            package,
            requests: sender,
            ended: watch::Sender::new(None),
            termination: OnceLock::new(),
            on_the_way: Arc::default(),
            most_on_the_way,
        };
        (Arc::new(remote), requests)
    }

    /// Sets the way in which the isolate ended. Only the first call has an effect.
    pub(crate) fn end(&self, how: Ended) {
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert(how);
            is_first
        });
    }

    /// Sets the handle that can stop the isolate.
    pub(crate) fn stopped_by(&self, termination: &Termination) {
        let _ = self.termination.set(termination.clone());
    }

    /// Returns the reason why the isolate was stopped, if it was.
    pub(crate) fn stopped(&self) -> Option<&Stopped> {
        self.termination.get()?.reason()
    }

    /// Marks the errors with this message as the limit that ended the isolate, if they report it.
    pub(crate) fn mark_limit(&self, message: &str, marks: &Marks) {
        if let Some(Ended::Limit(hit)) = &*self.ended.borrow()
            && hit.to_string() == message
        {
            marks.ended(hit.clone());
        }
    }

    /// Returns the error for all callers of an isolate that has ended: code and message.
    fn failure(&self, how: &Ended) -> (&'static str, String) {
        let package = &self.package;
        match how {
            Ended::Stopped => (
                "stopped",
                format!("package {package} was stopped with its program"),
            ),
            Ended::Limit(hit) => ("limit", hit.to_string()),
            Ended::Uncaught(error) => (
                "failed",
                format!("the isolate of package {package} ended by an error that was not caught: {error}"),
            ),
            Ended::Fault(fault) => (
                "failed",
                format!("the isolate of package {package} failed: {fault}"),
            ),
        }
    }

    /// Counts bytes that are sent.
    ///
    /// # Errors
    /// More bytes are in transit than the program's heap limit. Small messages are always accepted, so that every call
    /// can get a response, at least this error.
    pub(crate) fn send(&self, bytes: usize) -> Result<OnTheWay, (&'static str, String)> {
        let bytes = bytes as u64;
        let before = self.on_the_way.fetch_add(bytes, Ordering::Relaxed);
        let counted = OnTheWay(Some((self.on_the_way.clone(), bytes)));
        if bytes <= SMALL || before.saturating_add(bytes) <= self.most_on_the_way {
            return Ok(counted);
        }
        Err((
            "limit",
            format!(
                "more than {} of arguments and results are on their way to or from package {}: wait for some calls before the next",
                bytesize::ByteSize(self.most_on_the_way).display().iec(),
                self.package
            ),
        ))
    }

    /// Returns the exports of the module.
    ///
    /// # Errors
    /// The isolate has ended: code and message. The inner error is the one that the module threw.
    pub(crate) async fn describe(
        &self,
        module: u32,
    ) -> Result<Result<Description, String>, (&'static str, String)> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Describe { module, answer }, answered).await
    }

    /// Calls a function. The contents of the response are its result, or the error that it threw.
    ///
    /// # Errors
    /// The isolate has ended: code and message.
    pub(crate) async fn call(
        self: &Arc<Self>,
        function: u32,
        arguments: Contents,
    ) -> Result<Contents, (&'static str, String)> {
        let (answer, answered) = oneshot::channel();
        let call = Call {
            function,
            arguments,
            answer,
            remote: self.clone(),
        };
        self.ask(Request::Call(call), answered).await
    }

    async fn ask<T>(
        &self,
        request: Request,
        answered: oneshot::Receiver<T>,
    ) -> Result<T, (&'static str, String)> {
        let mut ended = self.ended.subscribe();
        // If there is no receiver, the isolate has ended or is about to report its end.
        let _ = self.requests.send(request);
        let answer = async {
            match answered.await {
                Ok(answer) => answer,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            how = ended.wait_for(Option::is_some) => {
                let how = how.ok().and_then(|how| how.clone()).unwrap_or(Ended::Stopped);
                Err(self.failure(&how))
            }
        }
    }
}

/// The package workers of one program.
#[derive(Default)]
pub(crate) struct PackageWorkers(Mutex<BTreeMap<u32, Arc<PackageWorker>>>);

impl PackageWorkers {
    /// Returns the package worker of this package, if it has one.
    pub(crate) fn of(&self, package: u32) -> Option<Arc<PackageWorker>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&package)
            .cloned()
    }

    /// Adds the package worker of this package.
    pub(crate) fn add(&self, package: u32, remote: Arc<PackageWorker>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(package, remote);
    }
}

/// Returns true if the values of such a module come from a package worker. Other modules are data, and every isolate
/// loads its own copy.
pub(crate) fn runs_code(kind: ModuleKind) -> bool {
    matches!(kind, ModuleKind::JavaScript | ModuleKind::Wasm)
}

/// Returns the names of isolated packages that import each other in a cycle, if there is one. Each would wait for the
/// modules of the next before it evaluates its own, and the last for those of the first.
pub fn cycle(graph: &Graph) -> Option<Vec<String>> {
    let isolated = |package: u32| graph.package(package).is_some_and(|package| package.isolate);
    // The packages that each isolate imports from other isolates, through all modules that it loads itself.
    let mut imports: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (unit, _) in (0..).zip(graph.packages()).filter(|(unit, _)| isolated(*unit)) {
        let mut others = BTreeSet::new();
        let all = graph.modules().iter().filter(|module| module.package == unit);
        let mut queue: Vec<_> = all.collect();
        let mut seen: BTreeSet<&str> = queue.iter().map(|module| module.name.as_str()).collect();
        while let Some(module) = queue.pop() {
            for target in module.imports.values().filter_map(|target| graph.module(*target)) {
                if isolated(target.package) && target.package != unit && runs_code(target.kind) {
                    others.insert(target.package);
                } else if seen.insert(&target.name) {
                    queue.push(target);
                }
            }
        }
        imports.insert(unit, others);
    }
    let name = |unit: &u32| {
        graph
            .package(*unit)
            .map(|package| package.name.clone())
            .unwrap_or_default()
    };
    let mut done = BTreeSet::new();
    for unit in imports.keys() {
        let mut path = Vec::new();
        if let Some(cycle) = walk(*unit, &imports, &mut path, &mut done) {
            return Some(cycle.iter().map(name).collect());
        }
    }
    None
}

fn walk(
    unit: u32,
    imports: &BTreeMap<u32, BTreeSet<u32>>,
    path: &mut Vec<u32>,
    done: &mut BTreeSet<u32>,
) -> Option<Vec<u32>> {
    if let Some(from) = path.iter().position(|before| *before == unit) {
        let mut cycle = path.split_off(from);
        cycle.push(unit);
        return Some(cycle);
    }
    if done.contains(&unit) {
        return None;
    }
    path.push(unit);
    for next in imports.get(&unit).into_iter().flatten() {
        if let Some(cycle) = walk(*next, imports, path, done) {
            return Some(cycle);
        }
    }
    path.pop();
    done.insert(unit);
    None
}
