//! Lookups of names. A lookup tells a name server something, so it is a right of its own.

use secure_runtime_capabilities::{ActionName, HostName, Operation};
use secure_runtime_engine::extension::{Arguments, Methods, OperationError, Output, Value, clipped};

use super::destination::{self, again};
use super::{Call, Net};

/// A kind of record of the domain name system.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    A,
    Aaaa,
}

impl Record {
    fn of(text: &str) -> Result<Record, OperationError> {
        match text {
            "A" => Ok(Record::A),
            "AAAA" => Ok(Record::Aaaa),
            other => Err(OperationError::system(
                "NotSupported",
                "ENOTSUP",
                format!(
                    "resolve: records of the type {:?} are not looked up; the types are \"A\" and \"AAAA\"",
                    clipped(other)
                ),
            )),
        }
    }
}

/// Looks up the addresses of the decided name.
async fn resolve(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let record = Record::of(arguments.text(1)?)?;
    let idle = granted.isolate()?.program().idle;
    let shown = granted.shown();
    let found = tokio::time::timeout(idle, destination::lookup(granted.resource(), 0)).await;
    let found = found.map_err(|_| destination::timed_out("resolve", shown))?;
    let found = found.ok_or_else(|| destination::unknown("resolve", shown))?;
    again(&granted)?;
    let mut addresses: Vec<String> = Vec::new();
    for address in found {
        let is_wanted = match record {
            Record::A => address.is_ipv4(),
            Record::Aaaa => address.is_ipv6(),
        };
        let text = address.ip().to_string();
        if is_wanted && !addresses.contains(&text) {
            addresses.push(text);
        }
    }
    Ok(Value::List(addresses.into_iter().map(Value::from).collect()).into())
}

pub(super) fn declare(methods: &mut Methods<Net>) {
    methods
        .on(ActionName::RESOLVE, |asked| {
            let text = asked.text(0)?;
            // A wrong call decides nothing.
            Record::of(asked.text(1)?)?;
            let name = HostName::parse(text).map_err(|error| {
                OperationError::type_error(format!("resolve {:?}: {error}", clipped(text)))
            })?;
            Ok((Operation::net_resolve(&name).into_owned(), text.into()))
        })
        .asynchronous("resolve", resolve);
}
