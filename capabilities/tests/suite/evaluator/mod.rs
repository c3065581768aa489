//! A second implementation of `spec/tokens.md`, to compare with the crate's decisions.
//!
//! Its author had not read the crate's source, and used only the specification and Biscuit's public one. So
//! if both agree, the specification is complete on that point. It shares no code with the crate and decodes
//! tokens itself. It favours simplicity over speed: a decision tries every combination of facts. Revocation
//! (TOK-40 to TOK-43) is not included.
//!
//! The first comparison found differences, which the specification now settles:
//! - the length of a host's labels (TOK-28);
//! - the number of rights counted after each block (TOK-15);
//! - any 64 digits as the key of a holder (TOK-13);
//! - a third party's own key, which is not in the tables (TOK-32). Biscuit's specification includes it, and
//!   its libraries do not;
//! - texts in the family `net` that are not resources (TOK-17).
mod block;
mod canonical;
pub(crate) mod cases;
mod datalog;
mod envelope;
pub(crate) mod forge;
mod hosts;
pub(crate) mod keys;
mod policy;
pub(crate) mod profile;
pub(crate) mod rights;
mod wire;

use block::{Block, Tables};
use canonical::{constant, predicate};
use datalog::{Check, Origin, World};
use envelope::Envelope;
use hosts::Endpoint;
use keys::Key;
use profile::{Meaning, Position};
use rights::{Right, check_number, meet_all};
use std::collections::BTreeSet;

/// The reason why a token is not in the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The block that is outside the profile. `None` if the token as a whole is.
    pub(crate) block: Option<usize>,
    pub(crate) what: String,
}

impl Refusal {
    fn envelope(what: impl Into<String>) -> Self {
        Self {
            block: None,
            what: what.into(),
        }
    }

    fn block(index: usize, what: impl Into<String>) -> Self {
        Self {
            block: Some(index),
            what: what.into(),
        }
    }
}

/// The reason why a block refuses, in the order of TOK-23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    NotYetValid(u64),
    Expired(u64),
    WrongHolder,
    /// Holds the key whose attestation is demanded.
    NotAttested([u8; 32]),
    NoGrant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Denied { block: usize, reason: Reason },
}

/// An operation and its context (TOK-19).
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) family: &'a str,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) now: u64,
    pub(crate) holders: &'a [String],
}

/// A token with valid signatures whose blocks are in the profile.
pub(crate) struct Accepted {
    pub(crate) blocks: Vec<(Meaning, Block)>,
    /// The revocation identifiers of the blocks (TOK-25).
    pub(crate) revocation_ids: Vec<String>,
    world: World,
}

impl Accepted {
    pub(crate) fn new(token: &[u8], root: &[u8]) -> Result<Self, Refusal> {
        let root = Key::new(root)?;
        let envelope = Envelope::read(token)?;
        keys::verify(&envelope, &root)?;

        let mut accepted = Self {
            blocks: Vec::new(),
            revocation_ids: envelope
                .blocks
                .iter()
                .map(|block| hex::encode(&block.signature))
                .collect(),
            world: World::default(),
        };
        let mut tables = Tables::default();
        for (index, signed) in envelope.blocks.iter().enumerate() {
            let signer = signed.external.as_ref().map(|external| &external.key);
            let position = match (index, signer) {
                (0, _) => Position::Authority,
                (_, None) => Position::Later,
                (_, Some(_)) => Position::ThirdParty,
            };
            let (meaning, block, after) = read(&signed.payload, position, tables.before(signer.is_some()))
                .map_err(|refusal| Refusal::block(index, refusal.what))?;
            match signer {
                None => tables = after,
                Some(key) => {
                    accepted.world.signers.insert(index, *key);
                }
            }
            let facts = block.facts.iter().cloned();
            accepted
                .world
                .facts
                .extend(facts.map(|fact| (Origin::Block(index), fact)));
            accepted.blocks.push((meaning, block));
        }
        accepted.check_what_is_left()?;
        Ok(accepted)
    }

    /// Checks the limits of TOK-15 on the intersection of blocks, after each block.
    fn check_what_is_left(&self) -> Result<(), Refusal> {
        let mut left: Option<BTreeSet<Right>> = None;
        for (meaning, _) in &self.blocks {
            if let Some(rights) = &meaning.rights {
                let rights = rights.iter().cloned().collect();
                let narrowed = match &left {
                    None => rights,
                    Some(left) => meet_all(left, &rights),
                };
                check_number(&narrowed)?;
                left = Some(narrowed);
            }
        }
        Ok(())
    }

    pub(crate) fn answer(&self, question: &Question) -> Verdict {
        let world = World {
            facts: facts(question)
                .into_iter()
                .map(|fact| (Origin::Authorizer, fact))
                .chain(self.world.facts.iter().cloned())
                .collect(),
            signers: self.world.signers.clone(),
        };
        let granted = world.holds(Origin::Authorizer, &policy::allow());
        for (index, (meaning, block)) in self.blocks.iter().enumerate() {
            let refusing = block
                .checks
                .iter()
                .filter(|check| !world.holds(Origin::Block(index), check))
                .map(|check| reason(meaning, check));
            let ungranted = (index == 0 && !granted).then_some(Reason::NoGrant);
            if let Some(reason) = refusing.chain(ungranted).min() {
                return Verdict::Denied { block: index, reason };
            }
        }
        Verdict::Allowed
    }
}

/// Reads a block of the profile. Returns its meaning, its Datalog, and the tables after it.
fn read(payload: &[u8], position: Position, before: Tables) -> Result<(Meaning, Block, Tables), Refusal> {
    let mut after = before.clone();
    let block = Block::read(payload, &mut after)?;
    let meaning = Meaning::of(&block, position)?;
    if meaning.write(position).write(&mut before.clone()) != payload {
        return Err(Refusal::envelope(
            "it is not the canonical encoding of its meaning",
        ));
    }
    Ok((meaning, block, after))
}

/// Returns the authorizer's facts (TOK-24).
fn facts(question: &Question) -> Vec<datalog::Predicate> {
    let Question {
        family,
        action,
        resource,
        now,
        holders,
    } = question;
    let mut facts = vec![
        predicate("operation", [family, action, resource].map(constant)),
        predicate("time", [datalog::Term::Date(*now)]),
    ];
    facts.extend(
        holders
            .iter()
            .map(|holder| predicate("holder", [constant(holder)])),
    );
    if let Some(at) = Endpoint::of(resource).filter(|_| *family == "net" && *action == "connect") {
        let texts = [family, action, at.scheme.as_str(), &at.host, &at.address].map(constant);
        facts.push(predicate(
            "endpoint",
            texts.into_iter().chain([datalog::Term::Integer(at.port)]),
        ));
    }
    facts
}

/// Returns the reason for a failed check of the block, which depends on the facts that the check queries.
fn reason(meaning: &Meaning, check: &Check) -> Reason {
    let query = check.0.first();
    let asked: Vec<_> = query
        .into_iter()
        .flat_map(|query| &query.body)
        .map(|asked| asked.name.as_str())
        .collect();
    let bound = |operator| {
        query.is_some_and(|query| {
            query
                .expressions
                .iter()
                .flatten()
                .any(|instruction| *instruction == datalog::Instruction::Apply(operator))
        })
    };
    match asked.as_slice() {
        ["time"] if bound(datalog::Operator::GreaterOrEqual) => {
            Reason::NotYetValid(meaning.not_before.unwrap_or_default())
        }
        ["time"] => Reason::Expired(meaning.expires.unwrap_or_default()),
        ["holder"] => Reason::WrongHolder,
        ["holder", "attested"] => Reason::NotAttested(meaning.demands.map_or([0; 32], |key| *key.as_bytes())),
        _ => Reason::NoGrant,
    }
}
