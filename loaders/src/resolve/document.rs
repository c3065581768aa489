//! Files for browsers that need a document, which is not here.
//!
//! Of a package with a file for browsers and another one, the first does without Node.js and so is taken. Where it needs a
//! document, and the other one needs neither that nor Node.js, the other one is taken.

use std::collections::HashSet;
use std::rc::Rc;

use super::error::ImportProblem;
use super::exports::Conditions;
use super::locate::Located;
use super::packages::PackageIndex;
use super::scan::{self, Via};
use super::specifier;
use super::walk::Walk;
use crate::files;
use crate::graph::limits;

/// Names that browsers have, and that this runtime never has.
const DOCUMENT: [&str; 16] = [
    "document",
    "window",
    "DOMParser",
    "Element",
    "FileReader",
    "HTMLElement",
    "Image",
    "MutationObserver",
    "XMLHttpRequest",
    "XMLSerializer",
    "customElements",
    "getComputedStyle",
    "localStorage",
    "location",
    "requestAnimationFrame",
    "sessionStorage",
];

/// Names that Node.js has, and that this runtime never has.
const NODE: [&str; 4] = ["Buffer", "__dirname", "__filename", "process"];

/// How many files are looked at, at most, to find out what one needs.
const LOOKED_AT: usize = 500;

/// What one file needs.
#[derive(Debug, Default)]
pub(super) struct Needs {
    document: bool,
    node: bool,
    imports: Vec<(String, Via)>,
}

impl Walk<'_> {
    /// Returns the meaning of `specifier` in the module `path` of `package`: [`Packages::locate`], but for files that need
    /// a document.
    ///
    /// [`Packages::locate`]: super::packages::Packages::locate
    pub(super) fn locate(
        &mut self,
        package: PackageIndex,
        path: &str,
        specifier: &str,
        conditions: Conditions,
    ) -> Result<Located, ImportProblem> {
        let is_probing = package != 0 && self.packages.names_browser(package);
        self.packages.is_probing = is_probing;
        let located = self.packages.locate(package, path, specifier, conditions);
        self.packages.is_probing = false;
        let mut chosen = conditions;
        if let Ok(Located::File(target, file)) = &located
            && *target != 0
            && (is_probing || self.packages.names_browser(*target))
        {
            let plain = conditions.without_browser();
            self.packages.is_probing = true;
            let other = self.packages.locate(package, path, specifier, plain);
            if let Ok(Located::File(package, path)) = other
                && (package, &path) != (*target, file)
                && self.gives_way([(*target, file.clone()), (package, path)], conditions)
            {
                chosen = plain;
            }
            self.packages.is_probing = false;
        }
        if is_probing || chosen != conditions {
            return self.packages.locate(package, path, specifier, chosen);
        }
        located
    }

    /// Whether the first file, which is for browsers, gives way to the second.
    fn gives_way(&mut self, files: [(PackageIndex, String); 2], conditions: Conditions) -> bool {
        if let Some(known) = self.gives_way.get(&files) {
            return *known;
        }
        let [browser, plain] = files.clone();
        let gives_way = self.needs_document(browser, conditions)
            && self.needs_nothing(plain, conditions.without_browser());
        self.gives_way.insert(files, gives_way);
        gives_way
    }

    /// Whether a file, or another one of its package that it imports, needs a document.
    fn needs_document(&mut self, file: (PackageIndex, String), conditions: Conditions) -> bool {
        let package = file.0;
        let mut seen = HashSet::from([file.clone()]);
        let mut waiting = vec![file];
        while let Some((index, path)) = waiting.pop() {
            let needs = self.needs(index, &path);
            if needs.document {
                return true;
            }
            for (specifier, via) in &needs.imports {
                let found = self
                    .packages
                    .locate(index, &path, specifier, of(*via, conditions));
                if let Ok(Located::File(other, path)) = found
                    && other == package
                    && seen.len() < LOOKED_AT
                    && seen.insert((other, path.clone()))
                {
                    waiting.push((other, path));
                }
            }
        }
        false
    }

    /// Whether a file and all that it imports need neither a document nor Node.js.
    fn needs_nothing(&mut self, file: (PackageIndex, String), conditions: Conditions) -> bool {
        let package = file.0;
        let mut seen = HashSet::from([file.clone()]);
        let mut waiting = vec![file];
        while let Some((index, path)) = waiting.pop() {
            let needs = self.needs(index, &path);
            // Another package has files of its own for browsers, and is looked at by itself.
            if needs.node || (needs.document && index == package) || seen.len() > LOOKED_AT {
                return false;
            }
            for (specifier, via) in &needs.imports {
                let conditions = match index == package {
                    true => of(*via, conditions),
                    false => of(*via, Conditions::IMPORT),
                };
                match self.packages.locate(index, &path, specifier, conditions) {
                    Ok(Located::File(other, path)) => {
                        if seen.insert((other, path.clone())) {
                            waiting.push((other, path));
                        }
                    }
                    Ok(Located::Host | Located::Nothing(..)) => {}
                    Err(_) if *via == Via::Declaration || is_of_node(specifier) => return false,
                    Err(_) => {}
                }
            }
        }
        true
    }

    /// What one file needs by itself. A file that looks whether a name is there does without it.
    fn needs(&mut self, package: PackageIndex, path: &str) -> Rc<Needs> {
        let key = (package, path.to_owned());
        if let Some(known) = self.needs.get(&key) {
            return known.clone();
        }
        let needs = Rc::new(self.read_needs(package, path).unwrap_or(Needs {
            node: true,
            ..Needs::default()
        }));
        self.needs.insert(key, needs.clone());
        needs
    }

    fn read_needs(&mut self, package: PackageIndex, path: &str) -> Option<Needs> {
        if path.ends_with(".json") {
            return Some(Needs::default());
        }
        let file = self.packages.home(package).ok()?.file(path);
        let bytes = files::read_regular(&file, limits::MODULE_SIZE).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        let language = self.language(package, path).ok()?;
        let scan = scan::scan(text, language).ok()?;
        let looks_for = |name: &str| text.contains(&format!("typeof {name}"));
        let looks = ["document", "window", "self", "globalThis"]
            .into_iter()
            .any(looks_for);
        let uses = |names: &[&str]| {
            let mut used = scan
                .globals
                .iter()
                .filter(|global| names.contains(&global.as_str()));
            used.any(|global| !looks_for(global))
        };
        Some(Needs {
            document: !looks && uses(&DOCUMENT),
            node: uses(&NODE),
            imports: scan
                .imports
                .into_iter()
                .map(|import| (import.specifier, import.via))
                .collect(),
        })
    }
}

fn of(via: Via, conditions: Conditions) -> Conditions {
    Conditions {
        is_require: via == Via::Require,
        ..conditions
    }
}

fn is_of_node(specifier: &str) -> bool {
    let name = specifier.strip_prefix("node:").unwrap_or(specifier);
    specifier::is_of_node(name.split('/').next().unwrap_or(name))
}
