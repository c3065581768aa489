//! `net`: connections, by origin.

use crate::{
    Action, ActionName, Base, Family, FamilyName, Origin, Pattern, Problem, describe_pattern, origin,
};

/// Network connections. A scope is an origin (`https://host`, `tcp://host:port`), all hosts below a name
/// (`https://*.example.com`), or a network (`tcp://10.0.0.0/8:5432`). Each is for one port or for a range of
/// ports (`tcp://db.example.com:5000-5999`).
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
        Ok(vec![origin::parse_scope(text)?])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(Origin::parse(text)?.as_str().to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_origin).collect()
    }
}

/// Returns the scope, without the port if the scheme implies it.
fn describe_origin(pattern: &Pattern) -> String {
    let Pattern::Exact(text) = pattern else {
        return describe_pattern(pattern);
    };
    match Origin::parse(text) {
        Ok(origin) if origin.as_str() == text && origin.has_default_port() => {
            format!("{}://{}", origin.scheme(), origin.host())
        }
        _ => text.clone(),
    }
}
