//! Advice about a denial: the change that would allow the operation, in a form that the user can paste.

use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{
    Authority, Base, Context, Decision, Described, Explanation, FamilyName, Holder, Operation, Reason,
    Revocations, explain,
};

use super::presented::Presented;
use super::reason;
use super::text::shell_quoted;
use crate::host;
use secure_runtime::Manifest;

/// A denied operation, together with the token chain that decides about it.
pub(super) struct Advice<'a> {
    pub(super) module: &'a str,
    /// The name of the module's package. Empty for the program itself.
    pub(super) package: &'a str,
    pub(super) operation: &'a Operation<'static>,
    pub(super) authority: &'a Authority,
    /// The origin of each block: the blocks of a given token, then `[grants]`, then the block of the module. Later
    /// blocks were added by `attenuate`.
    pub(super) block_names: &'a [String],
    /// The manifest, or `None` for a program that is a single file.
    pub(super) manifest: Option<&'a Manifest>,
    pub(super) is_locked: bool,
    pub(super) base: &'a Base,
    pub(super) context: &'a AdviceContext,
}

/// The inputs of a decision besides the module, its chain and the operation.
#[derive(Default)]
pub(super) struct AdviceContext {
    /// The key that the token is presented with, converted to a holder.
    pub(super) key: Option<Holder>,
    pub(super) revocations: Option<Revocations>,
}

impl AdviceContext {
    pub(super) fn of(presented: Option<&Presented>) -> AdviceContext {
        AdviceContext {
            key: presented.and_then(|presented| Some(presented.holder_key.as_ref()?.holder())),
            revocations: presented.and_then(|presented| Some(presented.revocations.as_ref()?.revocations())),
        }
    }
}

impl Advice<'_> {
    pub(super) fn explanation(&self) -> Explanation {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let holders: Vec<Holder> = self.holder().into_iter().chain(self.context.key).collect();
        let context = Context {
            now,
            holders: &holders,
            revocations: self.context.revocations.as_ref(),
        };
        explain(
            self.authority,
            self.operation,
            &context,
            host::families(),
            self.base,
        )
    }

    /// Returns the module itself as a holder. The block of the module is bound to it.
    fn holder(&self) -> Option<Holder> {
        let own = self.block_names.len().checked_sub(1)?;
        self.authority.blocks().get(own)?.holder
    }

    fn block_name(&self, block: usize) -> &str {
        self.block_names
            .get(block)
            .map_or("an attenuation in the program", String::as_str)
    }

    /// Formats the result of every block, one line per block.
    pub(super) fn blocks(&self, explanation: &Explanation) -> String {
        let right = format!("{}.{}", self.operation.family(), self.operation.action());
        let mut lines = String::new();
        for (number, block) in explanation.blocks.iter().enumerate() {
            let verdict = if block.refusal.is_some() {
                "refuses"
            } else {
                "allows"
            };
            let why = block.reason(&right);
            lines.push_str(&format!(
                "  block {number}, {}: {verdict}: {why}\n",
                self.block_name(number)
            ));
            if let Some(remedy) = &block.remedy {
                lines.push_str(&format!("    {remedy}\n"));
            }
        }
        lines
    }

    /// Returns the smallest change that allows the operation.
    pub(super) fn help(&self) -> String {
        let explanation = self.explanation();
        let lacking: Vec<usize> = (0..)
            .zip(&explanation.blocks)
            .filter(|(_, block)| block.refusal == Some(Reason::NoGrant))
            .map(|(number, _)| number)
            .collect();
        let Some(missing) = explanation.missing.as_ref().filter(|_| !lacking.is_empty()) else {
            return otherwise(&explanation);
        };
        let own = self.block_names.len();
        let program = own.saturating_sub(2);
        let mut help = Vec::new();
        if lacking.iter().any(|block| *block < program) {
            help.push(format!(
                "the given token does not allow it: ask its issuer for one that has `{}`",
                missing.manifest_line()
            ));
        }
        if lacking.iter().any(|block| (program..own).contains(block)) {
            help.push(match self.manifest {
                Some(manifest) => self.change(manifest, &lacking, missing),
                None => format!("run it with --grant {}", shell_quoted(&grant(missing))),
            });
        }
        if lacking.iter().any(|block| *block >= own) {
            help.push(
                "the program narrowed this capability with attenuate(): include this right in that call"
                    .to_owned(),
            );
        }
        help.join("\n  help: ")
    }

    /// Returns the lines to write into the manifest.
    fn change(&self, manifest: &Manifest, lacking: &[usize], missing: &Described) -> String {
        let program = self.block_names.len().saturating_sub(2);
        let mut help = String::from("to allow it, write in secure.toml\n");
        if lacking.contains(&program) {
            let (grants, had) = with(&manifest.grants, missing);
            let line = grants
                .iter()
                .find(|grant| is_same(grant, missing))
                .unwrap_or(missing)
                .manifest_line();
            let key = line.split(" = ").next().unwrap_or_default();
            let place = if had {
                format!("  # in place of its {key}")
            } else {
                String::new()
            };
            help.push_str(&format!("    [grants]\n    {line}{place}\n"));
        }
        if lacking.contains(&(program + 1)) {
            let path = self.module.strip_prefix("app:/").map(|path| format!("./{path}"));
            let narrowed = path
                .as_ref()
                .and_then(|path| Some((path, manifest.modules.get(path)?)));
            let owner = match (self.package, narrowed) {
                ("", Some((path, grants))) => Some((format!("modules.{}", toml_key(path)), Some(grants))),
                // A first-party module without a section of its own has the rights of [grants].
                ("", None) => None,
                (name, _) => Some((
                    format!("packages.{}", toml_key(name)),
                    manifest.packages.get(name),
                )),
            };
            if let Some((section, grants)) = owner {
                let (all, _) = with(grants.map_or(&[], Vec::as_slice), missing);
                let all: Vec<String> = all.iter().map(Described::manifest_line).collect();
                let place = if grants.is_some() {
                    "  # in place of its grants"
                } else {
                    ""
                };
                help.push_str(&format!(
                    "    [{section}]\n    grants = {{ {} }}{place}\n",
                    all.join(", ")
                ));
            }
        }
        if self.is_locked {
            help.push_str("  and accept the change with `secure-runtime lock`");
        }
        help
    }
}

/// Returns the advice for a denial that no missing grant explains.
fn otherwise(explanation: &Explanation) -> String {
    match explanation.decision {
        Decision::Allowed => "the grants cover it; it was refused for the reason in the message".to_owned(),
        Decision::Denied(denial) => {
            let help = reason::help(denial.reason);
            // A grant is missing, but no scope can be written that matches only this resource.
            help.unwrap_or(
                "as a scope, its name would match more than itself, because of the `*`: rename it, or grant its folder",
            )
            .to_owned()
        }
    }
}

fn is_same(one: &Described, other: &Described) -> bool {
    (one.family, one.action) == (other.family, other.action)
}

/// Adds the missing grant to these grants of a manifest. Also returns true if they had a grant of the same family and
/// action.
fn with(lines: &[String], missing: &Described) -> (Vec<Described>, bool) {
    let families = host::families();
    let mut all: Vec<Described> = Vec::new();
    let parsed = lines.iter().filter_map(|line| {
        let (name, scope) = line.split_once('=')?;
        let (family, action) = match name.split_once('.') {
            Some((family, action)) => (family, action.parse().ok()?),
            None => (name, families.family(name).ok()?.default_action()?),
        };
        Some(Described {
            family: family.parse().ok()?,
            action,
            scopes: vec![scope.to_owned()],
        })
    });
    let mut had = false;
    let missing = std::iter::once(missing.clone());
    for (is_missing, grant) in parsed
        .map(|grant| (false, grant))
        .chain(missing.map(|grant| (true, grant)))
    {
        match all.iter_mut().find(|known| is_same(known, &grant)) {
            None => all.push(grant),
            Some(known) => {
                had |= is_missing;
                // A clock has one resolution. The missing resolution is finer and includes the coarser one.
                if grant.family == FamilyName::CLOCK {
                    known.scopes.clear();
                }
                for scope in grant.scopes {
                    if !known.scopes.contains(&scope) {
                        known.scopes.push(scope);
                    }
                }
            }
        }
    }
    (all, had)
}

/// Formats a grant for the command line, for example `fs.read=./a.csv` or `clock=1ms`.
fn grant(missing: &Described) -> String {
    let scope = missing.scopes.join(",");
    match missing.family {
        FamilyName::CLOCK | FamilyName::RANDOM => format!("{}={scope}", missing.family),
        family => format!("{family}.{}={scope}", missing.action),
    }
}

/// Formats a TOML key, without quotes if TOML allows that.
fn toml_key(text: &str) -> String {
    let is_bare = !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-_".contains(character));
    if is_bare {
        text.to_owned()
    } else {
        toml::Value::from(text).to_string()
    }
}
