use std::{
    fmt::{self, Write},
    hash::{DefaultHasher, Hasher},
};

/// What came of an input, for the runner: the stable compiler tells it nothing about coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Inputs of one class went about the same way. The runner keeps the first of each and mutates it further.
    pub class: u64,
    /// How many questions the target asked of an authority.
    pub asked: u64,
    /// How many of them were allowed: a differential target of which nearly all are denied tests little.
    pub allowed: u64,
}

impl Outcome {
    /// The outcome of a target that asks no questions.
    ///
    /// The class is the `Debug` text without what stands in quotes and without hexadecimal digits: what is left
    /// are the names of variants and fields, and how many there are.
    pub(crate) fn of(result: &impl fmt::Debug) -> Outcome {
        let mut classifier = Classifier {
            hasher: DefaultHasher::new(),
            quoted: false,
            escaped: false,
        };
        // The classifier never fails, and a `Debug` that does has still a class.
        let _ = write!(classifier, "{result:?}");
        Outcome {
            class: classifier.hasher.finish(),
            ..Outcome::default()
        }
    }
}

struct Classifier {
    hasher: DefaultHasher,
    quoted: bool,
    escaped: bool,
}

impl Write for Classifier {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                b'0'..=b'9' | b'a'..=b'f' => {}
                _ if self.quoted => {}
                _ => self.hasher.write_u8(byte),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_quoted_texts_make_no_new_class() {
        let class = |result: &dyn fmt::Debug| Outcome::of(&result).class;
        assert_eq!(class(&("a\"b", 1)), class(&("c", 23)));
        assert_ne!(class(&("a", 1)), class(&("a", "b", 1)));
        assert_ne!(class(&Some("a")), class(&Ok::<&str, ()>("a")));
    }
}
