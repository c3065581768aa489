use secure_runtime_capabilities::*;

use crate::Outcome;

/// Pieces of resources. Some are prefixes or suffixes of others, so that patterns overlap.
const PIECES: [&str; 16] = [
    "", "/", "a", "b", "ab", "/a", "/a/", "/a/b", "b/", "//", ".", ".csv", ":443", "é", "\"", "\n",
];

/// Scopes of `net` that overlap.
const NET_SCOPES: [&str; 16] = [
    "https://*.example.com",
    "https://example.com",
    "https://a.example.com",
    "https://*.a.example.com",
    "https://*.example.com:1-65535",
    "https://*.example.com:443-444",
    "https://*.com",
    "http://*.example.com",
    "tcp://10.0.0.0/8:5432",
    "tcp://10.1.0.0/16:5000-6000",
    "tcp://10.1.2.3:5432",
    "tcp://10.1.2.3:1-65535",
    "tcp://0.0.0.0/0:5432",
    "tcp://[::]/0:5432",
    "tcp://[fd00::]/8:5432",
    "tcp://[::ffff:10.1.2.3]:5432",
];

/// Origins inside these scopes, and just outside.
const ORIGINS: [&str; 16] = [
    "https://a.example.com",
    "https://b.a.example.com:444",
    "https://example.com",
    "https://xexample.com",
    "https://a.example.com:442",
    "https://example.com.a",
    "http://a.example.com",
    "tcp://a.example.com:443",
    "tcp://10.1.2.3:5432",
    "tcp://10.1.2.3:5433",
    "tcp://10.2.0.0:5432",
    "tcp://11.0.0.0:5432",
    "tcp://[fd00::1]:5432",
    "tcp://[fe00::1]:5432",
    "tcp://[::ffff:10.1.2.3]:5432",
    "https://10.1.2.3",
];

/// Maximum number of questions for one chain. A shorter input has fewer.
const QUESTIONS: usize = 32;

/// Reads a chain and questions from the input, byte by byte.
struct Reader<'a>(std::slice::Iter<'a, u8>);

impl Reader<'_> {
    /// Returns a number below `bound`, or 0 at the end of the input.
    fn below(&mut self, bound: u8) -> u8 {
        self.0.next().map_or(0, |byte| byte % bound)
    }

    fn one_of(&mut self, texts: [&'static str; 16]) -> &'static str {
        texts[usize::from(self.below(16))]
    }

    fn text(&mut self) -> String {
        (0..self.below(4)).map(|_| self.one_of(PIECES)).collect()
    }

    fn rights(&mut self) -> Vec<Right> {
        let (family, action) = match self.below(8) {
            0 => (FamilyName::FS, ActionName::WRITE),
            1 => (FamilyName::ENV, ActionName::READ),
            2 | 3 => return self.net_rights(),
            _ => (FamilyName::FS, ActionName::READ),
        };
        let pattern = match self.below(6) {
            0 => Pattern::exact(self.text()),
            1 => Pattern::affix(self.text(), self.text()),
            2 => Pattern::affix("", self.one_of(PIECES)),
            _ => Pattern::prefix(self.one_of(PIECES)),
        };
        vec![Right {
            family,
            action,
            pattern,
        }]
    }

    fn net_rights(&mut self) -> Vec<Right> {
        let base = Base::new("/").unwrap();
        let scope = self.one_of(NET_SCOPES);
        Families::builtin()
            .parse_scope("net", Some("connect"), scope, &base)
            .unwrap()
    }

    fn holder(&mut self) -> Holder {
        match self.below(4) {
            0 => Holder::Key([1; 32]),
            1 => Holder::Module([2; 32]),
            _ => Holder::Module([1; 32]),
        }
    }

    fn holders(&mut self) -> Vec<Holder> {
        (0..self.below(5)).map(|_| self.holder()).collect()
    }

    fn auditor(&mut self) -> KeyPair {
        KeyPair::from_secret(&[100 + self.below(2); 32]).unwrap()
    }

    fn block(&mut self) -> Block {
        let mut rights: Vec<Right> = (0..self.below(6)).flat_map(|_| self.rights()).collect();
        let kept = self.below(8);
        if kept > 1 {
            // Without these rights, a chain of several blocks would allow almost nothing.
            rights.extend(everything());
        }
        Block {
            rights: (kept != 0).then(|| Rights::new(rights).unwrap()),
            expires: (self.below(10) == 1).then(|| 2 + u64::from(self.below(4))),
            not_before: (self.below(10) == 1).then(|| u64::from(self.below(3))),
            holder: (self.below(12) == 1).then(|| self.holder()),
            attested_by: (self.below(12) == 1).then(|| self.auditor().public()),
            attestation: None,
        }
    }

    /// Returns the token, in some cases with a third party's block.
    fn attested(&mut self, token: Token) -> Token {
        if self.below(3) != 1 {
            return token;
        }
        let (auditor, module) = (self.auditor(), [1 + self.below(2); 32]);
        let request = token.attestation_request().unwrap();
        let signed = request.sign(&auditor, [module]).unwrap();
        token.with_attestation(&signed, &auditor.public()).unwrap()
    }

    /// Returns an operation. Most are about a remaining right, or narrowly miss one.
    fn operation(&mut self, rights: &Rights) -> Operation<'static> {
        let base = Base::new("/").unwrap();
        let chosen = usize::from(self.below(32)) % rights.len().max(1);
        let mut resource = match rights.iter().nth(chosen) {
            Some(right) if right.family == FamilyName::NET => {
                let origin = Origin::parse(self.one_of(ORIGINS)).unwrap();
                return Operation::net_connect(&origin).into_owned();
            }
            Some(right) => match &right.pattern {
                Pattern::Exact(text) => text.clone(),
                Pattern::Affix { prefix, suffix } => format!("{prefix}{}{suffix}", self.text()),
                Pattern::Endpoint(_) => self.text(),
            },
            None => self.text(),
        };
        match self.below(16) {
            1 => drop(resource.pop()),
            2 => resource.push('x'),
            3 => resource.insert(0, 'x'),
            _ => {}
        }
        let action = if self.below(8) == 1 { "write" } else { "read" };
        Operation::new(&Text, action, &resource, &base).unwrap()
    }
}

/// A family whose resources are any text.
struct Text;

impl Family for Text {
    fn name(&self) -> FamilyName {
        FamilyName::FS
    }

    fn actions(&self) -> &[Action] {
        Fs.actions()
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        Ok(vec![Pattern::exact(text)])
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(text.to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        patterns.iter().map(describe_pattern).collect()
    }
}

/// Returns all rights of the families that most questions are about.
fn everything() -> Vec<Right> {
    let base = Base::new("/").unwrap();
    let mut rights = vec![Right {
        family: FamilyName::FS,
        action: ActionName::READ,
        pattern: Pattern::prefix(""),
    }];
    for scope in [
        "https://*.com:1-65535",
        "tcp://0.0.0.0/0:1-65535",
        "tcp://[::]/0:1-65535",
    ] {
        rights.extend(
            Families::builtin()
                .parse_scope("net", Some("connect"), scope, &base)
                .unwrap(),
        );
    }
    rights
}

/// Uses the input as a chain and questions. The token must be the same after encoding and decoding it.
/// Narrowing without signatures must have the same meaning. Every decision must equal the oracle's.
pub fn decide_vs_oracle(data: &[u8]) -> Outcome {
    let mut reader = Reader(data.iter());
    let root = KeyPair::from_secret(&[1; 32]).unwrap();
    let first = reader.block();
    let mut token = Token::mint(&root, &first).unwrap();
    let mut computed = Authority::new(first).unwrap();
    for _ in 0..reader.below(4) {
        let block = reader.block();
        token = reader.attested(token.attenuate(&block).unwrap());
        let narrower = computed.narrow(&block).unwrap();
        assert!(computed.effective_rights().covers(narrower.effective_rights()));
        computed = narrower;
    }
    let token = Token::verify(token.as_bytes(), &root.public()).unwrap();
    let authority = token.authority();
    // A third party's block either is signed or does not exist.
    let own = authority
        .blocks()
        .iter()
        .filter(|block| block.attestation.is_none());
    assert!(own.eq(computed.blocks()));
    assert_eq!(authority.effective_rights(), computed.effective_rights());

    let oracle = Oracle::new().unwrap();
    let mut decisions = Vec::new();
    while !reader.0.as_slice().is_empty() && decisions.len() < QUESTIONS {
        let operation = reader.operation(authority.effective_rights());
        let holders = reader.holders();
        let context = Context {
            holders: &holders,
            ..Context::at(u64::from(reader.below(6)))
        };
        let decision = authority.decide(&operation, &context);
        assert_eq!(
            oracle.ask(&token, &operation, &context),
            Ok(decision.is_allowed()),
            "{token:?} {operation:?} {context:?}"
        );
        // The authority that was narrowed without signatures lacks only the attestations.
        if computed.decide(&operation, &context).is_allowed()
            || authority.blocks().len() == computed.blocks().len()
        {
            assert_eq!(computed.decide(&operation, &context), decision);
        }
        if decision.is_allowed() {
            // Decisions use an index of the intersection. They must agree with the patterns of each block.
            let rights = authority
                .blocks()
                .iter()
                .filter_map(|block| block.rights.as_ref());
            let (family, action) = (operation.family(), operation.action());
            assert!(rights.into_iter().all(|rights| {
                let mut rights = rights.for_action(family, action).iter();
                rights.any(|right| right.pattern.matches(operation.resource()))
            }));
        }
        decisions.push(decision);
    }
    let mut kinds: Vec<String> = decisions.iter().map(|decision| format!("{decision:?}")).collect();
    kinds.sort();
    kinds.dedup();
    Outcome {
        asked: decisions.len() as u64,
        allowed: decisions.iter().filter(|decision| decision.is_allowed()).count() as u64,
        ..Outcome::of(&format_args!("{}", kinds.concat()))
    }
}
