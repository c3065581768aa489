use secure_runtime_capabilities::*;

use crate::{
    Outcome,
    cose::{KEY, SECRET, signed},
};

/// Uses the input as a revocation list, and as the payload of a validly signed one, because most inputs would
/// fail at the signature. An accepted list must be the canonical encoding of its content.
pub fn revocation_list(data: &[u8]) -> Outcome {
    let outcomes = [
        check(data),
        check(&signed(b"secure-runtime revocation list 1", data)),
    ]
    .map(|checked| match checked {
        Ok(ids) => "accepted ".repeat(1 + ids.min(3)),
        Err(error) => error.to_string(),
    });
    Outcome::of(&format_args!("{}", outcomes.concat()))
}

fn check(bytes: &[u8]) -> Result<usize, RevocationError> {
    let list = RevocationList::verify(bytes, &KEY).inspect_err(|error| {
        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    })?;
    assert!(list.ids().is_sorted_by(|one, next| one < next), "{list:?}");
    assert!(list.ids().iter().all(|id| list.contains(id)) && list.issued < list.next_update);
    let again = RevocationList::new(
        list.sequence,
        list.issued,
        list.next_update,
        list.ids().iter().copied(),
    )
    .unwrap();
    assert_eq!(again, list);
    let key = KeyPair::from_secret(&SECRET).unwrap();
    assert_eq!(again.sign(&key).unwrap(), bytes, "two encodings of one list");
    Ok(list.ids().len())
}
