//! The token profile: the reader and the writer of blocks in Biscuit's Datalog.
//!
//! The reader extracts a block from decoded Datalog. The writer then encodes that block again, and the result
//! must equal the signed bytes. So every block has exactly one encoding, and a token cannot contain anything
//! that the reader overlooked. spec/tokens.md is the normative text; TOK numbers refer to it.

mod policy;
mod read;
mod symbols;
mod write;

pub(crate) use policy::{attested, policy, question};
pub(crate) use read::decode;
pub(crate) use symbols::Symbols;
pub(crate) use write::{encode, write};

use secure_runtime_text::Cause;
use thiserror::Error;

use crate::{BlockError, PublicKey, RightsError, text::quoted};

/// Datalog 3.0, the oldest current version, so that all tools can read it.
const VERSION: u32 = 3;
/// Datalog 3.1, the oldest version with `trusting`.
const VERSION_OF_DEMANDS: u32 = 4;
/// Datalog 3.2, the oldest version for third-party blocks.
const VERSION_OF_THIRD_PARTIES: u32 = 5;

const GRANT: &str = "grant";
const EXACT: &str = "exact";
const AFFIX: &str = "affix";
const HOST: &str = "host";
const BELOW: &str = "below";
const NETWORK: &str = "network";
const OPERATION: &str = "operation";
const ENDPOINT: &str = "endpoint";
const ATTESTED: &str = "attested";
const TIME: &str = "time";
const HOLDER: &str = "holder";
const RESOURCE: &str = "resource";
const ADDRESS: &str = "address";
const PORT: &str = "port";
const MODULE: &str = "module";
/// The head of every check. It has no meaning.
const QUERY: &str = "query";

/// Error returned when a block has valid signatures and is outside the profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The signed bytes are not a Datalog block.
    #[error("it cannot be decoded: {}", quoted(&cause.to_string()))]
    Undecodable {
        /// The decoder's error.
        #[source]
        cause: Cause,
    },
    /// The block uses a symbol that its table does not have.
    #[error("it cannot be decoded: `there is no symbol {number}`")]
    Symbol {
        /// The number of the symbol.
        number: u64,
    },
    /// The declared Datalog version is not the one that the form of the block needs.
    #[error("it declares Datalog version number {version}; a block of this form declares {expected}")]
    Version {
        /// The declared version number.
        version: u32,
        /// The required version number.
        expected: u32,
    },
    /// The block has a context text.
    #[error("it holds a context text")]
    Context,
    /// The block has rules.
    #[error("it holds a rule; blocks hold only grants and checks")]
    Rule,
    /// The block has a `trusting` scope outside a demand for an attestation.
    #[error("it uses `trusting` outside a demand for an attestation")]
    Trusting,
    /// The block has public keys that it does not need.
    #[error("it lists public keys that no demand for an attestation needs")]
    PublicKeys,
    /// A fact in a block after the authority block.
    #[error("it holds a fact; only the authority block grants")]
    FactOutsideAuthority,
    /// A fact that is not a grant.
    #[error("it holds the fact {}; the authority block holds only grants", quoted(name))]
    Fact {
        /// The fact's predicate.
        name: String,
    },
    /// `check all` or `reject if`.
    #[error("its check {check} is not a `check if`")]
    CheckKind {
        /// The check's number in the block, from 0.
        check: usize,
    },
    /// A check of a form that the profile does not have.
    #[error(
        "its check {check} is not one of the profile's: one operation's resources, one time limit, one holder, or one attestation"
    )]
    Check {
        /// The check's number in the block, from 0.
        check: usize,
    },
    /// Two checks of one kind.
    #[error("its check {check} repeats an earlier kind of check")]
    Repeated {
        /// The second check's number in the block, from 0.
        check: usize,
    },
    /// A third-party block contains something other than attestations.
    #[error("it is a third party's, and must hold only 1 to 1,024 facts `attested(\"blake3:…\")`")]
    Attestation,
    /// The rights exceed a limit or have a pattern of the wrong kind.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The block cannot be part of a chain.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The block is not the canonical encoding of its meaning.
    #[error("it is not in canonical form: rights sorted, none covered by another, and nothing unused")]
    NotCanonical,
}

/// The position of a block in the chain, and its signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first block, which holds the grants.
    Authority,
    /// Any later block, which holds only checks.
    Later,
    /// A block signed by this third party, which holds only attestations.
    ThirdParty(PublicKey),
}
