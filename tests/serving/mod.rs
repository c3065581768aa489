//! Programs that answer requests: instances, and the family `http`. See spec/serving.md.

mod attacks;
mod instance;
mod servers;
#[cfg(feature = "v8")]
mod sockets;

use secure_runtime::http::{Body, Request, Response, StatusCode};

/// Returns a request without a body.
fn get(path: &str) -> Request<Body> {
    Request::get(format!("http://test.example{path}"))
        .body(Body::empty())
        .unwrap()
}

/// Returns a request with a body.
fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("http://test.example{path}"))
        .body(body.into())
        .unwrap()
}

/// Returns the status and the body of a response, or the error of the body.
async fn read(response: Response<Body>) -> (StatusCode, Result<String, String>) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (status, text.map_err(|error| error.to_string()))
}

/// Returns the body of a response with the status 200.
async fn text(response: Response<Body>) -> String {
    let (status, text) = read(response).await;
    assert_eq!(status, StatusCode::OK, "{text:?}");
    text.unwrap()
}
