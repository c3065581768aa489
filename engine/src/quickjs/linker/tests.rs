//! Tests of the names by which QuickJS links modules.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use deno_core::{ModuleSpecifier, RequestedModuleType};
use secure_runtime_capabilities::{Base, Families};
use secure_runtime_loaders::{ContentHash, Graph, MemoryStore, Module, Package};

use super::*;
use crate::audit::AuditSink;
use crate::extensions::{Monitor, Rules};
use crate::limits::Limits;
use crate::memory::Memory;
use crate::modules::LinkPlan;
use crate::modules::synthetic_urls::SyntheticModule;
use crate::quota::QuotaUse;

const MAIN: &str = "app:/main.js";
const OTHER: &str = "app:/other.js";

/// Creates the loader of a program with two modules, and loads both.
fn loaded() -> Rc<GraphLoader> {
    let sources = ["import { fs } from 'cap:self'; import './other.js';", ""];
    let module = |name: &str, source: &str, imports: &[(&str, u32)]| Module {
        name: name.to_owned(),
        package: 0,
        hash: ContentHash::of(source.as_bytes()),
        size: source.len() as u64,
        kind: ModuleKind::JavaScript,
        origin: None,
        imports: imports
            .iter()
            .map(|(name, to)| ((*name).to_owned(), *to))
            .collect::<BTreeMap<_, _>>(),
        globals: Vec::new(),
        grants: None,
    };
    let modules = vec![
        module(MAIN, sources[0], &[("./other.js", 1)]),
        module(OTHER, sources[1], &[]),
    ];
    let graph = Graph::new(0, vec![Package::default()], modules).unwrap();
    let (families, base) = (Families::builtin(), Base::new("/srv").unwrap());
    let rules = Rules {
        plan: Arc::new(LinkPlan::new(&graph, None, &families, &base).unwrap()),
        families,
        base,
        extensions: Default::default(),
        credentials: Default::default(),
        program: graph.hash().to_string(),
        audit: AuditSink::none(),
        quotas_used: Arc::new(QuotaUse::new(&Limits::default(), &Arc::default())),
        marks: Arc::default(),
    };
    let loader = GraphLoader::new(
        Arc::new(graph),
        Arc::new(sources.map(Bytes::from).to_vec()),
        Arc::new(MemoryStore::default()),
        Monitor::new(rules, Memory::new(1 << 20)),
        Arc::default(),
        0,
    )
    .unwrap();
    for url in [MAIN, OTHER] {
        let url = ModuleSpecifier::parse(url).unwrap();
        loader.source(&url, &RequestedModuleType::None).unwrap();
    }
    loader
}

/// RUN-81. The bindings would take an unknown name for the full name of a module, such as another module's `cap:self`.
#[test]
fn a_name_that_the_loader_did_not_write_is_not_linked() {
    let loader = loaded();
    let name = |number: u32| format!("import:{}/0/{number}", loader.own_urls.secret);
    let own = |module: u32| SyntheticModule {
        specifier: SELF,
        module,
    };
    let of_self = loader.own_urls.url(own(0));
    assert_eq!(loader.linked(&name(0), MAIN), Ok(of_self.clone()));
    assert_eq!(loader.linked(&name(1), MAIN), Ok(OTHER.to_owned()));
    let value = loader.own_urls.value_url(own(0));
    assert_eq!(loader.linked(&value, &of_self), Ok(value.clone()));
    for (name, importer) in [
        (SELF, MAIN),
        ("./other.js", MAIN),
        (OTHER, MAIN),
        (MAIN, MAIN),
        ("import:0/0/0", MAIN),
        (&name(2), MAIN),
        (&name(0), OTHER),
        (&name(0), "app:/none.js"),
        (&of_self, MAIN),
        (&of_self, OTHER),
        (&value, MAIN),
        (&value, &loader.own_urls.url(own(1))),
    ] {
        let refused = loader.linked(name, importer).unwrap_err();
        assert!(
            refused.contains("where the checked text has none"),
            "{name} in {importer}: {refused}"
        );
    }
}

/// RUN-81.
#[test]
fn without_a_program_no_name_is_linked() {
    let refused = linked("app:/main.js", "cap:self").unwrap_err();
    assert!(
        refused.to_string_lossy().contains("no program runs here"),
        "{refused:?}"
    );
}
