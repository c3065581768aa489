//! The work of one statement, on a thread that may block. It pauses until the isolate has decided the accesses.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Error, ErrorCode, Row, Statement};
use secure_runtime::capabilities::Pattern;
use secure_runtime::extension::{OperationError, Value};
use tokio::sync::oneshot;

use crate::database::{Access, Database, Unprepared, message};
use crate::family;

/// Maximum memory of the result of a statement, in bytes.
pub(crate) const MOST_RESULT: usize = 4 << 20;
/// The integers that a number of JavaScript represents exactly.
const MOST_INTEGER: i64 = (1 << 53) - 1;

/// The patterns of the rights of a capability. They only select the errors that it gets. The reference monitor decides.
pub(crate) struct Rights {
    pub(crate) read: Vec<Pattern>,
    pub(crate) write: Vec<Pattern>,
}

impl Rights {
    fn allow(&self, database: &str, access: &Access) -> bool {
        let patterns = if access.is_write { &self.write } else { &self.read };
        let resource = family::resource(database, &access.table);
        patterns.iter().any(|pattern| pattern.matches(&resource))
    }

    fn see(&self, database: &str, table: &str) -> bool {
        [false, true].into_iter().any(|is_write| {
            let table = table.to_owned();
            self.allow(database, &Access { table, is_write })
        })
    }
}

/// A statement of a guest.
pub(crate) struct Job {
    pub(crate) database: String,
    pub(crate) file: PathBuf,
    pub(crate) text: String,
    pub(crate) parameters: Vec<SqlValue>,
    /// True if the rows are the result, and false if it is the number of changed rows.
    pub(crate) is_query: bool,
    pub(crate) rights: Rights,
    pub(crate) is_stopped: Arc<AtomicBool>,
}

/// The accesses of a prepared statement, which wait for a decision.
pub(crate) type Prepared = Result<BTreeSet<Access>, Unprepared>;

impl Job {
    /// Prepares the statement, sends its accesses, and waits for the permission. Then it executes the same statement.
    ///
    /// # Errors
    /// SQLite failed, or the permission did not come.
    pub(crate) fn run(
        self,
        ask: oneshot::Sender<Prepared>,
        permission: oneshot::Receiver<()>,
    ) -> Result<Value, OperationError> {
        let database =
            Database::open(&self.file, self.is_stopped.clone()).map_err(|error| self.failed(&error))?;
        let prepared = database.prepare(&self.text);
        let (statement, accesses) = match prepared {
            Ok((statement, accesses))
                if accesses
                    .iter()
                    .all(|access| self.rights.allow(&self.database, access)) =>
            {
                (Some(statement), Ok(accesses))
            }
            Ok((_, accesses)) => (None, self.visible(&database, Ok(accesses))?),
            Err(unprepared) => (None, self.visible(&database, Err(unprepared))?),
        };
        let refused = || OperationError::type_error("the statement was not permitted");
        database.decided();
        ask.send(accesses).map_err(|_| refused())?;
        permission.blocking_recv().map_err(|_| refused())?;
        let mut statement = statement.ok_or_else(refused)?;
        self.bind(&mut statement)?;
        if self.is_query {
            self.rows(&mut statement)
        } else {
            self.changes(&database, &mut statement)
        }
    }

    /// Returns the reason why the statement is refused, in a form that depends only on the tables that the capability
    /// has a right for. SQLite's own errors would reveal which other tables and columns exist.
    fn visible(&self, database: &Database, actual: Prepared) -> Result<Prepared, OperationError> {
        let sees = |table: &str| self.rights.see(&self.database, table);
        let copy = database
            .without_hidden(sees)
            .map_err(|error| self.failed(&error))?;
        let visible = copy.prepare(&self.text).map(|(_, accesses)| accesses);
        let is_allowed = |accesses: &BTreeSet<Access>| {
            accesses
                .iter()
                .all(|access| self.rights.allow(&self.database, access))
        };
        Ok(match visible {
            // The content of the file is the reason, such as a view of a table that was removed.
            Ok(accesses) if is_allowed(&accesses) => actual,
            visible => visible,
        })
    }

    fn bind(&self, statement: &mut Statement<'_>) -> Result<(), OperationError> {
        let (count, given) = (statement.parameter_count(), self.parameters.len());
        if count != given {
            let message = format!("the statement has {count} parameters, and {given} were given");
            return Err(OperationError::type_error(message));
        }
        for (at, value) in self.parameters.iter().enumerate() {
            let bound = statement.raw_bind_parameter(at + 1, value);
            bound.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn rows(&self, statement: &mut Statement<'_>) -> Result<Value, OperationError> {
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        if names.is_empty() {
            return Err(OperationError::type_error(
                "the statement returns no rows: use execute",
            ));
        }
        if let Some(twice) = names
            .iter()
            .enumerate()
            .find(|(at, name)| names.iter().take(*at).any(|other| other == *name))
        {
            let message = format!("two columns have the name {:?}: name them with AS", twice.1);
            return Err(OperationError::type_error(message));
        }
        let mut result = Vec::new();
        let mut size = 0;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|error| self.failed(&error))? {
            let row = record(row, &names)?;
            size += row.size();
            if size > MOST_RESULT {
                let message = format!("the result takes more than {MOST_RESULT} bytes: use LIMIT");
                return Err(OperationError::range_error(message));
            }
            result.push(row);
        }
        Ok(Value::List(result))
    }

    fn changes(&self, database: &Database, statement: &mut Statement<'_>) -> Result<Value, OperationError> {
        if statement.column_count() > 0 {
            return Err(OperationError::type_error(
                "the statement returns rows: use query",
            ));
        }
        statement.raw_execute().map_err(|error| self.failed(&error))?;
        // A number of rows is far below the largest exact integer.
        Ok(Value::Number(database.changes() as f64))
    }

    /// Returns the error of a statement whose accesses are allowed, or of a database that the capability may use.
    fn failed(&self, error: &Error) -> OperationError {
        let (class, code) = match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => ("Error", "ECANCELED"),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ("Busy", "EBUSY"),
            Some(ErrorCode::CannotOpen) => ("NotFound", "ENOENT"),
            Some(ErrorCode::ConstraintViolation) => ("Error", "ECONSTRAINT"),
            _ => ("Error", "ESQL"),
        };
        let message = match error.sqlite_error_code() {
            // SQLite's message contains the path of the host.
            Some(ErrorCode::CannotOpen) => "it cannot be opened".to_owned(),
            _ => message(error),
        };
        OperationError::system(
            class,
            code,
            format!("the database {:?}: {message}", self.database),
        )
    }
}

fn record(row: &Row<'_>, names: &[String]) -> Result<Value, OperationError> {
    let mut fields = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let value = row
            .get_ref(at)
            .map_err(|error| OperationError::type_error(message(&error)))?;
        fields.push((name.clone(), value_of(value, name)?));
    }
    Ok(Value::Record(fields))
}

fn value_of(value: ValueRef<'_>, column: &str) -> Result<Value, OperationError> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) if (-MOST_INTEGER..=MOST_INTEGER).contains(&integer) => {
            Value::Number(integer as f64)
        }
        ValueRef::Integer(_) => {
            let message = format!(
                "column {column:?}: no number of JavaScript is exactly this integer: CAST it AS TEXT"
            );
            return Err(OperationError::range_error(message));
        }
        ValueRef::Real(real) => Value::Number(real),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => {
                let message = format!("column {column:?}: the text is not UTF-8: CAST it AS BLOB");
                return Err(OperationError::type_error(message));
            }
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    })
}

/// Returns the values of the parameters of a statement.
///
/// # Errors
/// They are not a list of values of SQLite.
pub(crate) fn parameters(list: Value) -> Result<Vec<SqlValue>, OperationError> {
    let wrong = |what| OperationError::type_error(format!("parameters: {what}"));
    let Value::List(list) = list else {
        return Err(wrong("give a list"));
    };
    let parameter = |value| match value {
        Value::Null => Ok(SqlValue::Null),
        Value::Bool(value) => Ok(SqlValue::Integer(value.into())),
        Value::Number(number) if number.fract() == 0.0 && number.abs() <= MOST_INTEGER as f64 => {
            Ok(SqlValue::Integer(number as i64))
        }
        // SQLite would store NULL.
        Value::Number(number) if number.is_nan() => Err(wrong("NaN is not a value of SQLite")),
        Value::Number(number) => Ok(SqlValue::Real(number)),
        Value::Text(text) => Ok(SqlValue::Text(text)),
        Value::Bytes(bytes) => Ok(SqlValue::Blob(bytes)),
        Value::List(_) | Value::Record(_) => Err(wrong("a list or an object is not a value of SQLite")),
    };
    list.into_iter().map(parameter).collect()
}
