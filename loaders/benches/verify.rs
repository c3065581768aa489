//! `verify` compared with plain BLAKE3 over the same bytes. The difference is the cost of files, graph and bookkeeping.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use secure_runtime_loaders::{ContentHash, Graph, LocalStore, Module, ModuleKind, Package, verify};

/// Creates a store with `count` modules of `size` bytes, and the graph with these modules.
fn program(folder: &std::path::Path, count: u32, size: usize) -> (LocalStore, Graph, Vec<Vec<u8>>) {
    let store = LocalStore::create(folder).unwrap();
    let mut contents = Vec::new();
    let mut modules = Vec::new();
    for index in 0..count {
        let content: Vec<u8> = index.to_le_bytes().into_iter().cycle().take(size).collect();
        modules.push(Module {
            name: format!("app:/{index:06}.js"),
            package: 0,
            hash: store.put(&content).unwrap(),
            size: content.len() as u64,
            kind: ModuleKind::JavaScript,
            origin: None,
            imports: BTreeMap::new(),
            globals: Vec::new(),
            grants: None,
        });
        contents.push(content);
    }
    let app = Package {
        name: String::new(),
        version: None,
        grants: Vec::new(),
        ..Package::default()
    };
    (store, Graph::new(0, vec![app], modules).unwrap(), contents)
}

/// Reads and hashes the files, on as many threads as there are processors.
fn read_and_hash(paths: &[PathBuf]) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    black_box(ContentHash::of(&std::fs::read(path).unwrap()));
                }
            });
        }
    });
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    for (count, size) in [(2_000, 4 * 1024), (500, 64 * 1024), (16, 4 * 1024 * 1024)] {
        let folder = tempfile::tempdir().unwrap();
        let (store, graph, contents) = program(folder.path(), count, size);
        let parameter = format!("{count} x {} KiB", size / 1024);
        group.throughput(Throughput::Bytes(u64::from(count) * size as u64));
        group.bench_function(
            BenchmarkId::new("plain BLAKE3 in memory, one thread", &parameter),
            |bencher| {
                bencher.iter(|| {
                    for content in &contents {
                        black_box(ContentHash::of(content));
                    }
                });
            },
        );
        let paths: Vec<_> = graph
            .modules()
            .iter()
            .map(|module| store.path(&module.hash))
            .collect();
        group.bench_function(
            BenchmarkId::new("read and BLAKE3, one thread", &parameter),
            |bencher| {
                bencher.iter(|| {
                    for path in &paths {
                        black_box(ContentHash::of(&std::fs::read(path).unwrap()));
                    }
                });
            },
        );
        // The method of `b3sum`: the baseline for `verify`.
        group.bench_function(
            BenchmarkId::new("read and BLAKE3, all processors", &parameter),
            |bencher| bencher.iter(|| read_and_hash(&paths)),
        );
        group.bench_function(
            BenchmarkId::new("verify, all processors", &parameter),
            |bencher| {
                bencher.iter(|| verify(black_box(&graph), Some(&store), None).unwrap());
            },
        );
    }
    group.finish();
    let mut group = criterion.benchmark_group("graph");
    for count in [10, 1_000, 100_000] {
        let app = Package {
            name: String::new(),
            version: None,
            grants: Vec::new(),
            ..Package::default()
        };
        let modules = (0..count).map(|index: u32| Module {
            name: format!("app:/folder/{index:06}.js"),
            package: 0,
            hash: ContentHash::of(&index.to_le_bytes()),
            size: 4,
            kind: ModuleKind::JavaScript,
            origin: None,
            imports: BTreeMap::from([
                ("./other.js".to_owned(), 0),
                ("./another.js".to_owned(), index / 2),
            ]),
            globals: vec!["Array".to_owned(), "console".to_owned()],
            grants: None,
        });
        let bytes = Graph::new(0, vec![app], modules.collect()).unwrap().encode();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("decode, strictly", count), |bencher| {
            bencher.iter(|| Graph::decode(black_box(&bytes)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
