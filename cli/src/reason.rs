//! Advice about denials, and human-readable times.

use std::time::{Duration, UNIX_EPOCH};

use secure_runtime_capabilities::Reason;

/// Formats Unix seconds as a human-readable time.
pub(super) fn shown_time(seconds: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) => humantime::format_rfc3339_seconds(time).to_string(),
        None => format!("second {seconds} since 1970"),
    }
}

/// Returns the advice for a denial, or `None` if a grant is missing.
pub(super) fn help(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::NoGrant => return None,
        Reason::Expired { .. } => {
            "get a token that is still valid, or a longer `expires` where the program narrows it"
        }
        Reason::NotYetValid { .. } => "wait, or get a token that is valid already",
        Reason::WrongHolder => {
            "get a token that is bound to this holder or to none, or prove possession of its holder's key: --holder-key, or a proof"
        }
        Reason::NotAttested { .. } => {
            "have them attest the module: `secure-runtime token attest request` begins it"
        }
        Reason::Revoked => "ask the token's issuer for another one",
        Reason::StaleRevocations { .. } => {
            "get a current list from its issuer: `secure-runtime token revoke` renews it"
        }
        _ => "see `secure-runtime help explain`",
    })
}
