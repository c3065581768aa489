//! `run`

use crate::program::OpenOptions;
use crate::{Program, Runtime};
use std::process::ExitCode;

pub(super) fn quick(path: &str, args: &[String]) -> ExitCode {
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    reactor.block_on(async {
        let mut options = OpenOptions::default();
        options.grants = args.to_vec();
        let program = match Program::open(path.as_ref(), &options).await {
            Ok(p) => p,
            Err(e) => {
                eprintln!("{e}");
                return ExitCode::from(2);
            }
        };
        let runtime = Runtime::builder()
            .base(program.base())
            .shared_store(program.store())
            .limits(program.limits().clone())
            .console(|line| {
                if line.is_error {
                    eprint!("{}", line.text)
                } else {
                    print!("{}", line.text)
                }
            })
            .audit(|r| {
                eprintln!("{}", r.to_json_line());
                Ok(())
            })
            .build();
        let runtime = match runtime {
            Ok(p) => p,
            Err(e) => {
                eprintln!("{e}");
                return ExitCode::from(2);
            }
        };
        match runtime.run(program.graph(), &[]).await {
            Ok(o) => {
                eprintln!("{:?}", o.exit);
                ExitCode::SUCCESS
            }
            Err(e) => {
                eprintln!("{e}");
                ExitCode::from(70)
            }
        }
    })
}
