//! Revocation: signed lists, their effect, and decisions without a current list.

use secure_runtime_capabilities::*;

use crate::{operation, rights};

const NOW: u64 = 1_800_000_000;

fn issuer() -> KeyPair {
    KeyPair::from_secret(&[4; 32]).unwrap()
}

fn token() -> Token {
    Token::mint(
        &KeyPair::generate().unwrap(),
        &Block::of(rights(&["random=true"])),
    )
    .unwrap()
    .attenuate(&Block::default())
    .unwrap()
}

fn list(sequence: u64, ids: &[RevocationId]) -> Vec<u8> {
    RevocationList::new(sequence, NOW, NOW + 60, ids.iter().copied())
        .unwrap()
        .sign(&issuer())
        .unwrap()
}

fn decide(authority: &Authority, revocations: &Revocations, now: u64) -> Decision {
    let context = Context {
        revocations: Some(revocations),
        ..Context::at(now)
    };
    authority.decide(&operation("random"), &context)
}

fn revoked(block: usize) -> Decision {
    Decision::Denied(Denial {
        block,
        reason: Reason::Revoked,
    })
}

/// TOK-25, TOK-40: the identifier of any block revokes the token and all tokens narrowed from it, from the
/// next decision on.
#[test]
fn a_revoked_block_stops_all_that_follows_it() {
    for block in 0..2 {
        let (token, bystander) = (token(), token());
        let narrower = token.attenuate(&Block::default()).unwrap();
        let again = Token::verify(token.as_bytes(), token.root()).unwrap();
        let revocations = Revocations::new(issuer().public());
        assert_eq!(revocations.update(&list(1, &[])), Ok(true));
        let all = [&token, &narrower, &again, &bystander].map(|token| token.authority().clone());
        for authority in &all {
            assert_eq!(decide(authority, &revocations, NOW), Decision::Allowed);
        }
        assert_eq!(
            revocations.update(&list(2, &[token.revocation_ids()[block]])),
            Ok(true)
        );
        for authority in &all[..3] {
            assert_eq!(decide(authority, &revocations, NOW), revoked(block));
            assert_eq!(
                decide(authority, &revocations, NOW),
                revoked(block),
                "asked again"
            );
        }
        assert_eq!(decide(&all[3], &revocations, NOW), Decision::Allowed);
        // Without a list, the token is not known to be revoked. The verifier decides whether it needs one.
        assert!(
            all[0]
                .decide(&operation("random"), &Context::at(NOW))
                .is_allowed()
        );
    }
}

/// TOK-40: two programs share a token and have different lists. The result for one list is not used for the
/// other.
#[test]
fn results_of_one_list_are_not_used_for_another() {
    let token = token();
    let lists = [
        Revocations::new(issuer().public()),
        Revocations::new(issuer().public()),
    ];
    lists[0].update(&list(1, &[])).unwrap();
    lists[1].update(&list(1, &[token.id()])).unwrap();
    for _ in 0..3 {
        assert_eq!(decide(token.authority(), &lists[0], NOW), Decision::Allowed);
        assert_eq!(decide(token.authority(), &lists[1], NOW), revoked(1));
    }
}

/// TOK-40: another thread respects the revocation at its next decision.
#[test]
fn revocation_reaches_other_threads() {
    let token = token();
    let revocations = Revocations::new(issuer().public());
    revocations.update(&list(1, &[])).unwrap();
    let (asked, was_asked) = std::sync::mpsc::channel();
    let (told, was_told) = std::sync::mpsc::channel();
    let other = std::thread::spawn({
        let (authority, revocations) = (token.authority().clone(), revocations.clone());
        move || {
            asked.send(decide(&authority, &revocations, NOW)).unwrap();
            was_told.recv().unwrap();
            decide(&authority, &revocations, NOW)
        }
    });
    assert_eq!(was_asked.recv(), Ok(Decision::Allowed));
    revocations.update(&list(2, &[token.id()])).unwrap();
    told.send(()).unwrap();
    assert_eq!(other.join().unwrap(), revoked(1));
}

/// A program can revoke a capability that it delegated, without a list. This revokes the last block.
#[test]
fn a_revoker_revokes_derived_tokens_and_no_earlier_ones() {
    let kept = token();
    let given = kept.attenuate(&Block::default()).unwrap();
    let narrower = given.attenuate(&Block::default()).unwrap();
    let decide = |token: &Token| token.authority().decide(&operation("random"), &Context::at(NOW));
    let revoker = given.authority().revoker().unwrap();
    assert!(format!("{revoker:?}").contains("is_revoked: false"));
    assert!(
        [&kept, &given, &narrower]
            .iter()
            .all(|token| decide(token).is_allowed())
    );
    revoker.revoke();
    assert!(format!("{:?}", revoker.clone()).contains("is_revoked: true"));
    assert_ne!(given.authority(), kept.authority(), "another number of blocks");
    assert_eq!(
        given.authority(),
        kept.attenuate(&Block::default()).unwrap().authority()
    );
    assert_eq!(decide(&given), revoked(2));
    assert_eq!(decide(&narrower), revoked(2));
    assert_eq!(decide(&kept), Decision::Allowed);
    assert_eq!(decide(&given.attenuate(&Block::default()).unwrap()), revoked(2));
}

/// TOK-43: if the list is stale or missing, nothing is allowed, and the denial gives that reason.
#[test]
fn without_a_current_list_nothing_is_allowed() {
    let token = token();
    let revocations = Revocations::new(issuer().public());
    let stale = |since| {
        Decision::Denied(Denial {
            block: 0,
            reason: Reason::StaleRevocations { since },
        })
    };
    assert_eq!(decide(token.authority(), &revocations, NOW), stale(0));
    revocations.update(&list(1, &[])).unwrap();
    assert_eq!(
        decide(token.authority(), &revocations, NOW + 59),
        Decision::Allowed
    );
    assert_eq!(decide(token.authority(), &revocations, NOW + 60), stale(NOW + 60));
    let renewed = RevocationList::new(2, NOW + 60, NOW + 120, [])
        .unwrap()
        .sign(&issuer())
        .unwrap();
    revocations.update(&renewed).unwrap();
    assert_eq!(
        decide(token.authority(), &revocations, NOW + 60),
        Decision::Allowed
    );
}

/// A lapse is a reason to refuse every operation, whatever the grants.
#[test]
fn a_lapse_is_every_reason_except_a_missing_grant() {
    let token = token()
        .attenuate(&Block {
            expires: Some(NOW + 10),
            ..Block::of(Rights::none())
        })
        .unwrap();
    let revocations = Revocations::new(issuer().public());
    let lapse = |now| {
        let context = Context {
            revocations: Some(&revocations),
            ..Context::at(now)
        };
        token
            .authority()
            .lapse(&context)
            .map(|denial| (denial.block, denial.reason))
    };
    assert_eq!(lapse(NOW), Some((0, Reason::StaleRevocations { since: 0 })));
    revocations.update(&list(1, &[])).unwrap();
    assert_eq!(lapse(NOW), None);
    assert!(
        !decide(token.authority(), &revocations, NOW).is_allowed(),
        "there is no grant"
    );
    assert_eq!(lapse(NOW + 10), Some((2, Reason::Expired { at: NOW + 10 })));
    revocations
        .update(&list(2, &[token.revocation_ids()[1]]))
        .unwrap();
    assert_eq!(lapse(NOW + 10), Some((1, Reason::Revoked)));
}

/// TOK-42: neither an older list nor another list with the same number replaces the current one.
#[test]
fn lists_only_go_forward() {
    let token = token();
    let revocations = Revocations::new(issuer().public());
    let newest = list(5, &[token.id()]);
    assert_eq!(revocations.update(&newest), Ok(true));
    assert_eq!(revocations.update(&newest), Ok(false));
    assert_eq!(
        revocations.update(&list(4, &[])),
        Err(RevocationError::RolledBack { sequence: 4, seen: 5 })
    );
    assert_eq!(
        revocations.update(&list(5, &[])),
        Err(RevocationError::Forked { sequence: 5 })
    );
    assert_eq!(decide(token.authority(), &revocations, NOW), revoked(1));
    assert_eq!(revocations.list().unwrap().sequence, 5);
    // A newer list can restore a block that was revoked by mistake.
    assert_eq!(revocations.update(&list(6, &[])), Ok(true));
    assert_eq!(decide(token.authority(), &revocations, NOW), Decision::Allowed);
}

/// TOK-41: the list has the canonical encoding of RFC 9052.
#[test]
fn lists_are_cose_messages() {
    use ed25519_dalek::Signer as _;
    let id = RevocationId::from_bytes([0xab; 64]);
    let payload = [
        &[
            0xa4, 0x01, 0x07, 0x02, 0x18, 100, 0x03, 0x18, 200, 0x04, 0x81, 0x58, 64,
        ][..],
        &[0xab; 64],
    ]
    .concat();
    let mut signed = vec![0x84, 0x6a];
    signed.extend(b"Signature1\x43\xa1\x01\x27\x58\x20secure-runtime revocation list 1\x58\x4d");
    signed.extend(&payload);
    let signature = ed25519_dalek::SigningKey::from_bytes(&[4; 32])
        .sign(&signed)
        .to_bytes();
    let message = [
        &[0xd2, 0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0, 0x58, 0x4d][..],
        &payload,
        &[0x58, 64],
        &signature,
    ]
    .concat();
    let expected = RevocationList::new(7, 100, 200, [id]).unwrap();
    assert_eq!(
        RevocationList::verify(&message, &issuer().public()),
        Ok(expected.clone())
    );
    assert_eq!(expected.sign(&issuer()).unwrap(), message);
    assert!(expected.contains(&id) && !expected.contains(&RevocationId::from_bytes([0; 64])));
    assert_eq!(id.to_string().parse(), Ok(id));
}

/// TOK-41: all other bytes are refused, and the current list stays.
#[test]
fn other_bytes_are_refused() {
    let good = list(
        1,
        &[
            RevocationId::from_bytes([1; 64]),
            RevocationId::from_bytes([2; 64]),
        ],
    );
    let key = issuer().public();
    assert!(RevocationList::verify(&good, &key).is_ok());
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut changed = good.clone();
            changed[position] ^= 1 << bit;
            assert!(
                RevocationList::verify(&changed, &key).is_err(),
                "{position} {bit}"
            );
        }
        assert!(
            RevocationList::verify(&good[..position], &key).is_err(),
            "cut at {position}"
        );
    }
    assert!(RevocationList::verify(&[&good[..], &[0]].concat(), &key).is_err());
    let other = KeyPair::generate().unwrap().public();
    assert_eq!(
        RevocationList::verify(&good, &other),
        Err(RevocationError::Signature { key: other })
    );
    let size = MAX_REVOCATION_LIST + 1;
    assert_eq!(
        RevocationList::verify(&vec![0; size], &key),
        Err(RevocationError::TooLarge { size })
    );
    assert_eq!(RevocationList::new(1, 5, 5, []), Err(RevocationError::Times));
}

/// TOK-41: four mebibytes hold more than sixty thousand blocks.
#[test]
fn lists_have_a_largest_size() {
    let ids = |count: u32| {
        (0..count).map(|number| {
            let mut bytes = [0; 64];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            RevocationId::from_bytes(bytes)
        })
    };
    let sign = |count| {
        RevocationList::new(1, NOW, NOW + 60, ids(count))
            .unwrap()
            .sign(&issuer())
    };
    let large = sign(63_000).unwrap();
    let read = RevocationList::verify(&large, &issuer().public()).unwrap();
    assert!(ids(63_000).all(|id| read.contains(&id)));
    assert!(matches!(sign(64_000), Err(RevocationError::TooLarge { size }) if size > MAX_REVOCATION_LIST));
}

/// TOK-41: validly signed lists that are not in deterministic CBOR, or have additional content.
#[test]
fn signed_but_not_canonical_lists_are_refused() {
    use ed25519_dalek::Signer as _;
    let sign = |payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        let mut signed = vec![0x84, 0x6a];
        signed.extend(b"Signature1\x43\xa1\x01\x27\x58\x20secure-runtime revocation list 1");
        let header = if length < 24 {
            vec![0x40 | length]
        } else {
            vec![0x58, length]
        };
        signed.extend(&header);
        signed.extend(payload);
        let signature = ed25519_dalek::SigningKey::from_bytes(&[4; 32])
            .sign(&signed)
            .to_bytes();
        [
            &[0xd2, 0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0][..],
            &header,
            payload,
            &[0x58, 64],
            &signature,
        ]
        .concat()
    };
    let verify = |payload: &[u8]| RevocationList::verify(&sign(payload), &issuer().public());
    assert!(verify(&[0xa4, 1, 7, 2, 8, 3, 9, 4, 0x80]).is_ok());
    for (payload, what) in [
        (&[0xa4, 1, 0x18, 7, 2, 8, 3, 9, 4, 0x80][..], "a longer number"),
        (&[0xa4, 2, 8, 1, 7, 3, 9, 4, 0x80], "another order"),
        (&[0xbf, 1, 7, 2, 8, 3, 9, 4, 0x80, 0xff], "an indefinite map"),
        (&[0xa4, 1, 7, 2, 8, 3, 9, 4, 0x9f, 0xff], "an indefinite array"),
        (&[0xa5, 1, 7, 2, 8, 3, 9, 4, 0x80, 5, 0], "an unknown key"),
        (&[0xa4, 1, 7, 1, 7, 3, 9, 4, 0x80], "a key twice"),
        (&[0xa3, 1, 7, 2, 8, 3, 9], "no identifiers"),
        (&[0xa4, 1, 0x20, 2, 8, 3, 9, 4, 0x80], "a negative number"),
        (&[0xa4, 1, 7, 2, 9, 3, 9, 4, 0x80], "no time"),
        (&[0xa4, 1, 7, 2, 8, 3, 9, 4, 0x81, 0x41, 1], "a short identifier"),
        (&[0xa4, 1, 7, 2, 8, 3, 9, 4, 0x80, 0], "something after it"),
        (&[], "nothing"),
    ] {
        assert!(
            matches!(verify(payload), Err(RevocationError::Malformed { .. })),
            "{what}"
        );
    }
}
