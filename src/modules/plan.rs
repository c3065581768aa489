//! The link plan: what every module of a graph may do, before any of them runs.

use std::sync::{Arc, OnceLock};

use secure_runtime_capabilities::{
    Authority, Base, Block, BlockError, Families, Holder, PublicKey, Right, Rights, RightsError, ScopeError,
    Token,
};
use secure_runtime_loaders::{ContentHash, Graph};

/// A module instance: content and authority. Two packages that hold the same bytes are two principals.
#[derive(Debug)]
pub(crate) struct Principal {
    /// `app:/main.js`, `marked/lib/marked.esm.js`
    pub(crate) name: String,
    /// The package's name; empty for the program itself.
    pub(crate) package: String,
    pub(crate) hash: ContentHash,
    /// What this module's chain says beyond the program's.
    block: Block,
    /// Where each block of this module's chain comes from, for people.
    pub(crate) block_names: Arc<[String]>,
    authority: OnceLock<Result<Authority, BlockError>>,
}

/// The authority of every module of one program.
///
/// Within the program, a chain is its blocks: nobody else is asked to believe them, so nothing is signed. What leaves
/// the program is a token again, made from the given one: see [`crate::extensions::Capability::seal`].
#[derive(Debug)]
pub(crate) struct LinkPlan {
    /// The token from outside that the program runs under.
    given: Option<Token>,
    /// The whole program's: the given token's, narrowed to its grants.
    ceiling: Authority,
    principals: Vec<Arc<Principal>>,
}

/// A module of the program that lacks an attestation which the given token demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unattested {
    pub(crate) module: String,
    pub(crate) hash: ContentHash,
    pub(crate) by: PublicKey,
}

/// Why a graph's grants cannot be linked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PlanError {
    #[error("{owner}: grant `{grant}`: {source}")]
    Grant {
        owner: String,
        grant: String,
        source: Box<ScopeError>,
    },
    #[error("{owner}: {source}")]
    TooMany { owner: String, source: RightsError },
    #[error("{0}")]
    Block(#[from] BlockError),
}

impl LinkPlan {
    /// Plans every module of the graph. A token from outside is the ceiling above the program's own.
    pub(crate) fn new(
        graph: &Graph,
        given: Option<&Token>,
        families: &Families,
        base: &Base,
    ) -> Result<Self, PlanError> {
        let parse = |owner: &str, grants: &[String]| -> Result<Rights, PlanError> {
            let mut rights: Vec<Right> = Vec::new();
            for grant in grants {
                rights.extend(
                    families
                        .parse_grant(grant, base)
                        .map_err(|source| PlanError::Grant {
                            owner: owner.to_owned(),
                            grant: grant.clone(),
                            source: Box::new(source),
                        })?,
                );
            }
            Rights::new(rights).map_err(|source| PlanError::TooMany {
                owner: owner.to_owned(),
                source,
            })
        };

        let mut packages = Vec::with_capacity(graph.packages().len());
        for package in graph.packages() {
            packages.push(parse(&package.name, &package.grants)?);
        }
        let grants = Block::of(packages.first().cloned().unwrap_or_else(Rights::none));
        let given_blocks = given.map_or(0, |token| token.blocks().len());
        let mut app_blocks: Vec<String> = (0..given_blocks)
            .map(|index| format!("block {index} of the given token"))
            .collect();
        app_blocks.push("the program's [grants]".to_owned());
        let ceiling = match given {
            // Also of a sealed token, to which nobody can add a block that others would believe.
            Some(token) => token.authority().narrow(&grants)?,
            None => Authority::new(grants)?,
        };

        let mut principals = Vec::with_capacity(graph.modules().len());
        for module in graph.modules() {
            let package = graph
                .package_of(module)
                .map(|package| package.name.clone())
                .unwrap_or_default();
            let (rights, from) = match &module.grants {
                Some(grants) => (
                    parse(&module.name, grants)?,
                    format!("the grants of module {}", module.name),
                ),
                None => (
                    packages
                        .get(module.package as usize)
                        .cloned()
                        .unwrap_or_else(Rights::none),
                    if package.is_empty() {
                        "the binding to the module".to_owned()
                    } else {
                        format!("the grants of package {package}")
                    },
                ),
            };
            let mut block_names = app_blocks.clone();
            block_names.push(from);
            principals.push(Arc::new(Principal {
                name: module.name.clone(),
                package,
                hash: module.hash,
                block: Block {
                    rights: Some(rights),
                    holder: Some(Holder::Module(*module.hash.as_bytes())),
                    ..Block::default()
                },
                block_names: block_names.into(),
                authority: OnceLock::new(),
            }));
        }
        Ok(LinkPlan {
            given: given.cloned(),
            ceiling,
            principals,
        })
    }

    /// The first module that lacks an attestation which the given token demands.
    pub(crate) fn unattested(&self) -> Option<Unattested> {
        self.principals.iter().find_map(|principal| {
            let by = self.ceiling.lacks_attestation(principal.hash.as_bytes())?;
            Some(Unattested {
                module: principal.name.clone(),
                hash: principal.hash,
                by,
            })
        })
    }

    pub(crate) fn principal(&self, module: u32) -> Option<&Arc<Principal>> {
        self.principals.get(module as usize)
    }

    /// The token from outside that the program runs under.
    pub(crate) fn given(&self) -> Option<&Token> {
        self.given.as_ref()
    }

    /// The whole program's authority.
    pub(crate) fn ceiling(&self) -> &Authority {
        &self.ceiling
    }

    /// The module's authority: the program's and one block more. Compiled when it is first asked for: most modules never
    /// ask.
    pub(crate) fn authority(&self, principal: &Principal) -> Result<Authority, BlockError> {
        principal
            .authority
            .get_or_init(|| self.ceiling.narrow(&principal.block))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secure_runtime_capabilities::{Context, Decision, Reason};
    use secure_runtime_loaders::{Module, ModuleKind, Package};

    use super::*;

    /// A module's chain is the program's and one block, which binds it to the module's bytes: presented as another
    /// module, it is refused.
    #[test]
    fn every_authority_is_bound_to_its_module() {
        let module = |name: &str| Module {
            name: format!("app:/{name}"),
            package: 0,
            hash: ContentHash::of(name.as_bytes()),
            size: 0,
            kind: ModuleKind::JavaScript,
            imports: BTreeMap::new(),
            globals: Vec::new(),
            grants: None,
        };
        let app = Package {
            name: String::new(),
            version: None,
            grants: vec!["fs.read=./data/**".to_owned()],
        };
        let graph = Graph::new(0, vec![app], vec![module("a.js"), module("b.js")]).unwrap();
        let (families, base) = (Families::builtin(), Base::new("/srv").unwrap());
        let plan = LinkPlan::new(&graph, None, &families, &base).unwrap();
        let operation = families.parse_operation("fs read data/x", &base).unwrap();
        let holder = |module: u32| Holder::Module(*plan.principal(module).unwrap().hash.as_bytes());
        for (module, other) in [(0, 1), (1, 0)] {
            let authority = plan.authority(plan.principal(module).unwrap()).unwrap();
            let decide = |holder: &Holder| {
                let context = Context {
                    holders: std::slice::from_ref(holder),
                    ..Context::at(0)
                };
                authority.decide(&operation, &context)
            };
            assert_eq!(decide(&holder(module)), Decision::Allowed);
            assert!(
                matches!(decide(&holder(other)), Decision::Denied(denial) if denial.reason == Reason::WrongHolder)
            );
        }
    }
}
