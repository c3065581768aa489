//! Runs a thousand programs of different tenants on four threads. One of them never ends and hits its limit. Another
//! one is stopped by the host. All others complete.
//!
//! `cargo run --example many_tenants`

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secure_runtime::{Exit, Limit, Limits, OpenOptions, Program, Returned, Runtime};

const TENANTS: usize = 1000;
/// The tenant whose program computes for ever.
const GREEDY: usize = 300;
/// The tenant whose program waits for ever.
const STOPPED: usize = 600;
const THREADS: usize = 4;

const MAIN: &str = r#"
import { kv } from "cap:self";

export default async ([tenant, kind]) => {
  if (kind === "greedy") for (;;);
  await kv.set("visits", `${1 + Number((await kv.get("visits")) ?? 0)}`);
  if (kind === "waiting") await new Promise((done) => setTimeout(done, 1e9));
  return `${tenant} ${await kv.get("visits")}`;
};
"#;

/// The result of one tenant's program, as text.
fn described(exit: &Exit, returned: &Returned) -> String {
    match (exit, returned) {
        (Exit::Completed, Returned::Json(json)) => json.clone(),
        (Exit::Limit(hit), _) if matches!(hit.limit, Limit::Cpu(_)) => "limit".to_owned(),
        (Exit::Stopped, _) => "stopped".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Runs the program for one tenant, with a key-value store of its own.
async fn run(program: &Program, tenant: usize) -> Result<String, Box<dyn Error + Send + Sync>> {
    // A runtime is cheap. What tenants must not share is in it: the store of entries, the limits, and the handle that
    // stops its runs.
    let runtime = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .limits(Limits {
            heap: 32 << 20,
            cpu: Some(Duration::from_secs(1)),
            ..Limits::default()
        })
        .build()?;
    let kind = match tenant {
        GREEDY => "greedy",
        STOPPED => "waiting",
        _ => "",
    };
    let is_over = Arc::new(AtomicBool::new(false));
    if tenant == STOPPED {
        // A handle stops the runs that have begun, so the host repeats this until the run is over.
        let (stop, is_over) = (runtime.stop_handle(), is_over.clone());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                stop.stop();
            }
        });
    }
    let arguments = [tenant.to_string(), kind.to_owned()];
    let outcome = runtime.run(program.graph(), &arguments).await;
    is_over.store(true, Ordering::Relaxed);
    let outcome = outcome?;
    Ok(described(&outcome.exit, &outcome.returned))
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("main.js");
    std::fs::write(&file, MAIN)?;
    let reactor = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let options = OpenOptions {
        grants: vec!["kv.read=visits".to_owned(), "kv.write=visits".to_owned()],
        ..OpenOptions::default()
    };
    // The program is verified once. Its bytes are shared, and nothing else.
    let program = reactor()?.block_on(Program::open(&file, &options))?;
    let (next, results) = (AtomicUsize::new(0), Mutex::new(vec![String::new(); TENANTS]));
    std::thread::scope(|scope| {
        let work = || -> Result<(), Box<dyn Error + Send + Sync>> {
            let reactor = reactor()?;
            loop {
                let tenant = next.fetch_add(1, Ordering::Relaxed);
                if tenant >= TENANTS {
                    return Ok(());
                }
                let result = reactor.block_on(run(&program, tenant))?;
                let mut results = results.lock().map_err(|_| "a thread failed")?;
                if let Some(slot) = results.get_mut(tenant) {
                    *slot = result;
                }
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".into()).flatten())
    })
    .map_err(|error| error.to_string())?;

    let results = results.into_inner()?;
    for (tenant, result) in results.iter().enumerate() {
        // Every tenant counts its own visits, from the beginning.
        let expected = match tenant {
            GREEDY => "limit".to_owned(),
            STOPPED => "stopped".to_owned(),
            _ => format!("\"{tenant} 1\""),
        };
        assert_eq!(*result, expected, "tenant {tenant}");
    }
    println!("{TENANTS} programs: 1 hit its limit, 1 was stopped, and all others completed");
    Ok(())
}
