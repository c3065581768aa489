//! Deno, for comparison with whole processes of secure-runtime. The variable `DENO` names its program, else the search
//! path is used. The npm package of Deno contains one: `npm install --prefix SOMEWHERE deno`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the path of Deno's program, which Deno itself reports. Prints a line if there is none.
pub(crate) fn file() -> Option<PathBuf> {
    let program = env::var_os("DENO").unwrap_or_else(|| "deno".into());
    let said = Command::new(program)
        .args(["eval", "--quiet", "--no-config", "console.log(Deno.execPath())"])
        .env("NO_COLOR", "1")
        .output();
    let said = said.ok().filter(|output| output.status.success());
    let path = said.and_then(|output| String::from_utf8(output.stdout).ok());
    if path.is_none() {
        println!("no Deno: it is not measured");
    }
    path.map(|path| path.trim().into())
}

/// Returns a command that runs `main.js` of this folder with this program, with its caches in the folder.
pub(crate) fn run(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["run", "--quiet", "--no-config", "--no-lock", "main.js"])
        .current_dir(folder)
        .env("DENO_DIR", folder.join("deno"))
        .env("DENO_NO_UPDATE_CHECK", "1")
        .env("NO_COLOR", "1");
    command
}
