//! The oracle: the same question, answered by the complete Biscuit authorizer.
//!
//! It is slow, and exact by definition. Tests and the fuzzer hold [`crate::Authority::decide`] equal to it.

use std::time::Duration;

use biscuit_auth::{AuthorizerBuilder, AuthorizerLimits, error};
use thiserror::Error;

use crate::{Context, Operation, Token, datalog};

/// Far more than a token of the profile needs, so that a busy machine gives no false answer.
const LIMITS: AuthorizerLimits = AuthorizerLimits {
    max_facts: 100_000,
    max_iterations: 1_000,
    max_time: Duration::from_secs(60),
};

/// The authorizer gave neither yes nor no.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("the Biscuit authorizer failed: {cause}")]
pub struct OracleError {
    /// What it says.
    pub cause: String,
}

/// Whether the Biscuit authorizer allows the operation.
///
/// # Errors
/// [`OracleError`] when evaluation failed, which is to be treated as a refusal.
pub fn oracle(token: &Token, operation: &Operation<'_>, context: &Context<'_>) -> Result<bool, OracleError> {
    Oracle::new()?.ask(token, operation, context)
}

/// An authorizer with the profile's policy, to ask many questions of.
#[derive(Clone)]
pub struct Oracle(AuthorizerBuilder);

impl Oracle {
    /// The authorizer.
    ///
    /// # Errors
    /// [`OracleError`] if the library refuses the profile's policy.
    pub fn new() -> Result<Oracle, OracleError> {
        Ok(Oracle(
            AuthorizerBuilder::new()
                .set_limits(LIMITS)
                .policy(datalog::policy())
                .map_err(failed)?,
        ))
    }

    /// Whether the authorizer allows the operation.
    ///
    /// # Errors
    /// [`OracleError`] when evaluation failed, which is to be treated as a refusal.
    pub fn ask(
        &self,
        token: &Token,
        operation: &Operation<'_>,
        context: &Context<'_>,
    ) -> Result<bool, OracleError> {
        let mut authorizer = self.0.clone();
        for fact in datalog::question(operation, context) {
            authorizer = authorizer.fact(fact).map_err(failed)?;
        }
        match authorizer
            .build(token.biscuit().map_err(|error| OracleError {
                cause: error.to_string(),
            })?)
            .map_err(failed)?
            .authorize_with_limits(LIMITS)
        {
            Ok(_) => Ok(true),
            Err(error::Token::FailedLogic(
                error::Logic::Unauthorized { .. } | error::Logic::NoMatchingPolicy { .. },
            )) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: error::Token) -> OracleError {
    OracleError {
        cause: error.to_string(),
    }
}
