//! The command of secure-runtime, with the family `sql`.

use std::process::ExitCode;

use secure_runtime_sqlite::Sql;

/// The environment variable with the folder of the databases.
///
/// The host sets it. A folder beside the program would be the choice of whoever wrote the program.
const FOLDER: &str = "SQL_DATABASES";

fn main() -> ExitCode {
    let sql = match std::env::var_os(FOLDER) {
        Some(folder) => Sql::new(&folder).map_err(|error| format!("{FOLDER}: {}: {error}", folder.display())),
        None => Ok(Sql::empty()),
    };
    match sql {
        Ok(sql) => secure_runtime_cli::main([sql.into()]),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}
