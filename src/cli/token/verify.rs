//! `token verify`: exit code 0, 3 (denied) or 4 (not a valid token).

use std::path::PathBuf;
use std::time::SystemTime;

use secure_runtime_capabilities::{Context, Decision, Families, Holder, Reason, Token, explain};

use super::{shown_time, time};
use crate::cli::failure::{Code, Failure};
use crate::cli::{project, text};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The file of the token (- is standard input)
    file: PathBuf,

    /// The public key that the token must be signed under: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    root_key: String,

    /// An operation to ask about, such as 'fs read /srv/a.csv'; without it, only time and holder are looked at
    #[arg(long)]
    operation: Option<String>,

    /// Who presents the token: blake3:HASH of a module, or ed25519:KEY
    #[arg(long, value_name = "HOLDER")]
    holder: Option<String>,

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
    let holder: Option<Holder> = arguments.holder.as_deref().map(str::parse).transpose()?;
    let operation = match &arguments.operation {
        Some(text) => Some(families.parse_operation(text, &base)?),
        None => None,
    };
    let token = super::read(&arguments.file, &arguments.root_key)?;

    let holders: Vec<Holder> = holder.into_iter().collect();
    let context = Context {
        holders: &holders,
        ..Context::at(now)
    };
    let Some(operation) = operation else {
        return valid(&token, &context);
    };
    let shown = text::one_line(&operation.to_string());
    match token.authority().decide(&operation, &context) {
        Decision::Allowed => Ok(format!("{shown} is allowed\n")),
        Decision::Denied(denial) => {
            let explanation = explain(token.authority(), &operation, &context, &families, &base);
            let help = match (denial.reason, &explanation.missing) {
                (Reason::NoGrant, Some(missing)) => format!("it would need `{}`", missing.manifest_line()),
                _ => "ask with the right time and holder, or get another token".to_owned(),
            };
            Err(denied(denial.block, denial.reason, &format!("{shown} is denied")).with_help(help))
        }
    }
}

/// Whether the token can be used at this time and by this holder at all.
fn valid(token: &Token, context: &Context<'_>) -> Result<String, Failure> {
    for (number, block) in token.blocks().iter().enumerate() {
        let early = block
            .not_before
            .filter(|from| context.now < *from)
            .map(|from| Reason::NotYetValid { from });
        let late = block
            .expires
            .filter(|at| context.now >= *at)
            .map(|at| Reason::Expired { at });
        let other = block
            .holder
            .as_ref()
            .filter(|holder| !context.holders.contains(holder))
            .map(|_| Reason::WrongHolder);
        if let Some(reason) = early.or(late).or(other) {
            return Err(denied(
                number,
                reason,
                "the token's signatures hold, but it cannot be used",
            )
            .with_help("ask with the right --at and --holder, or get another token"));
        }
    }
    Ok(format!(
        "valid: {}, and its signatures hold\n",
        text::count(token.blocks().len(), "block")
    ))
}

fn denied(block: usize, reason: Reason, what: &str) -> Failure {
    let why = match reason {
        Reason::Expired { at } => format!("it expired at {}", shown_time(at)),
        Reason::NotYetValid { from } => format!("it is valid only from {}", shown_time(from)),
        Reason::WrongHolder => "it is bound to another holder".to_owned(),
        _ => "it has no grant for it".to_owned(),
    };
    Failure::new(Code::Denied, format!("{what}\n  refused by block {block}: {why}"))
}
