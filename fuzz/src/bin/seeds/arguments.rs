use std::path::PathBuf;

use secure_runtime_fuzz::TARGETS;

use crate::Named;

const USAGE: &str = "usage: seeds [--mutations N | --seconds N [--random-seed S] | --replay FILE] [TARGET…]";

pub(crate) struct Arguments {
    pub(crate) mode: Mode,
    /// The named targets, or all if none is named.
    pub(crate) targets: Vec<Named>,
}

pub(crate) enum Mode {
    Mutations(u32),
    Seconds { seconds: u64, random_seed: Option<u64> },
    Replay(PathBuf),
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let (mut mode, mut seed, mut targets) = (None, None, Vec::new());
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
            };
            match word.as_str() {
                "--mutations" => mode = Some(Mode::Mutations(number(&value()?)?)),
                "--seconds" => {
                    mode = Some(Mode::Seconds {
                        seconds: number(&value()?)?,
                        random_seed: None,
                    });
                }
                "--replay" => mode = Some(Mode::Replay(value()?.into())),
                "--random-seed" => seed = Some(number(&value()?)?),
                name => {
                    let known = TARGETS.into_iter().find(|(known, _)| *known == name);
                    targets.push(known.ok_or_else(|| {
                        let names = TARGETS.map(|(name, _)| name).join(", ");
                        format!("{name} is not a target; use one of {names}\n{USAGE}")
                    })?);
                }
            }
        }
        if targets.is_empty() {
            targets = TARGETS.to_vec();
        }
        let mode = match (mode, seed) {
            (Some(Mode::Seconds { seconds, .. }), random_seed) => Mode::Seconds { seconds, random_seed },
            (_, Some(_)) => return Err(format!("--random-seed needs --seconds\n{USAGE}")),
            (mode, None) => mode.unwrap_or(Mode::Mutations(300)),
        };
        Ok(Arguments { mode, targets })
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text} is not a number in range\n{USAGE}"))
}
