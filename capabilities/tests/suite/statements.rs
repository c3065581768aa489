//! Signed statements: `spec/signatures.md`.

use std::collections::HashMap;

use cbor4ii::core::{Value, enc::Encode, utils::BufWriter};
use secure_runtime_capabilities::*;

const SUBJECT: Subject = Subject::Graph([7; 32]);

fn signer() -> KeyPair {
    KeyPair::from_secret(&[4; 32]).unwrap()
}

fn claims(texts: &[&str]) -> Vec<Claim> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn signed() -> Vec<u8> {
    let statement = Statement::new(
        SUBJECT,
        Some(1_800_000_000),
        claims(&["reviewed", "built-from=the tag v1"]),
    );
    statement.unwrap().sign(&signer()).unwrap()
}

/// SIG-1, SIG-2.
#[test]
fn a_signed_statement_is_read_back() {
    let statement = Statement::verify(&signed(), &signer().public(), SUBJECT).unwrap();
    assert_eq!(
        (statement.subject(), statement.signed()),
        (SUBJECT, Some(1_800_000_000))
    );
    let shown: Vec<String> = statement.claims().iter().map(Claim::to_string).collect();
    assert_eq!(shown, ["reviewed", "built-from=the tag v1"]);
    let parts: Vec<_> = statement
        .claims()
        .iter()
        .map(|claim| (claim.name(), claim.value()))
        .collect();
    assert_eq!(parts, [("reviewed", None), ("built-from", Some("the tag v1"))]);
    for (claim, is_made) in [
        ("reviewed", true),
        ("built-from", true),
        ("built-from=the tag v1", true),
        ("built-from=the tag v2", false),
        ("reviewed=twice", false),
        ("audited", false),
    ] {
        assert_eq!(statement.makes(&claim.parse().unwrap()), is_made, "{claim}");
    }
    let plain = Statement::new(SUBJECT, None, []).unwrap();
    let bytes = plain.sign(&signer()).unwrap();
    assert_eq!(Statement::verify(&bytes, &signer().public(), SUBJECT), Ok(plain));
}

/// A subject is shown by its kind and its hash.
#[test]
fn subjects_are_shown() {
    let digits = "07".repeat(32);
    for (subject, expected) in [
        (SUBJECT, format!("graph blake3:{digits}")),
        (Subject::Package([7; 32]), format!("package blake3:{digits}")),
    ] {
        assert_eq!((subject.to_string(), subject.hash()), (expected, &[7; 32]));
    }
}

/// SIG-2: the largest statement that can be made is within the size limit of reading.
#[test]
fn the_largest_statement_is_read() {
    let claim = |number| format!("c{number:02}{}={}", "x".repeat(61), "v".repeat(1024));
    let texts: Vec<String> = (0..MAX_CLAIMS).map(claim).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let largest = Statement::new(SUBJECT, Some(MAX_TIME), claims(&texts)).unwrap();
    let bytes = largest.sign(&signer()).unwrap();
    assert!(bytes.len() > MAX_CLAIMS * 1088, "{}", bytes.len());
    assert_eq!(
        Statement::verify(&bytes, &signer().public(), SUBJECT),
        Ok(largest)
    );
    assert!(matches!(
        Statement::verify(&vec![0; MAX_STATEMENT], &signer().public(), SUBJECT),
        Err(StatementError::Malformed { .. })
    ));
}

/// SIG-1: every changed byte and every additional byte is refused.
#[test]
fn no_byte_can_be_changed() {
    let bytes = signed();
    for index in 0..bytes.len() {
        for bit in [1, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[index] ^= bit;
            assert!(
                Statement::verify(&changed, &signer().public(), SUBJECT).is_err(),
                "{index}"
            );
        }
        assert!(
            Statement::verify(&bytes[..index], &signer().public(), SUBJECT).is_err(),
            "{index}"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(Statement::verify(&longer, &signer().public(), SUBJECT).is_err());
    assert_eq!(
        Statement::verify(&vec![0; MAX_STATEMENT + 1], &signer().public(), SUBJECT),
        Err(StatementError::TooLarge {
            size: MAX_STATEMENT + 1
        })
    );
}

/// SIG-3: a signature is valid only for its key, its subject and its purpose.
#[test]
fn a_signature_is_valid_for_one_purpose() {
    let (bytes, key) = (signed(), signer().public());
    let other = KeyPair::from_secret(&[5; 32]).unwrap().public();
    assert_eq!(
        Statement::verify(&bytes, &other, SUBJECT),
        Err(StatementError::Signature { key: other })
    );
    assert_eq!(
        Statement::verify(&bytes, &key, Subject::Package([7; 32])),
        Err(StatementError::Signature { key })
    );
    assert_eq!(
        Statement::verify(&bytes, &key, Subject::Graph([8; 32])),
        Err(StatementError::Subject {
            expected: Subject::Graph([8; 32]),
            found: SUBJECT
        })
    );
    let list = RevocationList::new(1, 1, 2, []).unwrap().sign(&signer()).unwrap();
    assert_eq!(
        Statement::verify(&list, &key, SUBJECT),
        Err(StatementError::Signature { key })
    );
    assert_eq!(
        RevocationList::verify(&bytes, &key),
        Err(RevocationError::Signature { key })
    );
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut writer = BufWriter::new(Vec::new());
    value.encode(&mut writer).unwrap();
    writer.into_inner()
}

/// Returns a message with this payload and a valid signature, built here from the text of the RFC.
fn message(payload: &[u8]) -> Vec<u8> {
    use ed25519_dalek::Signer;
    let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let structure = Value::Array(vec![
        Value::Text("Signature1".to_owned()),
        Value::Bytes(vec![0xa1, 0x01, 0x27]),
        text("secure-runtime graph signature 1"),
        Value::Bytes(payload.to_vec()),
    ]);
    let signature = ed25519_dalek::SigningKey::from_bytes(&[4; 32]).sign(&encoded(&structure));
    let mut bytes = vec![0xd2, 0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0];
    bytes.extend(encoded(&Value::Bytes(payload.to_vec())));
    bytes.extend(encoded(&Value::Bytes(signature.to_vec().clone())));
    bytes
}

/// SIG-2: a statement has one encoding. Others are refused although the signature is valid.
#[test]
fn other_encodings_are_refused() {
    let hash = || (Value::Integer(1), Value::Bytes(vec![7; 32]));
    let time = || (Value::Integer(2), Value::Integer(5));
    let claims = |claims: &[(&str, &str)]| {
        let text = |text: &str| Value::Text(text.to_owned());
        let claims = claims.iter().map(|(name, value)| (text(name), text(value)));
        (Value::Integer(3), Value::Map(claims.collect()))
    };
    let map = |entries: Vec<(Value, Value)>| encoded(&Value::Map(entries));
    let key = signer().public();
    let verify = |payload: &[u8]| Statement::verify(&message(payload), &key, SUBJECT);
    for good in [
        map(vec![hash()]),
        map(vec![hash(), time()]),
        map(vec![hash(), time(), claims(&[("b", ""), ("aa", "x")])]),
    ] {
        assert!(verify(&good).is_ok(), "{good:?}");
    }
    let good = map(vec![hash()]);
    let mut longer_number = vec![0xa2, 0x01, 0x58, 0x20];
    longer_number.extend([7; 32]);
    longer_number.extend([0x02, 0x18, 0x05]);
    let bad: HashMap<&str, Vec<u8>> = HashMap::from([
        ("no subject", map(vec![time()])),
        ("no map", encoded(&Value::Array(vec![]))),
        ("nothing", Vec::new()),
        ("another order", map(vec![time(), hash()])),
        ("twice", map(vec![hash(), hash()])),
        (
            "an unknown key",
            map(vec![hash(), (Value::Integer(4), Value::Integer(0))]),
        ),
        (
            "a short hash",
            map(vec![(Value::Integer(1), Value::Bytes(vec![7; 31]))]),
        ),
        (
            "a negative time",
            map(vec![hash(), (Value::Integer(2), Value::Integer(-1))]),
        ),
        (
            "a time after 9999",
            map(vec![
                hash(),
                (Value::Integer(2), Value::Integer((MAX_TIME + 1).into())),
            ]),
        ),
        ("no claims", map(vec![hash(), claims(&[])])),
        (
            "claims in another order",
            map(vec![hash(), claims(&[("aa", ""), ("b", "")])]),
        ),
        (
            "a claim twice",
            map(vec![hash(), claims(&[("a", ""), ("a", "")])]),
        ),
        ("a claim's name", map(vec![hash(), claims(&[("A", "")])])),
        (
            "an equals sign in a name",
            map(vec![hash(), claims(&[("a=b", "")])]),
        ),
        (
            "a control character",
            map(vec![hash(), claims(&[("a", "\u{1b}[2J")])]),
        ),
        ("a longer number", longer_number),
        ("more bytes", [good.as_slice(), &[0]].concat()),
    ]);
    for (what, payload) in bad {
        assert!(
            matches!(verify(&payload), Err(StatementError::Malformed { .. })),
            "{what}"
        );
    }
}

/// SIG-2.
#[test]
fn claims_have_one_form() {
    for good in [
        "reviewed",
        "a",
        "built-from=git, commit 5f3a=",
        "slsa-3",
        &format!("a={}", "x".repeat(1024)),
    ] {
        assert_eq!(good.parse::<Claim>().unwrap().to_string(), good);
    }
    for bad in [
        "",
        "=",
        "a=",
        "A",
        "1a",
        "-a",
        "a b",
        "a_b",
        "é",
        "a=\n",
        "a=\u{85}",
        &"a".repeat(65),
        &format!("a={}", "x".repeat(1025)),
    ] {
        assert!(bad.parse::<Claim>().is_err(), "{bad:?}");
    }
    let many = |count: usize| {
        let claims = (0..count).map(|number| format!("c{number}").parse().unwrap());
        Statement::new(SUBJECT, None, claims)
    };
    assert!(many(MAX_CLAIMS).is_ok());
    assert_eq!(many(MAX_CLAIMS + 1), Err(StatementError::Claims));
    assert_eq!(
        Statement::new(SUBJECT, None, claims(&["a", "a=b"])),
        Err(StatementError::Claims)
    );
}
