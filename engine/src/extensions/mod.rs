//! The families of operations that guests can be granted. Each folder contains a family's ops in Rust and its
//! JavaScript.

mod clock;
mod delegation;
mod denials;
mod env;
mod error;
mod external_memory;
mod fs;
mod host_objects;
mod isolates;
mod kv;
mod marks;
mod monitor;
mod net;
mod random;
mod resource_table;
mod results;
mod table;

use deno_core::Extension;

use crate::realm;

pub(crate) use self::delegation::Chain;
pub use self::delegation::SEAL;
pub(crate) use self::denials::{mark, mark_of, mark_of_message};
pub use self::env::Variables;
pub(crate) use self::error::{OpError, clipped, properties_of};
pub(crate) use self::fs::PreopenedDirectories;
pub(crate) use self::host_objects::{HandOffs, object, panic_is_expected};
pub(crate) use self::isolates::{Message, RemotePackage, Requests};
pub(crate) use self::kv::Entries;
pub use self::kv::{KvError, KvStore, KvValue, MAX_KV_VALUE, MemoryKvStore};
pub(crate) use self::marks::{Made, Mark, Marks, Uncaught, marks_prefix};
pub use self::monitor::Credentials;
pub(crate) use self::monitor::{Monitor, Rules};
pub(crate) use self::net::NetLimits;
pub(crate) use self::resource_table::ResourceTable;
pub(crate) use self::results::{HeldBytes, no_room};
pub use self::table::{OPERATIONS, OperationRow};

deno_core::extension!(
    sr_families,
    ops = [
        delegation::op_sr_attenuate,
        delegation::op_sr_revocable,
        delegation::op_sr_revoke,
        delegation::op_sr_seal,
        fs::op_sr_fs,
        fs::op_sr_fs_read_file,
        fs::op_sr_fs_read_text_file,
        fs::op_sr_fs_write_file,
        fs::op_sr_fs_write_text_file,
        fs::op_sr_fs_read_dir,
        fs::op_sr_fs_stat,
        fs::op_sr_fs_mkdir,
        fs::op_sr_fs_remove,
        fs::op_sr_fs_rename,
        fs::op_sr_fs_open,
        fs::op_sr_fs_opened,
        fs::op_sr_fs_file_read,
        fs::op_sr_fs_file_write,
        fs::op_sr_fs_file_close,
        net::op_sr_net,
        net::op_sr_net_fetch,
        net::op_sr_net_received,
        net::op_sr_net_head,
        net::op_sr_net_body,
        net::op_sr_net_read,
        net::op_sr_net_cancel_handle,
        net::op_sr_net_cancel,
        env::op_sr_env,
        env::op_sr_env_get,
        clock::op_sr_clock,
        clock::op_sr_clock_now,
        kv::op_sr_kv,
        kv::op_sr_kv_get,
        kv::op_sr_kv_set,
        kv::op_sr_kv_delete,
        kv::op_sr_kv_list,
        random::op_sr_random,
        random::op_sr_random_bytes,
        random::op_sr_random_number,
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
        isolates::op_sr_message_chain,
        isolates::op_sr_message_fs,
        isolates::op_sr_isolate_call,
        isolates::op_sr_isolate_answered,
        isolates::op_sr_isolate_function,
        isolates::op_sr_isolate_arguments,
        isolates::op_sr_isolate_answer,
        isolates::op_sr_isolate_describe,
    ],
);

/// Returns all extensions of the runtime, in order.
pub(crate) fn all() -> Vec<Extension> {
    let mut extensions = realm::extensions();
    extensions.extend([families(), isolates()]);
    extensions
}

/// Returns the extension for calls between isolates. Its ops affect nothing outside of the program, and make no
/// decisions.
fn isolates() -> Extension {
    realm::with_scripts!(sr_isolates: "isolates/crossing.js")
}

/// Returns the extension of the families.
pub(crate) fn families() -> Extension {
    realm::with_scripts!(
        sr_families: "delegation.js",
        "fs/fs.js",
        "net/net.js",
        "env/env.js",
        "clock/clock.js",
        "random/random.js",
        "kv/kv.js",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Invariant 8: an op without a row in the table fails here.
    #[test]
    fn every_op_has_a_row_and_every_row_an_op() {
        let ops: BTreeSet<&str> = families().ops.iter().map(|op| op.name).collect();
        let rows: BTreeSet<&str> = OPERATIONS
            .iter()
            .flat_map(|row| row.ops.iter().copied())
            .collect();
        assert_eq!(ops, rows);
    }
}
