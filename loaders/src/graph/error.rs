/// An error in an encoded graph or in the parts of a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The bytes are not CBOR of the right shape.
    #[error("not a graph: at byte {offset}, expected {expected}, but {found}")]
    Malformed {
        /// The offset of the error, in bytes from the start.
        offset: usize,
        /// The item that was expected there.
        expected: String,
        /// A description of the item that was found.
        found: String,
    },
    /// The version of the format is unknown.
    #[error(
        "another version of secure-runtime wrote the graph: its format is {found}, and this version reads format {}",
        super::GRAPH_VERSION
    )]
    Version {
        /// The version that was found.
        found: u64,
    },
    /// The seal differs from the hash of the bytes before it.
    #[error("the graph is damaged: its seal does not match its content")]
    Seal,
    /// The bytes decode to a graph, but are not its canonical encoding.
    #[error("the graph is not in canonical form: byte {offset} differs")]
    NotCanonical {
        /// The offset of the first byte that differs from the canonical encoding.
        offset: usize,
    },
    /// A count or a size exceeds its limit.
    #[error("{what} has {found}, more than the {limit} that a graph may have")]
    Limit {
        /// The name of the list or field.
        what: String,
        /// The count or size that was found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// A part violates a rule of spec/graph.md.
    #[error("{what}: {rule}")]
    Rule {
        /// The part.
        what: String,
        /// The rule that it violates.
        rule: String,
    },
}

impl GraphError {
    /// Returns a short name for the kind of error. The test vectors in spec/vectors use it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Version { .. } => "version",
            Self::Seal => "seal",
            Self::NotCanonical { .. } => "not-canonical",
            Self::Limit { .. } => "limit",
            Self::Rule { .. } => "rule",
        }
    }
}
