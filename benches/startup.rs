//! Benchmark of start-up: a one-line module from start to end, compared with a bare deno_core runtime that does the
//! same.
//!
//! `cargo bench --bench startup`. Both start a thread, an isolate and an event loop for every run. secure-runtime also
//! verifies the module, plans its authority, and locks the realm.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::rc::Rc;

use criterion::{Criterion, criterion_group, criterion_main};
use deno_core::{JsRuntime, ModuleSpecifier, PollEventLoopOptions, RuntimeOptions, StaticModuleLoader};
use secure_runtime::{Exit, OpenOptions, Program, Runtime};

const MODULE: &str = "export const answer = 42;";
const MODULE_WITH_CAPABILITIES: &str = "import { fs } from \"cap:self\"; export const answer = fs;";

fn reactor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop")
}

fn bare() {
    std::thread::spawn(|| {
        reactor().block_on(async {
            let specifier = ModuleSpecifier::parse("app:/main.js").expect("a URL");
            let loader = StaticModuleLoader::new([(specifier.clone(), MODULE.to_owned())]);
            let mut js = JsRuntime::new(RuntimeOptions {
                module_loader: Some(Rc::new(loader)),
                ..RuntimeOptions::default()
            });
            let module = js
                .load_main_es_module(&specifier)
                .await
                .expect("the module loads");
            let evaluation = js.mod_evaluate(module);
            js.run_event_loop(PollEventLoopOptions::default())
                .await
                .expect("the event loop ends");
            evaluation.await.expect("the module evaluates");
        });
    })
    .join()
    .expect("the thread ends");
}

fn program(source: &str) -> (tempfile::TempDir, Program, Runtime) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("main.js");
    std::fs::write(&path, source).expect("the module is written");
    let program = reactor()
        .block_on(Program::open(&path, &OpenOptions::default()))
        .expect("the program opens");
    let runtime = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .build()
        .expect("the runtime is put together");
    (folder, program, runtime)
}

fn startup(criterion: &mut Criterion) {
    JsRuntime::init_platform(None);
    let mut group = criterion.benchmark_group("startup");
    group.bench_function("bare deno_core, one module", |bencher| bencher.iter(bare));
    for (name, source) in [
        ("run, one module", MODULE),
        ("run, one module with cap:self", MODULE_WITH_CAPABILITIES),
    ] {
        let (_folder, program, runtime) = program(source);
        let reactor = reactor();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let outcome = reactor
                    .block_on(runtime.run(program.graph(), &[]))
                    .expect("the program starts");
                assert!(matches!(outcome.exit, Exit::Completed), "{:?}", outcome.exit);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, startup);
criterion_main!(benches);
