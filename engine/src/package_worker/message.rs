//! Messages between the isolates of a program.

use std::sync::Arc;

use secure_runtime_capabilities::Authority;
use tokio::sync::oneshot;

use super::{OnTheWay, PackageWorker};
use crate::extensions::{Registered, Sent};
use crate::modules::Principal;

/// The contents of a message: a value that does not refer to the engine that created it.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) capabilities: Vec<Crossing>,
    /// True if the value was thrown.
    pub(crate) is_thrown: bool,
    /// Counts the bytes while they belong to no isolate.
    pub(crate) on_the_way: OnTheWay,
}

/// A capability in a message. It contains the whole capability, and nothing of the isolate that sent it. If the
/// original is revoked, so is the received one.
pub(crate) struct Crossing {
    pub(crate) extension: Arc<dyn Registered>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) authority: Authority,
    pub(crate) is_revocable: bool,
    /// The extension's state of the capability.
    pub(crate) sent: Sent,
}

impl Contents {
    /// Returns the number of bytes that the message takes.
    pub(crate) fn size(&self) -> usize {
        let capabilities = self.capabilities.iter();
        let capabilities = capabilities.map(|crossing| size_of::<Crossing>() + crossing.authority.memory());
        self.text.len() + self.bytes.len() + capabilities.sum::<usize>()
    }
}

/// A call of a function that this isolate exports.
pub(crate) struct Call {
    pub(crate) function: u32,
    pub(crate) arguments: Contents,
    pub(crate) answer: oneshot::Sender<Contents>,
    pub(crate) remote: Arc<PackageWorker>,
}

/// A request to a package worker.
pub(crate) enum Request {
    /// Requests the exports of the module with this index. If the module threw an error, the response is this error.
    Describe {
        module: u32,
        answer: oneshot::Sender<Result<Description, String>>,
    },
    Call(Call),
}

/// The exports of a module: the names in order, and their values.
pub(crate) struct Description {
    pub(crate) names: Vec<String>,
    pub(crate) values: Contents,
}
