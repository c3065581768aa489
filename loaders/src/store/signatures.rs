//! Signatures in a store. The store does not parse or verify them.

use std::fs;

#[cfg(feature = "http")]
use axum::http::{Method, StatusCode, header};
#[cfg(feature = "http")]
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::{LocalStore, Store, StoreError};
use crate::ContentHash;
use crate::files::{self, FileError};

/// Maximum size of a signature, in bytes (64 KiB).
pub const MAX_SIGNATURE_SIZE: u64 = 64 * 1024;

/// A signature as the store returned it. It was not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSignature {
    /// The bytes.
    pub bytes: Bytes,
    /// The file or address of the signature, for messages.
    pub location: String,
}

/// Returns the path of a signature below a store's folder or address:
/// `signatures/ab/<64 digits>/<64 digits of the key>`.
///
/// All parts are hexadecimal digits, so the path cannot leave the store.
pub(super) fn signature_path(subject: &ContentHash, key: &[u8; 32]) -> String {
    let digits = subject.to_hex();
    let shard: String = digits.chars().take(2).collect();
    format!("signatures/{shard}/{digits}/{}", hex::encode(key))
}

impl LocalStore {
    /// Stores the signature of this key about the content with this hash, and replaces an older one.
    ///
    /// # Errors
    /// Returns an error if there are more than [`MAX_SIGNATURE_SIZE`] bytes, or if they cannot be written.
    pub fn put_signature(
        &self,
        subject: &ContentHash,
        key: &[u8; 32],
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let path = self.folder().join(signature_path(subject, key));
        let fault = |error: FileError| StoreError::File {
            store: self.name(),
            location: path.display().to_string(),
            error,
        };
        if bytes.len() as u64 > MAX_SIGNATURE_SIZE {
            let limit = MAX_SIGNATURE_SIZE;
            return Err(fault(FileError::TooLarge { limit }));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| fault(error.into()))?;
        }
        files::write_atomic(&path, bytes).map_err(fault)
    }

    /// Returns the signature of this key about the content with this hash. See [`Store::signature`].
    ///
    /// # Errors
    /// Returns [`StoreError::NotFound`], or an error of reading the file.
    pub fn read_signature(
        &self,
        subject: &ContentHash,
        key: &[u8; 32],
    ) -> Result<FoundSignature, StoreError> {
        let path = self.folder().join(signature_path(subject, key));
        let location = path.display().to_string();
        match files::read_regular(&path, MAX_SIGNATURE_SIZE) {
            Ok(bytes) => Ok(FoundSignature { bytes, location }),
            Err(FileError::NotFound) => Err(StoreError::NotFound {
                store: self.name(),
                hash: *subject,
            }),
            Err(FileError::NotRegular { kind }) => Err(StoreError::NotRegular {
                store: self.name(),
                location,
                hash: *subject,
                kind,
            }),
            Err(FileError::TooLarge { limit }) => Err(StoreError::TooLarge {
                store: self.name(),
                location,
                hash: *subject,
                limit,
            }),
            Err(error) => Err(StoreError::File {
                store: self.name(),
                location,
                error,
            }),
        }
    }
}

/// Responds to a request for a signature. The response must not be cached, because the signature may be replaced later.
#[cfg(feature = "http")]
pub(super) async fn answer(store: LocalStore, subject: ContentHash, key: &str, method: &Method) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    // A key in a path is written like a hash: 64 lower-case digits.
    let Ok(key) = ContentHash::from_hex(key) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let read = tokio::task::spawn_blocking(move || store.read_signature(&subject, key.as_bytes())).await;
    match read {
        Ok(Ok(signature)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/cose; cose-type=\"cose-sign1\""),
                (header::CACHE_CONTROL, "no-cache"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, signature.bytes).into_response()
        }
        Ok(Err(StoreError::NotFound { .. })) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(error)) => {
            tracing::error!(%error, "a signature cannot be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a signature cannot be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
