//! Authorities: chains of blocks that were verified, ready to decide.

use std::{fmt, sync::Arc};

use crate::{ActionName, Block, BlockError, FamilyName, Holder, MAX_BLOCKS, Operation, Pattern, Rights};

/// What a decision depends on besides the chain and the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The time, in Unix seconds.
    pub now: u64,
    /// Who asks: the module's hash, or the key that they proved to hold.
    pub holder: Option<&'a Holder>,
}

/// The answer to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Every block allows it.
    Allowed,
    /// Some block does not.
    Denied(Denial),
}

impl Decision {
    /// Whether the operation may happen.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed)
    }
}

/// Which block refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Denial {
    /// The first block that refused; 0 is the authority block.
    pub block: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a block refuses an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// None of its rights is for this operation.
    NoGrant,
    /// It is too late.
    Expired {
        /// The first second, in Unix time, at which it was.
        at: u64,
    },
    /// It is too early.
    NotYetValid {
        /// The first second, in Unix time, at which it is not.
        from: u64,
    },
    /// It is bound to another holder than the one who asks.
    WrongHolder,
}

/// A chain of blocks, from the authority block to the last, whose signatures need no more checking.
///
/// It comes from a verified [`crate::Token`], or is computed without signatures by
/// [`Authority::narrow`] and means the same as the token that [`crate::Token::attenuate`] makes of the
/// same block. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority(Arc<Chain>);

#[derive(PartialEq, Eq)]
struct Chain {
    /// Never empty.
    blocks: Vec<Block>,
    /// The meet of all blocks' rights, for questions about more than one resource. Decisions ask the
    /// blocks, so that there is one truth and a denial can name its block.
    effective: Rights,
}

impl Authority {
    /// The authority of a chain that is only this authority block.
    ///
    /// # Errors
    /// A block that no token can hold.
    pub fn new(root: Block) -> Result<Authority, BlockError> {
        root.check()?;
        // In the authority block, no rights named means none there.
        let effective = root.rights.unwrap_or_default();
        let root = Block {
            rights: Some(effective.clone()),
            ..root
        };
        Ok(Authority(Arc::new(Chain {
            blocks: vec![root],
            effective,
        })))
    }

    /// This authority under one more block. It can only shrink.
    ///
    /// # Errors
    /// A block that no token can hold, or too many blocks or rights.
    pub fn narrow(&self, block: &Block) -> Result<Authority, BlockError> {
        block.check()?;
        if self.0.blocks.len() >= MAX_BLOCKS {
            return Err(BlockError::TooManyBlocks);
        }
        let effective = match &block.rights {
            Some(rights) => self.0.effective.meet(rights)?,
            None => self.0.effective.clone(),
        };
        let blocks = self.0.blocks.iter().chain([block]).cloned().collect();
        Ok(Authority(Arc::new(Chain { blocks, effective })))
    }

    /// Whether the operation may happen now, for this holder. Pure, and free of allocation.
    pub fn decide(&self, operation: &Operation<'_>, context: &Context<'_>) -> Decision {
        for (block, content) in self.0.blocks.iter().enumerate() {
            if let Some(reason) = content.refusal(operation, context) {
                return Decision::Denied(Denial { block, reason });
            }
        }
        Decision::Allowed
    }

    /// The blocks, the authority block first.
    pub fn blocks(&self) -> &[Block] {
        &self.0.blocks
    }

    /// The rights that all blocks leave, time and holder aside.
    pub fn effective_rights(&self) -> &Rights {
        &self.0.effective
    }

    /// The patterns of one action that all blocks leave, none covered by another.
    pub fn effective(
        &self,
        family: FamilyName,
        action: ActionName,
    ) -> impl ExactSizeIterator<Item = &Pattern> {
        self.0
            .effective
            .for_action(family, action)
            .iter()
            .map(|right| &right.pattern)
    }

    /// Whether every resource of the pattern is allowed, time and holder aside: what removing or
    /// renaming a whole folder needs.
    pub fn covers(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        self.0.effective.covers_pattern(family, action, pattern)
    }

    /// Whether some resource of the pattern is allowed, time and holder aside.
    pub fn intersects(&self, family: FamilyName, action: ActionName, pattern: &Pattern) -> bool {
        self.0.effective.intersects(family, action, pattern)
    }

    /// The first second, in Unix time, at which the chain allows nothing any more.
    pub fn expires(&self) -> Option<u64> {
        self.0.blocks.iter().filter_map(|block| block.expires).min()
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
        let (families, base) = (Families::builtin(), Base::new("/srv").unwrap());
        Rights::new(
            scopes
                .iter()
                .flat_map(|scope| families.parse_grant(scope, &base).unwrap()),
        )
        .unwrap()
    }

    fn decide(authority: &Authority, operation: &str, now: u64, holder: Option<&Holder>) -> Decision {
        let operation = Families::builtin()
            .parse_operation(operation, &Base::new("/srv").unwrap())
            .unwrap();
        authority.decide(&operation, &Context { now, holder })
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
            assert_eq!(decide(&authority, "random", now, None), expected, "{now}");
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
            ("fs read data/a", Some(&module), Decision::Allowed),
            ("fs read data", Some(&module), Decision::Allowed),
            ("fs read data-secret/a", Some(&module), denied(2, Reason::NoGrant)),
            ("fs write out/a", Some(&module), denied(0, Reason::NoGrant)),
            ("fs read data/a", None, denied(1, Reason::WrongHolder)),
            (
                "fs read data/a",
                Some(&Holder::Key([1; 32])),
                denied(1, Reason::WrongHolder),
            ),
            ("fs read /etc/passwd", Some(&module), denied(0, Reason::NoGrant)),
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
        assert!(!decide(&authority, "random", 0, None).is_allowed());
        let wider = authority.narrow(&Block::of(rights(&["random=true"]))).unwrap();
        assert!(!decide(&wider, "random", 0, None).is_allowed());
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
