//! The rules of the OS sandbox that an extension asks for.

use std::ops::RangeInclusive;
use std::path::PathBuf;

/// A rule of the OS sandbox: it allows what an extension does while a program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SandboxRule {
    /// Reading a file, or listing a folder.
    Read(PathBuf),
    /// Writing a file.
    Write(PathBuf),
    /// Reading a file, or a folder and everything below it.
    ReadBelow(PathBuf),
    /// Writing a file, or writing, creating and removing everything below a folder.
    WriteBelow(PathBuf),
    /// TCP connections to these ports of any host, and name lookups.
    Connect(RangeInclusive<u16>),
    /// TCP connections from any host to this port.
    Listen(u16),
    /// UDP sockets of any port, which send to any host, and name lookups.
    Datagrams,
    /// Name lookups.
    Lookups,
    /// A system call with any arguments, by its number on this architecture.
    SystemCall(i64),
}
