//! An HTTP server for clients that nobody trusts: HTTP/1.1 and HTTP/2, with TLS, limits, and an orderly end.
//!
//! [`serve`] answers requests with a [`Service`]. Clients that are slow, idle or numerous are limited
//! ([`ServerLimits`]), and each limit is named to the client that it stops. Requests whose bytes other servers could
//! read differently are refused.
//!
//! This crate knows no JavaScript and no capabilities.

mod accept;
mod body;
mod connections;
mod head;
mod limits;
mod pace;
mod problem;
mod protocol;
mod server;
mod taking;
mod target;
mod tls;
pub mod websocket;
mod wire;

pub use axum::body::Body;
pub use axum::http::{Method, Request, Response, StatusCode, Uri, header, request, response};

pub use hyper::upgrade::{OnUpgrade, on as upgrade};

pub use self::accept::{End, accept};
pub use self::body::BodyFault;
pub use self::connections::{Admitted, Connections};
#[doc(hidden)]
pub use self::head::Head;
pub use self::limits::{ServerLimits, possible_connections};
pub use self::pace::Pace;
pub use self::problem::{failed, problem};
pub use self::server::{Client, Service, serve};
pub use self::target::{TargetError, serialized};
pub use self::tls::{TlsError, tls_config};
pub use self::wire::{Activity, Answering, Wire};
