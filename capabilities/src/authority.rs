//! Authorities: verified chains of blocks, ready to decide operations.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    ActionName, Block, BlockError, FamilyName, Holder, MAX_BLOCKS, Operation, Pattern, PublicKey,
    RevocationId, Revocations, Rights,
};

/// The inputs of a decision besides the chain and the operation.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time, in Unix seconds.
    pub now: u64,
    /// The holders on whose behalf the operation is requested: the calling module, by its hash, and every key
    /// whose possession was proven.
    pub holders: &'a [Holder],
    /// The revocation list to respect; `None` if the program has no list.
    pub revocations: Option<&'a Revocations>,
}

impl Context<'_> {
    /// Returns the context for this time, with no holder and no revocation list.
    pub fn at(now: u64) -> Self {
        Context {
            now,
            holders: &[],
            revocations: None,
        }
    }
}

/// The result of deciding one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Every block allows it.
    Allowed,
    /// At least one block refuses it.
    Denied(Denial),
}

impl Decision {
    /// Returns true if the operation is allowed.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed)
    }
}

/// The refusal of an operation: the block and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Denial {
    /// The first block that refused; 0 is the authority block.
    pub block: usize,
    /// The reason of that block.
    pub reason: Reason,
}

/// A reason why a block refuses an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The block has no right that covers the operation.
    NoGrant,
    /// The block has expired.
    Expired {
        /// The first second, in Unix time, at which the block is no longer valid.
        at: u64,
    },
    /// The block is not valid yet.
    NotYetValid {
        /// The first second, in Unix time, at which the block is valid.
        from: u64,
    },
    /// The block is bound to a holder that is not among the holders of the context.
    WrongHolder,
    /// The block requires an attested module, and no holder of the context is one.
    NotAttested {
        /// The key of the third party that must attest the module.
        by: PublicKey,
    },
    /// The block was revoked.
    Revoked,
    /// The revocation list is stale or missing, so the token's revocation state is unknown.
    StaleRevocations {
        /// The time at which the list became stale, in Unix seconds; 0 if there was never a list.
        since: u64,
    },
}

/// A chain of blocks, from the authority block to the last, whose signatures are already verified.
///
/// A chain comes from a verified [`crate::Token`], or from [`Authority::narrow`], which computes one without
/// signatures. Both mean the same: narrowing by a block equals [`crate::Token::attenuate`] with that block.
/// Cloning is cheap.
#[derive(Clone)]
pub struct Authority(Arc<Chain>);

struct Chain {
    /// Never empty.
    blocks: Vec<Block>,
    /// One for each block.
    marks: Vec<Arc<Mark>>,
    compiled: Compiled,
    /// The revocation state in which no block of this chain was revoked. It spares the lookup while the state
    /// stays the same.
    clean: AtomicU64,
}

/// Estimated allocator overhead of one chain's allocations, in bytes.
const ALLOCATIONS: usize = 128;

/// The identity of one block, shared by this chain and all chains narrowed from it.
struct Mark {
    /// `None` for a block that was never signed.
    id: Option<RevocationId>,
    is_revoked: AtomicBool,
}

/// The intersection of all blocks. An allowed operation is decided on this alone.
struct Compiled {
    rights: Rights,
    not_before: u64,
    expires: Option<u64>,
    /// All holders to which blocks are bound, without duplicates.
    holders: Vec<Holder>,
    /// The attested modules, sorted, for each key whose attestation a block requires.
    attested: Vec<(PublicKey, Vec<[u8; 32]>)>,
}

/// Revokes a delegated authority: the last block of the chain, and every chain narrowed from it.
#[derive(Clone)]
pub struct Revoker(Arc<Mark>);

impl Revoker {
    /// Revokes permanently. Every thread respects it from its next decision on.
    pub fn revoke(&self) {
        self.0.is_revoked.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Revoker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Revoker")
            .field("is_revoked", &self.0.is_revoked)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Authority {
    /// Compares the blocks. Revocation is not compared.
    fn eq(&self, other: &Authority) -> bool {
        self.0.blocks == other.0.blocks
    }
}

impl Eq for Authority {}

impl Compiled {
    fn of(blocks: &[Block], rights: Rights) -> Compiled {
        let mut holders: Vec<Holder> = blocks.iter().filter_map(|block| block.holder).collect();
        holders.sort_unstable();
        holders.dedup();
        let mut keys: Vec<PublicKey> = blocks.iter().filter_map(|block| block.attested_by).collect();
        keys.sort_unstable();
        keys.dedup();
        let attested = keys.into_iter().map(|key| {
            let attestations = blocks.iter().filter_map(|block| block.attestation.as_ref());
            let mut modules: Vec<[u8; 32]> = attestations
                .filter(|attestation| *attestation.by() == key)
                .flat_map(|attestation| attestation.modules().iter().copied())
                .collect();
            modules.sort_unstable();
            (key, modules)
        });
        Compiled {
            rights,
            not_before: blocks
                .iter()
                .filter_map(|block| block.not_before)
                .max()
                .unwrap_or(0),
            expires: blocks.iter().filter_map(|block| block.expires).min(),
            attested: attested.collect(),
            holders,
        }
    }

    /// Returns the first key whose attestation is required and which attested none of the holders.
    fn not_attested(&self, holders: &[Holder]) -> Option<PublicKey> {
        let mut keys = self.attested.iter().map(|(by, _)| *by);
        keys.find(|by| self.lacks(by, holders))
    }

    /// Returns true if this key attested none of the holders.
    fn lacks(&self, by: &PublicKey, holders: &[Holder]) -> bool {
        let mut attested = self.attested.iter().filter(|(key, _)| key == by);
        !attested.any(|(_, modules)| {
            holders
                .iter()
                .any(|holder| matches!(holder, Holder::Module(hash) if modules.binary_search(hash).is_ok()))
        })
    }
}

impl Authority {
    /// Returns the authority of a chain that consists of this authority block.
    ///
    /// # Errors
    /// Returns an error if no token can hold the block.
    pub fn new(root: Block) -> Result<Authority, BlockError> {
        Authority::begin(root, None)
    }

    /// Returns this authority narrowed by one more block. The result never allows more.
    ///
    /// # Errors
    /// Returns an error if no token can hold the block, or if there are too many blocks or rights. A block
    /// with an attestation is also an error, because only the third party can sign it.
    pub fn narrow(&self, block: &Block) -> Result<Authority, BlockError> {
        if block.attestation.is_some() {
            return Err(BlockError::UnsignedAttestation);
        }
        self.append(block, None)
    }

    pub(crate) fn begin(root: Block, id: Option<RevocationId>) -> Result<Authority, BlockError> {
        root.check()?;
        if root.attestation.is_some() {
            return Err(BlockError::UnsignedAttestation);
        }
        // In the authority block, missing rights mean no rights.
        let rights = root.rights.unwrap_or_default();
        let root = Block {
            rights: Some(rights.clone()),
            ..root
        };
        Ok(Authority::of(vec![root], vec![Mark::new(id)], rights))
    }

    pub(crate) fn append(&self, block: &Block, id: Option<RevocationId>) -> Result<Authority, BlockError> {
        block.check()?;
        if self.0.blocks.len() >= MAX_BLOCKS {
            return Err(BlockError::TooManyBlocks);
        }
        let rights = match &block.rights {
            Some(rights) => self.effective_rights().meet(rights)?,
            None => self.effective_rights().clone(),
        };
        let blocks = self.0.blocks.iter().chain([block]).cloned().collect();
        let marks = self.0.marks.iter().cloned().chain([Mark::new(id)]).collect();
        Ok(Authority::of(blocks, marks, rights))
    }

    /// Returns an upper estimate of the bytes that this authority takes beyond the one it was narrowed from.
    /// Callers use it to charge a guest for the authorities that the guest creates.
    pub fn memory(&self) -> usize {
        let Chain { blocks, marks, .. } = &*self.0;
        let own =
            size_of::<Chain>() + blocks.len() * size_of::<Block>() + marks.len() * size_of::<Arc<Mark>>();
        let bound: usize = self.0.compiled.holders.len() * size_of::<Holder>() + size_of::<Mark>();
        let modules: usize = self
            .0
            .compiled
            .attested
            .iter()
            .map(|(_, modules)| modules.len())
            .sum();
        // If the last block has no rights of its own, it shares those of the chain before it.
        let rights = blocks.last().and_then(|block| block.rights.as_ref());
        let rights = rights.map_or(0, |own| own.memory() + self.0.compiled.rights.memory());
        own + bound + modules * size_of::<[u8; 32]>() + rights + ALLOCATIONS
    }

    fn of(blocks: Vec<Block>, marks: Vec<Arc<Mark>>, rights: Rights) -> Authority {
        Authority(Arc::new(Chain {
            compiled: Compiled::of(&blocks, rights),
            blocks,
            marks,
            clean: AtomicU64::new(0),
        }))
    }

    /// Decides an operation now, for the holders of the context. Takes no lock, and allocates nothing if the
    /// operation is allowed.
    pub fn decide(&self, operation: &Operation<'_>, context: &Context<'_>) -> Decision {
        if self.allows(operation, context) {
            Decision::Allowed
        } else {
            Decision::Denied(self.denial(operation, context))
        }
    }

    /// Decides on the intersection of all blocks.
    fn allows(&self, operation: &Operation<'_>, context: &Context<'_>) -> bool {
        let Chain { compiled, marks, .. } = &*self.0;
        context.now >= compiled.not_before
            && compiled.expires.is_none_or(|at| context.now < at)
            && compiled
                .holders
                .iter()
                .all(|holder| context.holders.contains(holder))
            && compiled.not_attested(context.holders).is_none()
            && !marks.iter().any(|mark| mark.is_revoked.load(Ordering::Acquire))
            && context
                .revocations
                .is_none_or(|revocations| self.is_unlisted(revocations, context.now))
            && compiled
                .rights
                .allows(operation.family(), operation.action(), operation.resource())
    }

    /// Returns the first block that refuses, with its reason. This is the slow path: it checks block by
    /// block.
    #[cold]
    fn denial(&self, operation: &Operation<'_>, context: &Context<'_>) -> Denial {
        let refusal = self.first(|block| self.refusal(block, operation, context));
        // An operation that the intersection refuses is always refused by a block. The fallback keeps a
        // defect here from allowing one.
        refusal.unwrap_or(Denial {
            block: self.0.blocks.len().saturating_sub(1),
            reason: Reason::NoGrant,
        })
    }

    /// Returns the reason why every operation is refused now, whatever the grants: revocation, time, holder
    /// or attestation.
    pub fn lapse(&self, context: &Context<'_>) -> Option<Denial> {
        self.first(|block| self.lapse_of(block, context))
    }

    fn first(&self, refusal: impl Fn(usize) -> Option<Reason>) -> Option<Denial> {
        (0..self.0.blocks.len()).find_map(|block| {
            let reason = refusal(block)?;
            Some(Denial { block, reason })
        })
    }

    /// Returns the reason why this block refuses the operation, or `None` if it allows it.
    pub(crate) fn refusal(
        &self,
        number: usize,
        operation: &Operation<'_>,
        context: &Context<'_>,
    ) -> Option<Reason> {
        if let Some(reason) = self.lapse_of(number, context) {
            return Some(reason);
        }
        match &self.0.blocks.get(number)?.rights {
            Some(rights) if !rights.allows(operation.family(), operation.action(), operation.resource()) => {
                Some(Reason::NoGrant)
            }
            _ => None,
        }
    }

    /// Returns the reason why this block refuses every operation, or `None` if it does not.
    fn lapse_of(&self, number: usize, context: &Context<'_>) -> Option<Reason> {
        // A stale list concerns no particular block, so it is reported for the first one.
        if number == 0
            && let Some(since) = context.revocations.and_then(|list| list.stale_since(context.now))
        {
            return Some(Reason::StaleRevocations { since });
        }
        let (block, mark) = (self.0.blocks.get(number)?, self.0.marks.get(number)?);
        let is_listed = || {
            let list = context.revocations?.list()?;
            Some(list.contains(mark.id.as_ref()?))
        };
        if mark.is_revoked.load(Ordering::Acquire) || is_listed() == Some(true) {
            return Some(Reason::Revoked);
        }
        if let Some(from) = block.not_before
            && context.now < from
        {
            return Some(Reason::NotYetValid { from });
        }
        if let Some(at) = block.expires
            && context.now >= at
        {
            return Some(Reason::Expired { at });
        }
        if let Some(holder) = &block.holder
            && !context.holders.contains(holder)
        {
            return Some(Reason::WrongHolder);
        }
        if let Some(by) = block.attested_by
            && self.0.compiled.lacks(&by, context.holders)
        {
            return Some(Reason::NotAttested { by });
        }
        None
    }

    /// Returns true if the list is current and names no block of the chain.
    fn is_unlisted(&self, revocations: &Revocations, now: u64) -> bool {
        if revocations.stale_since(now).is_some() {
            return false;
        }
        let state = revocations.state();
        self.0.clean.load(Ordering::Acquire) == state || self.look_up(revocations, state)
    }

    #[cold]
    fn look_up(&self, revocations: &Revocations, state: u64) -> bool {
        let Some(list) = revocations.list() else {
            return false;
        };
        let mut ids = self.0.marks.iter().filter_map(|mark| mark.id.as_ref());
        let is_clean = !ids.any(|id| list.contains(id));
        if is_clean {
            // The list belongs to this state or to a newer one. If it is newer, the next decision sees
            // another number and looks up again.
            self.0.clean.store(state, Ordering::Release);
        }
        is_clean
    }

    /// Returns the revoker of the last block. It also stops every chain narrowed from this one, but not the
    /// blocks before.
    pub fn revoker(&self) -> Option<Revoker> {
        self.0.marks.last().cloned().map(Revoker)
    }

    /// Returns the first key that must attest this module and does not, or `None` if no attestation is
    /// missing. The linker checks this before it links a module.
    pub fn lacks_attestation(&self, module: &[u8; 32]) -> Option<PublicKey> {
        self.0.compiled.not_attested(&[Holder::Module(*module)])
    }

    /// Returns the blocks, the authority block first.
    pub fn blocks(&self) -> &[Block] {
        &self.0.blocks
    }

    /// Returns the rights that all blocks allow, regardless of time and holder.
    pub fn effective_rights(&self) -> &Rights {
        &self.0.compiled.rights
    }

    /// Returns the patterns that all blocks allow for one action. None of them is covered by another.
    pub fn effective(
        &self,
        family: FamilyName,
        action: ActionName,
    ) -> impl ExactSizeIterator<Item = &Pattern> {
        self.effective_rights()
            .for_action(family, action)
            .iter()
            .map(|right| &right.pattern)
    }

    /// Returns true if every resource of the pattern is allowed, regardless of time and holder. Removing or
    /// renaming a whole folder requires this.
    pub fn covers(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        self.effective_rights().covers_pattern(family, action, pattern)
    }

    /// Returns true if at least one resource of the pattern is allowed, regardless of time and holder.
    pub fn intersects(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        self.effective_rights().intersects(family, action, pattern)
    }

    /// Returns the first second, in Unix time, at which the chain has expired.
    pub fn expires(&self) -> Option<u64> {
        self.0.compiled.expires
    }
}

impl Mark {
    fn new(id: Option<RevocationId>) -> Arc<Mark> {
        Arc::new(Mark {
            id,
            is_revoked: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.blocks()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Base, Families};

    fn rights(scopes: &[&str]) -> Rights {
        let base = Base::new("/srv").unwrap();
        Families::builtin().parse_grants(scopes, &base).unwrap()
    }

    fn decide(authority: &Authority, operation: &str, now: u64, holders: &[Holder]) -> Decision {
        let operation = Families::builtin()
            .parse_operation(operation, &Base::new("/srv").unwrap())
            .unwrap();
        authority.decide(
            &operation,
            &Context {
                holders,
                ..Context::at(now)
            },
        )
    }

    /// TOK-20: the boundary seconds.
    #[test]
    fn times_are_half_open() {
        let block = Block {
            not_before: Some(10),
            expires: Some(20),
            ..Block::of(rights(&["random=true"]))
        };
        let authority = Authority::new(block).unwrap();
        let denied = |reason| Decision::Denied(Denial { block: 0, reason });
        for (now, expected) in [
            (9, denied(Reason::NotYetValid { from: 10 })),
            (10, Decision::Allowed),
            (19, Decision::Allowed),
            (20, denied(Reason::Expired { at: 20 })),
            (u64::MAX, denied(Reason::Expired { at: 20 })),
        ] {
            assert_eq!(decide(&authority, "random", now, &[]), expected, "{now}");
        }
        let until = |at| Block {
            expires: at,
            ..Block::default()
        };
        let narrowed = |at| authority.narrow(&until(at)).unwrap().expires();
        assert_eq!(
            [narrowed(None), narrowed(Some(30)), narrowed(Some(15))],
            [Some(20), Some(20), Some(15)]
        );
        assert_eq!(Authority::new(Block::default()).unwrap().expires(), None);
        assert!(format!("{authority:?}").contains("expires: Some(20)"));
        // At the same times, an operation that is not granted is denied for that reason.
        for (now, reason) in [
            (9, Reason::NotYetValid { from: 10 }),
            (10, Reason::NoGrant),
            (19, Reason::NoGrant),
            (20, Reason::Expired { at: 20 }),
        ] {
            assert_eq!(decide(&authority, "clock 1s", now, &[]), denied(reason), "{now}");
        }
    }

    /// TOK-18, TOK-21, TOK-23
    #[test]
    fn a_denial_names_the_first_block_that_refuses() {
        let authority = Authority::new(Block::of(rights(&["fs.read=./**"]))).unwrap();
        let narrowed = authority
            .narrow(&Block {
                holder: Some(Holder::Module([1; 32])),
                ..Block::default()
            })
            .unwrap()
            .narrow(&Block::of(rights(&["fs.read=./data/**", "fs.write=./out/**"])))
            .unwrap();
        let module = Holder::Module([1; 32]);
        let denied = |block, reason| Decision::Denied(Denial { block, reason });
        for (operation, holder, expected) in [
            ("fs read data/a", &[module][..], Decision::Allowed),
            ("fs read data", &[module][..], Decision::Allowed),
            ("fs read data-secret/a", &[module][..], denied(2, Reason::NoGrant)),
            ("fs write out/a", &[module][..], denied(0, Reason::NoGrant)),
            ("fs read data/a", &[][..], denied(1, Reason::WrongHolder)),
            (
                "fs read data/a",
                &[Holder::Key([1; 32])][..],
                denied(1, Reason::WrongHolder),
            ),
            ("fs read /etc/passwd", &[module][..], denied(0, Reason::NoGrant)),
        ] {
            assert_eq!(decide(&narrowed, operation, 0, holder), expected, "{operation}");
        }
        let patterns: Vec<_> = narrowed.effective(FamilyName::FS, ActionName::READ).collect();
        assert_eq!(
            patterns,
            [&Pattern::exact("/srv/data"), &Pattern::prefix("/srv/data/")]
        );
        assert!(narrowed.covers(FamilyName::FS, ActionName::READ, &Pattern::prefix("/srv/data/x/")));
        assert!(!narrowed.covers(FamilyName::FS, ActionName::READ, &Pattern::prefix("/srv/")));
        assert!(narrowed.intersects(FamilyName::FS, ActionName::READ, &Pattern::prefix("/srv/")));
        assert!(!narrowed.intersects(FamilyName::FS, ActionName::WRITE, &Pattern::prefix("/")));
    }

    /// TOK-18
    #[test]
    fn an_authority_block_without_rights_allows_nothing() {
        let authority = Authority::new(Block::default()).unwrap();
        assert!(!decide(&authority, "random", 0, &[]).is_allowed());
        let wider = authority.narrow(&Block::of(rights(&["random=true"]))).unwrap();
        assert!(!decide(&wider, "random", 0, &[]).is_allowed());
    }

    /// TOK-1, TOK-12
    #[test]
    fn chains_and_times_have_limits() {
        let mut authority = Authority::new(Block::default()).unwrap();
        for _ in 1..MAX_BLOCKS {
            authority = authority.narrow(&Block::default()).unwrap();
        }
        assert_eq!(
            authority.narrow(&Block::default()),
            Err(BlockError::TooManyBlocks)
        );
        let late = Block {
            expires: Some(crate::MAX_TIME + 1),
            ..Block::default()
        };
        assert_eq!(
            Authority::new(late),
            Err(BlockError::TimeOutOfRange {
                seconds: crate::MAX_TIME + 1
            })
        );
    }
}
