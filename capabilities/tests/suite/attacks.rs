//! Attacks on tokens that no other file covers. `spec/token-attacks.md` lists all attacks, with their tests.

use biscuit_auth::{
    AuthorizerBuilder, AuthorizerLimits, Biscuit,
    format::schema::{self, term::Content},
};
use prost::Message;
use secure_runtime_capabilities::*;

use crate::{operation, rights};

pub(crate) fn root() -> KeyPair {
    KeyPair::from_secret(&[9; 32]).unwrap()
}

pub(crate) fn token() -> Token {
    Token::mint(&root(), &Block::of(rights(&["fs.read=./**"]))).unwrap()
}

/// Returns the token, changed and signed again: a token that a careless or hostile owner of the root key
/// could sign.
fn resigned(change: impl FnOnce(&mut schema::Block)) -> Vec<u8> {
    use ed25519_dalek::Signer as _;
    let mut outer = schema::Biscuit::decode(token().as_bytes()).unwrap();
    let mut block = schema::Block::decode(outer.authority.block.as_slice()).unwrap();
    change(&mut block);
    outer.authority.block = block.encode_to_vec();
    // Signature version 0 covers the block, the algorithm's number and the next key.
    let mut signed = outer.authority.block.clone();
    signed.extend(outer.authority.next_key.algorithm.to_le_bytes());
    signed.extend(&outer.authority.next_key.key);
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    outer.authority.signature = key.sign(&signed).to_bytes().to_vec();
    outer.encode_to_vec()
}

fn problem(bytes: &[u8]) -> ProfileError {
    match Token::verify(bytes, &root().public()).unwrap_err() {
        TokenError::Profile { block: 0, problem } => problem,
        other => panic!("{other}"),
    }
}

/// Removing the last block requires the parent's proof, and yields exactly the parent. So a token that was
/// handed on cannot be cut back, unless its bearer also has the parent.
#[test]
fn a_delegate_cannot_cut_a_token_back() {
    let parent = token();
    let child = parent
        .attenuate(&Block::of(rights(&["fs.read=./data/**"])))
        .unwrap();
    let mut cut = schema::Biscuit::decode(child.as_bytes()).unwrap();
    cut.blocks.pop();
    assert_eq!(
        Token::verify(&cut.encode_to_vec(), &root().public()).unwrap_err(),
        TokenError::Signature
    );
    cut.proof = schema::Biscuit::decode(parent.as_bytes()).unwrap().proof;
    let back = Token::verify(&cut.encode_to_vec(), &root().public()).unwrap();
    assert_eq!(
        back.as_bytes(),
        parent.as_bytes(),
        "the parent's proof yields the parent itself"
    );
}

/// An authorizer without a time refuses every token that has a time limit. So a foreign authorizer that uses
/// our policy and forgets the time errs on the safe side.
#[test]
fn an_authorizer_without_a_time_refuses_time_limited_tokens() {
    let ask = |token: &Token, time: &str| {
        let policy = include_str!("../../../spec/tokens.md")
            .split_once("**TOK-24**")
            .and_then(|(_, rest)| rest.split_once("```datalog"))
            .and_then(|(_, rest)| rest.split_once("```"))
            .unwrap()
            .0;
        let key =
            biscuit_auth::PublicKey::from_bytes(root().public().as_bytes(), biscuit_auth::Algorithm::Ed25519);
        // The library's default limit is one millisecond, so a busy machine could change the result.
        let limits = AuthorizerLimits {
            max_time: std::time::Duration::from_secs(600),
            ..AuthorizerLimits::default()
        };
        AuthorizerBuilder::new()
            .set_limits(limits.clone())
            .code(format!(
                "operation(\"fs\", \"read\", \"/srv/app/a\"); {time} {policy}"
            ))
            .unwrap()
            .build(&Biscuit::from(token.as_bytes(), key.unwrap()).unwrap())
            .unwrap()
            .authorize_with_limits(limits)
            .is_ok()
    };
    let limited = token()
        .attenuate(&Block {
            expires: Some(2_000_000_000),
            ..Block::default()
        })
        .unwrap();
    assert!(ask(&token(), "") && !ask(&limited, ""));
    assert!(ask(&limited, "time(2026-01-01T00:00:00Z);"));
}

/// Datalog text, nested ten thousand deep, in place of a grant, an operation or a holder. None of these is
/// parsed as Datalog, and invalid texts are refused.
#[test]
fn nested_text_is_not_parsed_as_datalog() {
    let families = Families::builtin();
    let base = crate::base();
    for text in [
        format!("a({}1{})", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{}true", "!".repeat(10_000)),
    ] {
        assert!(families.parse_grant(&text, &base).is_err());
        assert!(families.parse_operation(&text, &base).is_err());
        assert!(
            families.parse_grant(&format!("fs.read={text}"), &base).is_err(),
            "a component is too long"
        );
        assert!(text.parse::<Holder>().is_err() && text.parse::<PublicKey>().is_err());
        assert!(Token::parse_text(&text, &root().public()).is_err());
        let variable = rights(&["env.read=X"]);
        assert!(variable.allows(FamilyName::ENV, ActionName::READ, "X"));
    }
}

/// Returns a signed token with terms nested to this depth.
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    let mut term = schema::Term {
        content: Some(Content::Integer(1)),
    };
    for _ in 0..depth {
        term = schema::Term {
            content: Some(Content::Array(schema::Array { array: vec![term] })),
        };
    }
    resigned(|block| block.facts[0].predicate.terms.push(term))
}

/// A signed block with terms nested deeper than the decoder's limit.
#[test]
fn nested_terms_are_refused() {
    assert_eq!(
        problem(&nested(1)),
        ProfileError::Fact {
            name: "grant".to_owned()
        }
    );
    assert!(matches!(problem(&nested(200)), ProfileError::Undecodable { .. }));
}

/// Datalog versions that the form of the block does not have, both newer and older.
#[test]
fn other_versions_are_refused() {
    assert!(Token::verify(&resigned(|_| ()), &root().public()).is_ok());
    for version in [0, 1, 2, 4, 5, 6, 7, u32::MAX] {
        assert_eq!(
            problem(&resigned(|block| block.version = Some(version))),
            ProfileError::Version { version, expected: 3 }
        );
    }
    assert!(matches!(
        problem(&resigned(|block| block.version = None)),
        ProfileError::Version { .. }
    ));
}

/// Symbols that are duplicates, hide a default one, or are unused; numbers without a symbol; keys that are
/// unused or of another algorithm.
#[test]
fn symbol_and_key_tables_must_be_minimal() {
    let symbols = |change: &dyn Fn(&mut Vec<String>)| problem(&resigned(|block| change(&mut block.symbols)));
    assert_eq!(
        symbols(&|symbols| symbols.push("unused".to_owned())),
        ProfileError::NotCanonical
    );
    assert_eq!(
        symbols(&|symbols| symbols.push(symbols[0].clone())),
        ProfileError::NotCanonical
    );
    assert_eq!(
        symbols(&|symbols| symbols.push("read".to_owned())),
        ProfileError::NotCanonical
    );
    assert!(matches!(
        symbols(&|symbols| drop(symbols.pop())),
        ProfileError::Symbol { .. }
    ));
    for number in [28, 1023, 5_000, u64::MAX] {
        let unknown = resigned(|block| block.facts[0].predicate.name = number);
        assert!(
            matches!(problem(&unknown), ProfileError::Symbol { .. }),
            "{number}"
        );
    }
    let key = |algorithm, key: Vec<u8>| {
        problem(&resigned(|block| {
            block.public_keys.push(schema::PublicKey { algorithm, key });
        }))
    };
    assert_eq!(
        key(0, root().public().as_bytes().to_vec()),
        ProfileError::PublicKeys
    );
    assert_eq!(key(1, vec![2; 33]), ProfileError::PublicKeys);
    assert_eq!(key(0, vec![0; 32]), ProfileError::PublicKeys);
    assert_eq!(key(0, vec![]), ProfileError::PublicKeys);
}

/// Every test in the list of attacks exists, and every number appears once.
#[test]
fn every_attack_has_its_test() {
    let sources = [
        include_str!("attacks.rs"),
        include_str!("delegation.rs"),
        include_str!("hostile.rs"),
        include_str!("malformed.rs"),
        include_str!("properties.rs"),
        include_str!("revocation.rs"),
        include_str!("samples.rs"),
        include_str!("tokens.rs"),
        include_str!("../allocations.rs"),
        include_str!("../../src/key.rs"),
        include_str!("../../src/pattern.rs"),
        include_str!("../../../engine/src/extensions/monitor.rs"),
        include_str!("../../../tests/fs/links.rs"),
        include_str!("../../../tests/fs/operations.rs"),
    ]
    .concat();
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/attacks/cases");
    let mut numbers = Vec::new();
    for row in include_str!("../../../spec/token-attacks.md").lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, number, _, _, tests, _] = cells.as_slice() else {
            continue;
        };
        let Ok(number) = number.parse::<u32>() else {
            continue;
        };
        numbers.push(number);
        for test in tests.split(',').map(|test| test.trim().trim_matches('`')) {
            let is_there = if test.ends_with(".js") {
                cases.join(test).is_file()
            } else {
                sources.contains(&format!("fn {test}("))
            };
            assert!(is_there, "{number}: {test}");
        }
    }
    assert_eq!(numbers, (1..=45).collect::<Vec<u32>>());
    assert!(
        !token()
            .authority()
            .decide(&operation("fs write a"), &Context::at(0))
            .is_allowed()
    );
}
