//! Benchmark of `kv`: `set` and `get` of 1 KiB, in a guest with a store in a file, beside bare redb.
//!
//! `cargo bench --bench kv`. Each time is that of one `set` and one `get`. Both write to a file in the same folder with
//! the same durability: each `set` is on the disk when it ends. Both are measured in turn, many times, and the medians
//! are printed (`ROUNDS=30` for more precision). The files are in the folder for temporary files (`TMPDIR`). If that is
//! in memory, the disk costs nothing, and the rest of the work shows.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use redb::{Database, ReadableDatabase, TableDefinition};
use secure_runtime::{Exit, FileKvStore, OpenOptions, Program, Runtime};

const CALLS: u32 = 300;
const TABLE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("entries");
const MANIFEST: &str =
    "[package]\nname = \"bench\"\nentry = \"main.js\"\n\n[grants]\nkv.read = [\"*\"]\nkv.write = [\"*\"]\n";

/// Returns the microseconds of one `set` and `get` of a guest.
fn guest(folder: &Path) -> f64 {
    let path = folder.join("guest.kv");
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop");
    let program = reactor
        .block_on(Program::open(folder, &OpenOptions::default()))
        .expect("the program opens");
    let marks = Arc::new(Mutex::new(Vec::new()));
    let seen = marks.clone();
    let store = FileKvStore::open(&path, FileKvStore::DEFAULT_LIMIT).expect("the store opens");
    let runtime = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .kv(store)
        .console(move |_| seen.lock().expect("nobody panicked").push(Instant::now()))
        .build()
        .expect("the runtime is put together");
    let outcome = reactor.block_on(runtime.run(program.graph(), &[]));
    let exit = outcome.expect("the program starts").exit;
    assert!(matches!(exit, Exit::Completed), "{exit:?}");
    drop(runtime);
    std::fs::remove_file(path).expect("the file is removed");
    let marks = marks.lock().expect("nobody panicked");
    let &[begun, ended] = marks.as_slice() else {
        unreachable!("two marks")
    };
    (ended - begun).as_secs_f64() * 1e6 / f64::from(CALLS)
}

/// Returns the microseconds of one insertion and one read of redb.
fn bare(folder: &Path) -> f64 {
    let path = folder.join("bare.redb");
    let database = Database::create(&path).expect("a database");
    let value = [7; 1024];
    let some = |from: u32, to: u32| {
        for number in from..to {
            let key = format!("entry/{number}");
            let transaction = database.begin_write().expect("a transaction");
            let mut table = transaction.open_table(TABLE).expect("a table");
            table.insert(key.as_str(), value.as_slice()).expect("an entry");
            drop(table);
            transaction.commit().expect("a commit");
            let transaction = database.begin_read().expect("a transaction");
            let table = transaction.open_table(TABLE).expect("a table");
            let entry = table.get(key.as_str()).expect("an answer").expect("an entry");
            assert_eq!(entry.value().to_vec().len(), value.len());
        }
    };
    some(0, 50);
    let begun = Instant::now();
    some(50, 50 + CALLS);
    let took = begun.elapsed();
    drop(database);
    std::fs::remove_file(path).expect("the file is removed");
    took.as_secs_f64() * 1e6 / f64::from(CALLS)
}

fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let rounds: usize = if is_measured { rounds.unwrap_or(15) } else { 1 };
    let folder = tempfile::tempdir().expect("a scratch folder");
    let source = format!(
        "import {{ kv }} from \"cap:self\";
         const value = new Uint8Array(1024).fill(7);
         const some = async (from, to) => {{
           for (let number = from; number < to; number++) {{
             await kv.set(`entry/${{number}}`, value);
             if ((await kv.get(`entry/${{number}}`)).length !== value.length) throw new Error();
           }}
         }};
         await some(0, 50);
         console.log();
         await some(50, 50 + {CALLS});
         console.log();"
    );
    std::fs::write(folder.path().join("main.js"), source).expect("a module");
    std::fs::write(folder.path().join("secure.toml"), MANIFEST).expect("a manifest");
    let (mut guests, mut bares) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            guests.push(guest(folder.path()));
            bares.push(bare(folder.path()));
        } else {
            bares.push(bare(folder.path()));
            guests.push(guest(folder.path()));
        }
    }
    for (name, times) in [
        ("kv.set and kv.get, 1 KiB", &mut guests),
        ("redb alone", &mut bares),
    ] {
        times.sort_by(f64::total_cmp);
        let quantile = |part: usize| times.get(times.len() * part / 4).copied().unwrap_or_default();
        println!(
            "{name:25} quarter {:7.0} us, median {:7.0} us",
            quantile(1),
            quantile(2)
        );
    }
}
