//! `token verify`: exit code 0, 3 (denied) or 4 (not a valid token, or not a valid proof).

use std::path::PathBuf;
use std::time::SystemTime;

use secure_runtime_capabilities::{
    Challenge, Context, Decision, Explained, Explanation, Holder, Proof, Reason, Token, explain,
};

use super::{Given, time};
use crate::failure::{Code, Failure};
use crate::host;
use crate::presented::RevocationArguments;
use crate::{credentials, project, reason, text};
use secure_runtime::RevocationFeed;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: Given,

    /// An operation to check, such as 'fs read /srv/a.csv'; without it, everything but the grants is checked
    #[arg(long)]
    operation: Option<String>,

    /// A holder to assume without a proof: blake3:HASH of a module, or a public key (repeatable)
    #[arg(long = "holder", value_name = "HOLDER")]
    holders: Vec<String>,

    /// The challenge that the presenter answered, created with `token challenge`; never use one twice
    #[arg(long, requires = "proof")]
    challenge: Option<String>,

    /// The answer of the presenter, from `token prove`
    #[arg(long, requires = "by")]
    proof: Option<String>,

    /// The public key of the private key that the presenter proves to have: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY", requires = "challenge")]
    by: Option<String>,

    #[command(flatten)]
    revocations: RevocationArguments,

    /// The time of the check: a time such as 2030-01-31T12:00:00Z, or a duration from now; without it, now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,

    /// The folder that relative paths refer to
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,
}

pub(super) fn verify(arguments: &Arguments) -> Result<String, Failure> {
    let base = project::base_of(&arguments.base)?;
    let families = host::families();
    let now = time(arguments.at.as_deref().unwrap_or("0s"), SystemTime::now())?;
    let operation = match &arguments.operation {
        Some(text) => Some(families.parse_operation(text, &base)?),
        None => None,
    };
    let mut holders = Vec::new();
    for holder in &arguments.holders {
        holders.push(credentials::holder(holder, "--holder")?);
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
    // A missing grant is the last reason that a block checks. So a block that refuses one operation for another reason
    // refuses every operation.
    let asked = match &operation {
        Some(operation) => operation.clone(),
        None => families.parse_operation("random", &base)?,
    };
    let explanation = explain(token.authority(), &asked, &context, families, &base);
    let is_asked = |reason: Reason| operation.is_some() || reason != Reason::NoGrant;
    let mut blocks = (0..).zip(&explanation.blocks);
    let refusal = blocks.find(|(_, block)| block.refusal.is_some_and(is_asked));
    let shown = text::one_line(&asked.to_string());
    match (refusal, explanation.decision) {
        (Some((number, block)), _) => {
            let what = match operation {
                Some(_) => format!("{shown} is denied"),
                None => "the token's signatures hold, but it cannot be used".to_owned(),
            };
            Err(denied(&what, number, block, &explanation))
        }
        (None, _) if operation.is_none() => Ok(format!(
            "valid: {}, and its signatures hold\n",
            text::count(token.blocks().len(), "block")
        )),
        (None, Decision::Allowed) => Ok(format!("{shown} is allowed\n")),
        (None, Decision::Denied(_)) => Err(Failure::bug("no block refuses what is denied")),
    }
}

/// Verifies the proof, if there is one, and returns the proven holder.
fn proven(arguments: &Arguments, token: &Token) -> Result<Option<Holder>, Failure> {
    let (Some(challenge), Some(proof), Some(by)) = (&arguments.challenge, &arguments.proof, &arguments.by)
    else {
        return Ok(None);
    };
    let (challenge, proof): (Challenge, Proof) = (challenge.parse()?, proof.parse()?);
    let by = credentials::public_key(by, "--by")?;
    Ok(Some(challenge.accept(&proof, token, &by)?))
}

fn denied(what: &str, number: usize, block: &Explained, explanation: &Explanation) -> Failure {
    let operation = &explanation.operation;
    let right = format!("{}.{}", operation.family(), operation.action());
    let mut said = format!("{what}\n  refused by block {number}: {}", block.reason(&right));
    if let Some(remedy) = &block.remedy {
        said.push_str(&format!("\n  {remedy}"));
    }
    let help = match (block.refusal.and_then(reason::help), &explanation.missing) {
        (Some(help), _) => help.to_owned(),
        (None, Some(missing)) => format!("it would need `{}`", missing.manifest_line()),
        (None, None) => "get another token".to_owned(),
    };
    Failure::new(Code::Denied, said).with_help(help)
}
