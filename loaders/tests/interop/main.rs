//! Interoperation with another implementation of CBOR (cborg, under Node, in strict mode), and with another tool that
//! removes types.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod typescript;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cbor4ii::core::Value;
use cbor4ii::core::dec::Decode;
use cbor4ii::core::enc::Encode;
use cbor4ii::core::utils::{BufWriter, SliceReader};

/// The environment variable with the folder where `cargo xtask interop` installed the peers' packages.
const FOLDER: &str = "SECURE_RUNTIME_PEERS";

/// Returns the names and bytes of the vectors in this part of the file.
fn vectors(part: &str) -> Vec<(String, Vec<u8>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/graph.json");
    let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |vector: &serde_json::Value, key: &str| vector[key].as_str().unwrap().to_owned();
    let vectors = vectors[part].as_array().unwrap().iter();
    vectors
        .map(|vector| (text(vector, "name"), hex::decode(text(vector, "bytes")).unwrap()))
        .collect()
}

/// Returns the answers of this peer to the questions. Each is one line.
fn answers(peer: &str, questions: impl IntoIterator<Item = String>) -> Vec<String> {
    let folder =
        std::env::var_os(FOLDER).unwrap_or_else(|| panic!("{FOLDER} is not set: run `cargo xtask interop`"));
    let script = [env!("CARGO_MANIFEST_DIR"), "tests", "interop", peer];
    let mut peer = Command::new("node")
        .arg(script.iter().collect::<PathBuf>())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut requests, answers) = (
        peer.stdin.take().unwrap(),
        BufReader::new(peer.stdout.take().unwrap()),
    );
    let mut answers = answers.lines();
    let ask = |question: String| {
        writeln!(requests, "{question}").unwrap();
        answers.next().unwrap().unwrap()
    };
    let answered = questions.into_iter().map(ask).collect();
    drop(requests);
    assert!(peer.wait().unwrap().success());
    answered
}

/// Returns for each of these if cborg accepts it as deterministic CBOR.
fn asked(vectors: &[(String, Vec<u8>)]) -> Vec<bool> {
    let questions = vectors.iter().map(|(_, bytes)| hex::encode(bytes));
    let answers = answers("deterministic.mjs", questions);
    answers.iter().map(|answer| answer == "true").collect()
}

/// Encodes an item in deterministic CBOR, if it uses only the kinds that graphs use and has no duplicate keys.
fn encoded(value: &Value) -> Option<Vec<u8>> {
    // The head of an array or a map encodes the number of its items, except for its kind in the first three bits.
    let head = |kind: u8, length: usize| {
        let mut head = plain(&Value::Integer(length.try_into().unwrap()));
        head[0] |= kind << 5;
        head
    };
    Some(match value {
        Value::Integer(0..) | Value::Bytes(_) | Value::Text(_) => plain(value),
        Value::Array(items) => {
            let items: Option<Vec<Vec<u8>>> = items.iter().map(encoded).collect();
            [head(4, items.as_ref()?.len()), items?.concat()].concat()
        }
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| Some((encoded(key)?, encoded(value)?));
            let mut sorted: Vec<(Vec<u8>, Vec<u8>)> = entries.iter().map(entry).collect::<Option<_>>()?;
            sorted.sort();
            sorted.dedup_by(|left, right| left.0 == right.0);
            if sorted.len() < entries.len() {
                return None;
            }
            let length = sorted.len();
            let entries = sorted.into_iter().flat_map(|(key, value)| [key, value].concat());
            [head(5, length), entries.collect()].concat()
        }
        _ => return None,
    })
}

fn plain(value: &Value) -> Vec<u8> {
    let mut writer = BufWriter::new(Vec::new());
    value.encode(&mut writer).unwrap();
    writer.into_inner()
}

fn is_deterministic(bytes: &[u8]) -> bool {
    let value = Value::decode(&mut SliceReader::new(bytes));
    value.is_ok_and(|value| encoded(&value).is_some_and(|again| again == bytes))
}

/// GRAPH-1, GRAPH-2: an implementation that does not know graphs accepts every accepted graph as deterministic CBOR.
#[test]
#[ignore = "needs cborg: `cargo xtask interop`"]
fn accepted_graphs_are_deterministic_to_the_peer() {
    let accepted = vectors("accepted");
    let verdicts = asked(&accepted);
    assert!(!accepted.is_empty() && accepted.len() == verdicts.len());
    for ((name, bytes), is_deterministic) in accepted.iter().zip(verdicts) {
        assert!(is_deterministic, "{name}: {}", hex::encode(bytes));
    }
}

/// GRAPH-2, GRAPH-4: of the rejected vectors, the peer rejects exactly those that are not deterministic CBOR. The
/// others violate rules of graphs, which the peer does not know.
#[test]
#[ignore = "needs cborg: `cargo xtask interop`"]
fn other_encodings_are_refused_by_the_peer_too() {
    let refused = vectors("refused");
    let verdicts = asked(&refused);
    for ((name, bytes), verdict) in refused.iter().zip(&verdicts) {
        assert_eq!(
            *verdict,
            is_deterministic(bytes),
            "{name}: {}",
            hex::encode(bytes)
        );
    }
    // Both kinds occur in sufficient number.
    let count = |kind: bool| verdicts.iter().filter(|verdict| **verdict == kind).count();
    assert!(
        count(true) > 10 && count(false) > 10,
        "{} and {}",
        count(true),
        count(false)
    );
}
