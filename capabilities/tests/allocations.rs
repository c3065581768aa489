//! Memory use of decisions and refusals, measured by a counting allocator. The binary has a single test, so
//! that no other test allocates at the same time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use biscuit_auth::{Algorithm, BiscuitBuilder, BlockBuilder, PrivateKey};
use secure_runtime_capabilities::*;

/// The number of allocations, the bytes in use, and the most bytes ever in use.
static ASKED: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is forwarded to the system's allocator unchanged; counting accesses no other memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Ordering::SeqCst);
        let held = HELD.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        MOST.fetch_max(held, Ordering::SeqCst);
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller upholds the contract of `GlobalAlloc::dealloc`, and `alloc` uses the system's
        // allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SECRET: [u8; 32] = [9; 32];

fn rights(grants: &[&str]) -> Rights {
    let base = Base::new("/srv/app").unwrap();
    Families::builtin().parse_grants(grants, &base).unwrap()
}

fn operation(text: &str) -> Operation<'static> {
    Families::builtin()
        .parse_operation(text, &Base::new("/srv/app").unwrap())
        .unwrap()
}

/// Runs the action. Returns the number of allocations, the peak increase in bytes, and the result.
fn measure<T>(action: impl FnOnce() -> T) -> (usize, usize, T) {
    let (asked, held) = (ASKED.load(Ordering::SeqCst), HELD.load(Ordering::SeqCst));
    MOST.store(held, Ordering::SeqCst);
    let result = action();
    (
        ASKED.load(Ordering::SeqCst) - asked,
        MOST.load(Ordering::SeqCst) - held,
        result,
    )
}

#[test]
fn memory() {
    allowed_decisions_allocate_nothing();
    hostile_tokens_are_refused_without_growth();
    refused_tokens_leave_no_memory_allocated();
    memory_estimates_are_upper_bounds();
}

/// [`Authority::memory`] is at least the memory in use, and at most five times as much.
fn memory_estimates_are_upper_bounds() {
    let wide = [
        "fs.read=/**",
        "net.connect=tcp://*.example:1-65535",
        "net.connect=tcp://10.0.0.0/8:443",
    ];
    let token = Token::mint(&KeyPair::from_secret(&SECRET).unwrap(), &Block::of(rights(&wide))).unwrap();
    let make_indexes = |authority: &Authority| {
        for asked in ["fs read /a", "net connect tcp://a.example:443"] {
            let _ = authority.decide(&operation(asked), &Context::at(1)).is_allowed();
        }
    };
    make_indexes(token.authority());
    let many =
        |count: usize, grant: &dyn Fn(usize) -> String| -> Vec<String> { (0..count).map(grant).collect() };
    let shapes: [(&str, Vec<String>); 8] = [
        ("nothing", Vec::new()),
        ("one file", many(1, &|_| "fs.read=/a".to_owned())),
        ("files", many(1_000, &|n| format!("fs.read=/data/{n}/a.csv"))),
        ("folders", many(1_000, &|n| format!("fs.read=/data/{n}/**"))),
        (
            "one host",
            many(1, &|_| "net.connect=tcp://a.example:443".to_owned()),
        ),
        (
            "hosts",
            many(1_000, &|n| format!("net.connect=tcp://h{n}.example:443-444")),
        ),
        (
            "domains",
            many(200, &|n| {
                format!("net.connect=tcp://*.{}.x.example:443", "h".repeat(n % 60 + 1))
            }),
        ),
        (
            "networks",
            many(200, &|n| format!("net.connect=tcp://10.0.{n}.0/24:443")),
        ),
    ];
    for (name, grants) in shapes {
        let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
        let rights = (name != "nothing").then(|| rights(&grants));
        // The authority shares the caller's copy of the rights.
        let shared = rights.as_ref().map_or(0, |rights| {
            let (before, copy) = (
                HELD.load(Ordering::SeqCst),
                Rights::new(rights.iter().cloned()).unwrap(),
            );
            let taken = HELD.load(Ordering::SeqCst) - before;
            drop(copy);
            taken
        });
        let before = HELD.load(Ordering::SeqCst);
        let block = Block {
            rights,
            ..Block::default()
        };
        let authority = token.authority().narrow(&block).unwrap();
        make_indexes(&authority);
        let taken = HELD.load(Ordering::SeqCst) - before + shared;
        let said = authority.memory();
        assert!(
            taken <= said && said <= 5 * taken,
            "{name}: {said} said, {taken} taken"
        );
    }
}

/// Covers expiry, holders, a demand for an attestation, a revocation list, and every kind of pattern.
fn allowed_decisions_allocate_nothing() {
    let (auditor, issuer) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let module = [7; 32];
    let token = Token::mint(
        &KeyPair::from_secret(&SECRET).unwrap(),
        &Block {
            expires: Some(2_000_000_000),
            not_before: Some(1),
            attested_by: Some(auditor.public()),
            ..Block::of(rights(&[
                "fs.read=./data/**",
                "net.connect=https://*.example.com:443-8443",
                "net.connect=tcp://[fd00::]/8:5432",
                "module=blake3:0707070707070707070707070707070707070707070707070707070707070707",
                "env.read=APP_*",
            ]))
        },
    )
    .unwrap();
    let request = token.attestation_request().unwrap();
    let signed = request.sign(&auditor, [module]).unwrap();
    let token = token.with_attestation(&signed, &auditor.public()).unwrap();
    let token = token.attenuate(&Block::bound_to(Holder::Module(module))).unwrap();
    let revocations = Revocations::new(issuer.public());
    let list = RevocationList::new(1, 1, 2_000_000_000, [RevocationId::from_bytes([1; 64])]).unwrap();
    revocations.update(&list.sign(&issuer).unwrap()).unwrap();
    let context = Context {
        holders: &[Holder::Module(module)],
        revocations: Some(&revocations),
        ..Context::at(1_800_000_000)
    };
    for text in [
        "fs read data/a/b.csv",
        "net connect https://a.example.com:8080",
        "net connect tcp://[fd00::1]:5432",
        "module a/b.js#blake3:0707070707070707070707070707070707070707070707070707070707070707",
        "env read APP_MODE",
    ] {
        let operation = operation(text);
        // The first decision may build the index of its action.
        assert!(token.authority().decide(&operation, &context).is_allowed());
        let (asked, most, decision) = measure(|| token.authority().decide(&operation, &context));
        assert!(decision.is_allowed());
        assert_eq!((asked, most), (0, 0), "{text}");
    }
    let (asked, most, _) = measure(|| vec![0_u8; 1_000]);
    assert_eq!((asked, most), (1, 1_000), "the allocator does not count");
}

/// The token library's known weaknesses, each in a token with valid signatures: unbounded joins, floods of
/// facts, regular expressions, results by hash order. Memory for refusing them is bounded by the size of the
/// token.
fn hostile_tokens_are_refused_without_growth() {
    let key = biscuit_auth::KeyPair::from(&PrivateKey::from_bytes(&SECRET, Algorithm::Ed25519).unwrap());
    let facts = |count: usize| {
        (0..count)
            .map(|number| format!("a({number});"))
            .collect::<String>()
    };
    let grant = r#"grant("fs", "read", "exact", "/a");"#;
    for (name, authority, later) in [
        (
            "a join",
            facts(50),
            "check if a($v0), a($v1), a($v2), a($v3)".to_owned(),
        ),
        (
            "a join later",
            grant.to_owned(),
            format!("{} check if a($v0), a($v1), a($v2), a($v3)", facts(50)),
        ),
        (
            "a rule",
            format!("{} b($x, $y, $z) <- a($x), a($y), a($z);", facts(100)),
            "check if true".to_owned(),
        ),
        ("a flood of facts", facts(1_200), "check if true".to_owned()),
        (
            "a regular expression",
            grant.to_owned(),
            r#"check if operation("fs", "read", $resource), $resource.matches("((a{50}){50}){50}")"#
                .to_owned(),
        ),
        (
            "an overflow by chance",
            format!("{} a({});", facts(8), i64::MAX),
            "check if a($x), $x + 1 > 0".to_owned(),
        ),
        (
            "mixed types",
            r#"a(1); a("x"); a(true);"#.to_owned(),
            "check if a($x), $x > 0".to_owned(),
        ),
    ] {
        let token = BiscuitBuilder::new()
            .code(authority)
            .unwrap()
            .build(&key)
            .unwrap()
            .append(BlockBuilder::new().code(later).unwrap())
            .unwrap();
        let bytes = token.to_vec().unwrap();
        assert!(bytes.len() <= MAX_TOKEN, "{name}: {} bytes", bytes.len());
        let root = KeyPair::from_secret(&SECRET).unwrap().public();
        let (_, most, result) = measure(|| Token::verify(&bytes, &root));
        assert!(
            matches!(result, Err(TokenError::Profile { .. })),
            "{name}: {:?}",
            result.map(|_| ())
        );
        // Decoding takes a multiple of the token's size: a fact of 8 bytes becomes a structure of some
        // hundred bytes.
        assert!(
            most <= 64 * bytes.len() + 64 * 1024,
            "{name}: {most} bytes for {}",
            bytes.len()
        );
    }
    // A token over the size limit is not decoded at all.
    let (asked, most, result) = measure(|| {
        Token::verify(
            &vec![0x0a; 300_000],
            &KeyPair::from_secret(&SECRET).unwrap().public(),
        )
    });
    assert_eq!(result.unwrap_err(), TokenError::TooLarge { size: 300_000 });
    assert!(asked < 10 && most < 301_000, "{asked} {most}");
}

/// Anyone can make any number of tokens without a key, so nothing of a refused token may stay in memory.
fn refused_tokens_leave_no_memory_allocated() {
    let root = KeyPair::from_secret(&SECRET).unwrap();
    let parent = Token::mint(&root, &Block::of(rights(&["random=true"]))).unwrap();
    let (context, operation) = (Context::at(0), operation("random"));
    let accept = |count: u32| {
        for number in 0..count {
            let child = parent
                .attenuate(&Block {
                    expires: Some(u64::from(number) + 1),
                    ..Block::default()
                })
                .unwrap();
            let child = Token::verify(child.as_bytes(), &root.public()).unwrap();
            assert!(child.authority().decide(&operation, &context).is_allowed());
        }
        HELD.load(Ordering::SeqCst)
    };
    let after_few = accept(10);
    let after_many = accept(if cfg!(debug_assertions) { 1_000 } else { 10_000 });
    assert!(after_many <= after_few, "{after_few} bytes, then {after_many}");
}
