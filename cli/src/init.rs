//! `init`: creates a small working project.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secure_runtime_loaders::secrets;

use super::failure::Failure;
use super::text;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder for the project, which is created if it does not exist
    #[arg(default_value = ".")]
    dir: PathBuf,
}

/// The files of the project. `PROJECT_NAME` is replaced by the name of the folder.
const FILES: [(&str, &str); 5] = [
    (
        "secure.toml",
        r#"[package]
name  = "PROJECT_NAME"
entry = "main.js"

[imports]
greet = "./vendor/greet/"       # a third-party package; "npm:NAME@VERSION" takes one from node_modules

[grants]                        # the program's rights: its own modules have them, and no package can have more
fs.read = ["./data/**"]

# A package has no rights unless they are granted here:
# [packages.greet]
# grants = { fs.read = ["./data/names.txt"] }

[limits]
heap = "128MiB"
wall = "30s"
"#,
    ),
    (
        "main.js",
        r#"import { fs } from "cap:self";
import { greet } from "greet";

// Called with the arguments after `--`.
export default async function main(args) {
  const text = await fs.readTextFile("data/names.txt");
  const names = args.length > 0 ? args : text.trim().split("\n");
  for (const name of names) console.log(greet(name));
}
"#,
    ),
    ("data/names.txt", "world\n"),
    (
        "vendor/greet/package.json",
        "{\n  \"name\": \"greet\",\n  \"version\": \"1.0.0\",\n  \"type\": \"module\",\n  \"exports\": \"./index.js\"\n}\n",
    ),
    (
        "vendor/greet/index.js",
        r#"// This package has no rights: its own `cap:self` refuses every operation.
export function greet(name) {
  return `Hello, ${name}!`;
}
"#,
    ),
];

pub(super) fn init(arguments: &Arguments) -> Result<String, Failure> {
    let folder = &arguments.dir;
    let fault = |path: &Path, error: &io::Error| {
        Failure::usage(format!("{}: {error}", path.display())).help("name a folder that you may write")
    };
    for (path, _) in FILES {
        let path = folder.join(path);
        if path.symlink_metadata().is_ok() {
            return Err(Failure::usage(format!("{} exists already", path.display()))
                .help("nothing is overwritten: name another folder"));
        }
    }
    fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    let name = name_of(folder);
    for (path, content) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| fault(parent, &error))?;
        }
        // `create_new` does not overwrite a file that another process creates at the same time.
        fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(content.replace("PROJECT_NAME", &name).as_bytes()))
            .map_err(|error| fault(&path, &error))?;
    }
    let argument = match folder.to_str() {
        Some(".") => String::new(),
        _ => format!(" {}", text::shell_argument(&folder.to_string_lossy())),
    };
    let done = format!(
        "made {name} in {}: secure.toml, main.js, data/ and a package in vendor/ that has no rights\n\
         next:\n  secure-runtime run{argument}\n  secure-runtime lock{argument}\n  \
         secure-runtime explain{} --module greet 'fs read data/names.txt'\n",
        folder.display(),
        match argument.as_str() {
            "" => String::new(),
            argument => format!(" --dir{argument}"),
        }
    );
    Ok(secrets::hide(&done).into_owned())
}

/// Returns the name of the folder, with characters replaced that a package name must not contain.
fn name_of(folder: &Path) -> String {
    if secrets::looks_secret(&folder.to_string_lossy()) {
        return "project".to_owned();
    }
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = real
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let name: String = name
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() || "-_.".contains(character) {
                character
            } else {
                '-'
            }
        })
        .take(100)
        .collect();
    if name.is_empty() {
        "my-program".to_owned()
    } else {
        name
    }
}
