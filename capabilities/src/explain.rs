//! Explanations of decisions: the reason of each block, the missing grant, and who could add it.

use std::fmt;

use crate::{
    Authority, Base, Context, Decision, Described, Endpoint, Families, Hosts, MAX_TIME, Operation, Pattern,
    PublicKey, Reason, text::quoted,
};

/// Maximum number of scopes shown for a block: those nearest to the resource.
const SHOWN: usize = 3;

/// The explanation of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// At most three scopes that the block allows for the operation's family and action, the nearest to the
    /// resource first. `None` if the block does not restrict rights.
    pub scopes: Option<Vec<String>>,
    /// The number of further scopes that the block allows.
    pub others: usize,
    /// The reason why the block refuses, or `None` if it allows the operation.
    pub refusal: Option<Reason>,
    /// The remedy for the refusal, or `None` if the block allows the operation.
    pub remedy: Option<Remedy>,
}

/// The remedy for the refusal of a block: often the party that could grant what it refuses. The bearer of the token
/// cannot, because blocks only narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The owner of the root key, because the authority block itself refuses.
    RootKey,
    /// The party that added the block. It held the blocks before, which all allow the operation.
    Author,
    /// The party that added the block, after an earlier block allows the operation.
    AuthorAfter {
        /// The first block that refuses.
        block: usize,
    },
    /// The owner of this key, who can attest the module.
    Attestor {
        /// The key of the third party.
        by: PublicKey,
    },
    /// The issuer of the revocation list, who can publish a current one.
    Issuer,
    /// The holder that the block is bound to, which can present the token. No grant helps.
    Holder,
    /// The time from which the block is valid.
    Time,
    /// A new token of the owner of the root key, because the authority block expired or was revoked.
    NewToken,
    /// A new block of the party that added this one, because it expired or was revoked.
    NewBlock,
}

impl Remedy {
    fn of(block: usize, refusal: &Reason, first: Option<usize>) -> Remedy {
        match (refusal, first) {
            (Reason::StaleRevocations { .. }, _) => Remedy::Issuer,
            (Reason::NotAttested { by }, _) => Remedy::Attestor { by: *by },
            (Reason::WrongHolder, _) => Remedy::Holder,
            (Reason::NotYetValid { .. }, _) => Remedy::Time,
            (Reason::Expired { .. } | Reason::Revoked, _) if block == 0 => Remedy::NewToken,
            (Reason::Expired { .. } | Reason::Revoked, _) => Remedy::NewBlock,
            (Reason::NoGrant, Some(first)) if first < block => Remedy::AuthorAfter { block: first },
            (Reason::NoGrant, _) if block == 0 => Remedy::RootKey,
            (Reason::NoGrant, _) => Remedy::Author,
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::RootKey => formatter.write_str("only the owner of the root key can grant it, in a new token"),
            Remedy::Author => formatter.write_str(
                "the party that added this block can grant it, because all blocks before allow it; the bearer of this token cannot",
            ),
            Remedy::AuthorAfter { block } => write!(
                formatter,
                "the party that added this block could not grant it, because block {block} refuses it already"
            ),
            Remedy::Attestor { by } => write!(formatter, "{by} can grant it, by attesting the module"),
            Remedy::Issuer => formatter.write_str("the issuer of the revocation list can grant it, by publishing a current list"),
            Remedy::Holder => formatter.write_str(
                "only its holder can use it, by presenting it: no grant changes that",
            ),
            Remedy::Time => formatter.write_str("it can be used from then on: no grant changes that"),
            Remedy::NewToken => formatter.write_str(
                "it stays refused, and no grant changes that: the owner of the root key can make a new token",
            ),
            Remedy::NewBlock => formatter.write_str(
                "it stays refused, and no grant changes that: the party that added this block can make a new token from the one before",
            ),
        }
    }
}

/// The explanation of an allowed or denied operation. `Display` formats it for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The operation.
    pub operation: Operation<'static>,
    /// The decision, which names the first block that refuses.
    pub decision: Decision,
    /// Every block, the authority block first.
    pub blocks: Vec<Explained>,
    /// The smallest grant that would satisfy every block that lacks one. `None` if no grant is missing, or if
    /// no scope means exactly this resource. For example, a name with a `*` has no such scope.
    pub missing: Option<Described>,
}

/// Explains the decision on an operation. Paths are written relative to `base`, like in a manifest.
pub fn explain(
    authority: &Authority,
    operation: &Operation<'_>,
    context: &Context<'_>,
    families: &Families,
    base: &Base,
) -> Explanation {
    let (family, action) = (operation.family(), operation.action());
    let scopes = |patterns: &[Pattern]| families.describe_patterns(family, action, patterns, base);
    // The nearest pattern of a scope counts. A scope that does not parse describes a pattern that no scope
    // means.
    let nearness = |scope: &str| {
        let rights = families.parse_scope(family.as_str(), Some(action.as_str()), scope, base);
        let rights = rights.unwrap_or_default();
        let near = rights
            .iter()
            .map(|right| nearness(&right.pattern, operation.resource()));
        near.max().unwrap_or(0)
    };
    let refusal = |number: usize| authority.refusal(number, operation, context);
    // A stale list concerns no particular block, so it does not keep a party from adding one.
    let of_block = |number: &usize| !matches!(refusal(*number), None | Some(Reason::StaleRevocations { .. }));
    let first = (0..authority.blocks().len()).find(of_block);
    let blocks: Vec<Explained> = authority
        .blocks()
        .iter()
        .enumerate()
        .map(|(number, block)| {
            let refusal = refusal(number);
            let allowed = block.rights.as_ref().map(|rights| {
                let patterns: Vec<Pattern> = rights
                    .for_action(family, action)
                    .iter()
                    .map(|right| right.pattern.clone())
                    .collect();
                nearest(scopes(&patterns), &nearness)
            });
            let others = allowed.as_ref().map_or(0, |(_, others)| *others);
            Explained {
                scopes: allowed.map(|(scopes, _)| scopes),
                others,
                remedy: refusal.as_ref().map(|refusal| Remedy::of(number, refusal, first)),
                refusal,
            }
        })
        .collect();
    let lacks = authority.blocks().iter().any(|block| {
        let rights = block.rights.as_ref();
        rights.is_some_and(|rights| !rights.allows(family, action, operation.resource()))
    });
    let resource = Pattern::exact(operation.resource());
    let mut suggested = scopes(std::slice::from_ref(&resource));
    // Some resources mean more if they are parsed as a scope, such as a file named `*`. These have no scope
    // that is safe to paste.
    suggested.retain(|scope| {
        let rights = families.parse_scope(family.as_str(), Some(action.as_str()), scope, base);
        rights.is_ok_and(|rights| rights.iter().any(|right| right.pattern == resource))
    });
    Explanation {
        operation: operation.clone().into_owned(),
        decision: authority.decide(operation, context),
        blocks,
        missing: (lacks && !suggested.is_empty()).then_some(Described {
            family,
            action,
            scopes: suggested,
        }),
    }
}

/// Returns the scopes nearest to the resource, the nearest first, and the number of the others.
fn nearest(mut scopes: Vec<String>, nearness: &dyn Fn(&str) -> usize) -> (Vec<String>, usize) {
    let others = scopes.len().saturating_sub(SHOWN);
    if others > 0 {
        scopes.sort_by_cached_key(|scope| std::cmp::Reverse(nearness(scope)));
        scopes.truncate(SHOWN);
    }
    (scopes, others)
}

/// Returns how many bytes of the resource a pattern shares.
fn nearness(pattern: &Pattern, resource: &str) -> usize {
    fn same<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
        one.zip(other).take_while(|(one, other)| one == other).count()
    }
    let beginning = |text: &str| same(text.as_bytes().iter(), resource.as_bytes().iter());
    let end =
        |text: &str, resource: &str| same(text.as_bytes().iter().rev(), resource.as_bytes().iter().rev());
    match pattern {
        Pattern::Exact(text) => beginning(text),
        Pattern::Affix { prefix, suffix } => beginning(prefix) + end(suffix, resource),
        Pattern::Endpoint(endpoint) => endpoint_nearness(endpoint, resource, &end),
    }
}

/// Compares domain names from the end, and addresses from the start.
fn endpoint_nearness(endpoint: &Endpoint, resource: &str, end: &dyn Fn(&str, &str) -> usize) -> usize {
    let Some(parts) = crate::endpoint::parts(resource) else {
        return 0;
    };
    let host = match endpoint.hosts() {
        Hosts::One(text) | Hosts::Below(text) => end(text, parts.host),
        Hosts::Network(network) => match parts.address {
            Some(address) if network.contains(address) => parts.host.len(),
            _ => 0,
        },
    };
    host + usize::from(endpoint.scheme() == parts.scheme)
        + usize::from((endpoint.first()..=endpoint.last()).contains(&parts.port))
}

impl Explained {
    /// Returns the reason of the block in one line. `what` names the family and action, such as `fs.read`.
    pub fn reason(&self, what: &str) -> String {
        match &self.refusal {
            Some(Reason::Expired { at }) => return format!("it expired at {}", time(*at)),
            Some(Reason::NotYetValid { from }) => return format!("it is valid only from {}", time(*from)),
            Some(Reason::WrongHolder) => return "it is bound to another holder".to_owned(),
            Some(Reason::NotAttested { by }) => return format!("it is only for modules that {by} attested"),
            Some(Reason::Revoked) => return "it was revoked".to_owned(),
            Some(Reason::StaleRevocations { since: 0 }) => {
                return "there is no revocation list yet".to_owned();
            }
            Some(Reason::StaleRevocations { since }) => {
                return format!("the revocation list is stale since {}", time(*since));
            }
            Some(Reason::NoGrant) | None => {}
        }
        match self.scopes.as_deref() {
            None => format!("it leaves {what} unchanged"),
            Some([]) => format!("it has no grant of {what}"),
            Some(scopes) => {
                let scopes: Vec<String> = scopes.iter().map(|scope| quoted(scope).to_string()).collect();
                let others = match self.others {
                    0 => String::new(),
                    count => format!(" and {count} more"),
                };
                format!("it has {what} of {}{others}", scopes.join(", "))
            }
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation.to_string();
        match &self.decision {
            Decision::Allowed => writeln!(formatter, "{} is allowed.", quoted(&operation))?,
            Decision::Denied(denial) => writeln!(
                formatter,
                "{} is denied by block {}.",
                quoted(&operation),
                denial.block
            )?,
        }
        let what = format!("{}.{}", self.operation.family(), self.operation.action());
        for (number, block) in self.blocks.iter().enumerate() {
            let name = if number == 0 { " (authority)" } else { "" };
            let verdict = if block.refusal.is_some() {
                "refuses"
            } else {
                "allows"
            };
            writeln!(
                formatter,
                "  block {number}{name} {verdict}: {}",
                block.reason(&what)
            )?;
            if let Some(remedy) = &block.remedy {
                writeln!(formatter, "    {remedy}")?;
            }
        }
        match &self.missing {
            Some(missing) => writeln!(formatter, "It needs this grant: {}", missing.manifest_line()),
            None => Ok(()),
        }
    }
}

/// Formats a time like RFC 3339.
fn time(seconds: u64) -> String {
    let seconds = std::time::Duration::from_secs(seconds.min(MAX_TIME));
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + seconds).to_string()
}
