//! Questions that every engine is asked about a token, and how often the answer was yes.

use secure_runtime_capabilities::*;

use crate::{base, peer::Peer, text};

/// 2026-01-01, from which some tokens are valid.
pub(crate) const FROM: u64 = 1_767_225_600;
/// 2027-01-01, at which some expire.
pub(crate) const UNTIL: u64 = 1_798_761_600;

pub(crate) const MODULE: Holder = Holder::Module([7; 32]);
pub(crate) const KEY: Holder = Holder::Key([7; 32]);

const OPERATIONS: [&str; 11] = [
    "fs read /srv/data",
    "fs read /srv/data/a.csv",
    "fs read /srv/data/b/c.txt",
    "fs read /srv/data-secret/a.csv",
    "fs write /srv/out.txt",
    "fs write /srv/data/a.csv",
    "net connect https://api.example.com:443",
    "net connect https://api.example.com:444",
    "env read APP_MODE",
    "clock 10ms",
    "random",
];

const TIMES: [u64; 4] = [FROM - 1, FROM, UNTIL - 1, UNTIL];
const HOLDERS: [Option<Holder>; 3] = [Some(MODULE), Some(KEY), None];

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) operation: Operation<'static>,
    pub(crate) now: u64,
    pub(crate) holder: Option<Holder>,
}

impl Question {
    /// Every operation at every time by every holder.
    pub(crate) fn all() -> Vec<Question> {
        let mut questions = Vec::new();
        for text in OPERATIONS {
            let operation = Families::builtin().parse_operation(text, &base()).unwrap();
            for now in TIMES {
                questions.extend(HOLDERS.map(|holder| Question {
                    operation: operation.clone(),
                    now,
                    holder,
                }));
            }
        }
        questions
    }

    /// What is decided here, by the compiled blocks and by the authorizer alike.
    fn decide(&self, token: &Token) -> bool {
        let context = Context {
            now: self.now,
            holder: self.holder.as_ref(),
        };
        let allowed = token.authority().decide(&self.operation, &context).is_allowed();
        assert_eq!(
            oracle(token, &self.operation, &context),
            Ok(allowed),
            "{self:?} by {token:?}"
        );
        allowed
    }

    fn code(&self) -> String {
        text::question(&self.operation, self.now, self.holder.as_ref())
    }
}

/// How many questions were asked, and how many answers were yes.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Count {
    pub(crate) asked: u32,
    pub(crate) allowed: u32,
}

impl Count {
    /// Asks here and the peers, which must all say the same of each question.
    pub(crate) fn ask(token: &Token, peers: &mut [Peer], questions: &[Question]) -> Count {
        let text = token.to_text();
        let mut count = Count::default();
        for question in questions {
            let allowed = question.decide(token);
            for peer in &mut *peers {
                assert_eq!(
                    peer.authorize(&text, &question.code()),
                    allowed,
                    "{} and this project differ about {question:?} by {token:?}",
                    peer.name
                );
            }
            count.asked += 1;
            count.allowed += u32::from(allowed);
        }
        count
    }

    pub(crate) fn add(&mut self, other: Count) {
        self.asked += other.asked;
        self.allowed += other.allowed;
    }

    /// Prints the share of yes, which must be fair: engines that refuse everything agree too.
    pub(crate) fn report(self, what: &str) {
        let share = f64::from(self.allowed) / f64::from(self.asked);
        println!(
            "{what}: {} questions, {share:.2} of them allowed, all engines agree",
            self.asked
        );
        assert!(
            (0.2..0.8).contains(&share),
            "{what}: {share} of the questions are allowed"
        );
    }
}
