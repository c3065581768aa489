//! Delegation between programs: sealing for a holder, proof of possession, and attestations of third parties.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use secure_runtime_capabilities::*;

use crate::{operation, rights};

const MODULE: [u8; 32] = [7; 32];
const OTHER: [u8; 32] = [8; 32];

fn root() -> KeyPair {
    KeyPair::from_secret(&[1; 32]).unwrap()
}

fn auditor() -> KeyPair {
    KeyPair::from_secret(&[2; 32]).unwrap()
}

fn decide(token: &Token, holders: &[Holder]) -> Decision {
    let context = Context {
        holders,
        ..Context::at(1_800_000_000)
    };
    let decision = token.authority().decide(&operation("random"), &context);
    assert_eq!(
        oracle(token, &operation("random"), &context),
        Ok(decision.is_allowed())
    );
    decision
}

fn denied(block: usize, reason: Reason) -> Decision {
    Decision::Denied(Denial { block, reason })
}

fn token() -> Token {
    Token::mint(&root(), &Block::of(rights(&["random=true"]))).unwrap()
}

/// TOK-38: a token sealed for a module is valid for that module only, and cannot be delegated.
#[test]
fn a_sealed_token_serves_its_holder_alone() {
    let owner = KeyPair::generate().unwrap();
    for (holder, others) in [
        (
            Holder::Module(MODULE),
            [Holder::Module(OTHER), Holder::Key(MODULE)],
        ),
        (
            owner.holder(),
            [Holder::Key(OTHER), Holder::Module(*owner.public().as_bytes())],
        ),
    ] {
        let sealed = token().seal_for(holder).unwrap();
        let received = Token::verify(sealed.as_bytes(), &root().public()).unwrap();
        assert_eq!(decide(&received, &[holder]), Decision::Allowed);
        assert_eq!(
            decide(&received, &[others[0], holder, others[1]]),
            Decision::Allowed
        );
        assert_eq!(decide(&received, &others), denied(1, Reason::WrongHolder));
        assert_eq!(decide(&received, &[]), denied(1, Reason::WrongHolder));
        assert_eq!(
            received.attenuate(&Block::default()).unwrap_err(),
            TokenError::Sealed
        );
        assert_eq!(received.attestation_request().unwrap_err(), TokenError::Sealed);
        assert_eq!(received.seal_for(others[0]).unwrap_err(), TokenError::Sealed);
    }
}

/// TOK-21: a chain may be bound to a module and to its bearer's key, and then requires both.
#[test]
fn two_bindings_need_two_holders() {
    let key = KeyPair::generate().unwrap();
    let both = token()
        .attenuate(&Block::bound_to(key.holder()))
        .unwrap()
        .attenuate(&Block::bound_to(Holder::Module(MODULE)))
        .unwrap();
    assert_eq!(
        decide(&both, &[Holder::Module(MODULE), key.holder()]),
        Decision::Allowed
    );
    assert_eq!(
        decide(&both, &[Holder::Module(MODULE)]),
        denied(1, Reason::WrongHolder)
    );
    assert_eq!(decide(&both, &[key.holder()]), denied(2, Reason::WrongHolder));
}

/// TOK-39: a proof is valid for one key, one token and one challenge.
#[test]
fn possession_is_proven_for_one_token_and_one_challenge() {
    let owner = KeyPair::generate().unwrap();
    let token = self::token().seal_for(owner.holder()).unwrap();
    let text = Challenge::generate().unwrap().to_string();
    let challenge = || text.parse::<Challenge>().unwrap();
    let proof = owner.prove(&token, &challenge());

    let holder = challenge().accept(&proof, &token, &owner.public()).unwrap();
    assert_eq!(decide(&token, &[holder]), Decision::Allowed);

    let thief = KeyPair::generate().unwrap();
    let refused = |key: &KeyPair| ProofError::Signature { key: key.public() };
    assert_eq!(
        challenge().accept(&thief.prove(&token, &challenge()), &token, &owner.public()),
        Err(refused(&owner))
    );
    assert_eq!(
        challenge().accept(&proof, &token, &thief.public()),
        Err(refused(&thief))
    );
    let another = self::token().seal_for(owner.holder()).unwrap();
    assert_eq!(
        challenge().accept(&proof, &another, &owner.public()),
        Err(refused(&owner))
    );
    let later = Challenge::generate().unwrap();
    assert_eq!(
        later.accept(&proof, &token, &owner.public()),
        Err(refused(&owner))
    );

    assert_eq!(proof.to_string().parse(), Ok(proof));
    for wrong in ["", "00", &proof.to_string().to_uppercase(), &format!("{proof}0")] {
        assert!(
            wrong.parse::<Proof>().is_err() && wrong.parse::<Challenge>().is_err(),
            "{wrong}"
        );
    }
}

/// TOK-39: the signed message is the specified one, so that other implementations can make proofs.
#[test]
fn the_proof_is_a_signature_over_the_specified_bytes() {
    use ed25519_dalek::Signer as _;
    let token = token();
    let challenge = "05".repeat(32);
    let mut message = b"secure-runtime proof of possession 1\n".to_vec();
    message.extend([5; 32]);
    message.extend(token.id().as_bytes());
    let signature = ed25519_dalek::SigningKey::from_bytes(&[3; 32]).sign(&message);
    let proof: Proof = hex::encode(signature.to_bytes()).parse().unwrap();
    let owner = KeyPair::from_secret(&[3; 32]).unwrap();
    let accepted = challenge
        .parse::<Challenge>()
        .unwrap()
        .accept(&proof, &token, &owner.public());
    assert_eq!(accepted, Ok(owner.holder()));
}

fn demanding() -> Token {
    token()
        .attenuate(&Block {
            attested_by: Some(auditor().public()),
            ..Block::default()
        })
        .unwrap()
}

fn attested(token: &Token, by: &KeyPair, modules: &[[u8; 32]]) -> Token {
    // Uses the text forms, in which requests and attestations are exchanged.
    let request = AttestationRequest::parse_text(&token.attestation_request().unwrap().to_text()).unwrap();
    let signed = request.sign(by, modules.iter().copied()).unwrap();
    let signed = SignedAttestation::parse_text(&signed.to_text()).unwrap();
    let longer = token.with_attestation(&signed, &by.public()).unwrap();
    Token::verify(longer.as_bytes(), &root().public()).unwrap()
}

/// TOK-32, TOK-33, TOK-34: only modules attested by the auditor are allowed. Attestations by others do not
/// count.
#[test]
fn only_attested_modules_are_allowed() {
    let by = auditor().public();
    let module = Holder::Module(MODULE);
    let lacks = denied(1, Reason::NotAttested { by });
    assert_eq!(decide(&demanding(), &[module]), lacks);
    assert_eq!(demanding().authority().lacks_attestation(&MODULE), Some(by));

    let token = attested(&demanding(), &auditor(), &[OTHER, MODULE, MODULE]);
    assert_eq!(decide(&token, &[module]), Decision::Allowed);
    assert_eq!(decide(&token, &[Holder::Key(MODULE)]), lacks);
    assert_eq!(decide(&token, &[Holder::Module([9; 32])]), lacks);
    assert_eq!(decide(&token, &[]), lacks);
    assert_eq!(token.authority().lacks_attestation(&MODULE), None);
    assert_eq!(token.authority().lacks_attestation(&[9; 32]), Some(by));
    assert_eq!(
        token.blocks()[2].attestation.as_ref().unwrap().modules(),
        [MODULE, OTHER]
    );

    // An attestation by another party has no effect. A later one by the auditor counts as well.
    let by_thief = attested(&demanding(), &root(), &[MODULE]);
    assert_eq!(decide(&by_thief, &[module]), lacks);
    let by_both = attested(&by_thief, &auditor(), &[MODULE]);
    assert_eq!(decide(&by_both, &[module]), Decision::Allowed);

    // An attested token can be narrowed like any other.
    let bound = token.attenuate(&Block::bound_to(module)).unwrap();
    let bound = Token::verify(bound.as_bytes(), &root().public()).unwrap();
    assert_eq!(decide(&bound, &[module]), Decision::Allowed);
    assert_eq!(
        decide(&bound, &[Holder::Module(OTHER)]),
        denied(3, Reason::WrongHolder)
    );
}

/// TOK-32: two demands of one key share its entry in the table. Demands of two keys require both
/// attestations.
#[test]
fn every_demand_must_be_met() {
    let demand = |key: &KeyPair| Block {
        attested_by: Some(key.public()),
        ..Block::default()
    };
    let module = Holder::Module(MODULE);
    let twice = demanding().attenuate(&demand(&auditor())).unwrap();
    let twice = Token::verify(twice.as_bytes(), &root().public()).unwrap();
    assert_eq!(
        decide(&attested(&twice, &auditor(), &[MODULE]), &[module]),
        Decision::Allowed
    );
    let other = KeyPair::from_secret(&[3; 32]).unwrap();
    let both = demanding().attenuate(&demand(&other)).unwrap();
    let one = attested(&both, &auditor(), &[MODULE]);
    assert_eq!(
        decide(&one, &[module]),
        denied(2, Reason::NotAttested { by: other.public() })
    );
    assert_eq!(
        decide(&attested(&one, &other, &[MODULE]), &[module]),
        Decision::Allowed
    );
    // Two modules, each attested by one party, do not equal one module that both attested.
    let split = attested(&attested(&both, &auditor(), &[MODULE]), &other, &[OTHER]);
    assert!(!decide(&split, &[module]).is_allowed());
}

/// TOK-4, TOK-33: an attestation is valid only in the token, and at the place, of its request.
#[test]
fn attestations_cannot_be_moved() {
    let signed = demanding()
        .attestation_request()
        .unwrap()
        .sign(&auditor(), [MODULE])
        .unwrap();
    let error = demanding()
        .with_attestation(&signed, &auditor().public())
        .unwrap_err();
    assert_eq!(error.name(), "Attestation", "{error}");
    let token = demanding();
    let signed = token
        .attestation_request()
        .unwrap()
        .sign(&auditor(), [MODULE])
        .unwrap();
    assert_eq!(
        token
            .with_attestation(&signed, &root().public())
            .unwrap_err()
            .name(),
        "Attestation"
    );
    let longer = token.attenuate(&Block::default()).unwrap();
    assert_eq!(
        longer
            .with_attestation(&signed, &auditor().public())
            .unwrap_err()
            .name(),
        "Attestation"
    );
    assert!(token.with_attestation(&signed, &auditor().public()).is_ok());
    for text in ["", "AAAA", "not base64!", "////"] {
        assert!(SignedAttestation::parse_text(text).is_err(), "{text}");
    }
    assert_eq!(
        AttestationRequest::parse_text(&token.attestation_request().unwrap().to_text()),
        token.attestation_request()
    );
    // An empty text, other bytes, a signature of another length, and an additional field: an auditor signs
    // none of these.
    let request = token.attestation_request().unwrap().to_text();
    let with_more = [URL_SAFE.decode(&request).unwrap(), vec![0x7a, 1, 0]].concat();
    let short = [&[0x1a, 63][..], &[1; 63]].concat();
    for wrong in [
        "!",
        "",
        "AAAA",
        &URL_SAFE.encode(with_more),
        &URL_SAFE.encode(short),
    ] {
        let error = AttestationRequest::parse_text(wrong).unwrap_err();
        assert_eq!(error.name(), "Attestation", "{wrong}: {error}");
    }
    // A text of the maximum length, and a longer one.
    let long = |length: usize| {
        SignedAttestation::parse_text(&"A".repeat(length))
            .unwrap_err()
            .to_string()
    };
    let most = MAX_TOKEN.div_ceil(3) * 4;
    assert!(!long(most).contains("too long") && long(most + 4).contains("too long"));
}

/// TOK-33: limits on the number of modules.
#[test]
fn attestations_name_some_modules_and_not_too_many() {
    let request = demanding().attestation_request().unwrap();
    let refused = |count| TokenError::Block(BlockError::AttestationSize { count });
    assert_eq!(request.sign(&auditor(), []).unwrap_err(), refused(0));
    let many = (0..=u32::try_from(MAX_ATTESTED).unwrap()).map(|number| {
        let mut module = [0; 32];
        module[..4].copy_from_slice(&number.to_le_bytes());
        module
    });
    assert_eq!(
        request.sign(&auditor(), many).unwrap_err(),
        refused(MAX_ATTESTED + 1)
    );
    let unsigned = Block {
        attestation: Some(Attestation::new(auditor().public(), [MODULE]).unwrap()),
        ..Block::default()
    };
    assert_eq!(
        demanding().attenuate(&unsigned).unwrap_err(),
        TokenError::Block(BlockError::UnsignedAttestation)
    );
    assert_eq!(
        Token::mint(&root(), &unsigned).unwrap_err(),
        TokenError::Block(BlockError::UnsignedAttestation)
    );
}
