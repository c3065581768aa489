//! Datalog as text, written from spec/tokens.md and not by the crate: what the peers are told and what they must show.

use std::fmt::Write;

use humantime::format_rfc3339_seconds;
use secure_runtime_capabilities::*;

/// The policy of TOK-24, out of the specification itself.
pub(crate) fn policy() -> &'static str {
    let (_, from) = include_str!("../../../spec/tokens.md")
        .split_once("**TOK-24**")
        .unwrap();
    let (_, from) = from.split_once("```datalog").unwrap();
    from.split_once("```").unwrap().0
}

/// A string of Datalog.
fn string(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

fn date(seconds: u64) -> String {
    format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).to_string()
}

/// What an authorizer is told about one question, the policy included (TOK-24).
pub(crate) fn question(operation: &Operation<'_>, now: u64, holder: Option<&Holder>) -> String {
    let mut code = format!(
        "operation({}, {}, {}); time({});",
        string(operation.family().as_str()),
        string(operation.action().as_str()),
        string(operation.resource()),
        date(now)
    );
    if let Some(holder) = holder {
        write!(code, " holder({});", string(&holder.to_string())).unwrap();
    }
    code + policy()
}

/// The authority block (TOK-8), as a peer prints it.
pub(crate) fn authority(block: &Block) -> String {
    let grants = block.rights.iter().flat_map(Rights::iter);
    grants.map(|right| grant(right) + ";\n").collect::<String>() + &limits(block)
}

/// A later block (TOK-10, TOK-11), as a peer prints it.
pub(crate) fn later(block: &Block) -> String {
    let rights = match &block.rights {
        None => String::new(),
        Some(rights) if rights.is_empty() => "check if false;\n".to_owned(),
        Some(rights) => {
            let alternatives: Vec<String> = rights.iter().map(alternative).collect();
            format!("check if {};\n", alternatives.join(" or "))
        }
    };
    rights + &limits(block)
}

fn limits(block: &Block) -> String {
    let mut code = String::new();
    if let Some(from) = block.not_before {
        writeln!(code, "check if time($time), $time >= {};", date(from)).unwrap();
    }
    if let Some(at) = block.expires {
        writeln!(code, "check if time($time), $time < {};", date(at)).unwrap();
    }
    if let Some(holder) = &block.holder {
        writeln!(code, "check if holder({});", string(&holder.to_string())).unwrap();
    }
    code
}

fn grant(right: &Right) -> String {
    let (family, action) = (string(right.family.as_str()), string(right.action.as_str()));
    match &right.pattern {
        Pattern::Exact(text) => format!("grant({family}, {action}, \"exact\", {})", string(text)),
        Pattern::Affix { prefix, suffix } => {
            format!(
                "grant({family}, {action}, \"affix\", {}, {})",
                string(prefix),
                string(suffix)
            )
        }
    }
}

fn alternative(right: &Right) -> String {
    let (family, action) = (string(right.family.as_str()), string(right.action.as_str()));
    match &right.pattern {
        Pattern::Exact(text) => format!("operation({family}, {action}, {})", string(text)),
        Pattern::Affix { prefix, suffix } => {
            let mut code = format!("operation({family}, {action}, $resource)");
            for (test, text) in [("starts_with", prefix), ("ends_with", suffix)] {
                if !text.is_empty() {
                    write!(code, ", $resource.{test}({})", string(text)).unwrap();
                }
            }
            code
        }
    }
}
