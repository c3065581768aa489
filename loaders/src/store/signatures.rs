//! Signatures beside the content of a store. What is in them, and whether they hold, is not known here.

use std::fs;

#[cfg(feature = "http")]
use axum::http::{Method, StatusCode, header};
#[cfg(feature = "http")]
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::{LocalStore, Store, StoreError};
use crate::ContentHash;
use crate::files::{self, FileError};

/// The largest signature that is kept or fetched, in bytes (64 KiB).
pub const MAX_SIGNATURE_SIZE: u64 = 64 * 1024;

/// A signature as a store has it. Nobody has looked into it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSignature {
    /// Its bytes.
    pub bytes: Bytes,
    /// The file or address that has it, for messages.
    pub location: String,
}

/// The path of a signature below a store's folder or address: `signatures/ab/<64 digits>/<64 digits of the key>`.
///
/// There are only hexadecimal digits, hence no path can be made that leaves the store.
pub(super) fn signature_path(subject: &ContentHash, key: &[u8; 32]) -> String {
    let digits = subject.to_hex();
    let shard: String = digits.chars().take(2).collect();
    format!("signatures/{shard}/{digits}/{}", hex::encode(key))
}

impl LocalStore {
    /// Keeps the signature of this key about what has this hash, in the place of an older one.
    ///
    /// # Errors
    /// When there are more than [`MAX_SIGNATURE_SIZE`] bytes, or they cannot be written.
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

    /// The signature of this key about what has this hash. See [`Store::signature`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or what is wrong with the file.
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

/// Answers a request for a signature. It may be replaced later, so nobody is to keep the answer.
#[cfg(feature = "http")]
pub(super) async fn answer(store: LocalStore, subject: ContentHash, key: &str, method: &Method) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    // A key is written as a hash is: 64 lower-case digits.
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
