//! Explanations of denied operations.

use secure_runtime_capabilities::*;

use crate::{base, operation, rights};

fn shown(blocks: &[Block], text: &str, context: Context<'_>) -> String {
    let mut authority = Authority::new(blocks[0].clone()).unwrap();
    for block in &blocks[1..] {
        authority = authority.narrow(block).unwrap();
    }
    explain(
        &authority,
        &operation(text),
        &context,
        &Families::builtin(),
        &base(),
    )
    .to_string()
}

const NOON: Context<'static> = Context {
    now: 1_800_000_000,
    holders: &[],
    revocations: None,
};

/// The expected texts are in `snapshots/`. If one changes, review it, and accept it with
/// `INSTA_UPDATE=always`.
#[test]
fn every_kind_of_denial_is_explained_block_by_block() {
    let auditor = KeyPair::from_secret(&[2; 32]).unwrap().public();
    let bound = Block::bound_to(Holder::Module([7; 32]));
    let random = || Block::of(rights(&["random=true"]));
    for (name, blocks, text) in [
        (
            "a grant is missing in two blocks",
            vec![
                Block::of(rights(&["fs.read=./**", "random=true"])),
                Block::default(),
                Block::of(rights(&["fs.read=./data/**", "fs.read=/etc/hosts"])),
                Block::of(rights(&["clock=1s"])),
            ],
            "fs read lib/a.csv",
        ),
        (
            "nothing was ever granted",
            vec![Block::default(), Block::of(rights(&["fs.write=./**"]))],
            "fs write a",
        ),
        (
            "the nearest of many",
            vec![Block::of(rights(&[
                "fs.read=./a/**",
                "fs.read=./data/2024/**",
                "fs.read=./data/2025/**",
                "fs.read=./data/2026/january/**",
                "fs.read=./data/2026/november/a.csv",
                "fs.read=./x",
                "fs.read=/etc/hosts",
            ]))],
            "fs read data/2026/november/b.csv",
        ),
        (
            "the nearest hosts",
            vec![Block::of(rights(&[
                "net.connect=https://*.example.com",
                "net.connect=https://api.example.org",
                "net.connect=tcp://10.0.0.0/8:5000-5999",
                "net.connect=tcp://db.example.com:5432",
            ]))],
            "net connect tcp://api.example.com:443",
        ),
        (
            "times",
            vec![
                Block {
                    expires: Some(1_700_000_000),
                    ..random()
                },
                Block {
                    not_before: Some(1_900_000_000),
                    ..Block::default()
                },
            ],
            "random",
        ),
        (
            "an expired block",
            vec![
                random(),
                Block {
                    expires: Some(1_700_000_000),
                    ..Block::default()
                },
            ],
            "random",
        ),
        ("another holder", vec![random(), bound.clone()], "random"),
        (
            "not attested",
            vec![
                random(),
                Block {
                    attested_by: Some(auditor),
                    ..Block::default()
                },
            ],
            "random",
        ),
        (
            "control characters",
            vec![Block::of(rights(&["fs.read=./\u{1b}[2J/**"]))],
            "fs read \u{1b}[2K\u{202e}",
        ),
        ("allowed", vec![Block::of(rights(&["clock=1ms"]))], "clock 1s"),
    ] {
        insta::assert_snapshot!(name.replace(' ', "_"), shown(&blocks, text, NOON));
    }
}

#[test]
fn revocation_is_explained() {
    let authority = Authority::new(Block::of(rights(&["random=true"]))).unwrap();
    let narrower = authority.narrow(&Block::default()).unwrap();
    let revocations = Revocations::new(KeyPair::from_secret(&[4; 32]).unwrap().public());
    let explain = |context: &Context<'_>| {
        let families = Families::builtin();
        explain(&narrower, &operation("random"), context, &families, &base()).to_string()
    };
    let context = Context {
        revocations: Some(&revocations),
        ..NOON
    };
    insta::assert_snapshot!("no_revocation_list", explain(&context));
    let issuer = KeyPair::from_secret(&[4; 32]).unwrap();
    let list = RevocationList::new(1, 1, 1_700_000_000, [])
        .unwrap()
        .sign(&issuer)
        .unwrap();
    revocations.update(&list).unwrap();
    insta::assert_snapshot!("a_stale_revocation_list", explain(&context));
    narrower.revoker().unwrap().revoke();
    insta::assert_snapshot!("a_revoked_block", explain(&NOON));
}

/// A guest chooses the names that it requests. If a user pastes the suggestion of a denial, it must never
/// grant more than that name.
#[test]
fn names_with_a_star_are_never_suggested() {
    let authority = Authority::new(Block::default()).unwrap();
    for text in [
        "fs read /**",
        "fs read data/**",
        "fs write *",
        "env read *",
        "env read A*",
        "kv write user*",
        "kv read *",
    ] {
        let explanation = explain(&authority, &operation(text), &NOON, &Families::builtin(), &base());
        assert_eq!(explanation.missing, None, "{text}");
        assert!(!explanation.to_string().contains("needs this grant"), "{text}");
    }
    let text = format!("module a/b.js#blake3:{}", "01".repeat(32));
    let explanation = explain(
        &authority,
        &operation(&text),
        &NOON,
        &Families::builtin(),
        &base(),
    );
    assert_eq!(
        explanation.missing.unwrap().scopes,
        [text.strip_prefix("module ").unwrap()]
    );
}

#[test]
fn the_missing_grant_is_a_line_of_the_manifest() {
    for (text, expected) in [
        ("clock 10ms", "clock = \"10ms\""),
        ("random", "random = true"),
        (
            "net connect https://API.example.com:443",
            "net.connect = [\"https://api.example.com\"]",
        ),
        ("net connect tcp://db:5432", "net.connect = [\"tcp://db:5432\"]"),
        ("env read HOME", "env.read = [\"HOME\"]"),
        ("fs write .", "fs.write = [\".\"]"),
        (
            "fs read it's \"a\\b\"\u{1b}[2J\u{202e}",
            "fs.read = [\"./it's \\\"a\\\\b\\\"\\U0000001B[2J\\U0000202E\"]",
        ),
    ] {
        let authority = Authority::new(Block::default()).unwrap();
        let missing = explain(&authority, &operation(text), &NOON, &Families::builtin(), &base())
            .missing
            .unwrap();
        assert_eq!(missing.manifest_line(), expected, "{text}");
        // The suggestion is sufficient: with that grant, the operation is allowed.
        let [scope] = missing.scopes.as_slice() else {
            panic!("{missing:?}")
        };
        let grant = format!("{}.{}={scope}", missing.family, missing.action);
        let authority = Authority::new(Block::of(rights(&[&grant]))).unwrap();
        assert!(authority.decide(&operation(text), &NOON).is_allowed(), "{text}");
    }
}

/// Returns the first scope in the explanation of an operation that `grants` do not allow.
fn nearest(grants: &[&str], text: &str) -> String {
    let authority = Authority::new(Block::of(rights(grants))).unwrap();
    let families = Families::builtin();
    let explanation = explain(&authority, &operation(text), &NOON, &families, &base());
    assert!(!explanation.decision.is_allowed());
    explanation.blocks[0].scopes.as_ref().unwrap()[0].clone()
}

#[test]
fn the_nearest_scope_is_shown_first() {
    assert_eq!(
        nearest(
            &[
                "env.read=D*",
                "env.read=B*",
                "env.read=ZED_T*",
                "env.read=ZEX*",
                "env.read=C*"
            ],
            "env read ZED_SECRET"
        ),
        "ZED_T*"
    );
    assert_eq!(
        nearest(
            &[
                "net.connect=tcp://10.0.0.0/8:1",
                "net.connect=tcp://11.0.0.0/8:1",
                "net.connect=tcp://12.0.0.0/8:1",
                "net.connect=tcp://13.0.0.0/8:1",
                "net.connect=tcp://14.0.0.0/8:1",
            ],
            "net connect tcp://13.1.2.3:5432"
        ),
        "tcp://13.0.0.0/8:1"
    );
    let hash = |digits: &str| format!("blake3:{}", digits.repeat(8));
    let grants: Vec<String> = ["00000000", "11111111", "22222222", "33333333", "44444447"]
        .iter()
        .map(|digits| format!("module.import={}", hash(digits)))
        .collect();
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let asked = format!("module import lib/a.js#{}", hash("55555547"));
    assert_eq!(nearest(&grants, &asked), hash("44444447"));
}
