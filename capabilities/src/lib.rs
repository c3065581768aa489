//! Capability tokens for secure-runtime: families of resources, rights, chains of signed blocks, and
//! decisions on operations.
//!
//! ```
//! use secure_runtime_capabilities::*;
//!
//! let families = Families::builtin();
//! let base = Base::new("/srv/app")?;
//! let rights = families.parse_grants(["fs.read=./data/**"], &base)?;
//!
//! let root = KeyPair::generate()?;
//! let token = Token::mint(&root, &Block::of(rights))?;
//! let narrower = families.parse_grants(["fs.read=./data/public/**"], &base)?;
//! let token = token.attenuate(&Block { expires: Some(2_000_000_000), ..Block::of(narrower) })?;
//!
//! let accepted = Token::verify(token.as_bytes(), &root.public())?;
//! let operation = families.parse_operation("fs read data/secret.txt", &base)?;
//! let context = Context::at(1_900_000_000);
//! assert_eq!(
//!     accepted.authority().decide(&operation, &context),
//!     Decision::Denied(Denial { block: 1, reason: Reason::NoGrant })
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Delegation
//!
//! - [`Token::attenuate`] adds a block. [`Token::seal_for`] binds a token to a [`Holder`] and closes it. The
//!   bearer of a token bound to a key proves possession of that key: [`Challenge`], [`KeyPair::prove`].
//! - A block can require that a third party attested the module that uses the token ([`Block::attested_by`]).
//!   The third party signs an [`AttestationRequest`] without seeing the token. [`Token::with_attestation`]
//!   adds the signed block.
//! - [`Revocations`] hold the newest signed [`RevocationList`]. Decisions that use them respect a new list at
//!   once, on all threads. A [`Revoker`] revokes an authority that the program itself delegated.
//! - A [`Statement`] is a signed text about a program or a package: the signer vouches for it, and adds
//!   claims such as `reviewed`.
//! - [`explain`] returns the reason of each block, and the party that could grant what is missing.
//!
//! ```
//! # use secure_runtime_capabilities::*;
//! # let random = Families::builtin().parse_grants(["random=true"], &Base::new("/")?)?;
//! let (root, bearer) = (KeyPair::generate()?, KeyPair::generate()?);
//! let sealed = Token::mint(&root, &Block::of(random))?.seal_for(bearer.holder())?;
//!
//! let presented = Token::verify(sealed.as_bytes(), &root.public())?;
//! let challenge = Challenge::generate()?;
//! let proof = bearer.prove(&presented, &challenge);
//! let holder = challenge.accept(&proof, &presented, &bearer.public())?;
//!
//! let decide = |holders: &[Holder]| {
//!     let context = Context { holders, ..Context::at(1_900_000_000) };
//!     presented.authority().decide(&Operation::random_read(RandomSource::OperatingSystem), &context)
//! };
//! assert!(decide(&[holder]).is_allowed());
//! assert!(!decide(&[]).is_allowed());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariants.** This crate does no I/O, knows no engine, and reads no clock. Time and holders are
//! arguments; only key generation calls the operating system, for randomness. Every scope is a set of
//! [`Pattern`]s over canonical resources, so the same code decides for all families. [`Authority::decide`]
//! always equals the complete Biscuit authorizer ([`oracle`]). `spec/tokens.md` specifies the profile of
//! tokens.
#![forbid(unsafe_code)]

mod attestation;
mod authority;
mod block;
mod canonical;
mod cose;
mod datalog;
mod duration;
mod endpoint;
mod explain;
mod families;
mod family;
mod hexadecimal;
mod holder;
mod index;
mod key;
mod name;
mod operation;
mod oracle;
mod origin;
mod path;
mod pattern;
mod proof;
mod registry;
mod revocation;
mod right;
mod statement;
mod text;
mod token;
#[cfg(test)]
mod vectors;

pub use attestation::{AttestationProblem, AttestationRequest, SignedAttestation};
pub use authority::{Authority, Context, Decision, Denial, Reason, Revoker};
pub use block::{Attestation, Block, BlockError, MAX_ATTESTED, MAX_BLOCKS, MAX_TIME};
pub use datalog::ProfileError;
pub use duration::{DurationError, parse_duration};
pub use endpoint::{Endpoint, Hosts, Network};
pub use explain::{Explained, Explanation, Remedy, explain};
pub use families::{
    BlobId, Clock, Env, Fs, HostName, Http, Key, KeyAlgorithm, Kv, ListenAddress, ListenEndpoint, Log,
    MAX_KEY, Module, ModuleId, Net, Random, RandomSource, Resolution, SecretName, Secrets, Store, Transport,
    VariableName,
};
pub use family::{Action, Family, Problem, ScopeError, describe_pattern};
pub use holder::{Holder, HolderError};
pub use key::{KeyError, KeyPair, PublicKey};
pub use name::{ActionName, FamilyName, MAX_NAME, NameError};
pub use operation::Operation;
pub use oracle::{Oracle, OracleError, oracle};
pub use origin::{Origin, OriginError};
pub use path::{Base, FsPath, MAX_COMPONENT, MAX_PATH, PathError};
pub use pattern::Pattern;
pub use proof::{Challenge, Proof, ProofError};
pub use registry::{Described, Families};
pub use revocation::{MAX_REVOCATION_LIST, RevocationError, RevocationId, RevocationList, Revocations};
pub use right::{MAX_COMPLEX_RIGHTS, MAX_RIGHTS, Right, Rights, RightsError};
pub use secure_runtime_text::Cause;
pub use statement::{Claim, MAX_CLAIMS, MAX_STATEMENT, Statement, StatementError, Subject};
pub use token::{MAX_TOKEN, Token, TokenError};
