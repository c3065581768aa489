//! The table of all operations that guests can call: their ops, family, actions and JavaScript names.
//!
//! One test compares the table with the engine's ops. Another test runs every row against every kind of grant. A new op
//! needs a row here.

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct OperationRow {
    /// The name for guests, such as `fs.readTextFile`.
    pub name: &'static str,
    /// The ops that implement it. The first one decides, and the others work on its result.
    pub ops: &'static [&'static str],
    /// The family that it belongs to.
    pub family: &'static str,
    /// The actions that it is decided as. All of them must be allowed. If there are none, it affects nothing outside of
    /// the isolate.
    ///
    /// `seal` is an action without grants. It requires a capability that still allows an operation of the family.
    pub actions: &'static [&'static str],
}

const fn row(
    name: &'static str,
    ops: &'static [&'static str],
    family: &'static str,
    actions: &'static [&'static str],
) -> OperationRow {
    OperationRow {
        name,
        ops,
        family,
        actions,
    }
}

/// The table.
pub const OPERATIONS: &[OperationRow] = &[
    row("fs.readTextFile", &["op_sr_fs_read_text_file"], "fs", &["read"]),
    row("fs.readFile", &["op_sr_fs_read_file"], "fs", &["read"]),
    row(
        "fs.writeTextFile",
        &["op_sr_fs_write_text_file"],
        "fs",
        &["write"],
    ),
    row("fs.writeFile", &["op_sr_fs_write_file"], "fs", &["write"]),
    row("fs.readDir", &["op_sr_fs_read_dir"], "fs", &["read"]),
    row("fs.stat", &["op_sr_fs_stat"], "fs", &["read"]),
    row("fs.mkdir", &["op_sr_fs_mkdir"], "fs", &["write"]),
    row("fs.remove", &["op_sr_fs_remove"], "fs", &["write"]),
    row("fs.rename", &["op_sr_fs_rename"], "fs", &["write"]),
    row(
        "fs.open for reading",
        &[
            "op_sr_fs_open",
            "op_sr_fs_opened",
            "op_sr_fs_file_read",
            "op_sr_fs_file_close",
        ],
        "fs",
        &["read"],
    ),
    row(
        "fs.open for writing",
        &[
            "op_sr_fs_open",
            "op_sr_fs_opened",
            "op_sr_fs_file_write",
            "op_sr_fs_file_close",
        ],
        "fs",
        &["write"],
    ),
    row("fs.attenuate", &["op_sr_attenuate", "op_sr_fs"], "fs", &[]),
    row(
        "fs.revocable",
        &["op_sr_revocable", "op_sr_fs", "op_sr_revoke"],
        "fs",
        &[],
    ),
    row("seal(fs)", &["op_sr_seal"], "fs", &["seal"]),
    row(
        "net.fetch",
        &[
            "op_sr_net_fetch",
            "op_sr_net_received",
            "op_sr_net_head",
            "op_sr_net_body",
            "op_sr_net_read",
            "op_sr_net_cancel_handle",
            "op_sr_net_cancel",
        ],
        "net",
        &["connect"],
    ),
    row("net.attenuate", &["op_sr_attenuate", "op_sr_net"], "net", &[]),
    row(
        "net.revocable",
        &["op_sr_revocable", "op_sr_net", "op_sr_revoke"],
        "net",
        &[],
    ),
    row("seal(net)", &["op_sr_seal"], "net", &["seal"]),
    row("env.get", &["op_sr_env_get"], "env", &["read"]),
    row("env.attenuate", &["op_sr_attenuate", "op_sr_env"], "env", &[]),
    row(
        "env.revocable",
        &["op_sr_revocable", "op_sr_env", "op_sr_revoke"],
        "env",
        &[],
    ),
    row("seal(env)", &["op_sr_seal"], "env", &["seal"]),
    row("clock.now", &["op_sr_clock_now"], "clock", &["read"]),
    row(
        "clock.attenuate",
        &["op_sr_attenuate", "op_sr_clock"],
        "clock",
        &[],
    ),
    row(
        "clock.revocable",
        &["op_sr_revocable", "op_sr_clock", "op_sr_revoke"],
        "clock",
        &[],
    ),
    row("seal(clock)", &["op_sr_seal"], "clock", &["seal"]),
    row("kv.get", &["op_sr_kv_get"], "kv", &["read"]),
    row("kv.set", &["op_sr_kv_set"], "kv", &["write"]),
    row("kv.delete", &["op_sr_kv_delete"], "kv", &["write"]),
    row("kv.list", &["op_sr_kv_list"], "kv", &["read"]),
    row("kv.attenuate", &["op_sr_attenuate", "op_sr_kv"], "kv", &[]),
    row(
        "kv.revocable",
        &["op_sr_revocable", "op_sr_kv", "op_sr_revoke"],
        "kv",
        &[],
    ),
    row("seal(kv)", &["op_sr_seal"], "kv", &["seal"]),
    row("random.bytes", &["op_sr_random_bytes"], "random", &["read"]),
    row("random.number", &["op_sr_random_number"], "random", &["read"]),
    row(
        "random.attenuate",
        &["op_sr_attenuate", "op_sr_random"],
        "random",
        &[],
    ),
    row(
        "random.revocable",
        &["op_sr_revocable", "op_sr_random", "op_sr_revoke"],
        "random",
        &[],
    ),
    row("seal(random)", &["op_sr_seal"], "random", &["seal"]),
];
