//! The `fs` family: the results of its operations, and attacks with links, races and special files.

mod changes;
mod handles;
mod kernel;
mod links;
mod moves;
mod operations;
mod races;
mod walks;
mod watches;

use crate::support::{Scene, manifest};

/// The beginning of every program below. `say` prints the result of a call as JSON, or the name and code of its error.
const PRELUDE: &str = "import { fs } from 'cap:self';
const say = async (call) => {
  try {
    const value = await call();
    console.log(value === undefined ? 'done' : JSON.stringify(value));
  } catch (error) {
    console.log([error.name, error.code].filter(Boolean).join(' '));
  }
};
const list = async (path) => {
  const entries = [];
  for await (const { name, isFile, isDirectory, isSymlink } of fs.readDir(path)) {
    entries.push(`${name}${isDirectory ? '/' : isSymlink ? '@' : isFile ? '' : '?'}`);
  }
  return entries.join(' ');
};
const bytes = (text) => new TextEncoder().encode(text);
const piece = async (file, size) => {
  const buffer = new Uint8Array(size);
  const read = await file.read(buffer);
  return read === null ? null : new TextDecoder().decode(buffer.subarray(0, read));
};
";

/// Runs calls one after another in the scene, and compares their output.
#[track_caller]
fn expect(scene: Scene, grants: &[&str], steps: &[(&str, &str)]) -> Scene {
    let calls: String = steps
        .iter()
        .map(|(call, _)| format!("await say(() => {call});\n"))
        .collect();
    let scene = scene
        .file("secure.toml", manifest(grants, ""))
        .file("main.js", format!("{PRELUDE}{calls}"));
    let ran = scene.run(&[]).completed();
    let said: Vec<&str> = ran.out.lines().collect();
    for (index, (call, expected)) in steps.iter().enumerate() {
        assert_eq!(said.get(index), Some(expected), "{call}");
    }
    scene
}

const DATA: &[&str] = &["fs.read=./data/**", "fs.write=./data/**"];
