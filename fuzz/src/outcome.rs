use std::{
    fmt::{self, Write},
    hash::{DefaultHasher, Hasher},
};

/// The outcome of an input. It replaces coverage, which the stable compiler does not measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The class of the input. The runner keeps the first input of each class, and mutates it further.
    pub class: u64,
    /// The number of questions that the target asked an authority.
    pub asked: u64,
    /// The number of allowed ones. A differential target tests little if nearly all are denied.
    pub allowed: u64,
}

impl Outcome {
    /// Returns the outcome of a target that asks no questions.
    ///
    /// The class is the `Debug` text without quoted texts and hexadecimal digits. This leaves the names of
    /// variants and fields, and their number.
    pub(crate) fn of(result: &impl fmt::Debug) -> Outcome {
        let mut classifier = Classifier {
            hasher: DefaultHasher::new(),
            quoted: false,
            escaped: false,
        };
        // The classifier never fails. If `Debug` fails, the text so far still has a class.
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
