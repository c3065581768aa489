//! The oracle: the complete Biscuit authorizer, which decides the same operations.
//!
//! It is slow, and correct by definition. Tests and fuzz targets compare [`crate::Authority::decide`] with
//! it.

use std::time::Duration;

use biscuit_auth::{AuthorizerBuilder, AuthorizerLimits, error};
use secure_runtime_text::Cause;
use thiserror::Error;

use crate::{Context, Operation, Token, datalog};

/// Limits far above the needs of the profile, so that a busy machine does not cause a wrong result.
const LIMITS: AuthorizerLimits = AuthorizerLimits {
    max_facts: 100_000,
    max_iterations: 1_000,
    max_time: Duration::from_secs(60),
};

/// Error returned when the authorizer neither allowed nor denied the operation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("the Biscuit authorizer failed: {cause}")]
pub struct OracleError {
    /// The authorizer's error: a `biscuit_auth::error::Token`, or a [`TokenError`](crate::TokenError).
    #[source]
    pub cause: Cause,
}

/// Returns true if the Biscuit authorizer allows the operation.
///
/// # Errors
/// Returns [`OracleError`] if evaluation failed. Callers must treat this as a refusal.
pub fn oracle(token: &Token, operation: &Operation<'_>, context: &Context<'_>) -> Result<bool, OracleError> {
    Oracle::new()?.ask(token, operation, context)
}

/// A reusable authorizer with the profile's policy.
#[derive(Clone)]
pub struct Oracle(AuthorizerBuilder);

impl Oracle {
    /// Builds the authorizer.
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

    /// Returns true if the authorizer allows the operation.
    ///
    /// # Errors
    /// Returns [`OracleError`] if evaluation failed. Callers must treat this as a refusal.
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
            .build(token.biscuit().map_err(failed)?)
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

fn failed(error: impl Into<Cause>) -> OracleError {
    OracleError { cause: error.into() }
}
