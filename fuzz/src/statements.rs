use secure_runtime_capabilities::*;

use crate::{
    Outcome,
    cose::{KEY, SECRET, signed},
};

/// The subject of the statements in the seeds.
const HASH: [u8; 32] = [7; 32];

/// Uses the input as a signed statement, and as the payload of a validly signed one. An accepted statement
/// must be the canonical encoding of its content, and valid for exactly its subject.
pub fn statements(data: &[u8]) -> Outcome {
    let graph = signed(b"secure-runtime graph signature 1", data);
    let package = signed(b"secure-runtime package signature 1", data);
    let checked = [
        check(data, Subject::Graph(HASH)),
        check(&graph, Subject::Graph(HASH)),
        check(&package, Subject::Package(HASH)),
        // A statement about a program must not be valid for a package.
        check(&graph, Subject::Package(HASH)).map(|_| panic!("a signature for two purposes")),
    ];
    let outcomes = checked.map(|checked| match checked {
        Ok(statement) => format!(
            "{:?} {}",
            statement.signed().is_some(),
            "claim ".repeat(statement.claims().len().min(3))
        ),
        Err(error) => error.to_string(),
    });
    Outcome::of(&format_args!("{}", outcomes.concat()))
}

fn check(bytes: &[u8], subject: Subject) -> Result<Statement, StatementError> {
    let statement = Statement::verify(bytes, &KEY, subject).inspect_err(|error| {
        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    })?;
    assert_eq!(statement.subject(), subject);
    let claims = statement.claims().iter().map(|claim| {
        let again: Claim = claim.to_string().parse().unwrap();
        assert_eq!(&again, claim);
        assert!(statement.makes(claim));
        again
    });
    // The order of the claims must not change the statement.
    let again = Statement::new(subject, statement.signed(), claims.rev()).unwrap();
    assert_eq!(again, statement);
    let key = KeyPair::from_secret(&SECRET).unwrap();
    assert_eq!(again.sign(&key).unwrap(), bytes, "two encodings of one statement");
    Ok(statement)
}
