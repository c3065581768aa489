//! `Debug` output: sufficient to distinguish values in logs, and free of secrets.

use secure_runtime_capabilities::*;

#[test]
fn names_of_blocks_and_messages_are_shown_as_they_are_written() {
    let id = RevocationId::from_bytes([0xab; 64]);
    assert_eq!(format!("{id:?}"), "ab".repeat(64));
    let challenge = Challenge::generate().unwrap();
    assert_eq!(format!("{challenge:?}"), challenge.to_string());
    let key = KeyPair::from_secret(&[3; 32]).unwrap();
    assert_eq!(format!("{:?}", key.public()), key.public().to_string());
    let token = Token::mint(&key, &Block::default()).unwrap();
    assert!(format!("{token:?}").starts_with("Token { blocks: [Block { "));
    let proof = key.prove(&token, &challenge);
    assert_eq!(format!("{proof:?}"), proof.to_string());
}

#[test]
fn collections_show_their_elements() {
    assert_eq!(
        format!("{:?}", Families::builtin()),
        "[fs, net, env, clock, random, kv, http, secrets, log, module, store]"
    );
    let issuer = KeyPair::from_secret(&[3; 32]).unwrap();
    let revocations = Revocations::new(issuer.public());
    assert!(format!("{revocations:?}").ends_with("sequence: None }"));
    let list = RevocationList::new(7, 1, 2, []).unwrap().sign(&issuer).unwrap();
    revocations.update(&list).unwrap();
    let shown = format!("{revocations:?}");
    assert!(
        shown.contains(&issuer.public().to_string()) && shown.ends_with("sequence: Some(7) }"),
        "{shown}"
    );
}

#[test]
fn secret_keys_are_not_shown() {
    let key = KeyPair::from_secret(&[0x5a; 32]).unwrap();
    let shown = format!("{key:?}");
    assert!(shown.contains(&key.public().to_string()), "{shown}");
    assert!(!shown.contains("5a5a") && !shown.contains("90, 90"), "{shown}");
}
