//! Tests of the server with sockets. Each test names the line of spec/serving.md that it checks.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod connections;
mod ending;
mod http2;
mod limits;
mod requests;
mod responses;
mod server;
mod specification;
mod tls;
