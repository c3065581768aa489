//! `token inspect`: shows what a token allows, block by block. A token with invalid signatures is not shown.

use std::path::PathBuf;

use secure_runtime_capabilities::{Attestation, Base, Block, Described, Holder, RevocationId, Token};
use serde::Serialize;

use super::{Given, shown_time};
use crate::credentials::shown_holder;
use crate::failure::Failure;
use crate::host;
use crate::{project, text};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    token: Given,

    /// The folder that shown paths are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    bytes: usize,
    /// True if no block can be added to the token.
    sealed: bool,
    blocks: Vec<ShownBlock>,
}

#[derive(Serialize)]
struct ShownBlock {
    /// The signature of the block, which identifies it in revocation lists.
    id: String,
    /// The grants, or `None` if the block leaves the rights unchanged.
    grants: Option<Vec<String>>,
    expires: Option<String>,
    not_before: Option<String>,
    holder: Option<String>,
    /// The same, for people.
    #[serde(skip)]
    bound_to: Option<String>,
    /// The key whose attestation the block demands.
    attested_by: Option<String>,
    /// The attestation in this block, which a third party signed.
    attestation: Option<ShownAttestation>,
}

#[derive(Serialize)]
struct ShownAttestation {
    by: String,
    modules: Vec<String>,
}

/// Maximum number of modules of an attestation in the output for people.
const SHOWN_MODULES: usize = 8;

pub(super) fn inspect(arguments: &Arguments) -> Result<String, Failure> {
    let token = arguments.token.read()?;
    let base = project::base_of(&arguments.base)?;
    let shown = shown(&token, &base);
    if arguments.json {
        return text::json(&shown);
    }
    let sealed = if shown.sealed { ", sealed" } else { "" };
    let mut tree = format!(
        "a token of {} in {}{sealed}; its signatures hold\n",
        text::count(shown.blocks.len(), "block"),
        text::count(shown.bytes, "byte"),
    );
    for (number, block) in shown.blocks.iter().enumerate() {
        let is_last = number + 1 == shown.blocks.len();
        let (branch, trunk) = if is_last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        let what = match (number, &block.attestation) {
            (0, _) => ", the authority block",
            (_, Some(_)) => ", by a third party",
            _ => "",
        };
        tree.push_str(&format!("{branch} block {number}{what}\n"));
        for line in lines(block) {
            tree.push_str(&format!("{trunk}   {line}\n"));
        }
    }
    Ok(tree)
}

/// Formats the content of the block for people.
fn lines(block: &ShownBlock) -> Vec<String> {
    let mut lines = match &block.grants {
        None => vec!["the rights of the block before".to_owned()],
        Some(grants) if grants.is_empty() => vec!["no rights".to_owned()],
        Some(grants) => grants.clone(),
    };
    if let Some(attestation) = &block.attestation {
        let modules = &attestation.modules;
        let count = text::count(modules.len(), "module");
        lines.push(format!("{} attests {count}", attestation.by));
        lines.extend(
            modules
                .iter()
                .take(SHOWN_MODULES)
                .map(|module| format!("  {module}")),
        );
        if let Some(more) = modules.len().checked_sub(SHOWN_MODULES).filter(|more| *more > 0) {
            lines.push(format!("  and {more} more, which --json lists"));
        }
    }
    for (name, value) in [
        ("not before", &block.not_before),
        ("expires", &block.expires),
        ("bound to", &block.bound_to),
        ("only for modules attested by", &block.attested_by),
        ("id", &Some(block.id.clone())),
    ] {
        lines.extend(value.iter().map(|value| format!("{name} {value}")));
    }
    lines
}

fn shown(token: &Token, base: &Base) -> Shown {
    let families = host::families();
    let block = |(block, id): (&Block, RevocationId)| ShownBlock {
        id: id.to_string(),
        grants: block.rights.as_ref().map(|rights| {
            let described = families.describe(rights, base);
            described.iter().map(Described::manifest_line).collect()
        }),
        expires: block.expires.map(shown_time),
        not_before: block.not_before.map(shown_time),
        holder: block.holder.map(|holder| holder.to_string()),
        bound_to: block.holder.as_ref().map(shown_holder),
        attested_by: block.attested_by.map(|key| key.to_string()),
        attestation: block.attestation.as_ref().map(shown_attestation),
    };
    Shown {
        bytes: token.as_bytes().len(),
        sealed: token.is_sealed(),
        blocks: token
            .blocks()
            .iter()
            .zip(token.revocation_ids())
            .map(block)
            .collect(),
    }
}

fn shown_attestation(attestation: &Attestation) -> ShownAttestation {
    let modules = attestation.modules().iter();
    ShownAttestation {
        by: attestation.by().to_string(),
        modules: modules.map(|hash| Holder::Module(*hash).to_string()).collect(),
    }
}
