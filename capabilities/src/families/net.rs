//! `net`: connections, by origin.

use crate::{
    Action, ActionName, Base, Family, FamilyName, Origin, Pattern, Problem, describe_pattern, origin,
};

/// Network connections. A scope is an origin (`https://host`, `tcp://host:port`) or all hosts below a
/// name (`https://*.example.com`).
#[derive(Debug, Clone, Copy)]
pub struct Net;

impl Family for Net {
    fn name(&self) -> FamilyName {
        FamilyName::NET
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::CONNECT,
            summary: "open connections and send requests",
        }]
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        if text.contains('*') {
            let (prefix, suffix) = origin::wildcard(text)?;
            return Ok(vec![Pattern::affix(prefix, suffix)]);
        }
        Ok(vec![Pattern::exact(Origin::parse(text)?.as_str())])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(Origin::parse(text)?.as_str().to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_origin).collect()
    }
}

/// The origin without a port that its scheme implies.
fn describe_origin(pattern: &Pattern) -> String {
    // A wildcard is described as the origin of its suffix, with `*.` put back.
    let origin = match pattern {
        Pattern::Exact(text) => Origin::parse(text).ok().filter(|origin| origin.as_str() == text),
        Pattern::Affix { prefix, suffix } => suffix
            .strip_prefix('.')
            .and_then(|host| Origin::parse(&format!("{prefix}{host}")).ok())
            .filter(|origin| origin.as_str() == format!("{prefix}{}", suffix.trim_start_matches('.'))),
    };
    let (Some(origin), wildcard) = (
        origin,
        if matches!(pattern, Pattern::Affix { .. }) {
            "*."
        } else {
            ""
        },
    ) else {
        return describe_pattern(pattern);
    };
    if origin.has_default_port() {
        format!("{}://{wildcard}{}", origin.scheme(), origin.host())
    } else {
        format!(
            "{}://{wildcard}{}:{}",
            origin.scheme(),
            origin.host(),
            origin.port()
        )
    }
}
