//! Benchmark of linking: whole processes that run a program of many small modules, with secure-runtime and Deno on the
//! same files.
//!
//! `DENO=path/to/deno cargo bench --bench link`. Without `DENO`, the one on the search path is used. Without any, only
//! secure-runtime is measured. The npm package of Deno contains one: `npm install --prefix SOMEWHERE deno`. Both have
//! run the program before: Deno has its caches, and secure-runtime has the lock and the local store. secure-runtime
//! verifies every byte in each run. With `--test`, which continuous integration uses, the trees are small.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

mod deno;

/// Number of modules that each module imports.
const CHILDREN: usize = 8;

/// Writes a tree of modules of about one kibibyte, whose entry prints their number.
fn write_tree(folder: &Path, modules: usize) {
    let module = |number: usize| {
        let mut source = String::new();
        let children = (1..=CHILDREN).map(|child| number * CHILDREN + child);
        let mut sum = String::from("1");
        for child in children.filter(|child| *child < modules) {
            writeln!(source, "import {{ count as c{child} }} from \"./{child}.js\";").expect("text");
            write!(sum, " + c{child}").expect("text");
        }
        writeln!(source, "export const count = {sum};").expect("text");
        let mut line = 0;
        while source.len() < 1024 {
            writeln!(
                source,
                "export function step{line}(value) {{ return value * {number} + {line}; }}"
            )
            .expect("text");
            line += 1;
        }
        source
    };
    fs::create_dir(folder.join("m")).expect("a folder");
    for number in 0..modules {
        fs::write(folder.join("m").join(format!("{number}.js")), module(number)).expect("a module");
    }
    let entry = "import { count } from \"./m/0.js\";\nconsole.log(String(count));\n";
    fs::write(folder.join("main.js"), entry).expect("the entry");
    let manifest = "[package]\nname = \"tree\"\nentry = \"main.js\"\n";
    fs::write(folder.join("secure.toml"), manifest).expect("the manifest");
}

/// Runs the command, and checks that it linked all modules.
fn run(command: &mut Command, modules: usize) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program is there");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.trim() == modules.to_string(),
        "{command:?}: {said}{errors}"
    );
}

fn ours(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-runtime"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("SECURE_RUNTIME_STORE", folder.join("store"));
    command
}

fn link(criterion: &mut Criterion) {
    let is_measured = env::args().any(|argument| argument == "--bench");
    let sizes = if is_measured {
        [1, 1_000, 10_000]
    } else {
        [1, 10, 100]
    };
    let deno = deno::file();
    let mut group = criterion.benchmark_group("link");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    for modules in sizes {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let folder = folder.path();
        write_tree(folder, modules);
        let locked = ours(folder, &["lock"]).output().expect("ours is there");
        assert!(
            locked.status.success(),
            "{}",
            String::from_utf8_lossy(&locked.stderr)
        );
        group.bench_function(format!("secure-runtime, {modules} modules"), |bencher| {
            bencher.iter(|| run(&mut ours(folder, &["run", "--locked"]), modules));
        });
        if let Some(deno) = &deno {
            run(&mut deno::run(deno, folder), modules);
            group.bench_function(format!("deno, {modules} modules"), |bencher| {
                bencher.iter(|| run(&mut deno::run(deno, folder), modules));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, link);
criterion_main!(benches);
