//! The causes of errors: `source()` leads to the error of a library.

use std::error::Error;

use secure_runtime_capabilities::*;

use crate::attacks::{nested, root, token};
use crate::base;

/// Returns the first error of this type among the causes.
fn cause<E: Error + 'static>(error: &dyn Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

#[test]
fn the_causes_of_errors_are_their_sources() {
    type Check = fn(&dyn Error) -> bool;
    let verify = |bytes: &[u8]| Token::verify(bytes, &root().public()).unwrap_err();
    let other = KeyPair::generate().unwrap();
    let request = token().attestation_request().unwrap();
    let attestation = request.sign(&other, [[7; 32]]).unwrap();
    let cases: [(&str, Box<dyn Error>, Check); 6] = [
        ("no token", verify(b"\xff").into(), |error| {
            cause::<prost::DecodeError>(error).is_some()
        }),
        ("nested terms", verify(&nested(200)).into(), |error| {
            matches!(cause(error), Some(ProfileError::Undecodable { .. }))
                && cause::<prost::DecodeError>(error).is_some()
        }),
        (
            "the text of an attestation",
            SignedAttestation::parse_text("!").unwrap_err().into(),
            |error| {
                matches!(cause(error), Some(AttestationProblem::Base64(_)))
                    && cause::<base64::DecodeError>(error).is_some()
            },
        ),
        (
            "an attestation",
            SignedAttestation::parse_text("____").unwrap_err().into(),
            |error| cause::<prost::DecodeError>(error).is_some(),
        ),
        (
            "an attestation by another party",
            token()
                .with_attestation(&attestation, &root().public())
                .unwrap_err()
                .into(),
            |error| matches!(cause(error), Some(AttestationProblem::By { .. })),
        ),
        (
            "a scope",
            Families::builtin()
                .parse_grant("fs.read=a\0b", &base())
                .unwrap_err()
                .into(),
            |error| cause(error) == Some(&Problem::Path(PathError::Nul)),
        ),
    ];
    for (name, error, is_right) in cases {
        assert!(is_right(&*error), "{name}: {error:?}");
    }
}
