//! A decision by the compiled chain beside the complete Biscuit authorizer on the same question, for
//! chains of 1, 3 and 10 blocks. Ends with the ratio of the two.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use secure_runtime_capabilities::*;

const BLOCKS: [usize; 3] = [1, 3, 10];

/// A chain as a link plan makes it: a program's grants, then a package's, then a folder narrowed step by step.
fn chain(blocks: usize) -> Token {
    let (families, base) = (Families::builtin(), Base::new("/srv/app").unwrap());
    let rights = |grants: &[&str]| {
        Rights::new(
            grants
                .iter()
                .flat_map(|grant| families.parse_grant(grant, &base).unwrap()),
        )
        .unwrap()
    };
    let root = KeyPair::generate().unwrap();
    let grants = [
        "fs.read=./data/**",
        "fs.write=./out/**",
        "net.connect=https://api.example.com",
        "random=true",
    ];
    let authority = Block {
        expires: Some(2_000_000_000),
        ..Block::of(rights(&grants))
    };
    let mut token = Token::mint(&root, &authority).unwrap();
    for _ in 1..blocks {
        token = token
            .attenuate(&Block::of(rights(&["fs.read=./data/reports/**"])))
            .unwrap();
    }
    Token::verify(token.as_bytes(), &root.public()).unwrap()
}

fn operation() -> Operation<'static> {
    Families::builtin()
        .parse_operation(
            "fs read data/reports/2026/november.csv",
            &Base::new("/srv/app").unwrap(),
        )
        .unwrap()
}

const CONTEXT: Context<'static> = Context {
    now: 1_800_000_000,
    holders: &[],
    revocations: None,
};

fn decide(criterion: &mut Criterion) {
    let (oracle, operation) = (Oracle::new().unwrap(), operation());
    let mut group = criterion.benchmark_group("decide");
    for blocks in BLOCKS {
        let token = chain(blocks);
        let authority = token.authority().clone();
        assert!(authority.decide(&operation, &CONTEXT).is_allowed());
        assert_eq!(oracle.ask(&token, &operation, &CONTEXT), Ok(true));
        group.bench_function(format!("compiled/{blocks}"), |bencher| {
            bencher.iter(|| authority.decide(black_box(&operation), black_box(&CONTEXT)));
        });
        group.bench_function(format!("authorizer/{blocks}"), |bencher| {
            bencher.iter(|| oracle.ask(&token, black_box(&operation), black_box(&CONTEXT)));
        });
    }
    group.finish();
}

/// Nanoseconds a call takes in the fastest of many rounds: what other programs disturb least.
fn fastest(calls: u32, mut call: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 50;
    let round = |_| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed()
    };
    (0..ROUNDS)
        .map(round)
        .min()
        .unwrap_or(Duration::MAX)
        .as_secs_f64()
        * 1e9
        / f64::from(calls)
}

fn ratio(_: &mut Criterion) {
    // `cargo test` runs benches once and unoptimised, to see that they work: figures would mislead there.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (oracle, operation) = (Oracle::new().unwrap(), operation());
    println!("\n| blocks | compiled | authorizer | times faster |\n| --- | --- | --- | --- |");
    for blocks in BLOCKS {
        let token = chain(blocks);
        let authority = token.authority();
        let compiled = fastest(20_000, || {
            let _ = black_box(authority.decide(black_box(&operation), black_box(&CONTEXT)));
        });
        let authorizer = fastest(100, || {
            let _ = black_box(oracle.ask(&token, black_box(&operation), black_box(&CONTEXT)));
        });
        println!(
            "| {blocks} | {compiled:.1} ns | {:.1} µs | {:.0} |",
            authorizer / 1e3,
            authorizer / compiled
        );
    }
}

criterion_group!(benches, decide, ratio);
criterion_main!(benches);
