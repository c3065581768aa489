//! Audit logs: files of decisions, for people and programs.

mod file;
mod log;

pub use self::log::{AuditLog, AuditOptions};
