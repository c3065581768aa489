//! Hostile tokens: foreign Datalog, changed bytes, other keys. Each is refused with an error that names the
//! reason, before anything is evaluated.

use biscuit_auth::{
    Algorithm, AuthorizerBuilder, Biscuit, BiscuitBuilder, BlockBuilder,
    builder::{Fact, Term, fact, string},
    format::schema,
};
use prost::Message;
use secure_runtime_capabilities::*;

use crate::{operation, rights};

const SECRET: [u8; 32] = [9; 32];

fn root() -> KeyPair {
    KeyPair::from_secret(&SECRET).unwrap()
}

fn library_root() -> biscuit_auth::KeyPair {
    biscuit_auth::KeyPair::from(&biscuit_auth::PrivateKey::from_bytes(&SECRET, Algorithm::Ed25519).unwrap())
}

/// Returns a token with this Datalog, made by the library without our writer.
fn foreign(authority: &str, later: &[&str]) -> Biscuit {
    let mut token = BiscuitBuilder::new()
        .code(authority)
        .unwrap()
        .build(&library_root())
        .unwrap();
    for code in later {
        token = token.append(BlockBuilder::new().code(code).unwrap()).unwrap();
    }
    token
}

fn verify(token: &Biscuit) -> Result<Token, TokenError> {
    Token::verify(&token.to_vec().unwrap(), &root().public())
}

fn genuine() -> Token {
    Token::mint(&root(), &Block::of(rights(&["fs.read=./**", "clock=1ms"])))
        .unwrap()
        .attenuate(&Block {
            expires: Some(2_000_000_000),
            ..Block::of(rights(&["fs.read=./data/**"]))
        })
        .unwrap()
        .attenuate(&Block {
            holder: Some(Holder::Module([7; 32])),
            ..Block::default()
        })
        .unwrap()
}

fn problem(token: &Biscuit) -> (usize, ProfileError) {
    match verify(token).unwrap_err() {
        TokenError::Profile { block, problem } => (block, problem),
        other => panic!("{other}"),
    }
}

/// The Datalog of a token in the profile, in the syntax that other tools use (TOK-8 to TOK-14).
const GRANT: &str = r#"grant("fs", "read", "exact", "/data"); grant("fs", "read", "affix", "/data/", "")"#;

/// TOK-8, TOK-10, TOK-11, TOK-12, TOK-13: the text of the specification.
#[test]
fn datalog_of_the_profile_is_accepted_from_other_tools() {
    let token = foreign(
        &format!("{GRANT}; check if time($time), $time >= 2020-01-01T00:00:00Z;"),
        &[
            r#"check if operation("fs", "read", $resource), $resource.ends_with(".csv") or operation("fs", "read", $resource), $resource.starts_with("/data/a/");
               check if time($time), $time < 2033-05-18T03:33:20Z;"#,
            "check if false",
            &format!(r#"check if holder("blake3:{}")"#, "07".repeat(32)),
        ],
    );
    let token = verify(&token).unwrap();
    let affix = |prefix: &str, suffix: &str| Right {
        family: FamilyName::FS,
        action: ActionName::READ,
        pattern: Pattern::affix(prefix, suffix),
    };
    assert_eq!(
        token.blocks()[1],
        Block {
            expires: Some(2_000_000_000),
            ..Block::of(Rights::new([affix("", ".csv"), affix("/data/a/", "")]).unwrap())
        }
    );
    assert_eq!(token.blocks()[2], Block::of(Rights::none()));
    assert_eq!(token.blocks()[3].holder, Some(Holder::Module([7; 32])));
    assert_eq!(token.blocks()[0].not_before, Some(1_577_836_800));
}

/// TOK-7, TOK-8, TOK-16: content that is refused in an authority block.
#[test]
fn authority_blocks_hold_only_grants_and_their_own_limits() {
    let fact = |name: &str| ProfileError::Fact {
        name: name.to_owned(),
    };
    for (code, expected) in [
        // Facts that would permanently satisfy the token's own checks.
        ("time(2019-01-01T00:00:00Z)", fact("time")),
        (r#"operation("fs", "read", "/etc/passwd")"#, fact("operation")),
        (r#"holder("blake3:00")"#, fact("holder")),
        (r#"right("fs", "/", "read")"#, fact("right")),
        (r#"grant("fs", "read", "/")"#, fact("grant")),
        (r#"grant("fs", "read", "prefix", "/")"#, fact("grant")),
        (r#"grant("fs", "read", "exact", 1)"#, fact("grant")),
        (r#"grant("FS", "read", "exact", "/")"#, fact("grant")),
        (r#"grant("fs", "read", "exact", "/", "")"#, fact("grant")),
        ("b($x, $y, $z) <- a($x), a($y), a($z)", ProfileError::Rule),
        (
            "check all time($time), $time < 2033-05-18T03:33:20Z",
            ProfileError::CheckKind { check: 0 },
        ),
        (
            "reject if time($time), $time < 2033-05-18T03:33:20Z",
            ProfileError::CheckKind { check: 0 },
        ),
        ("check if true", ProfileError::Check { check: 0 }),
        ("check if false", ProfileError::Check { check: 0 }),
        (
            r#"check if operation("fs", "read", "/")"#,
            ProfileError::Check { check: 0 },
        ),
        (
            "check if time($time), $time <= 2033-05-18T03:33:20Z",
            ProfileError::Check { check: 0 },
        ),
        (
            "check if time($time), $time < 2033-05-18T03:33:20Z trusting previous",
            ProfileError::Trusting,
        ),
        (r#"check if holder("nobody")"#, ProfileError::Check { check: 0 }),
        ("check if holder($holder)", ProfileError::Check { check: 0 }),
    ] {
        assert_eq!(problem(&foreign(code, &[])), (0, expected), "{code}");
    }
}

/// TOK-9, TOK-10, TOK-14, TOK-16: content that is refused in a later block. Most of it makes the library
/// slow, or makes its answer depend on chance. Some would widen a token in a careless authorizer.
#[test]
fn later_blocks_hold_only_the_profiles_checks() {
    let form = ProfileError::Check { check: 0 };
    let outside = ProfileError::FactOutsideAuthority;
    let trusting = |body: &str| format!("check if {body} trusting {}", root().public());
    let regex_bomb = r#"check if operation("fs", "read", $resource), $resource.matches("((a{50}){50}){50}")"#;
    for (code, expected) in [
        (r#"grant("fs", "read", "affix", "/", "")"#, outside.clone()),
        ("time(2019-01-01T00:00:00Z)", outside.clone()),
        (
            r#"a(0); a(9223372036854775807); check if a($x), $x + 1 > 0"#,
            outside.clone(),
        ),
        (
            r#"grant("fs", "read", "exact", $r) <- operation("fs", "read", $r)"#,
            ProfileError::Rule,
        ),
        ("b($x, $y, $z) <- a($x), a($y), a($z)", ProfileError::Rule),
        ("check if a($w), a($x), a($y), a($z)", form.clone()),
        // Demands of an attestation in another form than the writer's.
        (&trusting("attested($module)"), ProfileError::Trusting),
        (&trusting("holder($module)"), ProfileError::Trusting),
        (
            &trusting("attested($module), holder($module)"),
            ProfileError::Trusting,
        ),
        (
            &trusting(r#"holder($module), attested($module), $module == "blake3:00""#),
            ProfileError::Trusting,
        ),
        (
            r#"check if operation("fs", "read", $a), operation("fs", "read", $b), $a.starts_with("/data/")"#,
            form.clone(),
        ),
        (r#"check if operation($family, "read", $resource)"#, form.clone()),
        (r#"check if operation("fs", "read")"#, form.clone()),
        (r#"check if operation("fs", "read", 1)"#, form.clone()),
        (
            r#"check if operation("fs", "read", $r), $r.starts_with("/data/")"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource == "/data/a""#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource === "/data/a""#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource == 1"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), !$resource.starts_with("/secret/")"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource.starts_with("/a") || true"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource.length() > 0"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), ["/a"].contains($resource)"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource.extern::test()"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), ["/a"].any($x -> $x == $resource)"#,
            form.clone(),
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource.ends_with(".csv"), $resource.starts_with("/a")"#,
            ProfileError::NotCanonical,
        ),
        (
            r#"check if operation("fs", "read", $resource), $resource.starts_with("/a"), $resource.starts_with("/b")"#,
            ProfileError::NotCanonical,
        ),
        (r#"check if operation("fs", "read", "/a") or true"#, form.clone()),
        (r#"check if operation("fs", "read", "/a") or false"#, form.clone()),
        ("check if true", form.clone()),
        ("check if 1 + 9223372036854775807 > 0", form.clone()),
        ("check if false or false", form.clone()),
        (
            "check if time($time), $time < 2033-05-18T03:33:20Z or true",
            form.clone(),
        ),
        ("check if time($time), $time < 5", form.clone()),
        (regex_bomb, form.clone()),
        (
            r#"check all operation("fs", "read", "/a")"#,
            ProfileError::CheckKind { check: 0 },
        ),
        (
            r#"reject if operation("fs", "read", "/a")"#,
            ProfileError::CheckKind { check: 0 },
        ),
        (
            r#"check if operation("fs", "read", "/a") trusting previous"#,
            ProfileError::Trusting,
        ),
        (
            "check if time($time), $time < 2033-05-18T03:33:20Z; check if time($time), $time < 2030-01-01T00:00:00Z",
            ProfileError::Repeated { check: 1 },
        ),
        (
            r#"check if operation("fs", "read", "/a"); check if operation("fs", "read", "/a")"#,
            ProfileError::Repeated { check: 1 },
        ),
        // The same meaning in another spelling.
        (
            r#"check if operation("fs", "read", "/b") or operation("fs", "read", "/a")"#,
            ProfileError::NotCanonical,
        ),
        (
            r#"check if operation("fs", "read", "/a") or operation("fs", "read", "/a")"#,
            ProfileError::NotCanonical,
        ),
        (
            r#"check if operation("fs", "read", "/a/b") or operation("fs", "read", $resource), $resource.starts_with("/a/")"#,
            ProfileError::NotCanonical,
        ),
        (
            r#"check if time($time), $time < 2033-05-18T03:33:20Z; check if operation("fs", "read", "/a")"#,
            ProfileError::NotCanonical,
        ),
        ("check if time($t), $t < 2033-05-18T03:33:20Z", form),
    ] {
        assert_eq!(
            problem(&foreign(GRANT, &["check if false", code])),
            (2, expected),
            "{code}"
        );
    }
}

/// TOK-7
#[test]
fn contexts_and_scopes_of_blocks_are_refused() {
    let append = |block| foreign(GRANT, &[]).append(block).unwrap();
    let token = append(BlockBuilder::new().context("note".to_owned()));
    assert_eq!(problem(&token), (1, ProfileError::Context));
    let token = append(BlockBuilder::new().scope(biscuit_auth::builder::Scope::Previous));
    assert_eq!(problem(&token), (1, ProfileError::Trusting));
}

/// TOK-12: a date that no Datalog text can represent.
#[test]
fn times_after_the_year_9999_are_refused() {
    let late = Fact::new(
        "grant".to_owned(),
        vec![string("fs"), string("read"), string("exact"), string("/")],
    );
    let mut builder = BlockBuilder::new().fact(late).unwrap();
    builder.checks = BlockBuilder::new()
        .code("check if time($time), $time < 2033-05-18T03:33:20Z")
        .unwrap()
        .checks;
    builder.checks[0].queries[0].expressions[0].ops[1] =
        biscuit_auth::builder::Op::Value(Term::Date(MAX_TIME + 1));
    let token = BiscuitBuilder::new()
        .merge(builder)
        .build(&library_root())
        .unwrap();
    assert_eq!(
        verify(&token).unwrap_err(),
        TokenError::Block(BlockError::TimeOutOfRange {
            seconds: MAX_TIME + 1
        })
    );
}

/// TOK-1: large input is refused before signatures are verified and anything is evaluated.
#[test]
fn large_tokens_are_refused_by_size() {
    let mut builder = BiscuitBuilder::new();
    for number in 0..20_000 {
        builder = builder.fact(fact("a", &[Term::Integer(number)])).unwrap();
    }
    let token = builder.build(&library_root()).unwrap();
    assert!(matches!(verify(&token), Err(TokenError::TooLarge { size }) if size > MAX_TOKEN));

    // A text that is too large is not decoded, whether or not it is the text of a token.
    for text in ["A".repeat(MAX_TOKEN * 2), "!".repeat(MAX_TOKEN * 2)] {
        assert_eq!(
            Token::parse_text(&text, &root().public()).unwrap_err(),
            TokenError::TooLarge {
                size: MAX_TOKEN / 2 * 3
            }
        );
    }

    let many = vec!["check if false"; MAX_BLOCKS];
    assert_eq!(
        verify(&foreign(GRANT, &many)).unwrap_err(),
        TokenError::TooManyBlocks {
            count: MAX_BLOCKS + 1
        }
    );
    assert!(verify(&foreign(GRANT, &many[1..])).is_ok());

    let long = Rights::new((0..400).map(|number| Right {
        family: FamilyName::FS,
        action: ActionName::READ,
        pattern: Pattern::exact(format!("/srv/a-rather-long-name-to-fill-the-token/{number}")),
    }));
    assert_eq!(
        Token::mint(&root(), &Block::of(long.unwrap()))
            .unwrap_err()
            .name(),
        "TooLarge"
    );
}

/// TOK-4: every changed bit and every shorter length is refused.
#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    let token = genuine();
    let bytes = token.as_bytes();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[position] ^= 1 << bit;
            assert!(
                Token::verify(&changed, &root().public()).is_err(),
                "byte {position} bit {bit}"
            );
        }
        assert!(
            Token::verify(&bytes[..position], &root().public()).is_err(),
            "cut at {position}"
        );
    }
    let longer = [bytes, &[0]].concat();
    assert!(Token::verify(&longer, &root().public()).is_err());
}

fn outer(token: &Token) -> schema::Biscuit {
    schema::Biscuit::decode(token.as_bytes()).unwrap()
}

fn refused(outer: &schema::Biscuit) -> TokenError {
    Token::verify(&outer.encode_to_vec(), &root().public()).unwrap_err()
}

/// TOK-3, TOK-4: the envelope.
#[test]
fn changed_envelopes_are_refused() {
    let token = genuine();
    let fresh = || outer(&token);

    let other = KeyPair::generate().unwrap().public();
    assert_eq!(
        Token::verify(token.as_bytes(), &other).unwrap_err(),
        TokenError::Signature
    );

    let mut reordered = fresh();
    reordered.blocks.swap(0, 1);
    assert_eq!(refused(&reordered), TokenError::Signature);

    let mut removed = fresh();
    removed.blocks.remove(0);
    assert_eq!(refused(&removed), TokenError::Signature);

    let mut cut = fresh();
    cut.blocks.pop();
    assert_eq!(
        refused(&cut),
        TokenError::Signature,
        "the proof is of the block that was cut off"
    );

    let mut short = fresh();
    short.authority.signature.pop();
    assert!(matches!(
        refused(&short),
        TokenError::Signature | TokenError::Malformed { .. }
    ));

    let mut random = fresh();
    random.blocks[0].block = vec![0xff; 40];
    assert!(matches!(
        refused(&random),
        TokenError::Signature | TokenError::Malformed { .. }
    ));

    let mut numbered = fresh();
    numbered.root_key_id = Some(7);
    assert_eq!(refused(&numbered), TokenError::RootKeyNumber);

    let mut versioned = fresh();
    versioned.blocks[0].version = Some(0);
    assert_eq!(refused(&versioned), TokenError::NotCanonical);

    // The library accepts an unknown field, number 15, at the end.
    let extended = [token.as_bytes(), &[0x7a, 1, 0]].concat();
    assert!(Biscuit::from(&extended, library_root().public()).is_ok());
    assert_eq!(
        Token::verify(&extended, &root().public()).unwrap_err(),
        TokenError::NotCanonical
    );

    // A scalar that is larger by the group's order is another encoding of the same signature.
    let mut malleated = fresh();
    add_group_order(&mut malleated.blocks[1].signature[32..]);
    assert_eq!(refused(&malleated), TokenError::Signature);

    // With the parent's own proof, the result is the parent. Anyone who has that proof already has the
    // parent.
    let parent = Token::mint(&root(), &Block::default()).unwrap();
    assert_eq!(
        parent.attenuate(&Block::default()).unwrap().revocation_ids()[0],
        parent.revocation_ids()[0]
    );
}

/// Adds the order of the group to a little-endian scalar.
fn add_group_order(scalar: &mut [u8]) {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (byte, addend) in scalar.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(addend) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
}

/// TOK-2: only Ed25519 is accepted. Anyone can change a P-256 signature into another valid one, and thus the
/// identifier.
#[test]
fn other_algorithms_are_refused() {
    let p256 = || biscuit_auth::KeyPair::new_with_algorithm(Algorithm::Secp256r1);
    let by_root = BiscuitBuilder::new().code(GRANT).unwrap().build(&p256()).unwrap();
    assert_eq!(verify(&by_root).unwrap_err(), TokenError::Signature);
    let next = BiscuitBuilder::new()
        .code(GRANT)
        .unwrap()
        .build_with_key_pair(
            &library_root(),
            biscuit_auth::datalog::SymbolTable::new(),
            &p256(),
        )
        .unwrap();
    assert_eq!(verify(&next).unwrap_err(), TokenError::Algorithm { block: 0 });
    let later = foreign(GRANT, &[])
        .append_with_keypair(&p256(), BlockBuilder::new())
        .unwrap();
    assert_eq!(verify(&later).unwrap_err(), TokenError::Algorithm { block: 1 });
}

/// TOK-33: third-party blocks with content other than attestations, and one in place of the authority block.
#[test]
fn third_party_blocks_are_refused() {
    let token = foreign(GRANT, &[]);
    let external = biscuit_auth::KeyPair::new();
    let block = token
        .third_party_request()
        .unwrap()
        .create_block(
            &external.private(),
            BlockBuilder::new().code("check if false").unwrap(),
        )
        .unwrap();
    let token = token.append_third_party(external.public(), block).unwrap();
    assert_eq!(problem(&token), (1, ProfileError::Attestation));
    let mut moved = schema::Biscuit::decode(token.to_vec().unwrap().as_slice()).unwrap();
    moved.authority.external_signature = moved.blocks[0].external_signature.take();
    assert_eq!(refused(&moved), TokenError::ThirdParty);
}

/// TOK-4: snapshots have no signature.
#[test]
fn other_files_are_no_tokens() {
    let snapshot = AuthorizerBuilder::new()
        .code(r#"operation("fs", "read", "/"); allow if true"#)
        .unwrap()
        .build(&foreign(GRANT, &[]))
        .unwrap()
        .to_raw_snapshot()
        .unwrap();
    for bytes in [snapshot.as_slice(), b"", b"\0", b"{}", b"\x7fELF", &[0xff; 300]] {
        let error = Token::verify(bytes, &root().public()).unwrap_err();
        assert!(matches!(error, TokenError::Malformed { .. }), "{error}");
    }
}

/// TOK-5: there is one text form.
#[test]
fn other_text_forms_are_refused_with_a_hint() {
    // A token whose Base64 has padding and both characters that differ between the alphabets.
    let (token, text) = (1..200)
        .map(|length| rights(&[&format!("fs.read=/{}", "a".repeat(length))]))
        .map(|rights| Token::mint(&root(), &Block::of(rights)).unwrap())
        .map(|token| (token.clone(), token.to_text().to_string()))
        .find(|(_, text)| text.ends_with('=') && text.contains('-') && text.contains('_'))
        .unwrap();
    let parse = |text: &str| Token::parse_text(text, &root().public());
    assert_eq!(parse(&text).unwrap().as_bytes(), token.as_bytes());
    let unpadded = text.trim_end_matches('=').to_owned();
    for other in [
        text.replace('-', "+"),
        text.replace('_', "/"),
        format!("biscuit:{text}"),
        format!("{text}\n"),
        format!(" {text}"),
        unpadded.clone(),
        format!("{text}===="),
        format!("{text}A"),
        text.replacen('A', "*", 1),
        hex::encode(token.as_bytes()),
        String::new(),
    ] {
        let error = parse(&other).unwrap_err();
        assert!(
            matches!(error, TokenError::Text { .. } | TokenError::Malformed { .. }),
            "{other}: {error}"
        );
    }
    // Sets unused bits of the last character.
    let mut bits = unpadded.into_bytes();
    let last = bits.last_mut().unwrap();
    *last += 1;
    let changed = String::from_utf8(bits).unwrap() + if text.ends_with("==") { "==" } else { "=" };
    assert!(
        matches!(parse(&changed), Err(TokenError::Text { .. })),
        "{changed}"
    );
}

/// TOK-19: a rename is two questions. A single authorizer with both operations would pass if either matched.
#[test]
fn two_operations_are_two_decisions() {
    let token = genuine();
    let context = Context {
        holders: &[Holder::Module([7; 32])],
        ..Context::at(1_900_000_000)
    };
    let decide = |text: &str| token.authority().decide(&operation(text), &context).is_allowed();
    assert!(decide("fs read data/a") && !decide("fs read /etc/passwd") && !decide("fs write data/a"));
}
