//! The layering check of `cargo xtask tidy`: crates and files import in one direction.
//!
//! A circle of imports is an error if it connects files of different folders, or more than three files. The check reads
//! the paths of `use` items and of code, and does not expand macros. A module consists of its submodules, so it does
//! not import them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use syn::visit::{self, Visit};

/// The packages and their source folders. Each may depend only on packages before it.
const LAYERS: &[(&str, &str)] = &[
    ("text", "text"),
    ("capabilities", "capabilities"),
    ("http", "http"),
    ("loaders", "loaders"),
    ("web", "web"),
    ("engine", "engine"),
    ("families", "families"),
    ("secure-runtime", ""),
    ("cli", "cli"),
];

/// Packages that must not depend on each other, although one comes before the other.
const APART: &[(&str, &str)] = &[
    ("capabilities", "loaders"),
    ("text", "http"),
    ("capabilities", "http"),
];

/// The JavaScript engine, and the only package that may depend on it. So the built-in families use nothing that an
/// embedder's family could not use.
const JAVASCRIPT: (&str, &str) = ("deno_core", "engine");

/// Maximum number of files of one folder in a circle.
const MAX_CIRCLE: usize = 3;

/// A module, as the names from the crate's root.
type Module = Vec<String>;

/// Returns the problems of all packages in this folder.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (rank, (name, folder)) in LAYERS.iter().enumerate() {
        let package = root.join(folder);
        let manifest = package.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        let manifest: toml::Table = toml::from_str(&text).with_context(|| manifest.display().to_string())?;
        found.extend(upward(name, rank, &manifest));
        for circle in circles(&package.join("src"))? {
            let shown = circle.iter().map(|module| shown(folder, module));
            found.push(format!(
                "{}: these files import each other: move what they share to a file below them",
                shown.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    Ok(found)
}

fn shown(folder: &str, module: &Module) -> String {
    let separator = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{separator}src/{}", module.join("/"))
}

/// Returns a problem for each dependency of this package on a package of a higher layer.
fn upward(name: &str, rank: usize, manifest: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for table in ["dependencies", "build-dependencies"] {
        let all = manifest.get(table).and_then(toml::Value::as_table);
        for dependency in all.into_iter().flat_map(toml::Table::keys) {
            if dependency == JAVASCRIPT.0 && name != JAVASCRIPT.1 {
                found.push(format!(
                    "{name} depends on {dependency}, which only {} may",
                    JAVASCRIPT.1
                ));
            }
            let layer = LAYERS.iter().position(|(layer, _)| {
                *dependency == format!("secure-runtime-{layer}") || dependency == layer
            });
            let Some(layer) = layer else { continue };
            let is_apart = LAYERS
                .get(layer)
                .is_some_and(|(other, _)| APART.contains(&(*other, name)));
            if layer >= rank || is_apart {
                found.push(format!("{name} depends on {dependency}, which is not below it"));
            }
        }
    }
    found
}

/// Returns the circles of imports among the files of this folder that are not allowed.
fn circles(folder: &Path) -> Result<Vec<Vec<Module>>> {
    let mut files = BTreeMap::new();
    read(folder, &mut Vec::new(), &mut files)?;
    let imports = imports(&files);
    let circles = components(&imports)
        .into_iter()
        .filter(|circle| circle.len() > MAX_CIRCLE || (circle.len() > 1 && !share_a_folder(circle, &files)));
    Ok(circles.collect())
}

/// Returns true if the files of these modules are in one folder. A module with submodules belongs to their folder, too.
fn share_a_folder(modules: &[Module], files: &BTreeMap<Module, syn::File>) -> bool {
    let has_submodules = |module: &Module| {
        files
            .keys()
            .any(|other| other.len() > module.len() && other.starts_with(module))
    };
    let folders = |module: &Module| -> Vec<Module> {
        let own = has_submodules(module).then(|| module.clone());
        let parent = module.split_last().map(|(_, parent)| parent.to_vec());
        own.into_iter().chain(parent).collect()
    };
    let all: Vec<Vec<Module>> = modules.iter().map(folders).collect();
    all.iter()
        .flatten()
        .any(|folder| all.iter().all(|folders| folders.contains(folder)))
}

/// Reads all files of a folder, as modules, except files of tests.
fn read(folder: &Path, path: &mut Module, files: &mut BTreeMap<Module, syn::File>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (file, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if file.is_dir() {
            path.push(name);
            read(&file, path, files)?;
            path.pop();
        } else if let Some(name) = name.strip_suffix(".rs").filter(|name| *name != "tests") {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
            let mut module = path.clone();
            if !["mod", "lib", "main"].contains(&name) {
                module.push(name.to_owned());
            }
            files.insert(module, parsed);
        }
    }
    Ok(())
}

/// The imports of one file.
#[derive(Default)]
struct Found {
    /// The module of the current item: that of the file, or one within it.
    within: Module,
    /// Paths from the crate's root, and the names that `use` items define for them.
    paths: Vec<(Module, Option<String>)>,
}

impl Found {
    /// Adds a path that starts in the current module.
    fn add(&mut self, path: &[String], name: Option<String>) {
        let mut base = self.within.clone();
        let mut rest = path;
        let mut is_local = false;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => base.clear(),
                "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            is_local = true;
            rest = others;
        }
        // A path without such a word begins with a submodule, an alias of the crate's root, or another crate. Names of
        // other crates resolve to no file.
        if !is_local && rest.len() < 2 && name.is_none() {
            return;
        }
        base.extend(rest.iter().cloned());
        self.paths.push((base, name));
    }

    fn tree(&mut self, tree: &syn::UseTree, path: &mut Module) {
        match tree {
            syn::UseTree::Path(one) => {
                path.push(one.ident.to_string());
                self.tree(&one.tree, path);
                path.pop();
            }
            syn::UseTree::Name(one) => self.name(&one.ident.to_string(), None, path),
            syn::UseTree::Rename(one) => {
                self.name(&one.ident.to_string(), Some(one.rename.to_string()), path);
            }
            syn::UseTree::Glob(_) => self.add(path, None),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, path);
                }
            }
        }
    }

    fn name(&mut self, ident: &str, rename: Option<String>, path: &mut Module) {
        path.push(ident.to_owned());
        self.add(path, Some(rename.unwrap_or_else(|| ident.to_owned())));
        path.pop();
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test(&item.attrs) {
            return;
        }
        self.within.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.within.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Module = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.add(&names, None);
        visit::visit_path(self, path);
    }
}

/// Returns the modules that each module imports.
fn imports(files: &BTreeMap<Module, syn::File>) -> BTreeMap<Module, BTreeSet<Module>> {
    let found: BTreeMap<&Module, Found> = files
        .iter()
        .map(|(module, file)| {
            let mut found = Found {
                within: module.clone(),
                paths: Vec::new(),
            };
            found.visit_file(file);
            (module, found)
        })
        .collect();
    // The targets of `use` items, by the module and the name.
    let mut names: BTreeMap<(&Module, &str), Vec<&Module>> = BTreeMap::new();
    for (module, found) in &found {
        for (path, name) in &found.paths {
            if let Some(name) = name {
                names.entry((module, name)).or_default().push(path);
            }
        }
    }
    let mut all = BTreeMap::new();
    for (module, found) in &found {
        let mut targets = BTreeSet::new();
        for (path, _) in &found.paths {
            for target in resolved(path, files, &names, 0) {
                // A module consists of its submodules, so it does not import them.
                if !target.starts_with(module) {
                    targets.insert(target);
                }
            }
        }
        all.insert((*module).clone(), targets);
    }
    all
}

/// Returns the modules of the files with the item that this path names. It follows reexports.
fn resolved(
    path: &[String],
    files: &BTreeMap<Module, syn::File>,
    names: &BTreeMap<(&Module, &str), Vec<&Module>>,
    depth: usize,
) -> Vec<Module> {
    for length in (0..=path.len()).rev() {
        let Some((module, rest)) = path.split_at_checked(length) else {
            continue;
        };
        let module = module.to_vec();
        if !files.contains_key(&module) {
            continue;
        }
        let Some((first, rest)) = rest.split_first() else {
            return vec![module];
        };
        return match names.get(&(&module, first.as_str())) {
            Some(targets) if depth < 8 => targets
                .iter()
                .flat_map(|target| {
                    let path: Module = target.iter().chain(rest).cloned().collect();
                    resolved(&path, files, names, depth + 1)
                })
                .collect(),
            // The name of another crate looks like an item of the root.
            _ if length == 0 => Vec::new(),
            _ => vec![module],
        };
    }
    Vec::new()
}

/// Returns the strongly connected components: each module with those that import it and that it imports, directly or
/// not.
fn components(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<Module>> {
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = imports
        .keys()
        .map(|module| {
            let (mut seen, mut queue) = (BTreeSet::new(), vec![module]);
            while let Some(next) = queue.pop() {
                for target in imports.get(next).into_iter().flatten() {
                    if seen.insert(target) {
                        queue.push(target);
                    }
                }
            }
            (module, seen)
        })
        .collect();
    let mut done: BTreeSet<&Module> = BTreeSet::new();
    let mut all = Vec::new();
    for (module, seen) in &reach {
        if done.contains(module) || !seen.contains(module) {
            continue;
        }
        let is_back = |other: &&&Module| reach.get(**other).is_some_and(|back| back.contains(module));
        let circle: Vec<&Module> = seen.iter().filter(is_back).copied().collect();
        done.extend(&circle);
        all.push(circle.into_iter().cloned().collect());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the circles of a crate with these files.
    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let folder = std::env::temp_dir().join(format!("layers-{}-{:p}", std::process::id(), files));
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = circles(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        found
            .iter()
            .map(|circle| {
                circle
                    .iter()
                    .map(|module| module.join("/"))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    #[test]
    fn files_of_different_folders_import_in_one_direction() {
        let root = ("lib.rs", "mod a; mod b;");
        let one = ("a/mod.rs", "mod x; pub use self::x::X;");
        let back = ("a/x.rs", "use crate::b::Y; pub struct X;");
        assert_eq!(check(&[root, one, back, ("b.rs", "pub struct Y;")]), [""; 0]);
        for user in [
            "use crate::a::X; pub struct Y;",
            "use super::a::{X}; pub struct Y;",
            "pub struct Y; fn f() { crate::a::X; }",
            "pub struct Y; mod within { use crate::a::X; }",
        ] {
            assert_eq!(check(&[root, one, back, ("b.rs", user)]), ["a/x b"], "{user}");
        }
        let test = "pub struct Y; #[cfg(test)] mod tests { use crate::a::X; }";
        assert_eq!(check(&[root, one, back, ("b.rs", test)]), [""; 0]);
    }

    #[test]
    fn three_files_of_a_folder_may_import_each_other() {
        let root = ("lib.rs", "mod a; mod b; mod c; mod d;");
        let (a, b) = (
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::c::C; pub struct B;"),
        );
        let three = ("c.rs", "use crate::a::A; pub struct C;");
        assert_eq!(check(&[root, a, b, three, ("d.rs", "pub struct D;")]), [""; 0]);
        let four = ("c.rs", "use crate::d::D; pub struct C;");
        assert_eq!(
            check(&[root, a, b, four, ("d.rs", "use crate::a::A; pub struct D;")]),
            ["a b c d"]
        );
    }

    #[test]
    fn aliases_of_the_root_are_followed() {
        let root = ("lib.rs", "mod v8; mod b; use v8 as engine;");
        let files = [
            root,
            ("v8/mod.rs", "mod x; pub(crate) use self::x::X;"),
            ("v8/x.rs", "use crate::b::Y; pub struct X;"),
            ("b.rs", "use crate::engine; pub struct Y; fn f() { engine::X; }"),
        ];
        assert_eq!(check(&files), ["b v8/x"]);
    }

    #[test]
    fn packages_depend_on_those_below() {
        let depends = |name: &str, on: &str| {
            let rank = LAYERS.iter().position(|(layer, _)| *layer == name).unwrap();
            let manifest = format!("[dependencies]\n{on} = {{ workspace = true }}\n");
            upward(name, rank, &toml::from_str(&manifest).unwrap())
        };
        assert_eq!(depends("engine", "secure-runtime-loaders"), [""; 0]);
        assert_eq!(depends("engine", "deno_core"), [""; 0]);
        assert_eq!(depends("loaders", "secure-runtime-http"), [""; 0]);
        assert_eq!(depends("cli", "secure-runtime"), [""; 0]);
        for (name, on) in [
            ("engine", "secure-runtime"),
            ("engine", "secure-runtime-cli"),
            ("loaders", "secure-runtime-engine"),
            ("loaders", "secure-runtime-capabilities"),
            ("text", "secure-runtime-loaders"),
            ("http", "secure-runtime-text"),
            ("http", "secure-runtime-capabilities"),
            ("http", "secure-runtime-loaders"),
            ("engine", "secure-runtime-families"),
            ("families", "secure-runtime"),
            ("families", "deno_core"),
            ("cli", "deno_core"),
        ] {
            assert_eq!(depends(name, on).len(), 1, "{name} {on}");
        }
    }
}
