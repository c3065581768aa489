//! Reads the vectors of spec/vectors/tokens.json like another implementation would.

use secure_runtime_capabilities::*;
use serde_json::Value;

use crate::{generators::operation_on, operation};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../spec/vectors/tokens.json")).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn decisions_on_accepted_tokens_match_the_vectors() {
    let vectors = vectors();
    let root: PublicKey = text(&vectors["root_public_key"]).parse().unwrap();
    let private: KeyPair = text(&vectors["root_private_key"]).parse().unwrap();
    assert_eq!(private.public(), root);
    let mut questions = 0;
    for vector in vectors["accepted"].as_array().unwrap() {
        let name = text(&vector["name"]);
        let token = Token::parse_text(text(&vector["token"]), &root).unwrap();
        assert_eq!(serde_json::json!(ids(&token)), vector["revocation_ids"], "{name}");
        assert_eq!(
            token.blocks().len(),
            vector["blocks"].as_array().unwrap().len(),
            "{name}"
        );
        for question in vector["questions"].as_array().unwrap() {
            questions += 1;
            let operation = operation_on(
                text(&question["family"]).parse().unwrap(),
                text(&question["action"]).parse().unwrap(),
                text(&question["resource"]),
            );
            let holders = question["holders"].as_array().unwrap().iter();
            let holders: Vec<Holder> = holders.map(|holder| text(holder).parse().unwrap()).collect();
            let context = Context {
                holders: &holders,
                ..Context::at(question["now"].as_u64().unwrap())
            };
            let expected = &question["expected"];
            assert_eq!(
                oracle(&token, &operation, &context),
                Ok(*expected == "allowed"),
                "{name}: {operation}"
            );
            match token.authority().decide(&operation, &context) {
                Decision::Allowed => assert_eq!(*expected, "allowed", "{name}: {operation}"),
                Decision::Denied(denial) => {
                    assert_eq!(expected["denied_by_block"], denial.block, "{name}: {operation}");
                    let reason = expected["reason"].to_string();
                    let variant = format!("{:?}", denial.reason);
                    let variant = variant.split(' ').next().unwrap();
                    assert!(
                        reason.contains(variant),
                        "{name}: {operation}: {reason} is not {variant}"
                    );
                }
            }
        }
    }
    assert!(questions >= 30);
}

#[test]
fn errors_of_refused_tokens_match_the_vectors() {
    let vectors = vectors();
    let refused = vectors["refused"].as_array().unwrap();
    assert!(refused.len() >= 12);
    for vector in refused {
        let root: PublicKey = text(&vector["root_public_key"]).parse().unwrap();
        let error = Token::parse_text(text(&vector["token"]), &root).unwrap_err();
        assert_eq!(error.name(), vector["error"], "{}", vector["name"]);
        assert_eq!(error.to_string(), text(&vector["message"]));
    }
}

#[test]
fn revocation_lists_and_proofs_match_the_vectors() {
    let vectors = vectors();
    let list = &vectors["revocation_list"];
    let key: PublicKey = text(&list["public_key"]).parse().unwrap();
    let read = RevocationList::verify(&hex::decode(text(&list["bytes"])).unwrap(), &key).unwrap();
    let ids = list["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| text(id).parse().unwrap());
    let number = |name: &str| list[name].as_u64().unwrap();
    let expected = RevocationList::new(number("sequence"), number("issued"), number("next_update"), ids);
    assert_eq!(read, expected.unwrap());

    let proof = &vectors["proof"];
    let root: PublicKey = text(&vectors["root_public_key"]).parse().unwrap();
    let token = Token::parse_text(text(&proof["token"]), &root).unwrap();
    let key: PublicKey = text(&proof["public_key"]).parse().unwrap();
    let challenge: Challenge = text(&proof["challenge"]).parse().unwrap();
    let holder = challenge.accept(&text(&proof["proof"]).parse().unwrap(), &token, &key);
    assert_eq!(holder, Ok(Holder::Key(*key.as_bytes())));
}

#[test]
fn tokens_of_other_tools_are_understood() {
    let root: PublicKey = text(&vectors()["root_public_key"]).parse().unwrap();
    let vectors: Value =
        serde_json::from_str(include_str!("../../../spec/vectors/tokens-of-other-tools.json")).unwrap();
    for name in ["minted", "attenuated"] {
        let vector = &vectors[name];
        let token = Token::parse_text(text(&vector["token"]), &root).unwrap();
        let context = Context::at(1_900_000_000);
        for (expected, list) in [(true, &vector["allowed"]), (false, &vector["denied"])] {
            for question in list.as_array().unwrap() {
                let operation = operation(text(question));
                assert_eq!(
                    token.authority().decide(&operation, &context).is_allowed(),
                    expected,
                    "{operation}"
                );
                assert_eq!(oracle(&token, &operation, &context), Ok(expected), "{operation}");
            }
        }
    }
}

/// Every line of spec/tokens.md is named by a test, and every named line exists.
#[test]
fn every_normative_line_has_a_test() {
    let numbers = |text: &str| -> std::collections::BTreeSet<u32> {
        let names = text.split("TOK-").skip(1);
        names
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .collect()
    };
    let specified = include_str!("../../../spec/tokens.md").split("- **").skip(1);
    let specified = numbers(
        &specified
            .filter_map(|line| line.split("**").next())
            .collect::<String>(),
    );
    // In the sources, only comments above a test count.
    let named = [
        include_str!("delegation.rs"),
        include_str!("families.rs"),
        include_str!("hostile.rs"),
        include_str!("properties.rs"),
        include_str!("revocation.rs"),
        include_str!("tokens.rs"),
        include_str!("../../src/authority.rs"),
        include_str!("../../src/endpoint.rs"),
        include_str!("../../src/families/http.rs"),
        include_str!("../../src/families/secrets.rs"),
        include_str!("../../src/families/log.rs"),
        include_str!("../../src/families/net.rs"),
        include_str!("../../src/key.rs"),
        include_str!("../../src/origin.rs"),
        include_str!("../../src/path.rs"),
        include_str!("../../src/pattern.rs"),
        include_str!("../../src/right.rs"),
    ]
    .map(|source| {
        let comments = source
            .split("#[test]")
            .filter_map(|before| before.rsplit("\n\n").next());
        numbers(&comments.collect::<Vec<_>>().join("\n"))
    });
    let named: std::collections::BTreeSet<u32> = named.into_iter().flatten().collect();
    assert_eq!(named, specified);
    assert_eq!(
        specified.len(),
        specified.last().copied().unwrap() as usize,
        "a number is missing"
    );
}

fn ids(token: &Token) -> Vec<String> {
    token
        .revocation_ids()
        .iter()
        .map(RevocationId::to_string)
        .collect()
}
