//! The token profile: how a block is written in Biscuit's Datalog, and read back.
//!
//! The reader picks a block's parts out of decoded Datalog; then the writer writes that block again, and
//! its bytes must be the bytes that were signed. So every block has one encoding, and nothing that the
//! reader overlooked can be in a token. spec/tokens.md is the normative text; TOK numbers refer to it.

mod policy;
mod read;
mod symbols;
mod write;

pub(crate) use policy::{attested, policy, question};
pub(crate) use read::decode;
pub(crate) use symbols::Symbols;
pub(crate) use write::{encode, write};

use thiserror::Error;

use crate::{BlockError, PublicKey, RightsError, text::quoted};

/// Datalog 3.0: the oldest version that is current, so that all tools read it.
const VERSION: u32 = 3;
/// Datalog 3.1, the oldest that has `trusting`.
const VERSION_OF_DEMANDS: u32 = 4;
/// Datalog 3.2, the oldest that third parties sign.
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
/// The head of every check, which means nothing.
const QUERY: &str = "query";

/// Why a block with valid signatures is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The signed bytes are no Datalog block.
    #[error("it cannot be decoded: {}", quoted(cause))]
    Undecodable {
        /// What the decoder says.
        cause: String,
    },
    /// Another Datalog version than the block's form needs.
    #[error("it declares Datalog version number {version}; a block of this form declares {expected}")]
    Version {
        /// The declared number.
        version: u32,
        /// The number to declare.
        expected: u32,
    },
    /// A context text.
    #[error("it holds a context text")]
    Context,
    /// Rules.
    #[error("it holds a rule; blocks hold only grants and checks")]
    Rule,
    /// A `trusting` scope.
    #[error("it says `trusting` where the profile does not: only a demand for an attestation does")]
    Trusting,
    /// A table of public keys.
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
        "its check {check} is none of the profile's: one operation's resources, one time limit, one holder, or one attestation"
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
    /// A third party's block with something else than attestations.
    #[error("it is a third party's, and holds something else than 1 to 1,024 facts `attested(\"blake3:…\")`")]
    Attestation,
    /// Rights that make no set.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// A block that no chain can have.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// It means something that is written otherwise.
    #[error("it is not in canonical form: rights sorted, none covered by another, and nothing unused")]
    NotCanonical,
}

/// Where in the chain a block is, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first block, which grants.
    Authority,
    /// Any other, which only checks.
    Later,
    /// One that this third party signed, which only attests.
    ThirdParty(PublicKey),
}
