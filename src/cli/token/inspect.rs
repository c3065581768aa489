//! `token inspect`: what a token may do, block by block. Nothing is shown of a token whose signatures do not hold.

use std::path::PathBuf;

use secure_runtime_capabilities::{Base, Block, Described, Families, RevocationId, Token};
use serde::Serialize;

use super::shown_time;
use crate::cli::failure::Failure;
use crate::cli::{project, text};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The file of the token (- is standard input)
    file: PathBuf,

    /// The public key that the token must be signed under: ed25519/…
    #[arg(long, value_name = "PUBLIC_KEY")]
    root_key: String,

    /// The folder that paths are shown relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    base: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    bytes: usize,
    blocks: Vec<ShownBlock>,
}

#[derive(Serialize)]
struct ShownBlock {
    /// The block's signature, which revocation names.
    id: String,
    /// None: it leaves the rights as they are.
    grants: Option<Vec<String>>,
    expires: Option<String>,
    not_before: Option<String>,
    holder: Option<String>,
}

pub(super) fn inspect(arguments: &Arguments) -> Result<String, Failure> {
    let token = super::read(&arguments.file, &arguments.root_key)?;
    let base = project::base_of(&arguments.base)?;
    let shown = shown(&token, &base);
    if arguments.json {
        return text::json(&shown);
    }
    let mut tree = format!(
        "a token of {} in {}; its signatures hold\n",
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
        let what = if number == 0 { ", the authority block" } else { "" };
        tree.push_str(&format!("{branch} block {number}{what}\n"));
        let mut line = |content: &str| tree.push_str(&format!("{trunk}   {content}\n"));
        match &block.grants {
            None => line("the rights of the block before"),
            Some(grants) if grants.is_empty() => line("no rights"),
            Some(grants) => grants.iter().for_each(|grant| line(grant)),
        }
        for (name, value) in [
            ("not before", &block.not_before),
            ("expires", &block.expires),
            ("bound to", &block.holder),
            ("id", &Some(block.id.clone())),
        ] {
            if let Some(value) = value {
                line(&format!("{name} {value}"));
            }
        }
    }
    Ok(tree)
}

fn shown(token: &Token, base: &Base) -> Shown {
    let families = Families::builtin();
    let block = |(block, id): (&Block, RevocationId)| ShownBlock {
        id: id.to_string(),
        grants: block.rights.as_ref().map(|rights| {
            let described = families.describe(rights, base);
            described.iter().map(Described::manifest_line).collect()
        }),
        expires: block.expires.map(shown_time),
        not_before: block.not_before.map(shown_time),
        holder: block.holder.map(|holder| holder.to_string()),
    };
    Shown {
        bytes: token.as_bytes().len(),
        blocks: token
            .blocks()
            .iter()
            .zip(token.revocation_ids())
            .map(block)
            .collect(),
    }
}
