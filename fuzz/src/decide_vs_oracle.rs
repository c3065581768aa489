use secure_runtime_capabilities::*;

/// Pieces of resources: some begin or end as others do, so that patterns touch.
const PIECES: [&str; 16] = [
    "", "/", "a", "b", "ab", "/a", "/a/", "/a/b", "b/", "//", ".", ".csv", ":443", "é", "\"", "\n",
];

/// Reads a chain and questions out of the input, byte by byte.
struct Reader<'a>(std::slice::Iter<'a, u8>);

impl Reader<'_> {
    /// A number below `bound`; 0 when the input has ended.
    fn below(&mut self, bound: u8) -> u8 {
        self.0.next().map_or(0, |byte| byte % bound)
    }

    fn text(&mut self) -> String {
        (0..self.below(4))
            .map(|_| PIECES[usize::from(self.below(16))])
            .collect()
    }

    fn right(&mut self) -> Right {
        let (family, action) = match self.below(4) {
            0 => (FamilyName::FS, ActionName::WRITE),
            1 => (FamilyName::ENV, ActionName::READ),
            _ => (FamilyName::FS, ActionName::READ),
        };
        let pattern = match self.below(4) {
            0 => Pattern::exact(self.text()),
            1 => Pattern::prefix(self.text()),
            _ => Pattern::affix(self.text(), self.text()),
        };
        Right {
            family,
            action,
            pattern,
        }
    }

    fn holder(&mut self) -> Option<Holder> {
        match self.below(6) {
            0 => Some(Holder::Key([1; 32])),
            1 | 2 => Some(Holder::Module([1; 32])),
            _ => None,
        }
    }

    fn time(&mut self) -> Option<u64> {
        match self.below(8) {
            number @ 0..4 => Some(u64::from(number)),
            _ => None,
        }
    }

    fn block(&mut self) -> Block {
        let rights = (0..self.below(6)).map(|_| self.right()).collect::<Vec<_>>();
        Block {
            rights: (self.below(4) != 0).then(|| Rights::new(rights).unwrap()),
            expires: self.time(),
            not_before: self.time(),
            holder: self.holder(),
        }
    }
}

/// A family whose resources are any text.
struct Text;

impl Family for Text {
    fn name(&self) -> FamilyName {
        FamilyName::FS
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::READ,
            summary: "read",
        }]
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

/// A chain and questions: the token survives its bytes, narrowing without signatures means the same, and
/// the decision is the oracle's.
pub fn decide_vs_oracle(data: &[u8]) {
    let mut reader = Reader(data.iter());
    let root = KeyPair::from_secret(&[1; 32]).unwrap();
    let first = reader.block();
    let mut token = Token::mint(&root, &first).unwrap();
    let mut authority = Authority::new(first).unwrap();
    for _ in 0..reader.below(4) {
        let block = reader.block();
        token = token.attenuate(&block).unwrap();
        let narrower = authority.narrow(&block).unwrap();
        assert!(authority.effective_rights().covers(narrower.effective_rights()));
        authority = narrower;
    }
    let token = Token::verify(token.as_bytes(), &root.public()).unwrap();
    assert_eq!(token.authority(), &authority);
    let base = Base::new("/").unwrap();
    for _ in 0..4 {
        let operation = Operation::new(&Text, "read", &reader.text(), &base).unwrap();
        let holder = reader.holder();
        let context = Context {
            now: u64::from(reader.below(5)),
            holder: holder.as_ref(),
        };
        let decision = authority.decide(&operation, &context).is_allowed();
        assert_eq!(
            oracle(&token, &operation, &context),
            Ok(decision),
            "{token:?} {operation:?} {context:?}"
        );
    }
}
