//! Following a program's imports from its entry.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;

use super::LockWarning;
use super::asked::{self, Interface, Named};
use super::circles;
use super::document::Needs;
use super::error::{ImportProblem, LockError, Place};
use super::exports::Conditions;
use super::locate::Located;
use super::packages::{PackageIndex, Packages};
use super::scan::{self, Announced, Form, Import, Language, Scan, Via};
use super::specifier;
use crate::files;
use crate::graph::{self, ModuleKind, Transformation, limits};
use crate::syntax;
use crate::transform;
use crate::transform::constants;

/// The index of a module in [`Walk::modules`].
pub(super) type ModuleIndex = usize;

/// Everything that was found by following imports.
pub(super) struct Walk<'a> {
    pub(super) packages: Packages<'a>,
    pub(super) modules: Vec<FoundModule>,
    pub(super) warnings: Vec<LockWarning>,
    module_indices: HashMap<(PackageIndex, String), ModuleIndex>,
    /// What files need, as far as it was looked at.
    pub(super) needs: HashMap<(PackageIndex, String), Rc<Needs>>,
    /// Whether a file for browsers, the first, gives way to the second.
    pub(super) gives_way: HashMap<[(PackageIndex, String); 2], bool>,
    /// The names that each CommonJS module exports, known when everything was found.
    exports: BTreeMap<ModuleIndex, Vec<String>>,
    /// How many bytes were searched for names.
    searched: Cell<u64>,
}

/// How many bytes are searched for names, at most: a package chooses how many names it asks for, and of how much text.
const SEARCHED: u64 = 4 << 30;

pub(super) struct FoundModule {
    pub(super) package: PackageIndex,
    /// The path of its file below its package's folder.
    pub(super) path: String,
    /// The bytes of its file.
    pub(super) source: Bytes,
    pub(super) kind: ModuleKind,
    pub(super) imports: BTreeMap<String, ModuleIndex>,
    pub(super) globals: Vec<String>,
    form: Form,
    /// The names that it imports and exports; nothing in CommonJS.
    interface: Option<Interface>,
    /// The names that CommonJS exports, as far as its text says.
    said: BTreeSet<String>,
    /// The CommonJS and JSON modules whose text may say what CommonJS exports.
    texts: OnceCell<Vec<ModuleIndex>>,
    /// What it requires and its package does without.
    omitted: BTreeSet<String>,
    /// Whether it is the entry or an ECMAScript module imports it.
    is_imported: bool,
}

/// What a file was transformed to.
pub(super) struct Transformed {
    pub(super) transformation: Transformation,
    pub(super) exports: Vec<String>,
    pub(super) omitted: Vec<String>,
    pub(super) bytes: Bytes,
}

impl FoundModule {
    fn transformation(&self) -> Option<Transformation> {
        match self.form {
            Form::Plain => None,
            Form::Constants(_) => Some(Transformation::Constants),
            Form::TypeScript(_) => Some(Transformation::TypeScript),
            Form::LeftOut => Some(Transformation::LeftOut),
            Form::CommonJs(_) if self.is_imported => Some(Transformation::ImportedCommonJs),
            Form::CommonJs(_) => Some(Transformation::CommonJs),
        }
    }
}

impl<'a> Walk<'a> {
    /// A walk that begins with these packages.
    pub(super) fn new(packages: Packages<'a>) -> Self {
        Self {
            packages,
            modules: Vec::new(),
            warnings: Vec::new(),
            module_indices: HashMap::new(),
            needs: HashMap::new(),
            gives_way: HashMap::new(),
            exports: BTreeMap::new(),
            searched: Cell::new(0),
        }
    }

    /// Finds the module `entry` of the program and all that it imports.
    pub(super) fn run(&mut self, entry: &str) -> Result<ModuleIndex, LockError> {
        let mut waiting = Vec::new();
        let first = self
            .entry(entry, &mut waiting)
            .map_err(|problem| LockError::Entry {
                entry: entry.to_owned(),
                problem: Box::new(problem),
            })?;
        while let Some((importer, scan)) = waiting.pop() {
            let file = self.label(importer);
            for place in scan.computed {
                self.warnings.push(LockWarning::ComputedImport {
                    place: public_place(&file, place),
                });
            }
            for import in scan.imports {
                match self.follow(importer, &import, &mut waiting) {
                    Ok(()) => {}
                    Err(problem) => self.failed(importer, &file, import, problem)?,
                }
            }
        }
        self.name_exports();
        Ok(first)
    }

    /// Finds the names that each CommonJS module exports: its own, those of what it exports whole, and those that others
    /// import of it.
    fn name_exports(&mut self) {
        for index in 0..self.modules.len() {
            let said = self.said_exports(index);
            if let Some(module) = self.modules.get_mut(index) {
                module.said = said;
            }
        }
        let (mut wanted, unknown) = asked::asked(&*self, self.modules.len());
        for unknown in unknown {
            self.warnings.push(LockWarning::UnknownName {
                file: self.label(unknown.importer),
                specifier: unknown.specifier,
                name: unknown.name,
            });
        }
        let imports = |index: ModuleIndex| {
            let module = self.modules.get(index);
            let imports = module.into_iter().flat_map(|module| module.imports.values());
            imports.copied().collect::<Vec<_>>()
        };
        let in_circles = circles::of(self.modules.len(), &imports);
        let mut callable = BTreeSet::new();
        for (index, module) in self.modules.iter().enumerate() {
            if matches!(module.form, Form::CommonJs(_)) && in_circles.contains(&index) {
                callable.extend(module.imports.values().copied());
            }
        }
        for (index, module) in self.modules.iter().enumerate() {
            let mut names = wanted.remove(&index).unwrap_or_default();
            if !matches!(module.form, Form::CommonJs(_) | Form::LeftOut) {
                continue;
            }
            let own = module
                .said
                .iter()
                .take(limits::EXPORTS.saturating_sub(names.len() + 1));
            names.extend(own.cloned());
            names.retain(|name| graph::is_export_name(name) && name != transform::REQUIRE);
            if callable.contains(&index) {
                names.insert(transform::REQUIRE.to_owned());
            }
            let names = names.into_iter().take(limits::EXPORTS).collect();
            self.exports.insert(index, names);
        }
    }

    fn entry(
        &mut self,
        entry: &str,
        waiting: &mut Vec<(ModuleIndex, Scan)>,
    ) -> Result<ModuleIndex, ImportProblem> {
        let path = entry.strip_prefix("./").unwrap_or(entry);
        if path.is_empty() {
            return Err(ImportProblem::Empty);
        }
        if path.starts_with('/') {
            return Err(ImportProblem::Absolute);
        }
        let path = self.packages.inside(0, &specifier::join("", path)?)?;
        if path.ends_with(".wasm") {
            return Err(ImportProblem::EntryWebAssembly);
        }
        let importing = (Announced::Nothing, Via::Declaration);
        let index = self.module(0, path, importing, false, waiting)?;
        if let Some(module) = self.modules.get_mut(index) {
            module.is_imported = true;
        }
        Ok(index)
    }

    /// What the file of the module `index` is transformed to; `None` where it is a module as it is. To be asked when
    /// everything was found: what CommonJS becomes depends on who imports it and on what it requires.
    pub(super) fn transformed(&self, index: ModuleIndex) -> Option<Transformed> {
        let module = self.modules.get(index)?;
        let transformation = module.transformation()?;
        let source = std::str::from_utf8(&module.source).ok()?;
        let mut exports = Vec::new();
        let text = match &module.form {
            Form::Plain => return None,
            Form::Constants(spans) => constants::replace(source, spans),
            Form::TypeScript(text) => text.clone(),
            Form::CommonJs(file) => {
                if module.is_imported {
                    exports = self.exports(index);
                }
                let target = |specifier: &str| {
                    if specifier.starts_with(transform::HOST) {
                        return Some(transform::commonjs::Required::Host);
                    }
                    if module.omitted.contains(specifier) {
                        return Some(transform::commonjs::Required::Nothing);
                    }
                    let index = *module.imports.get(specifier)?;
                    let target = self.modules.get(index)?;
                    let exports = self.exports.get(&index).map_or(&[][..], Vec::as_slice);
                    transform::required(target.kind, target.transformation(), exports)
                };
                file.write(source, target, module.is_imported.then_some(exports.as_slice()))
            }
            Form::LeftOut => {
                exports = self.exports(index);
                transform::left_out(&exports)
            }
        };
        Some(Transformed {
            transformation,
            exports,
            omitted: module.omitted.iter().cloned().collect(),
            bytes: text.into(),
        })
    }

    fn exports(&self, index: ModuleIndex) -> Vec<String> {
        self.exports.get(&index).cloned().unwrap_or_default()
    }

    /// The names that the CommonJS module `index` exports as far as its text says, its own and those of what it exports whole.
    fn said_exports(&self, index: ModuleIndex) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut seen = BTreeSet::from([index]);
        let mut waiting = vec![index];
        while let Some(module) = waiting.pop().and_then(|index| self.modules.get(index)) {
            let Form::CommonJs(file) = &module.form else {
                continue;
            };
            // The whole of `module.exports` has a name that only those get who ask for it.
            let own = file.names.own.iter();
            let own = own.filter(|name| graph::is_export_name(name) && *name != transform::WHOLE);
            names.extend(own.filter(|name| *name != transform::REQUIRE).cloned());
            let further = file.names.all_of.iter();
            let further = further.filter_map(|specifier| module.imports.get(specifier));
            waiting.extend(further.copied().filter(|index| seen.insert(*index)));
        }
        names
    }

    /// The CommonJS module `index`, and all CommonJS and JSON that it requires.
    fn texts(&self, index: ModuleIndex) -> Vec<ModuleIndex> {
        let mut seen = BTreeSet::from([index]);
        let mut waiting = vec![index];
        while let Some(module) = waiting.pop().and_then(|index| self.modules.get(index)) {
            for target in module.imports.values() {
                let is_text = self.modules.get(*target).is_some_and(|target| {
                    matches!(target.form, Form::CommonJs(_)) || target.kind == ModuleKind::Json
                });
                if is_text && seen.insert(*target) {
                    waiting.push(*target);
                }
            }
        }
        seen.into_iter().collect()
    }

    /// What happens where an import names no module: an error, but a package may import what it can
    /// do without, by `import()` or `require` in a `try`. Such an import then fails when it runs.
    fn failed(
        &mut self,
        importer: ModuleIndex,
        file: &str,
        import: Import,
        problem: ImportProblem,
    ) -> Result<(), LockError> {
        let place = public_place(file, import.place);
        let in_package = self
            .modules
            .get(importer)
            .is_some_and(|module| module.package != 0);
        let specifier = import.specifier;
        match import.via {
            Via::Call if in_package => self.warnings.push(LockWarning::UnresolvedImport {
                place,
                specifier,
                problem,
            }),
            Via::Require if in_package => self.warnings.push(LockWarning::UnresolvedRequire {
                place,
                specifier,
                problem,
            }),
            _ => {
                return Err(LockError::Import {
                    place,
                    specifier,
                    problem: Box::new(problem),
                });
            }
        }
        Ok(())
    }

    /// Resolves `import` of the module `importer` and records what it means.
    fn follow(
        &mut self,
        importer: ModuleIndex,
        import: &Import,
        waiting: &mut Vec<(ModuleIndex, Scan)>,
    ) -> Result<(), ImportProblem> {
        if let Some(problem) = &import.problem {
            return Err(problem.clone());
        }
        let Some(module) = self.modules.get(importer) else {
            return Ok(());
        };
        // A specifier means one module. In CommonJS, what it means to `require` comes first.
        if import.via == Via::Call && module.imports.contains_key(&import.specifier) {
            return Ok(());
        }
        let conditions = match import.via {
            Via::Declaration | Via::Call => Conditions::IMPORT,
            Via::Require => Conditions::REQUIRE,
        };
        let (package, path) = (module.package, module.path.clone());
        let target = match self.locate(package, &path, &import.specifier, conditions)? {
            Located::Host => return Ok(()),
            Located::Nothing(..) if import.via == Via::Require => {
                if let Some(module) = self.modules.get_mut(importer) {
                    module.omitted.insert(import.specifier.clone());
                }
                return Ok(());
            }
            Located::Nothing(package, path) => self.left_out(package, path)?,
            Located::File(package, path) => {
                let importing = (import.announced, import.via);
                self.module(package, path, importing, package != 0, waiting)?
            }
        };
        if let Some(module) = self.modules.get_mut(importer) {
            module.omitted.remove(&import.specifier);
            module.imports.insert(import.specifier.clone(), target);
        }
        if let Some(target) = self.modules.get_mut(target) {
            target.is_imported |= import.via != Via::Require;
        }
        Ok(())
    }

    /// The module with `path` in `package`, read and scanned if it is new.
    fn module(
        &mut self,
        package: PackageIndex,
        path: String,
        importing: (Announced, Via),
        takes_plain_json: bool,
        waiting: &mut Vec<(ModuleIndex, Scan)>,
    ) -> Result<ModuleIndex, ImportProblem> {
        let file = self.packages.home(package)?.file(&path);
        let shown = self.packages.project.shown(&file);
        let kind = kind(&shown, importing, takes_plain_json)?;
        let key = (package, path);
        if let Some(index) = self.module_indices.get(&key) {
            let known = self.modules.get(*index).map_or(kind, |module| module.kind);
            if known != kind {
                return Err(ImportProblem::TwoKinds {
                    path: shown,
                    first: known.as_str(),
                    second: kind.as_str(),
                });
            }
            return Ok(*index);
        }
        graph::file_path(&|| key.1.clone(), &key.1).map_err(|error| ImportProblem::FileName { error })?;
        let source =
            files::read_regular(&file, limits::MODULE_SIZE).map_err(|error| ImportProblem::File {
                path: shown.clone(),
                error,
            })?;
        let mut scan = match kind {
            ModuleKind::Bytes => Scan::default(),
            ModuleKind::Wasm => {
                scan::wasm(&source).map_err(|problem| ImportProblem::WebAssembly { path: shown, problem })?
            }
            kind => {
                let Ok(text) = std::str::from_utf8(&source) else {
                    return Err(ImportProblem::NotText { path: shown });
                };
                match kind {
                    ModuleKind::JavaScript => {
                        let language = self.language(package, &key.1)?;
                        scan::scan(text, language)
                            .map_err(|problem| ImportProblem::Syntax { path: shown, problem })?
                    }
                    _ => Scan::default(),
                }
            }
        };
        let index = self.modules.len();
        self.modules.push(FoundModule {
            package,
            path: key.1.clone(),
            source,
            kind,
            imports: BTreeMap::new(),
            globals: std::mem::take(&mut scan.globals),
            form: std::mem::take(&mut scan.form),
            interface: scan.interface.take(),
            said: BTreeSet::new(),
            texts: OnceCell::new(),
            omitted: BTreeSet::new(),
            is_imported: false,
        });
        self.module_indices.insert(key, index);
        waiting.push((index, scan));
        Ok(index)
    }

    /// The empty module with `path` in `package`, which stands for what the package does without.
    fn left_out(&mut self, package: PackageIndex, path: String) -> Result<ModuleIndex, ImportProblem> {
        graph::file_path(&|| path.clone(), &path).map_err(|error| ImportProblem::FileName { error })?;
        let key = (package, path);
        if let Some(index) = self.module_indices.get(&key) {
            return Ok(*index);
        }
        let index = self.modules.len();
        self.modules.push(FoundModule {
            package,
            path: key.1.clone(),
            source: Bytes::new(),
            kind: ModuleKind::JavaScript,
            imports: BTreeMap::new(),
            globals: Vec::new(),
            form: Form::LeftOut,
            interface: None,
            said: BTreeSet::new(),
            texts: OnceCell::new(),
            omitted: BTreeSet::new(),
            is_imported: false,
        });
        self.module_indices.insert(key, index);
        Ok(index)
    }

    /// What the ending of a file of JavaScript and its package say that it is.
    pub(super) fn language(&mut self, package: PackageIndex, path: &str) -> Result<Language, ImportProblem> {
        if path.ends_with(".ts") || path.ends_with(".mts") {
            return self.typescript(package, path);
        }
        if path.ends_with(".cjs") {
            return Ok(Language::CommonJs);
        }
        if package == 0 {
            return Ok(Language::OwnModule);
        }
        if path.ends_with(".mjs") {
            return Ok(Language::Module);
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let nearest = self.packages.nearest_package_json(package, folder)?;
        if nearest.is_some_and(|(_, package_json)| package_json.is_module()) {
            Ok(Language::Module)
        } else {
            Ok(Language::Either)
        }
    }

    /// TypeScript is for the program's own files and for packages in folders of its own. What is installed was published for
    /// all, and as JavaScript: with types in it, which compiler it was written for would be a guess.
    fn typescript(&self, package: PackageIndex, path: &str) -> Result<Language, ImportProblem> {
        let home = self.packages.home(package)?;
        let shown = self.packages.project.shown(&home.file(path));
        if path.ends_with(".d.ts") || path.ends_with(".d.mts") {
            Err(ImportProblem::DeclarationFile { path: shown })
        } else if shown.iter().any(|part| part == "node_modules") {
            Err(ImportProblem::InstalledTypeScript { path: shown })
        } else {
            Ok(Language::TypeScript)
        }
    }

    /// The path of a module's file, as shown to people.
    fn label(&self, index: ModuleIndex) -> String {
        let file = self
            .modules
            .get(index)
            .and_then(|module| Some(self.packages.home(module.package).ok()?.file(&module.path)));
        file.map(|file| self.packages.project.shown(&file).display().to_string())
            .unwrap_or_default()
    }
}

fn public_place(file: &str, place: syntax::Place) -> Place {
    Place {
        file: file.to_owned(),
        line: place.line,
        column: place.column,
    }
}

impl Named for Walk<'_> {
    fn interface(&self, module: usize) -> Option<&Interface> {
        self.modules.get(module)?.interface.as_ref()
    }

    fn target(&self, module: usize, specifier: &str) -> Option<usize> {
        self.modules.get(module)?.imports.get(specifier).copied()
    }

    fn said(&self, module: usize) -> Option<&BTreeSet<String>> {
        let module = self.modules.get(module)?;
        matches!(module.form, Form::CommonJs(_)).then_some(&module.said)
    }

    fn is_left_out(&self, module: usize) -> bool {
        let module = self.modules.get(module);
        module.is_some_and(|module| matches!(module.form, Form::LeftOut))
    }

    fn has_text(&self, module: usize, name: &str) -> bool {
        let Some(found) = self.modules.get(module) else {
            return false;
        };
        let mut texts = found.texts.get_or_init(|| self.texts(module)).iter();
        texts.any(|index| {
            let source = self.modules.get(*index).map(|module| module.source.as_ref());
            let searched = self.searched.get() + source.map_or(0, <[u8]>::len) as u64;
            self.searched.set(searched.min(SEARCHED));
            searched < SEARCHED
                && source
                    .is_some_and(|source| std::str::from_utf8(source).is_ok_and(|text| text.contains(name)))
        })
    }
}

/// What the file at `path` is to one who imports it like this. Bundlers take JSON without an attribute, and so packages
/// have it.
fn kind(
    path: &Path,
    (announced, via): (Announced, Via),
    takes_plain_json: bool,
) -> Result<ModuleKind, ImportProblem> {
    match announced {
        Announced::Text => return Ok(ModuleKind::Text),
        Announced::Bytes => return Ok(ModuleKind::Bytes),
        Announced::Nothing | Announced::Json => {}
    }
    let is_json = announced == Announced::Json;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("wasm") if is_json => Err(ImportProblem::NotJson),
        Some("wasm") if via == Via::Require => Err(ImportProblem::RequiredWebAssembly),
        Some("wasm") => Ok(ModuleKind::Wasm),
        Some("json") if is_json || via == Via::Require || takes_plain_json => Ok(ModuleKind::Json),
        Some("json") => Err(ImportProblem::JsonNeedsAttribute),
        Some("js" | "mjs" | "cjs" | "ts" | "mts") if is_json => Err(ImportProblem::NotJson),
        Some("js" | "mjs" | "cjs" | "ts" | "mts") => Ok(ModuleKind::JavaScript),
        _ => Err(ImportProblem::Extension {
            path: path.to_owned(),
        }),
    }
}
