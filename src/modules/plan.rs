//! The link plan: what every module of a graph may do, before any of them runs.

use std::sync::{Arc, OnceLock};

use secure_runtime_capabilities::{
    Base, Block, Families, Holder, KeyPair, Right, Rights, RightsError, ScopeError, Token, TokenError,
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
    /// What this module's token says beyond the app's.
    block: Block,
    /// Where each block of this module's chain comes from, for people.
    pub(crate) block_names: Arc<[String]>,
    token: OnceLock<Result<Token, TokenError>>,
}

/// The authority of every module of one program.
#[derive(Debug)]
pub(crate) struct LinkPlan {
    app: AppToken,
    principals: Vec<Arc<Principal>>,
}

/// The program's own token.
#[derive(Debug)]
enum AppToken {
    /// Given to the runtime from outside and verified.
    Given(Token),
    /// Minted when a module first needs one, under a key pair that lives only for this run.
    Own {
        ceiling: Block,
        minted: OnceLock<Result<Token, TokenError>>,
    },
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
    #[error("the token: {0}")]
    Token(#[from] TokenError),
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
        let ceiling = Block {
            rights: Some(packages.first().cloned().unwrap_or_else(Rights::none)),
            ..Block::default()
        };

        let mut app_blocks: Vec<String> = Vec::new();
        let app = match given {
            Some(token) => {
                for index in 0..token.blocks().len() {
                    app_blocks.push(format!("block {index} of the given token"));
                }
                app_blocks.push("the program's [grants]".to_owned());
                AppToken::Given(token.attenuate(&ceiling)?)
            }
            None => {
                app_blocks.push("the program's [grants]".to_owned());
                AppToken::Own {
                    ceiling,
                    minted: OnceLock::new(),
                }
            }
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
                token: OnceLock::new(),
            }));
        }
        Ok(LinkPlan { app, principals })
    }

    pub(crate) fn principal(&self, module: u32) -> Option<&Arc<Principal>> {
        self.principals.get(module as usize)
    }

    /// The program's token. Signed when it is first asked for.
    pub(crate) fn app_token(&self) -> Result<Token, TokenError> {
        match &self.app {
            AppToken::Given(token) => Ok(token.clone()),
            AppToken::Own { ceiling, minted } => minted
                .get_or_init(|| Token::mint(&KeyPair::generate()?, ceiling))
                .clone(),
        }
    }

    /// The module's token: the app's and one block more. Signed when it is first asked for: most modules never ask.
    pub(crate) fn token(&self, principal: &Principal) -> Result<Token, TokenError> {
        principal
            .token
            .get_or_init(|| self.app_token()?.attenuate(&principal.block))
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secure_runtime_capabilities::{Context, Decision, Reason};
    use secure_runtime_loaders::{Module, ModuleKind, Package};

    use super::*;

    /// A module's token is the app's and one block, which binds it to the module's bytes: presented as another module, it
    /// is refused.
    #[test]
    fn every_token_is_bound_to_its_module() {
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
            let token = plan.token(plan.principal(module).unwrap()).unwrap();
            let decide = |holder: &Holder| {
                let context = Context {
                    holders: std::slice::from_ref(holder),
                    ..Context::at(0)
                };
                token.authority().decide(&operation, &context)
            };
            assert_eq!(decide(&holder(module)), Decision::Allowed);
            assert!(
                matches!(decide(&holder(other)), Decision::Denied(denial) if denial.reason == Reason::WrongHolder)
            );
        }
    }
}
