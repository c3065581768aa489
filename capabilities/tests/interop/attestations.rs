//! Attestations between this project and biscuit-wasm. The token's owner and the third party exchange only
//! the request and the signed block. biscuit-python cannot serialise either.

use secure_runtime_capabilities::*;

use crate::{
    accept,
    peer::Peer,
    questions::{MODULE, auditor},
    root, text,
};

const CODE: &str = r#"attested("blake3:0707070707070707070707070707070707070707070707070707070707070707")"#;
const HASH: [u8; 32] = [7; 32];

fn demanding() -> Token {
    let rights = Rights::new([Right {
        family: FamilyName::RANDOM,
        action: ActionName::READ,
        pattern: Pattern::exact(RandomSource::OperatingSystem.as_str()),
    }]);
    let block = Block {
        attested_by: Some(auditor().public()),
        ..Block::of(rights.unwrap())
    };
    Token::mint(&root(), &block).unwrap()
}

fn allows(token: &Token) -> bool {
    let context = Context {
        holders: &[MODULE],
        ..Context::at(0)
    };
    token
        .authority()
        .decide(&Operation::random_read(RandomSource::OperatingSystem), &context)
        .is_allowed()
}

/// TOK-33, TOK-34: this project makes the request, and the peer signs.
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn a_peer_attests_for_a_token_of_this_project() {
    let [_, mut wasm] = Peer::all();
    let token = demanding();
    assert!(!allows(&token));
    let request = token.attestation_request().unwrap().to_text();
    let signed = wasm.sign(&request, &auditor().to_secret_text(), CODE);
    let signed = SignedAttestation::parse_text(&signed).unwrap();
    let attested = token.with_attestation(&signed, &auditor().public()).unwrap();
    assert!(allows(&attested) && allows(&accept(&attested.to_text()).unwrap()));
    assert_eq!(
        attested.blocks()[1].attestation,
        Some(Attestation::new(auditor().public(), [HASH]).unwrap())
    );

    // TOK-4: the attestation is valid only for this token and this key.
    let error = demanding()
        .with_attestation(&signed, &auditor().public())
        .unwrap_err();
    assert_eq!(error.name(), "Attestation", "{error}");
    let error = token.with_attestation(&signed, &root().public()).unwrap_err();
    assert_eq!(error.name(), "Attestation", "{error}");

    // TOK-33: a block with other content is refused when it is added.
    let signed = wasm.sign(&request, &auditor().to_secret_text(), "check if true");
    let signed = SignedAttestation::parse_text(&signed).unwrap();
    let error = token.with_attestation(&signed, &auditor().public()).unwrap_err();
    assert_eq!(
        error,
        TokenError::Profile {
            block: 1,
            problem: ProfileError::Attestation
        }
    );
}

/// TOK-33, TOK-34: the peer makes the request, and this project signs and adds the block.
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn this_project_attests_for_a_token_of_a_peer() {
    let [_, mut wasm] = Peer::all();
    let token = wasm.attenuate(&demanding().to_text(), "").unwrap();
    let request = AttestationRequest::parse_text(&wasm.request(&token)).unwrap();
    let signed = request.sign(&auditor(), [HASH]).unwrap();
    let attested = accept(&token)
        .unwrap()
        .with_attestation(&signed, &auditor().public())
        .unwrap();
    assert!(allows(&attested));
    let question = [text::question(
        &Operation::random_read(RandomSource::OperatingSystem),
        0,
        &[MODULE],
    )];
    assert_eq!(wasm.authorize(&token, &question), [false]);
    assert_eq!(wasm.authorize(&attested.to_text(), &question), [true]);
}
