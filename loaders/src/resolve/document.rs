//! The choice between files for browsers and other files, if the file for browsers needs a DOM, which this runtime does
//! not have.
//!
//! If a package has a file for browsers and another file, the browser file is normally used, because it does not need
//! Node.js. The other file is used if the browser file needs a DOM and the other needs neither a DOM nor Node.js.

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

/// Global names that browsers have and this runtime never has.
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

/// Global names that Node.js has and this runtime never has.
const NODE: [&str; 4] = ["Buffer", "__dirname", "__filename", "process"];

/// Maximum number of files that are read to find out what one file needs.
const LOOKED_AT: usize = 500;

/// The environment and the imports that one file needs.
#[derive(Debug, Default)]
pub(super) struct Needs {
    document: bool,
    node: bool,
    imports: Vec<(String, Via)>,
}

impl Walk<'_> {
    /// Resolves `specifier` in the module `path` of `package` like [`Packages::locate`], but avoids files that need a
    /// DOM.
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

    /// Returns true if the second file must be used instead of the first, which is the one for browsers.
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

    /// Returns true if a file, or a file of the same package that it imports, needs a DOM.
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

    /// Returns true if neither a file nor its imports need a DOM or Node.js.
    fn needs_nothing(&mut self, file: (PackageIndex, String), conditions: Conditions) -> bool {
        let package = file.0;
        let mut seen = HashSet::from([file.clone()]);
        let mut waiting = vec![file];
        while let Some((index, path)) = waiting.pop() {
            let needs = self.needs(index, &path);
            // A DOM matters only in this package. Other packages may have their own browser files, and are examined
            // separately.
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

    /// Returns what one file needs, without its imports. A file that tests with `typeof` if a name exists does not need
    /// it.
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
