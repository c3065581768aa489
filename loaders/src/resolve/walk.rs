//! The traversal of a program's imports from its entry.

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

/// The result of the traversal so far.
pub(super) struct Walk<'a> {
    pub(super) packages: Packages<'a>,
    pub(super) modules: Vec<FoundModule>,
    pub(super) warnings: Vec<LockWarning>,
    module_indices: HashMap<(PackageIndex, String), ModuleIndex>,
    /// Cache of the needs of files.
    pub(super) needs: HashMap<(PackageIndex, String), Rc<Needs>>,
    /// Cache of decisions between a browser file, the first of the pair, and another file. True if the second is used.
    pub(super) gives_way: HashMap<[(PackageIndex, String); 2], bool>,
    /// The names that each CommonJS module exports. It is filled at the end of the traversal.
    exports: BTreeMap<ModuleIndex, Vec<String>>,
    /// The number of bytes that were searched for names.
    searched: Cell<u64>,
}

/// Maximum number of bytes that are searched for names. A hostile package controls the number of names and the amount
/// of text.
const SEARCHED: u64 = 4 << 30;

pub(super) struct FoundModule {
    pub(super) package: PackageIndex,
    /// The path of its file, relative to its package's folder.
    pub(super) path: String,
    /// The bytes of its file.
    pub(super) source: Bytes,
    pub(super) kind: ModuleKind,
    pub(super) imports: BTreeMap<String, ModuleIndex>,
    pub(super) globals: Vec<String>,
    form: Form,
    /// The names that it imports and exports. `None` for CommonJS.
    interface: Option<Interface>,
    /// The export names that the text of a CommonJS module shows.
    said: BTreeSet<String>,
    /// The CommonJS and JSON modules whose text may contain export names of this module.
    texts: OnceCell<Vec<ModuleIndex>>,
    /// The specifiers that it requires and that its package leaves out.
    omitted: BTreeSet<String>,
    /// True for the entry, and for modules that an ECMAScript module imports.
    is_imported: bool,
}

/// The result of transforming a file.
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
    /// Creates a traversal with these initial packages.
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

    /// Finds the module `entry` of the program and everything that it imports.
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

    /// Computes the names that each CommonJS module exports: its own, those of modules that it re-exports completely,
    /// and those that others import from it.
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

    /// Transforms the file of the module `index`. Returns `None` if the file needs no transformation. Must be called
    /// after the traversal, because the result for CommonJS depends on its importers and on the modules that it
    /// requires.
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

    /// Returns the export names that the text of the CommonJS module `index` shows: its own, and those of modules that
    /// it re-exports completely.
    fn said_exports(&self, index: ModuleIndex) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut seen = BTreeSet::from([index]);
        let mut waiting = vec![index];
        while let Some(module) = waiting.pop().and_then(|index| self.modules.get(index)) {
            let Form::CommonJs(file) = &module.form else {
                continue;
            };
            // `module.exports` as a whole is exported only under a reserved name, and only to importers that use that
            // name.
            let own = file.names.own.iter();
            let own = own.filter(|name| graph::is_export_name(name) && *name != transform::WHOLE);
            names.extend(own.filter(|name| *name != transform::REQUIRE).cloned());
            let further = file.names.all_of.iter();
            let further = further.filter_map(|specifier| module.imports.get(specifier));
            waiting.extend(further.copied().filter(|index| seen.insert(*index)));
        }
        names
    }

    /// Returns the CommonJS module `index` and all CommonJS and JSON modules that it requires, directly or indirectly.
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

    /// Handles an import that cannot be resolved. This is an error, except for `import()` and `require` in a package:
    /// packages use them in a `try` for optional dependencies. Such an import fails when it runs.
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

    /// Resolves `import` of the module `importer` and records the target.
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
        // A specifier has one target in each module. In CommonJS, the target of `require` takes precedence.
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

    /// Returns the module with `path` in `package`. Reads and scans it if it is new.
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

    /// Returns the empty module with `path` in `package`, which replaces a module that the package leaves out.
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

    /// Returns the language of a JavaScript file, by its extension and its package.
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

    /// Returns the language of a TypeScript file. Only the program's own files and packages in the project's own
    /// folders may be TypeScript. Installed packages are published as JavaScript, and for TypeScript in them the
    /// required compiler version would be unknown.
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

    /// Returns the path of a module's file for messages.
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

/// Returns the kind of module that the file at `path` is for this import. Packages may import JSON without an
/// attribute, because bundlers accept it.
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
