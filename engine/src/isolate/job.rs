//! The work that isolates are started for.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::boot::WarmIsolate;
use super::completion::Completion;
use super::panics;
use super::run::{main, package_isolate};
use super::shared::Shared;
use crate::js_engine;
use crate::limits::{Limit, LimitHit, LimitScope};
use crate::outcome::{Exit, RunError};
use crate::package_worker::{Ended, PackageWorker, Request};
use crate::serving::Queue;
use crate::termination::UnderWay;

/// The work that an isolate is started for.
pub(crate) enum Job {
    /// Runs a program.
    Run {
        shared: Arc<Shared>,
        entry: Entry,
        _under_way: UnderWay,
        answer: Completion,
    },
    /// Serves the requests to a package in its own isolate, until the program ends or the isolate fails.
    Serve {
        shared: Arc<Shared>,
        package: u32,
        remote: Arc<PackageWorker>,
        requests: RefCell<Option<UnboundedReceiver<Request>>>,
    },
}

/// The use of the entry module's default export.
pub(crate) enum Entry {
    /// It is called once, with these arguments.
    Call(Vec<String>),
    /// It answers the requests of an instance.
    Serve(RefCell<Option<Queue>>),
}

impl Job {
    /// Performs the job on this thread and reports how it ended.
    pub(super) async fn perform(self, booted: Result<WarmIsolate, RunError>) {
        match &self {
            Job::Run {
                shared,
                entry,
                answer,
                ..
            } => {
                let ended = match booted {
                    Ok(booted) => main(shared, entry, answer, booted).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = ended {
                    answer.give(Err(error));
                }
            }
            Job::Serve {
                shared,
                package,
                remote,
                requests,
            } => {
                let requests = requests.take();
                let ended = match (booted, requests) {
                    (Ok(booted), Some(requests)) => {
                        package_isolate(shared, *package, remote, requests, booted).await
                    }
                    (Err(error), _) => Err(error),
                    (_, None) => Err(RunError::engine("there is no isolate to serve")),
                };
                remote.end(ended.unwrap_or_else(|error| Ended::Fault(error.to_string())));
            }
        }
    }
}

/// Reports a failure if the job is dropped before it completes. The engine's bindings panic, sometimes because the
/// isolate was terminated. If a completion was sent before, this one has no effect.
impl Drop for Job {
    fn drop(&mut self) {
        let panic = panics::of_this_isolate();
        let why = panic.unwrap_or_else(|| "the isolate's thread ended without a result".to_owned());
        match self {
            Job::Run { shared, answer, .. } => answer.give(match shared.run.reason() {
                Some(why) => shared.stopped(why),
                // The bindings panic if the engine has no memory left.
                None if js_engine::was_refused() => Ok(shared.outcome(Exit::Limit(LimitHit {
                    unit: LimitScope::Program,
                    limit: Limit::Heap(shared.limits.heap),
                }))),
                None => Err(RunError::engine(why)),
            }),
            Job::Serve { shared, remote, .. } => remote.end(match remote.stopped() {
                Some(why) => why.into(),
                None if js_engine::was_refused() => Ended::Limit(LimitHit {
                    unit: LimitScope::Package(remote.package.clone()),
                    limit: Limit::Heap(shared.heap_of(&remote.package)),
                }),
                None => Ended::Fault(why),
            }),
        }
    }
}
