use secure_runtime_capabilities::*;

use crate::Outcome;

/// Uses the input as a grant, an operation, a key and a holder. Each must be rejected with a message of one
/// line, or have a description that parses to the same value.
pub fn scopes(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else {
        return Outcome::default();
    };
    let (families, base) = (Families::builtin(), Base::new("/srv/app").unwrap());
    let granted = families.parse_grant(text, &base);
    match &granted {
        Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error:?}"),
        Ok(rights) => {
            let rights = Rights::new(rights.iter().cloned()).unwrap();
            let mut again = Vec::new();
            for described in families.describe(&rights, &base) {
                for scope in &described.scopes {
                    let (family, action) = (described.family.as_str(), described.action.as_str());
                    again.extend(families.parse_scope(family, Some(action), scope, &base).unwrap());
                }
            }
            assert_eq!(Rights::new(again).unwrap(), rights);
        }
    }
    let operation = families.parse_operation(text, &base);
    match &operation {
        Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{error:?}"),
        Ok(operation) => {
            let family = families.get(operation.family()).unwrap();
            let again = Operation::new(family, operation.action().as_str(), operation.resource(), &base);
            assert_eq!(
                again.as_ref(),
                Ok(operation),
                "the canonical form is not canonical"
            );
            check_suggestion(operation, &families, &base);
        }
    }
    if let Ok(holder) = text.parse::<Holder>() {
        assert_eq!(holder.to_string(), text);
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string(), text);
    }
    Outcome::of(&(granted, operation))
}

/// A user may paste the grant that a denial suggests into a manifest, so it must not grant more than the
/// requested operation. Scopes of `clock` and `random` may also grant operations that reveal less.
fn check_suggestion(operation: &Operation<'_>, families: &Families, base: &Base) {
    let nothing = Authority::new(Block::default()).unwrap();
    let explanation = explain(&nothing, operation, &Context::at(0), families, base);
    for missing in explanation
        .missing
        .iter()
        .filter(|missing| ![FamilyName::CLOCK, FamilyName::RANDOM].contains(&missing.family))
    {
        let (family, action) = (missing.family.as_str(), Some(missing.action.as_str()));
        for scope in &missing.scopes {
            if let Ok(rights) = families.parse_scope(family, action, scope, base) {
                let exact = Pattern::exact(operation.resource());
                assert!(
                    rights.iter().all(|right| right.pattern == exact),
                    "{operation}: {scope}"
                );
            }
        }
    }
}
