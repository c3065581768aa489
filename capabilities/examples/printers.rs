//! Authorises something other than JavaScript: a print server that knows one public key, and nothing about
//! its users.
//!
//! The office manager mints a token. A tenant narrows it for a visitor, offline and without asking. The
//! visitor's laptop proves possession of the visitor's key. The server decides, explains each refusal, and
//! respects a revocation list.
//!
//! `cargo run -p secure-runtime-capabilities --example printers`
use std::{error::Error, sync::Arc};

use secure_runtime_capabilities::*;

/// Printers, by floor and name: `2/color`. A scope is a printer, or all printers of a floor: `2/**`.
struct Printers([Action; 2]);

impl Printers {
    fn new() -> Result<Printers, NameError> {
        let action = |name: &str, summary| {
            Ok(Action {
                name: name.parse()?,
                summary,
            })
        };
        Ok(Printers([
            action("print", "print documents")?,
            action("cancel", "cancel anybody's jobs")?,
        ]))
    }

    fn printer(text: &str) -> Result<String, Problem> {
        let is_name = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match text.split_once('/') {
            Some((floor, name)) if is_name(floor) && is_name(name) => Ok(text.to_lowercase()),
            _ => Err(Problem::Other(
                "write a floor and a printer, as in `2/color`".to_owned(),
            )),
        }
    }
}

impl Family for Printers {
    fn name(&self) -> FamilyName {
        // The text is a constant and a valid name, so the fallback is never used.
        "printer".parse().unwrap_or(FamilyName::FS)
    }

    fn actions(&self) -> &[Action] {
        &self.0
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![match text.strip_suffix("/**") {
            Some(floor) => Pattern::prefix(format!("{floor}/")),
            None => Pattern::exact(Printers::printer(text)?),
        }])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Printers::printer(text)
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let describe = |pattern: &Pattern| match pattern {
            Pattern::Affix { prefix, suffix } if suffix.is_empty() => format!("{prefix}**"),
            pattern => describe_pattern(pattern),
        };
        patterns.iter().map(describe).collect()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let families = Families::builtin().with(Arc::new(Printers::new()?))?;
    let base = Base::new("/")?; // unused, because printers have no paths
    let rights = |grants: &[&str]| families.parse_grants(grants, &base);
    const MONDAY: u64 = 1_800_000_000;
    const FRIDAY: u64 = MONDAY + 4 * 86_400;

    // The manager mints a token for floor 2 and gives it to the tenant.
    let manager = KeyPair::generate()?;
    let tenant = Token::mint(
        &manager,
        &Block::of(rights(&["printer.print=2/**", "printer.cancel=2/**"])?),
    )?;

    // The tenant narrows it to one printer, until Friday, for the visitor's key alone. This needs no key of
    // the manager.
    let visitor = KeyPair::generate()?;
    let lent = tenant
        .attenuate(&Block {
            expires: Some(FRIDAY),
            ..Block::of(rights(&["printer.print=2/color"])?)
        })?
        .seal_for(visitor.holder())?;

    // The server knows the manager's public key, and has a list of revoked blocks.
    let revocations = Revocations::new(manager.public());
    revocations.update(&RevocationList::new(1, MONDAY, FRIDAY, [])?.sign(&manager)?)?;
    let presented = Token::parse_text(&lent.to_text(), &manager.public())?;
    let challenge = Challenge::generate()?;
    let proof = visitor.prove(&presented, &challenge); // runs on the visitor's laptop
    let holder = challenge.accept(&proof, &presented, &visitor.public())?;
    let ask = |text: &str, now: u64, holders: &[Holder]| -> Result<bool, Box<dyn Error>> {
        let operation = families.parse_operation(text, &base)?;
        let context = Context {
            now,
            holders,
            revocations: Some(&revocations),
        };
        let explanation = explain(presented.authority(), &operation, &context, &families, &base);
        println!("{explanation}");
        Ok(explanation.decision.is_allowed())
    };
    assert!(ask("printer print 2/color", MONDAY, &[holder])?);
    assert!(!ask("printer print 3/color", MONDAY, &[holder])?, "another floor");
    assert!(
        !ask("printer cancel 2/color", MONDAY, &[holder])?,
        "another action"
    );
    assert!(
        !ask("printer print 2/color", MONDAY, &[])?,
        "nobody proved to be the visitor"
    );
    assert!(!ask("printer print 2/color", FRIDAY, &[holder])?, "too late");

    // The manager revokes the visitor's block. The tenant keeps floor 2.
    let revoked = RevocationList::new(2, MONDAY, FRIDAY, [presented.id()])?;
    revocations.update(&revoked.sign(&manager)?)?;
    assert!(!ask("printer print 2/color", MONDAY, &[holder])?, "revoked");
    Ok(())
}
