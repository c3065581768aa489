//! The questions that every implementation answers about a token, and the count of positive answers.

use secure_runtime_capabilities::*;

use crate::{base, peer::Peer, text};

/// 2026-01-01, the start of the validity of some tokens.
pub(crate) const FROM: u64 = 1_767_225_600;
/// 2027-01-01, the end of the validity of some tokens.
pub(crate) const UNTIL: u64 = 1_798_761_600;

pub(crate) const MODULE: Holder = Holder::Module([7; 32]);
pub(crate) const KEY: Holder = Holder::Key([7; 32]);

/// Returns the key of the third party that attests modules.
pub(crate) fn auditor() -> KeyPair {
    KeyPair::from_secret(&[10; 32]).unwrap()
}

const OPERATIONS: [&str; 21] = [
    "clock 10ms",
    "env read APP_MODE",
    "fs read /srv/data",
    "fs read /srv/data/a.csv",
    "fs read /srv/data/b/c.txt",
    "fs read /srv/data-secret/a.csv",
    "fs write /srv/out.txt",
    "fs write /srv/data/a.csv",
    "kv read user/1",
    "module import marked/lib/marked.js#blake3:0707070707070707070707070707070707070707070707070707070707070707",
    "net connect https://api.example.com:443",
    "net connect https://api.example.com:444",
    "net connect https://example.com:443",
    "net connect tcp://db.example.com:5999",
    "net connect tcp://db.example.com:6000",
    "net connect tcp://10.1.2.3:5432",
    "net connect tcp://11.1.2.3:5432",
    "net connect tcp://[fd00::1]:5432",
    "random",
    "store add blake3:0707070707070707070707070707070707070707070707070707070707070707",
    "store read blake3:0707070707070707070707070707070707070707070707070707070707070707",
];

/// Operations that are asked at every time. The others are asked at one time only.
const AT_ALL_TIMES: [&str; 2] = ["fs read /srv/data/a.csv", "net connect tcp://10.1.2.3:5432"];

/// An operation, a time, and holders.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) operation: Operation<'static>,
    pub(crate) now: u64,
    pub(crate) holders: Vec<Holder>,
}

impl Question {
    /// Returns operations, times and holders that distinguish the blocks of the tables in these tests.
    pub(crate) fn all() -> Vec<Question> {
        let at = |now: u64, operations: &'static [&str]| operations.iter().map(move |text| (now, *text));
        let questions = at(FROM, &OPERATIONS)
            .chain(at(FROM - 1, &AT_ALL_TIMES))
            .chain(at(UNTIL - 1, &AT_ALL_TIMES))
            .chain(at(UNTIL, &AT_ALL_TIMES));
        let other = Holder::Module([8; 32]);
        let holders = [
            vec![],
            vec![MODULE],
            vec![KEY],
            vec![KEY, MODULE],
            vec![other, KEY],
        ];
        questions
            .flat_map(|(now, text)| {
                let operation = Families::builtin().parse_operation(text, &base()).unwrap();
                holders.clone().map(|holders| Question {
                    operation: operation.clone(),
                    now,
                    holders,
                })
            })
            .collect()
    }

    /// Decides here, and checks that the compiled decision equals the authorizer's.
    fn decide(&self, token: &Token, authorizer: &Oracle) -> bool {
        let context = Context {
            holders: &self.holders,
            ..Context::at(self.now)
        };
        let allowed = token.authority().decide(&self.operation, &context).is_allowed();
        assert_eq!(
            authorizer.ask(token, &self.operation, &context),
            Ok(allowed),
            "{self:?} by {token:?}"
        );
        allowed
    }

    fn code(&self) -> String {
        text::question(&self.operation, self.now, &self.holders)
    }
}

/// The number of questions, and of positive answers.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) asked: u32,
    pub(crate) allowed: u32,
}

impl Count {
    /// Asks this crate and the peers, and checks that all agree on each question.
    pub(crate) fn ask(token: &Token, peers: &mut [Peer], questions: &[Question]) -> Count {
        let authorizer = Oracle::new().unwrap();
        let ours: Vec<bool> = questions
            .iter()
            .map(|question| question.decide(token, &authorizer))
            .collect();
        let codes: Vec<String> = questions.iter().map(Question::code).collect();
        for peer in peers {
            let theirs = peer.authorize(&token.to_text(), &codes);
            assert_eq!(theirs.len(), ours.len());
            for ((question, ours), theirs) in questions.iter().zip(&ours).zip(&theirs) {
                assert_eq!(
                    theirs, ours,
                    "{} differs about {question:?} by {token:?}",
                    peer.name
                );
            }
        }
        Count {
            asked: u32::try_from(ours.len()).unwrap(),
            allowed: u32::try_from(ours.iter().filter(|allowed| **allowed).count()).unwrap(),
        }
    }

    pub(crate) fn add(&mut self, other: Count) {
        self.asked += other.asked;
        self.allowed += other.allowed;
    }

    /// Prints the share of positive answers. It must be balanced, because implementations that refuse
    /// everything agree too.
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
