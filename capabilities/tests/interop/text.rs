//! Datalog as text, written from spec/tokens.md and independently of the crate. It is the input of the peers,
//! and their expected output.

use std::{fmt::Write, net::IpAddr};

use humantime::format_rfc3339_seconds;
use secure_runtime_capabilities::*;

/// Returns the policy of TOK-24, extracted from the specification itself.
pub(crate) fn policy() -> &'static str {
    let (_, from) = include_str!("../../../spec/tokens.md")
        .split_once("**TOK-24**")
        .unwrap();
    let (_, from) = from.split_once("```datalog").unwrap();
    from.split_once("```").unwrap().0
}

/// Formats a string of Datalog.
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

/// Returns the input of a peer's authorizer for one question, including the policy (TOK-24).
pub(crate) fn question(operation: &Operation<'_>, now: u64, holders: &[Holder]) -> String {
    let (family, action) = (operation.family(), operation.action());
    let resource = operation.resource();
    let mut code = format!(
        "operation(\"{family}\", \"{action}\", {}); time({});",
        string(resource),
        date(now)
    );
    if let Some(parts) = endpoint(resource).filter(|_| family == FamilyName::NET) {
        write!(code, " endpoint(\"{family}\", \"{action}\", {parts});").unwrap();
    }
    for holder in holders {
        write!(code, " holder(\"{holder}\");").unwrap();
    }
    code + policy()
}

/// Returns the parts of an origin (TOK-37), or `None` for a text that is not an origin. Random questions
/// contain such texts.
fn endpoint(origin: &str) -> Option<String> {
    let (scheme, rest) = origin.split_once("://")?;
    let (host, port) = rest.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = host.trim_matches(['[', ']']);
    let address = host.parse().map(bits).unwrap_or_default();
    Some(format!("\"{scheme}\", \"{host}\", \"{address}\", {port}"))
}

fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("4:{:032b}", address.to_bits()),
        IpAddr::V6(address) => format!("6:{:0128b}", address.to_bits()),
    }
}

/// Returns the bits that all addresses of a network share, after `4:` or `6:`.
fn network_bits(network: &Network) -> String {
    let length = usize::from(network.length()) + "4:".len();
    bits(network.address()).chars().take(length).collect()
}

/// Returns the authority block (TOK-8) in the form that peers print.
pub(crate) fn authority(block: &Block) -> String {
    let grants = block.rights.iter().flat_map(Rights::iter);
    grants.map(|right| grant(right) + ";\n").collect::<String>() + &limits(block)
}

/// Returns a later block (TOK-10, TOK-11, TOK-33) in the form that peers print.
pub(crate) fn later(block: &Block) -> String {
    if let Some(attestation) = &block.attestation {
        let modules = attestation.modules().iter().copied().map(Holder::Module);
        return modules
            .map(|module| format!("attested(\"{module}\");\n"))
            .collect();
    }
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
        writeln!(code, "check if holder(\"{holder}\");").unwrap();
    }
    if let Some(by) = &block.attested_by {
        writeln!(code, "check if holder($module), attested($module) trusting {by};").unwrap();
    }
    code
}

fn grant(right: &Right) -> String {
    let (family, action) = (right.family, right.action);
    let scope = match &right.pattern {
        Pattern::Exact(text) => format!("\"exact\", {}", string(text)),
        Pattern::Affix { prefix, suffix } => format!("\"affix\", {}, {}", string(prefix), string(suffix)),
        Pattern::Endpoint(endpoint) => {
            let (scheme, first, last) = (endpoint.scheme(), endpoint.first(), endpoint.last());
            let (kind, hosts) = match endpoint.hosts() {
                Hosts::One(host) => ("host", host.clone()),
                Hosts::Below(suffix) => ("below", suffix.clone()),
                Hosts::Network(network) => ("network", network_bits(network)),
            };
            format!("\"{kind}\", \"{scheme}\", \"{hosts}\", {first}, {last}")
        }
    };
    format!("grant(\"{family}\", \"{action}\", {scope})")
}

fn alternative(right: &Right) -> String {
    let (family, action) = (right.family, right.action);
    match &right.pattern {
        Pattern::Exact(text) => format!("operation(\"{family}\", \"{action}\", {})", string(text)),
        Pattern::Affix { prefix, suffix } => {
            let mut code = format!("operation(\"{family}\", \"{action}\", $resource)");
            for (test, text) in [("starts_with", prefix), ("ends_with", suffix)] {
                if !text.is_empty() {
                    write!(code, ", $resource.{test}({})", string(text)).unwrap();
                }
            }
            code
        }
        Pattern::Endpoint(endpoint) => {
            let (host, mut tests) = match endpoint.hosts() {
                Hosts::One(host) => (format!("\"{host}\""), String::new()),
                Hosts::Below(suffix) => ("$host".to_owned(), format!(", $host.ends_with(\"{suffix}\")")),
                Hosts::Network(network) => (
                    "$host".to_owned(),
                    format!(", $address.starts_with(\"{}\")", network_bits(network)),
                ),
            };
            let (first, last) = (endpoint.first(), endpoint.last());
            let port = if first == last {
                first.to_string()
            } else {
                write!(tests, ", $port >= {first}, $port <= {last}").unwrap();
                "$port".to_owned()
            };
            let scheme = endpoint.scheme();
            format!("endpoint(\"{family}\", \"{action}\", \"{scheme}\", {host}, $address, {port}){tests}")
        }
    }
}
