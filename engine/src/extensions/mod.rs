//! The interface of extensions, and the machinery that all of them share: the reference monitor, delegation, errors,
//! and the ops that call their methods.

mod calls;
mod delegation;
mod denials;
mod error;
mod extension;
mod external_memory;
mod granted;
mod handle;
mod host_objects;
mod isolates;
mod marks;
mod methods;
mod monitor;
mod operations;
mod resource_table;
mod results;
mod sandbox_rule;
mod scripts;
mod value;

use deno_core::Extension as Scripts;

use crate::realm;

pub(crate) use self::delegation::Chain;
pub use self::delegation::SEAL;
pub(crate) use self::denials::{mark, mark_of, mark_of_message};
pub(crate) use self::error::properties_of;
pub use self::error::{OperationError, clipped};
pub use self::extension::{AnyExtension, Extension, ExtensionError, Origin};
pub use self::granted::{Asked, CapabilityView, CountedBytes, Granted, IsolateView, Kept, OpenPermit};
pub use self::handle::{Extensions, Global, ProgramStart, Script};
pub(crate) use self::handle::{ProgramState, Registered, Sent};
pub(crate) use self::host_objects::{has_room_for_text, host_object, object, panic_is_expected};
pub(crate) use self::isolates::{Message, RemotePackage, Requests};
pub(crate) use self::marks::{Made, Mark, Marks, Uncaught, marks_prefix};
pub use self::methods::{Decision, Each, Methods, ResourceDecision, ResourceMethods};
pub use self::monitor::Credentials;
pub(crate) use self::monitor::{Monitor, Rules};
pub use self::operations::{OperationRow, operations, types};
pub(crate) use self::resource_table::ResourceTable;
pub(crate) use self::results::{HeldBytes, no_room};
pub use self::sandbox_rule::SandboxRule;
pub(crate) use self::scripts::add as add_scripts;
pub use self::value::{Arguments, Output, Value};

deno_core::extension!(
    sr_families,
    ops = [
        calls::op_sr_call,
        calls::op_sr_cancel,
        calls::op_sr_cancel_handle,
        calls::op_sr_capability,
        calls::op_sr_close,
        calls::op_sr_fill,
        calls::op_sr_number,
        calls::op_sr_opened,
        calls::op_sr_start,
        calls::op_sr_text,
        delegation::op_sr_attenuate,
        delegation::op_sr_revocable,
        delegation::op_sr_revoke,
        delegation::op_sr_seal,
    ],
);

deno_core::extension!(
    sr_isolates,
    ops = [
        isolates::op_sr_message,
        isolates::op_sr_message_put,
        isolates::op_sr_message_text,
        isolates::op_sr_message_bytes,
        isolates::op_sr_message_is_thrown,
        isolates::op_sr_message_family,
        isolates::op_sr_message_capability,
        isolates::op_sr_isolate_call,
        isolates::op_sr_isolate_answered,
        isolates::op_sr_isolate_function,
        isolates::op_sr_isolate_arguments,
        isolates::op_sr_isolate_answer,
        isolates::op_sr_isolate_describe,
    ],
);

/// Returns the scripts and ops of the runtime, in order.
pub(crate) fn all() -> Vec<Scripts> {
    let mut scripts = realm::extensions();
    scripts.extend([families(), isolates(), crate::serving::scripts(), realm::taming()]);
    scripts
}

/// Returns the ops for calls between isolates. They affect nothing outside of the program, and make no decisions.
fn isolates() -> Scripts {
    realm::with_scripts!(sr_isolates: "isolates/crossing.js")
}

/// Returns the ops of all families, the functions with which their scripts call them, and `defineCapability`.
pub(crate) fn families() -> Scripts {
    realm::with_scripts!(sr_families: "families.js", "define.js")
}
