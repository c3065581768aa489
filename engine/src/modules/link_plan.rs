//! The link plan: the rights of every module of a graph, before any of them runs.

use std::sync::{Arc, OnceLock};

use secure_runtime_capabilities::{
    Authority, Base, Block, BlockError, Families, Holder, KeyPair, PublicKey, Right, Rights, RightsError,
    ScopeError, Token, TokenError,
};
use secure_runtime_loaders::{ContentHash, Graph};

/// A module instance: content and authority. If two packages contain the same bytes, these are two principals.
#[derive(Debug)]
pub struct Principal {
    /// The module's name, such as `app:/main.js` or `marked/lib/marked.esm.js`.
    pub name: String,
    /// The package's name. It is empty for the program itself.
    pub package: String,
    /// The content hash.
    pub hash: ContentHash,
    /// The block that this module's chain adds to the program's.
    block: Block,
    /// The origin of each block of this module's chain, for people.
    pub block_names: Arc<[String]>,
    token: OnceLock<Result<Option<Token>, TokenError>>,
}

/// The authority of every module of one program.
///
/// The token of a module is the program's token with one more block. It is signed when the module first requests its
/// capabilities, which most modules never do.
///
/// No verifiable block can be added to a sealed token. In that case, modules have no tokens, only authorities, with the
/// same meaning. Exported tokens are made from the given token: see `Capability::seal`.
#[derive(Debug)]
pub struct LinkPlan {
    /// The external token that the program runs with.
    given: Option<Token>,
    /// The program's token, signed when a module first needs it. It is the given token with the program's grants, or
    /// the grants with a key pair for this run only. None if the given token is sealed.
    token: OnceLock<Result<Option<Token>, TokenError>>,
    grants: Block,
    /// The authority of that token: the given token's, narrowed to the program's grants.
    ceiling: Authority,
    principals: Vec<Arc<Principal>>,
}

/// A module of the program without an attestation that the given token requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unattested {
    /// The module's name.
    pub module: String,
    /// The content hash of the module.
    pub hash: ContentHash,
    /// The key that must attest it.
    pub by: PublicKey,
}

/// A failure to link a graph's grants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A grant is not valid in the program.
    #[error("{owner}: grant `{grant}`: {source}")]
    Grant {
        /// The program, package or module with the grant.
        owner: String,
        /// The line of the grant.
        grant: String,
        /// The reason.
        source: Box<ScopeError>,
    },
    /// There are too many grants.
    #[error("{owner}: {source}")]
    TooMany {
        /// The program, package or module with the grants.
        owner: String,
        /// The reason.
        source: RightsError,
    },
    /// The grants do not fit into a block of a token.
    #[error("{0}")]
    Block(#[from] BlockError),
}

impl LinkPlan {
    /// Creates the plan for every module of the graph. An external token limits the program's grants.
    pub fn new(
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
            Some(token) => token.authority().narrow(&grants)?,
            None => Authority::new(grants.clone())?,
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
        Ok(LinkPlan {
            given: given.cloned(),
            token: OnceLock::new(),
            grants,
            ceiling,
            principals,
        })
    }

    /// Returns the first module without an attestation that the given token requires.
    pub fn unattested(&self) -> Option<Unattested> {
        self.principals.iter().find_map(|principal| {
            let by = self.ceiling.lacks_attestation(principal.hash.as_bytes())?;
            Some(Unattested {
                module: principal.name.clone(),
                hash: principal.hash,
                by,
            })
        })
    }

    /// Returns the principal of the module with this index.
    pub fn principal(&self, module: u32) -> Option<&Arc<Principal>> {
        self.principals.get(module as usize)
    }

    /// Returns the principal of the module with this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Principal>> {
        self.principals.iter().find(|principal| principal.name == name)
    }

    /// Returns the external token that the program runs with.
    pub fn given(&self) -> Option<&Token> {
        self.given.as_ref()
    }

    /// Returns the whole program's authority.
    pub fn ceiling(&self) -> &Authority {
        &self.ceiling
    }

    /// Signs the token of this module in advance. Errors are ignored here, because the first user of the token gets
    /// them.
    pub fn sign(&self, module: u32) {
        if let Some(principal) = self.principal(module) {
            let _ = self.token(principal);
        }
    }

    /// Returns the module's authority, from its token if it can have one.
    pub fn authority(&self, principal: &Principal) -> Result<Authority, TokenError> {
        match self.token(principal)? {
            Some(token) => Ok(token.authority().clone()),
            None => Ok(self.ceiling.narrow(&principal.block)?),
        }
    }

    fn token(&self, principal: &Principal) -> Result<Option<Token>, TokenError> {
        let signed = principal.token.get_or_init(|| {
            let program = self.program_token()?;
            program.map(|token| token.attenuate(&principal.block)).transpose()
        });
        signed.clone()
    }

    fn program_token(&self) -> Result<Option<Token>, TokenError> {
        let signed = self.token.get_or_init(|| match &self.given {
            Some(token) if token.is_sealed() => Ok(None),
            Some(token) => token.attenuate(&self.grants).map(Some),
            None => Token::mint(&KeyPair::generate()?, &self.grants).map(Some),
        });
        signed.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secure_runtime_capabilities::{Context, Decision, Reason};
    use secure_runtime_loaders::{Module, ModuleKind, Package};

    use super::*;

    /// Returns a program of these modules that may read `./data/**`.
    fn program(modules: &[&str]) -> Graph {
        let module = |name: &&str| Module {
            name: format!("app:/{name}"),
            package: 0,
            hash: ContentHash::of(name.as_bytes()),
            size: 0,
            kind: ModuleKind::JavaScript,
            origin: None,
            imports: BTreeMap::new(),
            globals: Vec::new(),
            grants: None,
        };
        let app = Package {
            name: String::new(),
            version: None,
            grants: vec!["fs.read=./data/**".to_owned()],
            ..Package::default()
        };
        Graph::new(0, vec![app], modules.iter().map(module).collect()).unwrap()
    }

    /// A module's token has one block more than the program's, which binds it to the module's bytes. If another module
    /// presents it, it is refused.
    #[test]
    fn every_token_is_bound_to_its_module() {
        let graph = program(&["a.js", "b.js"]);
        let (families, base) = (Families::builtin(), Base::new("/srv").unwrap());
        let plan = LinkPlan::new(&graph, None, &families, &base).unwrap();
        let operation = families.parse_operation("fs read data/x", &base).unwrap();
        let holder = |module: u32| Holder::Module(*plan.principal(module).unwrap().hash.as_bytes());
        for (module, other) in [(0, 1), (1, 0)] {
            let principal = plan.principal(module).unwrap();
            let token = plan.token(principal).unwrap().unwrap();
            let token = Token::verify(token.as_bytes(), token.root()).unwrap();
            let authority = plan.authority(principal).unwrap();
            assert_eq!(token.authority(), &authority);
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

    /// No block can be added to a sealed token. Modules have the authority that their blocks leave, and no token.
    #[test]
    fn modules_under_a_sealed_token_are_narrowed_too() {
        let graph = program(&["a.js"]);
        let (families, base) = (Families::builtin(), Base::new("/srv").unwrap());
        let rights = families.parse_grants(["fs.read=./**"], &base).unwrap();
        let open = Token::mint(&KeyPair::generate().unwrap(), &Block::of(rights)).unwrap();
        let sealed = open.seal().unwrap();
        let plan = |token: &Token| LinkPlan::new(&graph, Some(token), &families, &base).unwrap();
        let authority = |plan: &LinkPlan| plan.authority(plan.principal(0).unwrap()).unwrap();
        let (open, sealed) = (plan(&open), plan(&sealed));
        assert!(open.token(open.principal(0).unwrap()).unwrap().is_some());
        assert!(sealed.token(sealed.principal(0).unwrap()).unwrap().is_none());
        assert_eq!(authority(&open), authority(&sealed));
        assert_eq!(authority(&sealed).blocks().len(), 3);
    }
}
