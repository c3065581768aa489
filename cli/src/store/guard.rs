//! Access control of a store that requires tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{
    Base, BlobId, Context, Decision, Operation, PublicKey, Reason, Revocations, Token, explain,
};
use secure_runtime_loaders::ContentHash;
use secure_runtime_loaders::store::{Access, Account, Guard, Refused};

/// Returns a guard that requires tokens signed under this key.
pub(super) fn guard(root: PublicKey, revocations: Option<Revocations>, public_read: bool) -> Guard {
    let rules = Rules {
        root,
        revocations,
        latest: AtomicU64::new(0),
    };
    Guard {
        authorize: Arc::new(move |access, hash, token| rules.decide(access, hash, token, SystemTime::now())),
        public_read,
    }
}

struct Rules {
    root: PublicKey,
    revocations: Option<Revocations>,
    /// The latest second that was seen. A clock that is set back must not make an expired token valid again.
    latest: AtomicU64,
}

impl Rules {
    /// Decides about one request, and verifies its token anew. The reason for a refusal reveals nothing but facts about
    /// the token.
    fn decide(
        &self,
        access: Access,
        hash: &ContentHash,
        token: Option<&str>,
        now: SystemTime,
    ) -> Result<Account, Refused> {
        let Some(token) = token else {
            return Err(refused("this store requires a token: `Authorization: Bearer …`"));
        };
        let token = Token::parse_text(token, &self.root)
            .map_err(|error| refused(format!("the token is refused: {error}")))?;
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_err(|_| refused("the clock of this store is wrong: no token can be verified"))?
            .as_secs();
        // No holder is proven: a header that anyone can send does not prove possession of a key.
        let context = Context {
            revocations: self.revocations.as_ref(),
            ..Context::at(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
        };
        let blob = BlobId::new(hash.as_bytes());
        let operation = match access {
            Access::Read => Operation::store_read(&blob),
            Access::Add => Operation::store_add(&blob),
        };
        match token.authority().decide(&operation, &context) {
            // The account is the id of the authority block, so that an attenuated token does not get an additional
            // account.
            Decision::Allowed => Ok(token
                .revocation_ids()
                .first()
                .map_or_else(|| Account::new(b""), |id| Account::new(id.as_bytes()))),
            Decision::Denied(denial) if denial.reason == Reason::WrongHolder => Err(refused(
                "the token is bound to a holder, and sending it does not prove possession of the holder's key: use a token that is not bound",
            )),
            Decision::Denied(denial) => {
                let right = format!("{}.{}", operation.family(), operation.action());
                let base = Base::new("/").map_err(|error| refused(error.to_string()))?;
                let explanation = explain(
                    token.authority(),
                    &operation,
                    &context,
                    crate::host::families(),
                    &base,
                );
                let why = explanation
                    .blocks
                    .get(denial.block)
                    .map(|block| block.reason(&right));
                Err(refused(format!(
                    "the token does not allow it: block {}: {}",
                    denial.block,
                    why.unwrap_or_default()
                )))
            }
        }
    }
}

fn refused(reason: impl Into<String>) -> Refused {
    Refused {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secure_runtime_capabilities::{Block, KeyPair};

    use super::*;

    /// STORE-19. An expired token stays expired if the clock is set back. A clock before 1970 allows nothing.
    #[test]
    fn the_clock_cannot_revive_a_token() {
        let root = KeyPair::generate().unwrap();
        let rights = secure_runtime_capabilities::Families::builtin()
            .parse_grants(["store.read=*"], &Base::new("/").unwrap());
        let token = Block {
            expires: Some(1_000),
            ..Block::of(rights.unwrap())
        };
        let token = Token::mint(&root, &token).unwrap().to_text();
        let rules = Rules {
            root: root.public(),
            revocations: None,
            latest: AtomicU64::new(0),
        };
        let ask = |now: SystemTime| {
            let answer = rules.decide(Access::Read, &ContentHash::of(b""), Some(&token), now);
            answer.map(drop).map_err(|refused| refused.reason)
        };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(ask(at(999)), Ok(()));
        let before = ask(UNIX_EPOCH - Duration::from_secs(1)).unwrap_err();
        assert!(before.contains("the clock of this store is wrong"), "{before}");
        assert_eq!(ask(at(998)), Ok(()));
        for now in [1_000, 999, 0] {
            let late = ask(at(now)).unwrap_err();
            assert!(
                late.contains("block 0: it expired at 1970-01-01T00:16:40Z"),
                "{late}"
            );
        }
    }
}
