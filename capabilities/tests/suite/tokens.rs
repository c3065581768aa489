//! Tokens: minting, delegation, text forms and refusals. These are the cases of spec/tokens.md that one token
//! can show.

use secure_runtime_capabilities::*;

use crate::{operation, rights};

const NOW: Context<'static> = Context {
    now: 1_800_000_000,
    holders: &[],
    revocations: None,
};

/// Returns the compiled decision, after checking that it equals the oracle's.
fn allowed(token: &Token, text: &str, context: &Context<'_>) -> bool {
    let operation = operation(text);
    let decision = token.authority().decide(&operation, context).is_allowed();
    assert_eq!(
        oracle(token, &operation, context),
        Ok(decision),
        "{text} by {token:?}"
    );
    decision
}

/// TOK-6 to TOK-13 in both directions, TOK-25 and TOK-26: written blocks are read back, and `Debug` does not
/// show the token.
#[test]
fn tokens_round_trip_through_every_form() {
    let root = KeyPair::generate().unwrap();
    let block = Block {
        rights: Some(rights(&[
            "fs.read=./data/**",
            "fs.write=/var/out.txt",
            "net.connect=https://*.example.com",
            "net.connect=tcp://db:5432",
            "env.read=APP_*",
            "env.read=*",
            "clock=1ms",
            "random=true",
        ])),
        expires: Some(2_000_000_000),
        not_before: Some(1_700_000_000),
        holder: Some(Holder::Module([7; 32])),
        ..Block::default()
    };
    let token = Token::mint(&root, &block).unwrap();
    let later = [
        Block::default(),
        Block::of(Rights::none()),
        Block::of(rights(&[
            "env.read=*",
            "net.connect=https://*.example.com",
            "fs.read=/**",
        ])),
        Block {
            expires: Some(0),
            not_before: Some(MAX_TIME),
            ..Block::default()
        },
        Block {
            holder: Some(Holder::Key([0; 32])),
            ..Block::default()
        },
    ];
    let mut chain = token;
    for (count, block) in later.iter().enumerate() {
        chain = chain.attenuate(block).unwrap();
        let verified = Token::verify(chain.as_bytes(), &root.public()).unwrap();
        assert_eq!(verified.authority(), chain.authority());
        assert_eq!(verified.blocks().last(), Some(block));
        assert_eq!(verified.revocation_ids().len(), count + 2);
        let text = Token::parse_text(&chain.to_text(), &root.public()).unwrap();
        assert_eq!(text.as_bytes(), chain.as_bytes());
    }
    assert!(!format!("{chain:?}").contains(&hex::encode(chain.as_bytes())));
}

/// TOK-6
#[test]
fn sealed_tokens_are_closed() {
    let root = KeyPair::generate().unwrap();
    let token = Token::mint(&root, &Block::of(rights(&["random=true"])))
        .unwrap()
        .seal()
        .unwrap();
    assert!(token.is_sealed());
    assert_eq!(
        token.attenuate(&Block::default()).unwrap_err(),
        TokenError::Sealed
    );
    assert_eq!(token.seal().unwrap_err(), TokenError::Sealed);
    let verified = Token::verify(token.as_bytes(), &root.public()).unwrap();
    assert!(verified.is_sealed() && allowed(&verified, "random", &NOW));
}

/// TOK-18, TOK-20, TOK-21, TOK-24
#[test]
fn decisions_equal_the_oracles() {
    let root = KeyPair::generate().unwrap();
    let holder = Holder::Module([7; 32]);
    let token = Token::mint(
        &root,
        &Block::of(rights(&[
            "fs.read=./**",
            "net.connect=https://*.example.com",
            "clock=1ms",
            "random=true",
        ])),
    )
    .unwrap()
    .attenuate(&Block {
        rights: Some(rights(&[
            "fs.read=./data/**",
            "fs.write=/**",
            "net.connect=https://a.example.com",
            "clock=10ms",
        ])),
        expires: Some(2_000_000_000),
        holder: Some(holder),
        ..Block::default()
    })
    .unwrap();
    let with_holder = Context {
        holders: &[holder],
        ..NOW
    };
    for (text, expected) in [
        ("fs read data/a", true),
        ("fs read data", true),
        ("fs read data-secret/x", false),
        ("fs read data/../etc/passwd", false),
        ("fs read /etc/passwd", false),
        ("fs write data/a", false),
        ("net connect https://a.example.com", true),
        ("net connect https://b.example.com", false),
        ("net connect https://a.example.com:444", false),
        ("net connect https://example.com", false),
        ("net connect https://a.example.com.evil.com", false),
        ("clock 10ms", true),
        ("clock 1s", true),
        ("clock 1ms", false),
        ("random", false),
        ("env read PATH", false),
    ] {
        assert_eq!(allowed(&token, text, &with_holder), expected, "{text}");
        assert!(!allowed(&token, text, &NOW), "{text} without holder");
        let late = Context {
            now: 2_000_000_000,
            ..with_holder
        };
        assert!(!allowed(&token, text, &late), "{text} late");
    }
}
