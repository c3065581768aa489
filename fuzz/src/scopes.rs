use secure_runtime_capabilities::*;

use crate::Outcome;

/// Any text as a grant, an operation, a key and a holder: refused in one line, or understood so that its
/// description means the same again.
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
