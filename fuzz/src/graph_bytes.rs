use secure_runtime_loaders::{ContentHash, Graph};

use crate::Outcome;

/// Uses the input as a graph. It must be rejected with a message of one line, or be the canonical encoding of
/// its content. The input is also tested with a valid seal appended, so that mutations get past that check.
pub fn graph_bytes(data: &[u8]) -> Outcome {
    let unsealed = decode(data);
    let mut sealed = data.to_vec();
    sealed.extend_from_slice(&[0x05, 0x58, 0x20]);
    let seal = ContentHash::of(&sealed);
    sealed.extend_from_slice(seal.as_bytes());
    Outcome::of(&(unsealed, decode(&sealed)))
}

fn decode(bytes: &[u8]) -> Result<Graph, impl std::fmt::Debug> {
    let decoded = Graph::decode(bytes);
    match &decoded {
        Ok(graph) => {
            assert_eq!(graph.encode(), bytes, "two encodings of one graph");
            assert_eq!(graph.hash(), ContentHash::of(bytes));
            let parts = (graph.entry(), graph.packages().to_vec(), graph.modules().to_vec());
            let again = Graph::new(parts.0, parts.1, parts.2)
                .and_then(|again| again.with_import_map(graph.import_map().clone()));
            assert_eq!(again.as_ref(), Ok(graph));
        }
        Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error:?}"),
    }
    decoded
}
