//! The families of operations that guests can be given, one folder each: its ops in Rust, its face in JavaScript.

mod clock;
mod env;
mod error;
mod fs;
mod gate;
mod net;
mod random;
mod table;

use std::rc::Rc;

use deno_core::{Extension, cppgc, v8};

pub(crate) use self::env::Variables;
pub(crate) use self::gate::{Capability, Gate, Presentation};
pub(crate) use self::net::NetLimits;
pub use self::table::{OPERATIONS, OperationRow};

use self::clock::ClockCapability;
use self::env::EnvCapability;
use self::fs::FsCapability;
use self::net::NetCapability;
use self::random::RandomCapability;

deno_core::extension!(
    sr_families,
    ops = [
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
        fs::op_sr_fs_file_read,
        fs::op_sr_fs_file_write,
        fs::op_sr_fs_file_close,
        fs::op_sr_fs_attenuate,
        net::op_sr_net_fetch,
        net::op_sr_net_head,
        net::op_sr_net_body,
        net::op_sr_net_read,
        net::op_sr_net_cancel_handle,
        net::op_sr_net_cancel,
        net::op_sr_net_attenuate,
        env::op_sr_env_get,
        env::op_sr_env_attenuate,
        clock::op_sr_clock_now,
        clock::op_sr_clock_attenuate,
        random::op_sr_random_bytes,
        random::op_sr_random_number,
        random::op_sr_random_attenuate,
    ],
    js = [
        dir "src/extensions",
        "fs/fs.js",
        "net/net.js",
        "env/env.js",
        "clock/clock.js",
        "random/random.js",
    ],
);

/// The families, as the engine takes them.
pub(crate) fn families() -> Extension {
    sr_families::init()
}

/// The native handles of one module, by family name: what realm/lockdown.js makes its capability objects from.
pub(crate) fn handles<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    capability: &Rc<Capability>,
) -> v8::Local<'s, v8::Object> {
    let object = v8::Object::new(scope);
    let set = |scope: &mut v8::PinScope<'s, '_>, name: &str, handle: v8::Local<'s, v8::Object>| {
        if let Some(key) = v8::String::new(scope, name) {
            object.set(scope, key.into(), handle.into());
        }
    };
    let fs = cppgc::make_cppgc_object(scope, FsCapability::new(capability.clone()));
    set(scope, "fs", fs);
    let net = cppgc::make_cppgc_object(scope, NetCapability(capability.clone()));
    set(scope, "net", net);
    let env = cppgc::make_cppgc_object(scope, EnvCapability(capability.clone()));
    set(scope, "env", env);
    let clock = cppgc::make_cppgc_object(scope, ClockCapability::new(capability.clone()));
    set(scope, "clock", clock);
    let random = cppgc::make_cppgc_object(scope, RandomCapability(capability.clone()));
    set(scope, "random", random);
    object
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
