//! Benchmark of the repair of the override mistake (RUN-3). It reads an inherited property that is an accessor, reads
//! one that is not, and assigns to it.
//!
//! `cargo bench --bench realm`. Each benchmark is a program of a million steps. `nothing` is the loop alone, with its
//! start.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secure_runtime::{Exit, OpenOptions, Program, Runtime};

const STEPS: u64 = 1_000_000;

/// The code of each step. `object` inherits from `Object.prototype`, and `bytes` is a `Uint8Array`. V8 has fast paths
/// for the steps of `array` while `constructor` and iteration of arrays are plain properties. The last one creates
/// 1,000 elements in a step.
const STEP: [(&str, &str); 14] = [
    ("nothing", "sum += step;"),
    ("get, plain", "sum += bytes.BYTES_PER_ELEMENT === own ? 1 : step;"),
    ("get, repaired", "sum += object.valueOf === own ? 1 : step;"),
    ("call, plain", "sum += text.charCodeAt(step & 7);"),
    ("call, repaired", "sum += bytes.indexOf(step & 7);"),
    (
        "new object, assigned once, repaired",
        "const fresh = {}; fresh.valueOf = own; sum += fresh.valueOf === own ? 1 : step;",
    ),
    ("array, push and pop", "few.push(step); sum += few.pop();"),
    ("array, slice of 4", "sum += few.slice(1).length;"),
    ("array, map of 4", "sum += few.map((value) => value + 1).length;"),
    ("array, spread of 4", "sum += [...few].length;"),
    ("array, call with spread of 4", "sum += count(...few);"),
    ("map, get", "sum += map.get(step & 7);"),
    ("expression, test", "sum += expression.test(text) ? 1 : 2;"),
    (
        "array, slice of 1,000",
        "if (step % 1000 === 0) sum += many.slice(1).length;",
    ),
];

fn reactor() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop")
}

fn realm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("realm");
    group.sample_size(10).throughput(Throughput::Elements(STEPS));
    for (name, step) in STEP {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("main.js");
        let source = format!(
            "const object = {{}}, own = () => 1, bytes = new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7]), text = 'abcdefgh', few = [1, 2, 3, 4];
             const many = Array.from({{ length: 1000 }}, (_, at) => at), map = new Map(many.map((at) => [at, at])), expression = /gh/;
             const count = (...all) => all.length;
             const run = () => {{ let sum = 0; for (let step = 0; step < {STEPS}; step++) {{ {step} }} return sum; }};
             if (!(run() > 0)) throw new Error('nothing was counted');"
        );
        std::fs::write(&path, source).expect("the module is written");
        let reactor = reactor();
        let program = reactor
            .block_on(Program::open(&path, &OpenOptions::default()))
            .expect("the program opens");
        let runtime = Runtime::builder()
            .base(program.base())
            .shared_store(program.store())
            .build()
            .expect("the runtime is put together");
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

criterion_group!(benches, realm);
criterion_main!(benches);
