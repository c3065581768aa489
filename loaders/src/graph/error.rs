/// Why bytes or parts are not a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The bytes are not CBOR of the right shape.
    #[error("not a graph: at byte {offset}, where {expected} should stand, {found}")]
    Malformed {
        /// Where, in bytes from the start.
        offset: usize,
        /// What should stand there.
        expected: String,
        /// What is wrong.
        found: String,
    },
    /// The format's version is unknown.
    #[error(
        "another version of secure-runtime wrote the graph: its format is {found}, and this version reads format {}",
        super::GRAPH_VERSION
    )]
    Version {
        /// The version that was found.
        found: u64,
    },
    /// The seal is not the hash of the bytes before it.
    #[error("the graph is damaged: its seal does not match its content")]
    Seal,
    /// The bytes encode a graph, but not in the one way there is.
    #[error("the graph is not in canonical form: byte {offset} differs")]
    NotCanonical {
        /// The first byte that differs, from the start.
        offset: usize,
    },
    /// There are more of something than there may be.
    #[error("{what} has {found}, more than the {limit} that a graph may have")]
    Limit {
        /// Of what.
        what: String,
        /// How many there are.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A part breaks a rule.
    #[error("{what}: {rule}")]
    Rule {
        /// Which part.
        what: String,
        /// The rule that it breaks.
        rule: String,
    },
}

impl GraphError {
    /// A short word that names the kind of error, as used by the test vectors in spec/vectors.
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
