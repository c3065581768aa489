//! Tokens made by peers: those in the profile are accepted with the same meaning, and all others are refused.

use secure_runtime_capabilities::*;

use crate::{
    accept, ids,
    peer::Peer,
    questions::{Count, MODULE, Question, auditor},
    rights, root, text,
};

/// Grants of every kind, in canonical order.
const GRANTS: &str = r#"
    grant("clock", "read", "exact", "10ms");
    grant("env", "read", "affix", "APP_", "");
    grant("fs", "read", "exact", "/srv/data");
    grant("fs", "read", "affix", "/srv/data/", "");
    grant("fs", "write", "affix", "/srv/", ".txt");
    grant("kv", "read", "affix", "user/", "");
    grant("net", "connect", "exact", "https://api.example.com:444");
    grant("net", "connect", "host", "tcp", "db.example.com", 5000, 5999);
    grant("net", "connect", "below", "https", ".example.com", 443, 443);
    grant("net", "connect", "network", "tcp", "4:00001010", 5432, 5432);
    grant("net", "connect", "network", "tcp", "6:11111101", 1, 65535);
    grant("store", "add", "exact", "blake3:0707070707070707070707070707070707070707070707070707070707070707");
    grant("store", "read", "affix", "", "");
"#;

/// The alternatives of TOK-10 and TOK-11 with rights, in canonical order.
const NARROW: &str = r#"check if operation("env", "read", $resource)
    or operation("fs", "read", "/srv/data/a.csv")
    or operation("fs", "read", $resource), $resource.starts_with("/srv/data/b/")
    or operation("fs", "write", $resource), $resource.ends_with(".txt")
    or endpoint("net", "connect", "tcp", "db.example.com", $address, $port), $port >= 5999, $port <= 6000
    or endpoint("net", "connect", "https", $host, $address, 443), $host.ends_with(".com")
    or endpoint("net", "connect", "tcp", $host, $address, 5432), $address.starts_with("4:000010")
    or endpoint("net", "connect", "tcp", $host, $address, $port), $address.starts_with("6:"), $port >= 5000, $port <= 5999
    or operation("random", "read", "os")
    or operation("store", "read", "blake3:0707070707070707070707070707070707070707070707070707070707070707");"#;

const FROM: &str = "check if time($time), $time >= 2026-01-01T00:00:00Z;";
const UNTIL: &str = "check if time($time), $time < 2027-01-01T00:00:00Z;";

/// The start of a third party's block. [`minted`] has the auditor sign blocks with this start.
const ATTESTED: &str = "attested(";

/// Returns blocks in the form of the specification, one list for each token.
fn tokens() -> Vec<Vec<String>> {
    let digits = "07".repeat(32);
    let module = format!(r#"check if holder("blake3:{digits}");"#);
    let key = format!(r#"check if holder("ed25519:{digits}");"#);
    let demand = format!(
        "check if holder($module), attested($module) trusting {};",
        auditor().public()
    );
    let attested = format!(
        r#"{ATTESTED}"blake3:{digits}"); attested("blake3:{}");"#,
        "09".repeat(32)
    );
    let everything = format!("{NARROW} {FROM} {UNTIL} {key} {demand}");
    let laters: [&[&str]; 13] = [
        &[],
        &[""],
        &["check if false"],
        &[NARROW],
        &[FROM],
        &[UNTIL],
        &[&module],
        &[&key],
        &[&demand],
        &[&attested],
        &[&demand, &attested],
        &[&attested, &everything],
        &[
            &attested, FROM, &demand, NARROW, &attested, &module, &demand, UNTIL,
        ],
    ];
    let mut tokens: Vec<Vec<String>> = laters
        .into_iter()
        .map(|later| {
            [&[GRANTS], later]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect()
        })
        .collect();
    tokens.push(vec![
        format!("{GRANTS} {FROM} {UNTIL} {module} {demand}"),
        attested,
    ]);
    tokens
}

/// Returns a token with these blocks, made entirely by a peer.
fn minted(peer: &mut Peer, blocks: &[String]) -> String {
    blocks[1..].iter().fold(peer.mint(&blocks[0]), |token, block| {
        if block.starts_with(ATTESTED) {
            peer.attest(&token, &auditor().to_secret_text(), block)
        } else {
            peer.attenuate(&token, block).unwrap()
        }
    })
}

/// TOK-8 to TOK-14, TOK-24
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn tokens_made_by_peers_are_decided_alike() {
    for mut peer in Peer::all() {
        let mut total = Count::default();
        for blocks in tokens() {
            let token = minted(&mut peer, &blocks);
            let ours = accept(&token).unwrap_or_else(|error| panic!("{}: {error}: {blocks:?}", peer.name));
            let theirs = peer.inspect(&token).unwrap();
            assert_eq!(ids(&ours), theirs.revocation_ids);
            let count = Count::ask(&ours, std::slice::from_mut(&mut peer), &Question::all());
            let demands = blocks.iter().any(|block| block.contains("trusting"));
            let attests = blocks.iter().any(|block| block.starts_with(ATTESTED));
            let allows_nothing =
                blocks.iter().any(|block| block == "check if false") || (demands && !attests);
            assert_eq!(count.allowed == 0, allows_nothing, "{blocks:?}");
            total.add(count);
        }
        total.report(&format!("tokens of {}", peer.name));
    }
}

/// TOK-16: Datalog outside the profile, in the authority block or in a later one.
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn datalog_outside_the_profile_is_refused_from_peers() {
    let form = ProfileError::Check { check: 0 };
    let fact = |name: &str| ProfileError::Fact {
        name: name.to_owned(),
    };
    let rows = [
        ("b($x, $y) <- a($x), a($y);", "", 0, ProfileError::Rule),
        (r#"right("/a", "read");"#, "", 0, fact("right")),
        (r#"operation("fs", "read", "/a");"#, "", 0, fact("operation")),
        ("time(2019-01-01T00:00:00Z);", "", 0, fact("time")),
        (r#"check if operation("fs", "read", "/a");"#, "", 0, form.clone()),
        (
            GRANTS,
            r#"grant("fs", "read", "affix", "/", "");"#,
            1,
            ProfileError::FactOutsideAuthority,
        ),
        (
            GRANTS,
            r#"grant("fs", "read", "exact", $r) <- operation("fs", "read", $r);"#,
            1,
            ProfileError::Rule,
        ),
        (GRANTS, "check if a($v), a($w), a($x), a($y);", 1, form.clone()),
        (
            GRANTS,
            r#"check if operation("fs", "read", $a), operation("fs", "read", $b), $a.starts_with("/srv/");"#,
            1,
            form.clone(),
        ),
        (
            GRANTS,
            r#"check if operation("fs", "read", $resource), $resource.matches("((a{50}){50}){50}");"#,
            1,
            form.clone(),
        ),
        (
            GRANTS,
            r#"check if operation("fs", "read", $resource), ["/a"].any($x -> $x == $resource);"#,
            1,
            form.clone(),
        ),
        (
            GRANTS,
            r#"check if operation("fs", "read", $resource), $resource.extern::test();"#,
            1,
            form.clone(),
        ),
        (
            GRANTS,
            r#"check all operation("fs", "read", $resource), $resource.starts_with("/");"#,
            1,
            ProfileError::CheckKind { check: 0 },
        ),
        (
            GRANTS,
            r#"reject if operation("fs", "read", "/a");"#,
            1,
            ProfileError::CheckKind { check: 0 },
        ),
        (
            GRANTS,
            r#"check if operation("fs", "read", "/a") trusting previous;"#,
            1,
            ProfileError::Trusting,
        ),
        (
            GRANTS,
            r#"check if operation("fs", "read", "/b") or operation("fs", "read", "/a");"#,
            1,
            ProfileError::NotCanonical,
        ),
        (
            r#"grant("net", "connect", "affix", "https://", "");"#,
            "",
            0,
            RightsError::Kind {
                family: FamilyName::NET,
                action: ActionName::CONNECT,
                kind: "affix",
            }
            .into(),
        ),
        (
            r#"grant("net", "connect", "host", "tcp", "DB.example.com", 1, 2);"#,
            "",
            0,
            fact("grant"),
        ),
        (
            r#"grant("net", "connect", "network", "tcp", "10.0.0.0/8", 1, 2);"#,
            "",
            0,
            fact("grant"),
        ),
        (
            r#"grant("net", "connect", "host", "tcp", "db.example.com", 5, 5);"#,
            "",
            0,
            ProfileError::NotCanonical,
        ),
        (
            GRANTS,
            r#"check if endpoint("net", "connect", "tcp", $host, $address, $port), $port < 1024;"#,
            1,
            form.clone(),
        ),
        (GRANTS, r#"check if attested("blake3:00");"#, 1, form.clone()),
        (
            GRANTS,
            "check if holder($module), attested($module);",
            1,
            form.clone(),
        ),
        (
            GRANTS,
            "check if holder($module), attested($module) trusting previous;",
            1,
            ProfileError::Trusting,
        ),
        (
            GRANTS,
            r#"check if false; attested("blake3:00");"#,
            1,
            ProfileError::FactOutsideAuthority,
        ),
        // Content that a third party's block must not have.
        (GRANTS, r#"attested("blake3:00");"#, 1, ProfileError::Attestation),
        (
            GRANTS,
            r#"attested("ed25519:0707070707070707070707070707070707070707070707070707070707070707");"#,
            1,
            ProfileError::Attestation,
        ),
        (
            GRANTS,
            r#"attested(1); grant("fs", "read", "affix", "/", "");"#,
            1,
            ProfileError::Attestation,
        ),
        (GRANTS, r#"attested("x") <- holder($x);"#, 1, ProfileError::Rule),
    ];
    for mut peer in Peer::all() {
        for (authority, later, block, problem) in &rows {
            let blocks = [*authority, *later].map(str::to_owned);
            let expected = TokenError::Profile {
                block: *block,
                problem: problem.clone(),
            };
            assert_eq!(
                accept(&minted(&mut peer, &blocks)).unwrap_err(),
                expected,
                "{}: {blocks:?}",
                peer.name
            );
        }
    }
}

/// TOK-2: peers can sign with secp256r1. Anyone can change such a signature into another valid one.
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn secp256r1_is_refused_from_peers() {
    let secret = format!("secp256r1-private/{}", "07".repeat(32));
    for mut peer in Peer::all() {
        let token = peer.mint_with(&secret, GRANTS);
        assert_eq!(
            accept(&token).unwrap_err(),
            TokenError::Signature,
            "{}",
            peer.name
        );
        let token = peer.mint(GRANTS);
        let token = peer.attest(&token, &secret, &format!("attested(\"{MODULE}\")"));
        assert_eq!(
            accept(&token).unwrap_err(),
            TokenError::Algorithm { block: 1 },
            "{}",
            peer.name
        );
    }
}

/// TOK-22: a token passes from one implementation to the next, and has the same meaning in all of them at
/// every step.
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn a_chain_through_three_engines_means_one_thing() {
    let mut peers = Peer::all();
    let mut total = Count::default();
    let mut allowed = Vec::new();
    let mut check = |token: &Token, peers: &mut [Peer]| {
        let count = Count::ask(token, peers, &Question::all());
        allowed.push(count.allowed);
        total.add(count);
    };

    let token = Token::mint(
        &root(),
        &Block::of(rights(&[
            "fs.read=/srv/**",
            "fs.write=/srv/**",
            "env.read=*",
            "clock=1us",
            "random=true",
        ])),
    )
    .unwrap();
    check(&token, &mut peers);

    let token = peers[0].attenuate(&token.to_text(), UNTIL).unwrap();
    let token = accept(&token).unwrap();
    check(&token, &mut peers);

    let token = token
        .attenuate(&Block::of(rights(&[
            "fs.read=/srv/data/**",
            "fs.write=/srv/**",
            "env.read=APP_*",
        ])))
        .unwrap();
    check(&token, &mut peers);

    let token = peers[1].attenuate(&token.to_text(), FROM).unwrap();
    let token = accept(&token).unwrap();
    check(&token, &mut peers);

    let token = token.attenuate(&Block::bound_to(MODULE)).unwrap();
    let token = accept(&token.to_text()).unwrap();
    check(&token, &mut peers);

    assert!(
        allowed.windows(2).all(|pair| pair[0] > pair[1]),
        "each step narrows: {allowed:?}"
    );
    for peer in &mut peers {
        let blocks = peer.inspect(&token.to_text()).unwrap().blocks;
        assert_eq!(blocks[0], text::authority(&token.blocks()[0]));
        let later: Vec<String> = token.blocks()[1..].iter().map(text::later).collect();
        assert_eq!(blocks[1..], later);
    }
    total.report("a chain through three engines");
}
