//! Benchmarks of deciding and of accepting tokens, each next to its baseline in the same run:
//!
//! - the compiled decision, next to the complete Biscuit authorizer on the same operation. The chains have 1,
//!   3 and 10 blocks, and 10, 1,000 and 10,000 grants;
//! - accepting a token, next to verifying only its signatures, and next to the token library's own
//!   acceptance;
//! - refusing tokens that are known to cause harm.
//!
//! `cargo bench -p secure-runtime-capabilities` prints the tables at the end.
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use biscuit_auth::{Algorithm, AuthorizerBuilder, AuthorizerLimits, Biscuit, BiscuitBuilder};
use criterion::{Criterion, criterion_group, criterion_main};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use secure_runtime_capabilities::*;

const BLOCKS: [usize; 3] = [1, 3, 10];
const GRANTS: [usize; 3] = [10, 1_000, 10_000];
const SECRET: [u8; 32] = [7; 32];

fn rights(grants: &[&str]) -> Rights {
    let base = Base::new("/srv/app").unwrap();
    Families::builtin().parse_grants(grants, &base).unwrap()
}

/// Returns a chain like those of the linker: a program's grants, a package's grants, and a folder narrowed
/// repeatedly.
fn chain(blocks: usize) -> Token {
    let root = KeyPair::from_secret(&SECRET).unwrap();
    let authority = Block {
        expires: Some(2_000_000_000),
        ..Block::of(rights(&[
            "fs.read=./data/**",
            "fs.write=./out/**",
            "net.connect=https://api.example.com",
            "random=true",
        ]))
    };
    let mut token = Token::mint(&root, &authority).unwrap();
    for _ in 1..blocks {
        token = token
            .attenuate(&Block {
                holder: Some(HOLDER),
                ..Block::of(rights(&["fs.read=./data/reports/**"]))
            })
            .unwrap();
    }
    Token::verify(token.as_bytes(), &root.public()).unwrap()
}

fn operation(text: &str) -> Operation<'static> {
    let base = Base::new("/srv/app").unwrap();
    Families::builtin().parse_operation(text, &base).unwrap()
}

const REPORT: &str = "fs read data/reports/2026/november.csv";
const HOLDER: Holder = Holder::Module([1; 32]);
const NOW: u64 = 1_800_000_000;

/// Returns a list with many revocations of other tokens, to measure what a list costs a program.
fn revocations() -> Revocations {
    let issuer = KeyPair::from_secret(&SECRET).unwrap();
    let ids = (0..10_000u16).map(|number| {
        let mut id = [0; 64];
        if let Some(start) = id.first_chunk_mut() {
            *start = number.to_be_bytes();
        }
        RevocationId::from_bytes(id)
    });
    let list = RevocationList::new(1, NOW, NOW + 1, ids).unwrap();
    let revocations = Revocations::new(issuer.public());
    revocations.update(&list.sign(&issuer).unwrap()).unwrap();
    revocations
}

fn decide(criterion: &mut Criterion) {
    let (oracle, operation, revocations) = (Oracle::new().unwrap(), operation(REPORT), revocations());
    let context = Context {
        now: NOW,
        holders: &[HOLDER],
        revocations: Some(&revocations),
    };
    let mut group = criterion.benchmark_group("decide");
    for blocks in BLOCKS {
        let token = chain(blocks);
        let authority = token.authority().clone();
        assert!(authority.decide(&operation, &context).is_allowed());
        assert_eq!(oracle.ask(&token, &operation, &context), Ok(true));
        group.bench_function(format!("compiled/{blocks}"), |bencher| {
            bencher.iter(|| authority.decide(black_box(&operation), black_box(&context)));
        });
        group.bench_function(format!("authorizer/{blocks}"), |bencher| {
            bencher.iter(|| oracle.ask(&token, black_box(&operation), black_box(&context)));
        });
        let (bytes, root) = (token.as_bytes(), *token.root());
        group.bench_function(format!("accept/{blocks}"), |bencher| {
            bencher.iter(|| Token::verify(black_box(bytes), &root));
        });
    }
    group.finish();
}

/// Returns nanoseconds per call in the fastest of many rounds, because other processes disturb that one
/// least.
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

fn tables(_: &mut Criterion) {
    // `cargo test` runs each benchmark once and unoptimised, to check that it works. Its figures would be
    // misleading.
    if std::env::args().any(|argument| argument == "--bench") {
        by_blocks();
        by_grants();
        accepting();
        refusing();
    }
}

fn by_blocks() {
    let (oracle, operation, revocations) = (Oracle::new().unwrap(), operation(REPORT), revocations());
    println!("\nfs path, with expiry, holder and a revocation list of 10,000");
    println!("| blocks | compiled | authorizer | times faster |\n| --- | --- | --- | --- |");
    for blocks in BLOCKS {
        let token = chain(blocks);
        let context = Context {
            now: NOW,
            holders: &[HOLDER],
            revocations: Some(&revocations),
        };
        let compiled = fastest(20_000, || {
            let _ = black_box(
                token
                    .authority()
                    .decide(black_box(&operation), black_box(&context)),
            );
        });
        let authorizer = fastest(100, || {
            let _ = black_box(oracle.ask(&token, black_box(&operation), black_box(&context)));
        });
        println!(
            "| {blocks} | {compiled:.1} ns | {:.1} µs | {:.0} |",
            authorizer / 1e3,
            authorizer / compiled
        );
    }
}

/// Returns `count` rights to folders of one program, or to hosts.
fn many(count: usize, is_net: bool) -> Rights {
    let grants: Vec<String> = (0..count)
        .map(|number| match is_net {
            true if number < MAX_COMPLEX_RIGHTS => {
                format!("net.connect=https://*.tenant-{number:05}.example.com")
            }
            true => format!("net.connect=https://tenant-{number:05}.example.com"),
            false => format!(
                "fs.read=./data/tenant-{:05}/{:x}/file-{number:05}.csv",
                number / 10,
                number * 7919
            ),
        })
        .collect();
    rights(&grants.iter().map(String::as_str).collect::<Vec<_>>())
}

fn by_grants() {
    println!("\none block of many grants; the authorizer is the token library's, with the policy of TOK-24");
    println!("| grants | fs path | net host | authorizer, fs path |\n| --- | --- | --- | --- |");
    for count in GRANTS {
        let context = Context::at(NOW);
        let decide = |is_net: bool| {
            let rights = many(count, is_net);
            let family = if is_net { FamilyName::NET } else { FamilyName::FS };
            let action = if is_net {
                ActionName::CONNECT
            } else {
                ActionName::READ
            };
            let operations: Vec<Operation<'static>> = rights
                .for_action(family, action)
                .iter()
                .step_by(count / 10)
                .map(|right| match &right.pattern {
                    Pattern::Exact(text) => operation(&format!("{family} {action} {text}")),
                    Pattern::Endpoint(endpoint) => operation(&format!(
                        "{family} {action} {}",
                        endpoint.to_string().replace('*', "api")
                    )),
                    Pattern::Affix { prefix, .. } => operation(&format!("{family} {action} {prefix}x")),
                })
                .collect();
            let authority = Authority::new(Block::of(rights)).unwrap();
            assert!(
                operations
                    .iter()
                    .all(|operation| authority.decide(operation, &context).is_allowed())
            );
            let questions = u32::try_from(operations.len()).unwrap();
            fastest(2_000, || {
                for operation in &operations {
                    let _ = black_box(authority.decide(black_box(operation), &context));
                }
            }) / f64::from(questions)
        };
        let authorizer = authorizer(&many(count, false));
        println!(
            "| {count} | {:.1} ns | {:.1} ns | {:.1} µs |",
            decide(false),
            decide(true),
            authorizer / 1e3
        );
    }
}

/// Measures the token library on these grants. They exceed the size of a token of the profile.
fn authorizer(rights: &Rights) -> f64 {
    let mut facts = String::new();
    for right in rights {
        if let Pattern::Exact(text) = &right.pattern {
            facts.push_str(&format!("grant(\"fs\", \"read\", \"exact\", \"{text}\");\n"));
        }
    }
    let root = biscuit_auth::KeyPair::new();
    let token = BiscuitBuilder::new().code(&facts).unwrap().build(&root).unwrap();
    let resource = rights
        .iter()
        .nth(rights.len() / 2)
        .map(|right| right.pattern.clone());
    let Some(Pattern::Exact(resource)) = resource else {
        return f64::NAN;
    };
    let limits = AuthorizerLimits {
        max_facts: 100_000,
        max_iterations: 1_000,
        max_time: Duration::from_secs(60),
    };
    let policy = include_str!("../../spec/tokens.md")
        .split_once("**TOK-24**")
        .and_then(|(_, rest)| rest.split_once("```datalog"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(policy, _)| policy)
        .unwrap();
    let builder = AuthorizerBuilder::new()
        .set_limits(limits.clone())
        .code(format!(
            "operation(\"fs\", \"read\", \"{resource}\"); time(2026-01-01T00:00:00Z); {policy}"
        ))
        .unwrap();
    let rounds = if rights.len() > 1_000 { 1 } else { 10 };
    fastest(rounds, || {
        let mut authorizer = builder.clone().build(&token).unwrap();
        assert!(authorizer.authorize_with_limits(limits.clone()).is_ok());
    })
}

/// Measures the refusal of tokens with valid signatures that make the token library slow, large, or
/// nondeterministic.
fn refusing() {
    println!("\nrefusing a token with a valid signature that is outside the profile");
    println!("| what it holds | bytes | Token::verify |\n| --- | --- | --- |");
    let facts = |count: usize| {
        (0..count)
            .map(|number| format!("a({number});"))
            .collect::<String>()
    };
    let key = biscuit_auth::PrivateKey::from_bytes(&SECRET, Algorithm::Ed25519).unwrap();
    let root = KeyPair::from_secret(&SECRET).unwrap().public();
    for (name, code) in [
        (
            "a join of four over 50 facts (seconds in the library)",
            format!("{} check if a($w), a($x), a($y), a($z)", facts(50)),
        ),
        (
            "a rule that makes 1,000,000 facts",
            format!("{} b($x, $y, $z) <- a($x), a($y), a($z)", facts(100)),
        ),
        ("1,200 facts", facts(1_200)),
        (
            "a regular expression of 125,000 states",
            r#"check if operation($f, $a, $r), $r.matches("((a{50}){50}){50}")"#.to_owned(),
        ),
        (
            "an overflow that depends on hash order",
            format!("a(1); a({}); check if a($x), $x + 1 > 0", i64::MAX),
        ),
    ] {
        let token = BiscuitBuilder::new()
            .code(code)
            .unwrap()
            .build(&biscuit_auth::KeyPair::from(&key))
            .unwrap();
        let bytes = token.to_vec().unwrap();
        let refused = fastest(20, || {
            assert!(Token::verify(black_box(&bytes), &root).is_err());
        });
        println!("| {name} | {} | {:.1} µs |", bytes.len(), refused / 1e3);
    }
}

fn accepting() {
    println!(
        "\naccepting a token: its signatures and its key alone; the token library; the profile, compiled"
    );
    println!(
        "| blocks | signatures | Biscuit::from | Token::verify | of the signatures | of Biscuit::from |\n| --- | --- | --- | --- | --- | --- |"
    );
    for blocks in BLOCKS {
        let token = chain(blocks);
        let (bytes, root) = (token.as_bytes(), token.root());
        let library_root = biscuit_auth::PublicKey::from_bytes(root.as_bytes(), Algorithm::Ed25519).unwrap();
        // The lower bound of any verifier: read each block's key, verify its signature, and derive the last
        // key.
        let signing = SigningKey::from_bytes(&SECRET);
        let message = vec![0x5a; bytes.len() / blocks];
        let signature = signing.sign(&message);
        let key = signing.verifying_key().to_bytes();
        let signatures = fastest(20, || {
            for _ in 0..blocks {
                let key = VerifyingKey::from_bytes(black_box(&key)).unwrap();
                key.verify_strict(black_box(&message), &signature).unwrap();
            }
            black_box(SigningKey::from_bytes(black_box(&SECRET)).verifying_key());
        });
        let library = fastest(20, || {
            black_box(Biscuit::from(black_box(bytes), library_root).unwrap());
        });
        let ours = fastest(20, || {
            black_box(Token::verify(black_box(bytes), root).unwrap());
        });
        println!(
            "| {blocks} | {:.1} µs | {:.1} µs | {:.1} µs | {:.2} | {:.2} |",
            signatures / 1e3,
            library / 1e3,
            ours / 1e3,
            ours / signatures,
            ours / library
        );
    }
}

criterion_group!(benches, decide, tables);
criterion_main!(benches);
