//! Deno, beside which whole processes of ours are measured: the variable `DENO` says where it is, else the search path does. Its npm
//! package brings one: `npm install --prefix SOMEWHERE deno`.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

fn program() -> OsString {
    env::var_os("DENO").unwrap_or_else(|| "deno".into())
}

/// Whether there is one; if not, says so.
pub(crate) fn is_there() -> bool {
    let said = Command::new(program()).arg("--version").output();
    let is_there = said.is_ok_and(|output| output.status.success());
    if !is_there {
        println!("no Deno: it is not measured");
    }
    is_there
}

/// Runs `main.js` of this folder, with caches of its own there.
pub(crate) fn run(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .args(["run", "--quiet", "--no-config", "--no-lock", "main.js"])
        .current_dir(folder)
        .env("DENO_DIR", folder.join("deno"))
        .env("DENO_NO_UPDATE_CHECK", "1")
        .env("NO_COLOR", "1");
    command
}
