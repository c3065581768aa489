//! The token profile: how a block is written in Biscuit's Datalog, and read back.
//!
//! The reader picks a block's parts out of decoded Datalog; then the writer writes that block again, and
//! its bytes must be the bytes that were signed. So every block has one encoding, and nothing that the
//! reader overlooked can be in a token. spec/tokens.md is the normative text; TOK numbers refer to it.

mod policy;
mod read;
mod write;

pub(crate) use policy::{policy, question};
pub(crate) use read::decode;
pub(crate) use write::write;

use thiserror::Error;

use crate::{TooManyRights, text::quoted};

/// The Datalog version of every block: 3.0, the oldest that is current, so that all tools read it.
const VERSION: u32 = 3;

const GRANT: &str = "grant";
const EXACT: &str = "exact";
const AFFIX: &str = "affix";
const OPERATION: &str = "operation";
const TIME: &str = "time";
const HOLDER: &str = "holder";
const RESOURCE: &str = "resource";
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
    /// Another Datalog version than 3.0.
    #[error("it declares Datalog version number {version}; the profile is {VERSION} (Datalog 3.0)")]
    Version {
        /// The declared number.
        version: u32,
    },
    /// A context text.
    #[error("it holds a context text")]
    Context,
    /// Rules.
    #[error("it holds a rule; blocks hold only grants and checks")]
    Rule,
    /// A `trusting` scope.
    #[error("it says `trusting`; blocks trust only the authority block")]
    Trusting,
    /// A table of public keys.
    #[error("it lists public keys, which only third-party blocks need")]
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
        "its check {check} is none of the profile's: one operation's resources, one time limit, or one holder"
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
    /// More rights than one block may hold.
    #[error(transparent)]
    TooManyRights(#[from] TooManyRights),
    /// It means something that is written otherwise.
    #[error("it is not in canonical form: rights sorted, none covered by another, and nothing unused")]
    NotCanonical,
}
/// Where in the chain a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first block, which grants.
    Authority,
    /// Any other, which only checks.
    Later,
}
