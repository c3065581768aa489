//! Delegates a right from one program to another. The first program gets a token, narrows what it holds, and seals the
//! rest for the key of the second program's host. Nobody asks the owner of the root key.
//!
//! `cargo run --example delegate`

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex};

use secure_runtime::capabilities::{Base, Block, Families, KeyPair, Token};
use secure_runtime::{Builder, Exit, OpenOptions, Outcome, Program, Returned, Runtime};

/// Seals the right to read one file for another holder.
const OWNER: &str = r#"
import { fs, seal } from "cap:self";

export default ([holder]) => seal(fs.attenuate({ read: "shared.txt", expires: "1h" }), { holder });
"#;

/// Uses the right, and tries to use more.
const BORROWER: &str = r#"
import { fs } from "cap:self";

const attempt = (path) => fs.readTextFile(path).then((text) => text.trim(), (error) => error.code);
export default async () => [await attempt("shared.txt"), await attempt("private.txt")];
"#;

const GRANTS: [&str; 1] = ["fs.read=./**"];

/// Opens and runs a program, with these settings of the runtime.
async fn run(
    folder: &Path,
    file: &str,
    arguments: &[String],
    settings: impl FnOnce(Builder) -> Builder,
) -> Result<Outcome, Box<dyn Error>> {
    let options = OpenOptions {
        grants: GRANTS.map(str::to_owned).to_vec(),
        ..OpenOptions::default()
    };
    let program = Program::open(&folder.join(file), &options).await?;
    let builder = Runtime::builder()
        .base(program.base())
        .shared_store(program.store());
    let runtime = settings(builder).build()?;
    Ok(runtime.run(program.graph(), arguments).await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().canonicalize()?;
    for (file, text) in [
        ("owner.js", OWNER),
        ("borrower.js", BORROWER),
        ("shared.txt", "for both\n"),
        ("private.txt", "for the owner\n"),
    ] {
        std::fs::write(path.join(file), text)?;
    }
    let reactor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    reactor.block_on(async {
        // The owner of the files mints a token for the first program.
        let base = Base::new(path.to_str().ok_or("the path is not UTF-8")?)?;
        let root = KeyPair::generate()?;
        let rights = Families::builtin().parse_grants(GRANTS, &base)?;
        let token = Token::mint(&root, &Block::of(rights))?;

        // The first program seals a part of it for the borrower's key.
        let borrower = KeyPair::generate()?;
        let arguments = [borrower.holder().to_string()];
        let sealed = run(&path, "owner.js", &arguments, |builder| {
            builder.token(token.as_bytes().to_vec()).root_key(root.public())
        })
        .await?;
        let Returned::Bytes(sealed) = sealed.returned else {
            return Err(format!("the owner returned no token: {:?}", sealed.exit).into());
        };

        // The second program runs under the sealed token. Its host proves that it has the key.
        let decisions = Arc::new(Mutex::new(Vec::new()));
        let seen = decisions.clone();
        let outcome = run(&path, "borrower.js", &[], |builder| {
            builder
                .token(sealed)
                .root_key(root.public())
                .holder_key(&borrower)
                .audit(move |record| {
                    let mut seen = seen.lock().map_err(|_| std::io::Error::other("poisoned"))?;
                    seen.push(record.verdict);
                    Ok(())
                })
        })
        .await?;
        assert!(matches!(outcome.exit, Exit::Completed), "{:?}", outcome.exit);
        let expected = Returned::Json(r#"["for both","denied"]"#.to_owned());
        assert_eq!(outcome.returned, expected);
        assert_eq!(decisions.lock().map_err(|_| "poisoned")?.len(), 2);
        println!("{:?}", outcome.returned);
        Ok(())
    })
}
