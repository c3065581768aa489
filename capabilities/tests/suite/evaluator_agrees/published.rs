//! Runs the published vectors on the second evaluator, like another implementation would.
use crate::evaluator::{Accepted, Question, Reason, Verdict};
use base64::prelude::{BASE64_URL_SAFE, Engine};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../spec/vectors/tokens.json")).unwrap()
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap()
}

fn rows<'a>(value: &'a Value, field: &str) -> &'a Vec<Value> {
    let rows = value[field].as_array().unwrap();
    assert!(!rows.is_empty(), "{field}");
    rows
}

/// Returns the bytes of a key in the text form of TOK-2.
fn key(text: &str) -> Vec<u8> {
    hex::decode(text.strip_prefix("ed25519/").unwrap()).unwrap()
}

fn verdict(expected: &Value) -> Verdict {
    if expected == "allowed" {
        return Verdict::Allowed;
    }
    let reason = &expected["reason"];
    Verdict::Denied {
        block: expected["denied_by_block"].as_u64().unwrap() as usize,
        reason: if let Some(time) = reason["NotYetValid"].as_u64() {
            Reason::NotYetValid(time)
        } else if let Some(time) = reason["Expired"].as_u64() {
            Reason::Expired(time)
        } else if let Some(by) = reason["NotAttested"].as_str() {
            Reason::NotAttested(key(by).try_into().unwrap())
        } else if reason == "WrongHolder" {
            Reason::WrongHolder
        } else {
            assert_eq!(reason, "NoGrant");
            Reason::NoGrant
        },
    }
}

#[test]
fn tokens_are_accepted_and_questions_answered() {
    let vectors = vectors();
    let root = key(text(&vectors, "root_public_key"));
    for row in rows(&vectors, "accepted") {
        let name = text(row, "name");
        let bytes = BASE64_URL_SAFE.decode(text(row, "token")).unwrap();
        let token = Accepted::new(&bytes, &root).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let ids: Vec<_> = rows(row, "revocation_ids").iter().map(Value::as_str).collect();
        let signatures: Vec<_> = token.revocation_ids.iter().map(|id| Some(id.as_str())).collect();
        assert_eq!(signatures, ids, "{name}");
        for question in rows(row, "questions") {
            let holders: Vec<String> = question["holders"]
                .as_array()
                .unwrap()
                .iter()
                .map(|holder| holder.as_str().unwrap().to_owned())
                .collect();
            let answer = token.answer(&Question {
                family: text(question, "family"),
                action: text(question, "action"),
                resource: text(question, "resource"),
                now: question["now"].as_u64().unwrap(),
                holders: &holders,
            });
            assert_eq!(answer, verdict(&question["expected"]), "{name}: {question}");
        }
    }
}

#[test]
fn tokens_are_refused() {
    let vectors = vectors();
    for row in rows(&vectors, "refused") {
        let name = text(row, "name");
        let root = key(text(row, "root_public_key"));
        let bytes = BASE64_URL_SAFE.decode(text(row, "token")).unwrap();
        let refusal = Accepted::new(&bytes, &root).err();
        let refusal = refusal.unwrap_or_else(|| panic!("{name} was accepted"));
        let block = text(row, "message")
            .strip_prefix("block ")
            .and_then(|rest| rest.split_once(' '))
            .map(|(number, _)| number.parse().unwrap());
        assert_eq!(refusal.block, block, "{name}: {refusal:?}");
    }
}
