//! A property of random programs. No sequence of operations lets a capability read bytes that another capability wrote
//! outside of its scopes.
//!
//! Moving readable bytes counts as writing them again: capabilities with a scope at the new place may then read them.
//! Each write has its own mark. Before every step, the test reads the files from outside, so that it knows the place of
//! each mark. It compares these places with scopes that it matches itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use secure_runtime::{Exit, Limits, OpenOptions, Program, Runtime};

use crate::support::{Scene, manifest};

/// Number of random programs, which `PROPERTY_CASES` replaces, and the number of steps of each.
const PROGRAMS: u64 = 16;
const STEPS: usize = 120;
const PACKAGES: usize = 3;

/// The content of each file, by its path without links below the program's folder. A content consists of marks of eight
/// bytes.
type Snapshot = BTreeMap<String, String>;

#[test]
fn no_sequence_of_operations_reveals_unreadable_bytes() {
    let programs = std::env::var("PROPERTY_CASES").map_or(PROGRAMS, |cases| cases.parse().unwrap());
    let mut counts = Counts::default();
    for seed in 0..programs {
        Story::new(seed).run(&mut counts);
    }
    // Reads by narrow scopes, allowed renames and refused renames do occur.
    println!("{counts:?}");
    assert!(counts.reads > programs, "{counts:?}");
    assert!(counts.renames > programs, "{counts:?}");
    assert!(counts.made > 0, "{counts:?}");
    assert!(counts.refused > programs, "{counts:?}");
}

#[derive(Debug, Default)]
struct Counts {
    reads: u64,
    renames: u64,
    /// Copies and links.
    made: u64,
    refused: u64,
}

/// A random number generator: SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn path(&mut self) -> String {
        let paths = if self.below(2) == 0 { OFTEN } else { PATHS };
        (*self.one(paths)).to_owned()
    }

    fn some(&mut self, of: &[&str], least: usize, most: usize) -> Vec<String> {
        let count = least + self.below(most + 1 - least);
        (0..count).map(|_| (*self.one(of)).to_owned()).collect()
    }
}

/// Paths that are used more often than others, so that operations meet.
const OFTEN: &[&str] = &[
    "w/pub/a",
    "w/out/a",
    "w/out/d/b",
    "w/sec/a",
    "w/tmp/a",
    "w/pub",
    "w/out",
    "w/link",
];

const READ: &[&str] = &[
    "./w/pub/**",
    "./w/out/**",
    "./w/out/d/**",
    "./w/tmp/**",
    "./w/pub/a",
    "./w/out/d/b",
    "./w/pub/d/**",
    "./w/tmp/x/**",
    "./w/link",
    "./w/link/**",
];
const WRITE: &[&str] = &[
    "./w/**",
    "./w/**",
    "./w/**",
    "./w/out/**",
    "./w/pub/**",
    "./w/tmp/**",
    "./w/sec/**",
    "./w/pub",
    "./w/pub/a",
    "./w/link",
];
const PATHS: &[&str] = &[
    "w/pub",
    "w/out",
    "w/sec",
    "w/tmp",
    "w/pub/a",
    "w/pub/b",
    "w/pub/d",
    "w/pub/d/a",
    "w/out/a",
    "w/out/d",
    "w/out/d/b",
    "w/sec/a",
    "w/sec/d",
    "w/sec/d/b",
    "w/tmp/a",
    "w/tmp/x",
    "w/tmp/x/a",
    "w/link",
    "w/link/a",
    "w/pub/out",
    "w/pub/out/a",
    "w/sec/to-pub",
    "w/sec/to-pub/a",
    "w/pub/x/a",
    "w/pub/x",
];

/// Folders in which scopes begin, or above them.
const FOLDERS: &[&str] = &["w/pub", "w/out", "w/out/d", "w/tmp", "w/tmp/x", "w/pub/d"];
/// Places that no package may read.
const AWAY: &[&str] = &["w/away", "w/sec/away", "w/sec/d/away"];

/// The test's model of a capability.
#[derive(Clone, Debug)]
struct Scopes {
    read: Vec<String>,
    write: Vec<String>,
}

impl Scopes {
    /// Returns true if a path without links may be read.
    fn read(&self, path: &str) -> bool {
        self.read.iter().any(|scope| matches(scope, path))
    }

    /// Returns the scopes that remain after an attenuation to these scopes.
    fn narrowed(&self, read: &[String], write: &[String]) -> Scopes {
        Scopes {
            read: common(&self.read, read),
            write: common(&self.write, write),
        }
    }
}

/// Returns the inner scope of each pair in which one scope is within the other.
fn common(these: &[String], those: &[String]) -> Vec<String> {
    let start = |scope: &str| scope.trim_start_matches("./").trim_end_matches("/**").to_owned();
    let is_within = |inner: &str, outer: &str| {
        let is_single = !outer.ends_with("/**");
        matches(outer, &start(inner)) && !(is_single && inner.ends_with("/**"))
    };
    let mut common = Vec::new();
    for this in these {
        for that in those {
            if is_within(this, that) {
                common.push(this.clone());
            } else if is_within(that, this) {
                common.push(that.clone());
            }
        }
    }
    common
}

fn matches(scope: &str, path: &str) -> bool {
    let scope = scope.trim_start_matches("./");
    match scope.strip_suffix("/**") {
        Some(folder) => {
            path == folder
                || path
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
        }
        None => scope == path,
    }
}

/// One program: its packages, and the steps that they take one after another.
struct Story {
    seed: u64,
    packages: Vec<Scopes>,
    isolated: Option<usize>,
    /// Additional rights of the program, besides those of its packages.
    program: Scopes,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, serde::Serialize)]
struct Step {
    package: usize,
    /// The number of the package's capability: its initial one, or a narrowed one.
    capability: usize,
    operation: &'static str,
    path: String,
    to: String,
    read: Vec<String>,
    write: Vec<String>,
    /// The package that receives a narrowed capability.
    receiver: usize,
}

impl Step {
    /// Returns a step on these paths with other random parts.
    fn on(chance: &mut Chance, operation: &'static str, path: &str, to: &str) -> Step {
        Step {
            // The last index is the program itself.
            package: chance.below(PACKAGES + 1),
            capability: chance.below(3),
            operation,
            path: path.to_owned(),
            to: to.to_owned(),
            read: chance.some(READ, 0, 3),
            write: chance.some(WRITE, 0, 2),
            receiver: chance.below(PACKAGES + 1),
        }
    }

    /// Returns steps after which an opened path leads to other bytes. A read or an open keeps a handle, renames by
    /// another module follow, and then the same read.
    fn moved_away(chance: &mut Chance) -> Vec<Step> {
        let folder = *chance.one(FOLDERS);
        let away = *chance.one(AWAY);
        let name = *chance.one(&["a", "b"]);
        let (file, moved) = (format!("{folder}/{name}"), format!("{away}/{name}"));
        let steps: Vec<(&str, &str, &str)> = if chance.below(2) == 0 {
            let replaced = *chance.one(&["mkdir", "rename", "read"]);
            let mut steps = vec![
                ("mkdir", folder, ""),
                ("write", file.as_str(), ""),
                ("write", "w/sec/a", ""),
                ("read", file.as_str(), ""),
                ("rename", folder, away),
                ("rename", "w/sec/a", moved.as_str()),
            ];
            steps.push(match replaced {
                "rename" => (replaced, "w/sec", folder),
                _ => (replaced, folder, ""),
            });
            steps.push(("read", file.as_str(), ""));
            steps
        } else {
            vec![
                ("write", file.as_str(), ""),
                ("open", file.as_str(), ""),
                ("rename", file.as_str(), away),
                ("append", away, ""),
                ("handleRead", "", ""),
            ]
        };
        let reads = |operation| ["read", "open", "handleRead"].contains(&operation);
        let (reader, mover) = (Step::on(chance, "", "", ""), Step::on(chance, "", "", ""));
        // Most of the time, the mover has all rights.
        let mover = match chance.below(3) {
            0 => (mover.package, mover.capability),
            _ => (PACKAGES, 0),
        };
        let step = |(operation, path, to)| {
            let mut step = Step::on(chance, operation, path, to);
            (step.package, step.capability) = if reads(operation) {
                (reader.package, reader.capability)
            } else {
                mover
            };
            step
        };
        steps.into_iter().map(step).collect()
    }
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let packages = (0..PACKAGES).map(|_| Scopes {
            read: chance.some(READ, 1, 4),
            write: chance.some(WRITE, 1, 2),
        });
        let packages: Vec<Scopes> = packages.collect();
        let program = match chance.below(3) {
            0 => vec!["./w/**".to_owned()],
            1 => vec!["./w/sec/**".to_owned()],
            _ => Vec::new(),
        };
        let program = Scopes {
            read: program,
            write: chance.some(WRITE, 0, 1),
        };
        let isolated = (chance.below(2) == 0).then_some(0);
        const OPERATIONS: &[&str] = &[
            "read",
            "read",
            "read",
            "read",
            "rename",
            "rename",
            "rename",
            "rename",
            "rename",
            "write",
            "append",
            "open",
            "open",
            "handleRead",
            "handleRead",
            "handleWrite",
            "remove",
            "copy",
            "copy",
            "link",
            "link",
            "symlink",
            "mkdir",
            "narrow",
            "lend",
            "list",
        ];
        let mut steps = Vec::new();
        while steps.len() < STEPS {
            if chance.below(12) == 0 {
                steps.extend(Step::moved_away(&mut chance));
                continue;
            }
            let (operation, path, to) = (*chance.one(OPERATIONS), chance.path(), chance.path());
            steps.push(Step::on(&mut chance, operation, &path, &to));
        }
        Story {
            seed,
            packages,
            isolated,
            program,
            steps,
        }
    }

    fn scene(&self) -> Scene {
        let all = |action: &str, of: fn(&Scopes) -> &Vec<String>| {
            let packages = self.packages.iter().chain([&self.program]);
            let scopes = packages.flat_map(of).map(|scope| format!("fs.{action}={scope}"));
            scopes.collect::<BTreeSet<String>>()
        };
        let grants = all("read", |scopes| &scopes.read)
            .into_iter()
            .chain(all("write", |scopes| &scopes.write))
            .chain(["env.read=STEP".to_owned()]);
        let grants: Vec<String> = grants.collect();
        let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
        let listed = (0..PACKAGES).map(|index| format!("p{index} = \"npm:p{index}@1.0.0\"\n"));
        let mut rest = format!("[imports]\n{}", listed.collect::<String>());
        let mut imports = String::new();
        let mut scene = Scene::new();
        for (index, package) in self.packages.iter().enumerate() {
            let isolated = self.isolated == Some(index);
            rest += &format!(
                "[packages.p{index}]\nisolate = {isolated}\ngrants = {{ fs.read = {:?}, fs.write = {:?} }}\n",
                package.read, package.write
            );
            imports += &format!("import * as p{index} from 'p{index}';\n");
            scene = scene
                .file(
                    &format!("node_modules/p{index}/package.json"),
                    format!(
                        r#"{{"name":"p{index}","version":"1.0.0","type":"module","exports":"./index.js"}}"#
                    ),
                )
                .file(&format!("node_modules/p{index}/index.js"), ACT);
        }
        let names: String = (0..PACKAGES).map(|index| format!("p{index}, ")).collect();
        scene
            .file("secure.toml", manifest(&grants, &rest))
            .file("act.js", ACT)
            .file(
                "main.js",
                format!("{imports}const packages = [{names}own];\n{MAIN}"),
            )
            .file("w/pub/a", "host001;")
            .file("w/out/d/b", "host002;")
            .file("w/sec/a", "host003;")
            .file("w/sec/d/b", "host004;")
            .file("w/sec/b", "host005;")
            .file("w/tmp/x/a", "host006;")
            .file("w/out/a", "host007;")
            .link("w/link", "sec")
            .link("w/pub/out", "../sec")
            .link("w/sec/to-pub", "../pub")
            .link("w/tmp/b", "../sec/a")
    }

    fn run(self, counts: &mut Counts) {
        let scene = self.scene();
        let snapshots: Arc<Mutex<Vec<Snapshot>>> = Arc::default();
        let printed: Arc<Mutex<String>> = Arc::default();
        let (seen, base, out) = (snapshots.clone(), scene.base().join("w"), printed.clone());
        let reactor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let steps = serde_json::to_string(&self.steps).unwrap();
        let exit = reactor.block_on(async {
            let program = Program::open(scene.base(), &OpenOptions::default())
                .await
                .unwrap();
            let runtime = Runtime::builder()
                .base(program.base())
                .shared_store(program.store())
                .limits(Limits {
                    wall: None,
                    ..program.limits().clone()
                })
                .console(move |line| out.lock().unwrap().push_str(line.text))
                // The program reads a variable before each step.
                .variables(move |_| {
                    let mut snapshot = Snapshot::new();
                    look(&base, "w", &mut snapshot);
                    seen.lock().unwrap().push(snapshot);
                    None
                })
                .build()
                .unwrap();
            runtime.run(program.graph(), &[steps]).await.unwrap().exit
        });
        let printed = printed.lock().unwrap();
        assert!(
            matches!(exit, Exit::Completed),
            "seed {}: {exit:?} {printed}",
            self.seed
        );
        let results: Vec<(bool, String)> = printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let snapshots = snapshots.lock().unwrap();
        assert_eq!(results.len(), self.steps.len());
        assert_eq!(snapshots.len(), self.steps.len() + 1);
        self.judge(&snapshots, &results, counts);
    }

    /// Compares the results with the bytes that each capability may know.
    fn judge(&self, snapshots: &[Snapshot], results: &[(bool, String)], counts: &mut Counts) {
        let mut capabilities: Vec<Vec<Scopes>> = self.packages.iter().map(|own| vec![own.clone()]).collect();
        let mut whole = self.program.clone();
        for package in &self.packages {
            whole.read.extend(package.read.iter().cloned());
            whole.write.extend(package.write.iter().cloned());
        }
        capabilities.push(vec![whole.clone()]);
        if is_followed(&whole) {
            for own in &mut capabilities {
                if own[0].read.iter().any(|scope| scope == "./w/link/**") {
                    own[0].read.push("./w/sec/**".to_owned());
                }
            }
        }
        let mut known: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
        let mut before: Marks = BTreeMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            // If a mark is at a new place, the capabilities with a scope there may read it from now on.
            let marks = marks(&snapshots[index]);
            let mover = index.checked_sub(1).map(|last| {
                let last = &self.steps[last];
                let count = capabilities[last.package].len();
                (last, (last.package, last.capability % count))
            });
            for (mark, places) in &marks {
                for place in places {
                    if before.get(mark).is_some_and(|places| places.contains(place)) {
                        continue;
                    }
                    let moves = ["rename", "copy", "link"];
                    let is_moved = mover
                        .as_ref()
                        .is_some_and(|(last, _)| moves.contains(&last.operation));
                    let by = mover.as_ref().map(|(_, by)| by);
                    let may_show = !is_moved
                        || by.is_some_and(|by| known.get(by).is_some_and(|known| known.contains(mark)));
                    for (package, own) in capabilities.iter().enumerate() {
                        for (number, scopes) in own.iter().enumerate() {
                            if !scopes.read(place) {
                                continue;
                            }
                            assert!(
                                may_show
                                    || known
                                        .get(&(package, number))
                                        .is_some_and(|known| known.contains(mark)),
                                "seed {} step {index}: {mover:?} moved {mark} to {place}, where {package}.{number} {scopes:?} reads it\n{:#?}",
                                self.seed,
                                capabilities
                            );
                            known.entry((package, number)).or_default().insert(mark.clone());
                        }
                    }
                    if let (false, Some(by)) = (is_moved, by) {
                        known.entry(*by).or_default().insert(mark.clone());
                    }
                }
            }
            before = marks;
            let (is_done, value) = &results[index];
            let count = capabilities[step.package].len();
            let reader = (step.package, step.capability % count);
            match step.operation {
                "narrow" | "lend" => {
                    let narrowed = capabilities[reader.0][reader.1].narrowed(&step.read, &step.write);
                    let holder = match step.operation {
                        "lend" => step.receiver,
                        _ => step.package,
                    };
                    let count = capabilities[holder].len();
                    if *is_done && count < 3 {
                        let number = (holder, count);
                        let readable = before
                            .iter()
                            .filter(|(_, places)| places.iter().any(|place| narrowed.read(place)));
                        let readable: BTreeSet<String> = readable.map(|(mark, _)| mark.clone()).collect();
                        // The same rule for links as above.
                        let beyond = known.get(&reader).cloned().unwrap_or_default();
                        let through =
                            narrowed.read.iter().any(|scope| scope == "./w/link/**") && is_followed(&whole);
                        known.insert(number, if through { beyond } else { readable });
                        capabilities[holder].push(narrowed);
                    }
                }
                "rename" if *is_done => counts.renames += 1,
                "copy" | "link" | "symlink" if *is_done => counts.made += 1,
                "rename" if value.contains("CapabilityError") => counts.refused += 1,
                "read" | "handleRead" if *is_done => {
                    for mark in value.split_inclusive(';') {
                        counts.reads += 1;
                        assert!(
                            known.get(&reader).is_some_and(|known| known.contains(mark)),
                            "seed {} step {index}: {reader:?} {:?} read {mark} by {step:?}",
                            self.seed,
                            capabilities[reader.0][reader.1]
                        );
                    }
                }
                _ => {}
            }
        }
    }
}

/// Returns true if a scope that begins at `w/link` means the target folder of the link. This requires that no module
/// can move the link.
///
/// A scope of the program itself also means the target if only the link may be written. Nothing can be renamed to the
/// beginning of such a scope.
fn is_followed(program: &Scopes) -> bool {
    let mut movers = program.write.iter().filter(|scope| matches(scope, "w/link"));
    let is_own = program.read.iter().any(|scope| scope == "./w/link/**");
    movers.all(|scope| is_own && !scope.ends_with("/**"))
}

/// The paths of the files that contain each mark.
type Marks = BTreeMap<String, BTreeSet<String>>;

fn marks(snapshot: &Snapshot) -> Marks {
    let mut marks = Marks::new();
    for (path, content) in snapshot {
        for mark in content.split_inclusive(';') {
            marks.entry(mark.to_owned()).or_default().insert(path.clone());
        }
    }
    marks
}

/// Reads every file of a folder, without following links.
fn look(folder: &Path, name: &str, snapshot: &mut Snapshot) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{name}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            look(&entry.path(), &path, snapshot);
        } else if kind.is_file() {
            snapshot.insert(path, std::fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// The code that takes one step, in each package and in the program.
const ACT: &str = r#"import { fs } from "cap:self";
const capabilities = [fs];
const handles = [];
export const lend = (line) => {
  const { capability: number, read, write } = JSON.parse(line);
  return capabilities[number % capabilities.length].attenuate({ read, write });
};
export const take = (capability) => {
  if (capabilities.length < 3) capabilities.push(capability);
};
const bytes = (text) => new TextEncoder().encode(text);
export const act = async (line) => {
  const { capability: number, operation, path, to, read, write, mark } = JSON.parse(line);
  const held = capabilities[number % capabilities.length];
  const handle = handles.findLast(({ by }) => by === held);
  try {
    switch (operation) {
      case "read":
        return [true, await held.readTextFile(path)];
      case "write":
        await held.writeTextFile(path, mark);
        return [true, ""];
      case "append":
        await held.writeTextFile(path, mark, { append: true });
        return [true, ""];
      case "open":
        handles.push({ by: held, file: await held.open(path, { read: true, append: true }).catch(() => held.open(path)) });
        return [true, ""];
      case "handleRead": {
        const buffer = new Uint8Array(256);
        const count = await handle.file.read(buffer);
        return [true, new TextDecoder().decode(buffer.subarray(0, count ?? 0))];
      }
      case "handleWrite":
        await handle.file.write(bytes(mark));
        return [true, ""];
      case "rename":
        await held.rename(path, to);
        return [true, ""];
      case "copy":
        await held.copyFile(path, to);
        return [true, ""];
      case "link":
        await held.link(path, to);
        return [true, ""];
      case "symlink":
        await held.symlink(to.split("/").at(-1), path);
        return [true, ""];
      case "remove":
        await held.remove(path);
        return [true, ""];
      case "mkdir":
        await held.mkdir(path, { recursive: true });
        return [true, ""];
      case "list": {
        const names = [];
        for await (const { name } of held.readDir(path)) names.push(name);
        return [true, names.join()];
      }
      case "narrow": {
        const narrowed = held.attenuate({ read, write });
        if (capabilities.length < 3) capabilities.push(narrowed);
        return [true, ""];
      }
    }
  } catch (error) {
    return [false, `${error.name}: ${error.message}`];
  }
};
"#;

/// The code that lets the packages take one step after another.
const MAIN: &str = r#"import { env } from "cap:self";
import * as own from "./act.js";
const lend = async (step) => {
  try {
    await packages[step.receiver].take(await packages[step.package].lend(JSON.stringify(step)));
    return [true, ""];
  } catch (error) {
    return [false, `${error.name}: ${error.message}`];
  }
};
export default async function main([steps]) {
  let number = 0;
  for (const step of JSON.parse(steps)) {
    env.get("STEP");
    const mark = `${String(number++).padStart(7, "s")};`;
    const result = step.operation === "lend" ? await lend(step) : await packages[step.package].act(JSON.stringify({ ...step, mark }));
    console.log(JSON.stringify(result));
  }
  env.get("STEP");
}
"#;
