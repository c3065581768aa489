//! What people read when an operation is denied.

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

#[test]
fn a_missing_grant_is_shown_with_the_line_that_adds_it() {
    let blocks = [
        Block::of(rights(&["fs.read=./**", "random=true"])),
        Block::default(),
        Block::of(rights(&["fs.read=./data/**", "fs.read=/etc/hosts"])),
        Block::of(rights(&["clock=1s"])),
    ];
    assert_eq!(
        shown(&blocks, "fs read lib/a.csv", NOON),
        "`fs read /srv/app/lib/a.csv` is denied by block 2.\n\
        \x20 block 0 (authority) allows: fs.read of `./**`\n\
        \x20 block 1 allows: fs.read as the block before\n\
        \x20 block 2 refuses: fs.read of `/etc/hosts`, `./data/**`\n\
        \x20 block 3 refuses: nothing of fs.read\n\
        It needs this grant: fs.read = [\"./lib/a.csv\"]\n"
    );
}

#[test]
fn time_and_holder_are_shown_where_they_refuse() {
    let blocks = [
        Block {
            expires: Some(1_700_000_000),
            ..Block::of(rights(&["random=true"]))
        },
        Block {
            not_before: Some(1_900_000_000),
            ..Block::default()
        },
        Block {
            holder: Some(Holder::Module([7; 32])),
            ..Block::default()
        },
    ];
    assert_eq!(
        shown(&blocks, "random", NOON),
        "`random read os` is denied by block 0.\n\
        \x20 block 0 (authority) refuses: it expired at 2023-11-14T22:13:20Z; random.read of `true`\n\
        \x20 block 1 refuses: it is valid only from 2030-03-17T17:46:40Z; random.read as the block before\n\
        \x20 block 2 refuses: it is bound to another holder; random.read as the block before\n"
    );
}

#[test]
fn an_allowed_operation_is_explained_too() {
    assert_eq!(
        shown(&[Block::of(rights(&["clock=1ms"]))], "clock 1s", NOON),
        "`clock read 1s` is allowed.\n  block 0 (authority) allows: clock.read of `1ms`\n"
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
        // What it says is enough: with that grant, the operation is allowed.
        let [scope] = missing.scopes.as_slice() else {
            panic!("{missing:?}")
        };
        let grant = format!("{}.{}={scope}", missing.family, missing.action);
        let authority = Authority::new(Block::of(rights(&[&grant]))).unwrap();
        assert!(authority.decide(&operation(text), &NOON).is_allowed(), "{text}");
    }
}
