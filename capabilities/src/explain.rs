//! Why an operation is allowed or denied, block by block, and what would allow it.

use std::fmt;

use crate::{
    Authority, Base, Context, Decision, Described, Families, MAX_TIME, Operation, Pattern, Reason,
    text::quoted,
};

/// What one block says about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// The scopes that it allows for the operation's family and action, or `None` when it leaves the
    /// rights as they are.
    pub scopes: Option<Vec<String>>,
    /// Why it refuses, or `None` when it does not.
    pub refusal: Option<Reason>,
}

/// Why an operation is allowed or denied. `Display` tells it to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The operation.
    pub operation: Operation<'static>,
    /// The decision, which names the first block that refuses.
    pub decision: Decision,
    /// Every block, the authority block first.
    pub blocks: Vec<Explained>,
    /// The smallest grant that every block which lacks it would need, or `None` when no grant is missing.
    pub missing: Option<Described>,
}

/// Explains the decision on an operation. Paths are written as they are in a manifest in `base`.
pub fn explain(
    authority: &Authority,
    operation: &Operation<'_>,
    context: &Context<'_>,
    families: &Families,
    base: &Base,
) -> Explanation {
    let (family, action) = (operation.family(), operation.action());
    let scopes = |patterns: &[Pattern]| families.describe_patterns(family, action, patterns, base);
    let blocks: Vec<Explained> = authority
        .blocks()
        .iter()
        .enumerate()
        .map(|(number, block)| Explained {
            scopes: block.rights.as_ref().map(|rights| {
                let patterns: Vec<Pattern> = rights
                    .for_action(family, action)
                    .iter()
                    .map(|right| right.pattern.clone())
                    .collect();
                scopes(&patterns)
            }),
            refusal: authority.refusal(number, operation, context),
        })
        .collect();
    let lacks = authority.blocks().iter().any(|block| {
        let rights = block.rights.as_ref();
        rights.is_some_and(|rights| !rights.allows(family, action, operation.resource()))
    });
    let resource = Pattern::exact(operation.resource());
    Explanation {
        operation: operation.clone().into_owned(),
        decision: authority.decide(operation, context),
        blocks,
        missing: lacks.then(|| Described {
            family,
            action,
            scopes: scopes(&[resource]),
        }),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.to_string();
        match &self.decision {
            Decision::Allowed => writeln!(formatter, "{} is allowed.", quoted(&operation))?,
            Decision::Denied(denial) => {
                writeln!(
                    formatter,
                    "{} is denied by block {}.",
                    quoted(&operation),
                    denial.block
                )?;
            }
        }
        let what = format!("{}.{}", self.operation.family(), self.operation.action());
        for (number, block) in self.blocks.iter().enumerate() {
            let name = if number == 0 {
                "block 0 (authority)"
            } else {
                &format!("block {number}")
            };
            let verdict = if block.refusal.is_some() {
                "refuses"
            } else {
                "allows"
            };
            write!(formatter, "  {name} {verdict}: ")?;
            match &block.refusal {
                Some(Reason::Expired { at }) => write!(formatter, "it expired at {}; ", time(*at))?,
                Some(Reason::NotYetValid { from }) => {
                    write!(formatter, "it is valid only from {}; ", time(*from))?;
                }
                Some(Reason::WrongHolder) => write!(formatter, "it is bound to another holder; ")?,
                Some(Reason::NotAttested { by }) => {
                    write!(formatter, "it demands a module that {by} attested; ")?
                }
                Some(Reason::Revoked) => write!(formatter, "it was revoked; ")?,
                Some(Reason::StaleRevocations { .. } | Reason::NoGrant) | None => {}
            }
            match block.scopes.as_deref() {
                None => writeln!(formatter, "{what} as the block before"),
                Some([]) => writeln!(formatter, "nothing of {what}"),
                Some(scopes) => {
                    let scopes: Vec<String> = scopes.iter().map(|scope| quoted(scope).to_string()).collect();
                    writeln!(formatter, "{what} of {}", scopes.join(", "))
                }
            }?;
        }
        match &self.missing {
            Some(missing) => writeln!(formatter, "It needs this grant: {}", missing.manifest_line()),
            None => Ok(()),
        }
    }
}

/// The time as RFC 3339 has it.
fn time(seconds: u64) -> String {
    let seconds = std::time::Duration::from_secs(seconds.min(MAX_TIME));
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + seconds).to_string()
}
