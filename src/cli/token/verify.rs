//! `token verify`: exit code 0, 3 (denied) or 4 (not a valid token, or not a valid proof).

use std::path::PathBuf;
use std::time::SystemTime;

use secure_runtime_capabilities::{
    Base, Challenge, Context, Decision, Denial, Families, Holder, Operation, Proof, PublicKey, Reason, Token,
    explain,
};

use super::{Given, time};
use crate::RevocationFeed;
use crate::cli::failure::{Code, Failure};
use crate::cli::presented::RevocationArguments;
use crate::cli::{project, reason, text};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    token: Given,

    /// An operation to ask about, such as 'fs read /srv/a.csv'; without it, all but the grants is looked at
    #[arg(long)]
    operation: Option<String>,

    /// Who is taken to present the token, without a proof: blake3:HASH of a module, or ed25519:KEY (repeatable)
    #[arg(long = "holder", value_name = "HOLDER")]
    holders: Vec<String>,

    /// The challenge that the presenter answered, which `token challenge` made for them; never use one twice
    #[arg(long, requires = "proof")]
    challenge: Option<String>,

    /// The presenter's answer, from `token prove`
    #[arg(long, requires = "by")]
    proof: Option<String>,

    /// The public key whose private half the presenter proves to have: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY", requires = "challenge")]
    by: Option<String>,

    #[command(flatten)]
    revocations: RevocationArguments,

    /// When: a time such as 2030-01-31T12:00:00Z, or a duration from now; without it, now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// The folder that relative paths mean
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,
}

pub(super) fn verify(arguments: &Arguments) -> Result<String, Failure> {
    let base = project::base_of(&arguments.base)?;
    let families = Families::builtin();
    let now = time(arguments.at.as_deref().unwrap_or("0s"), SystemTime::now())?;
    let operation = match &arguments.operation {
        Some(text) => Some(families.parse_operation(text, &base)?),
        None => None,
    };
    let mut holders = Vec::new();
    for holder in &arguments.holders {
        holders.push(holder.parse()?);
    }
    let token = arguments.token.read()?;
    holders.extend(proven(arguments, &token)?);

    let feed = project::wait_for(arguments.revocations.load(token.root()))?;
    let revocations = feed.as_ref().map(RevocationFeed::revocations);
    let context = Context {
        now,
        holders: &holders,
        revocations: revocations.as_ref(),
    };
    let Some(operation) = operation else {
        return valid(&token, &context, &families, &base);
    };
    let shown = text::one_line(&operation.to_string());
    match token.authority().decide(&operation, &context) {
        Decision::Allowed => Ok(format!("{shown} is allowed\n")),
        Decision::Denied(denial) => {
            let explanation = explain(token.authority(), &operation, &context, &families, &base);
            let help = match (reason::help(denial.reason), &explanation.missing) {
                (Some(help), _) => help.to_owned(),
                (None, Some(missing)) => format!("it would need `{}`", missing.manifest_line()),
                (None, None) => "get another token".to_owned(),
            };
            Err(denied(denial, &format!("{shown} is denied")).with_help(help))
        }
    }
}

/// The holder that the presenter proved to be, if there is a proof.
fn proven(arguments: &Arguments, token: &Token) -> Result<Option<Holder>, Failure> {
    let (Some(challenge), Some(proof), Some(by)) = (&arguments.challenge, &arguments.proof, &arguments.by)
    else {
        return Ok(None);
    };
    let (challenge, proof): (Challenge, Proof) = (challenge.parse()?, proof.parse()?);
    let by: PublicKey = by.parse()?;
    Ok(Some(challenge.accept(&proof, token, &by)?))
}

/// Whether the token can be used now and by these holders at all.
fn valid(token: &Token, context: &Context<'_>, families: &Families, base: &Base) -> Result<String, Failure> {
    // A missing grant is the last of a block's reasons: what refuses any operation for another one refuses all.
    let any = families.parse_operation("random", base)?;
    if let Some(denial) = unusable(token, &any, context, families, base) {
        let help = reason::help(denial.reason).unwrap_or("get another token");
        return Err(denied(denial, "the token's signatures hold, but it cannot be used").with_help(help));
    }
    Ok(format!(
        "valid: {}, and its signatures hold\n",
        text::count(token.blocks().len(), "block")
    ))
}

/// The first refusal that is not about grants.
fn unusable(
    token: &Token,
    operation: &Operation<'_>,
    context: &Context<'_>,
    families: &Families,
    base: &Base,
) -> Option<Denial> {
    let explanation = explain(token.authority(), operation, context, families, base);
    match explanation.decision {
        Decision::Allowed => return None,
        Decision::Denied(denial) if denial.reason != Reason::NoGrant => return Some(denial),
        Decision::Denied(_) => {}
    }
    let refusals = (0..).zip(&explanation.blocks);
    let mut refusals = refusals.filter_map(|(block, explained)| {
        let reason = explained.refusal.filter(|reason| *reason != Reason::NoGrant)?;
        Some(Denial { block, reason })
    });
    refusals.next()
}

fn denied(denial: Denial, what: &str) -> Failure {
    let why = reason::why(denial.reason).unwrap_or_else(|| "it has no grant for it".to_owned());
    Failure::new(
        Code::Denied,
        format!("{what}\n  refused by block {}: {why}", denial.block),
    )
}
