//! Runs one JavaScript file with one right, and prints what it returned and what it was refused.
//!
//! `cargo run --example hello`

use std::error::Error;

use secure_runtime::{Exit, OpenOptions, Program, Returned, Runtime};

const MAIN: &str = r#"
import { fs } from "cap:self";

export default async ([name]) => {
  const greeting = await fs.readTextFile("greeting.txt");
  const denied = await fs.readTextFile("/etc/hostname").catch((error) => error.message);
  return { text: `${greeting.trim()}, ${name}!`, denied };
};
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("main.js"), MAIN)?;
    std::fs::write(folder.path().join("greeting.txt"), "Hello\n")?;
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    reactor.block_on(async {
        // A file without a manifest gets its grants from the host.
        let options = OpenOptions {
            grants: vec!["fs.read=./greeting.txt".to_owned()],
            ..OpenOptions::default()
        };
        let program = Program::open(&folder.path().join("main.js"), &options).await?;
        let runtime = Runtime::builder()
            .base(program.base())
            .shared_store(program.store())
            .audit(|record| {
                println!("{:?} {} {}", record.verdict, record.family, record.action);
                Ok(())
            })
            .build()?;
        let outcome = runtime.run(program.graph(), &["world".to_owned()]).await?;
        assert!(matches!(outcome.exit, Exit::Completed), "{:?}", outcome.exit);
        let Returned::Json(json) = outcome.returned else {
            return Err("the program returned no JSON".into());
        };
        println!("{json}");
        assert!(json.contains("Hello, world!") && json.contains("is not allowed in app:/main.js"));
        Ok(())
    })
}
