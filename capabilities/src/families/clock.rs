//! `clock`: the time of day, with a finest resolution.

use std::{fmt, str::FromStr, time::Duration};

use crate::{Action, ActionName, Base, Family, FamilyName, Pattern, Problem};

/// The wall clock. A scope is the finest resolution that may be read. It includes all coarser ones.
#[derive(Debug, Clone, Copy)]
pub struct Clock;

/// A resolution of the clock, finest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// 1 µs.
    Microsecond,
    /// 10 µs.
    TenMicroseconds,
    /// 100 µs.
    HundredMicroseconds,
    /// 1 ms.
    Millisecond,
    /// 10 ms.
    TenMilliseconds,
    /// 100 ms.
    HundredMilliseconds,
    /// 1 s.
    Second,
    /// The clock never advances and always shows the Unix epoch, so it reveals nothing about the time. For
    /// packages that need a clock to load.
    Never,
}

impl Resolution {
    /// All resolutions, finest first.
    pub const ALL: [Resolution; 8] = [
        Resolution::Microsecond,
        Resolution::TenMicroseconds,
        Resolution::HundredMicroseconds,
        Resolution::Millisecond,
        Resolution::TenMilliseconds,
        Resolution::HundredMilliseconds,
        Resolution::Second,
        Resolution::Never,
    ];

    /// Returns the canonical resource, such as `1ms`.
    pub fn as_str(self) -> &'static str {
        match self {
            Resolution::Microsecond => "1us",
            Resolution::TenMicroseconds => "10us",
            Resolution::HundredMicroseconds => "100us",
            Resolution::Millisecond => "1ms",
            Resolution::TenMilliseconds => "10ms",
            Resolution::HundredMilliseconds => "100ms",
            Resolution::Second => "1s",
            Resolution::Never => "never",
        }
    }

    /// Returns the length of one step; for `never`, the longest possible duration.
    pub fn step(self) -> Duration {
        match self {
            Resolution::Microsecond => Duration::from_micros(1),
            Resolution::TenMicroseconds => Duration::from_micros(10),
            Resolution::HundredMicroseconds => Duration::from_micros(100),
            Resolution::Millisecond => Duration::from_millis(1),
            Resolution::TenMilliseconds => Duration::from_millis(10),
            Resolution::HundredMilliseconds => Duration::from_millis(100),
            Resolution::Second => Duration::from_secs(1),
            Resolution::Never => Duration::MAX,
        }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Resolution {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Resolution, Problem> {
        Resolution::ALL
            .into_iter()
            .find(|resolution| resolution.as_str() == text)
            .ok_or(Problem::Resolution)
    }
}

impl Family for Clock {
    fn name(&self) -> FamilyName {
        FamilyName::CLOCK
    }

    fn actions(&self) -> &[Action] {
        &[Action {
            name: ActionName::READ,
            summary: "read the time of day",
        }]
    }

    fn default_action(&self) -> Option<ActionName> {
        Some(ActionName::READ)
    }

    fn parse_scope(&self, _: ActionName, text: &str, _: &Base) -> Result<Vec<Pattern>, Problem> {
        let finest: Resolution = text.parse()?;
        let included = Resolution::ALL
            .into_iter()
            .filter(|resolution| *resolution >= finest);
        Ok(included
            .map(|resolution| Pattern::exact(resolution.as_str()))
            .collect())
    }

    fn parse_resource(&self, _: ActionName, text: &str, _: &Base) -> Result<String, Problem> {
        Ok(text.parse::<Resolution>()?.as_str().to_owned())
    }

    fn describe(&self, _: ActionName, patterns: &[Pattern], _: &Base) -> Vec<String> {
        let allowed = |resolution: &Resolution| patterns.contains(&Pattern::exact(resolution.as_str()));
        // The scope is the finest resolution for which all coarser ones are allowed too.
        let coarsest_first = Resolution::ALL.into_iter().rev();
        let scope: Vec<Resolution> = coarsest_first.take_while(allowed).collect();
        let mut texts: Vec<String> = scope.last().map(Resolution::to_string).into_iter().collect();
        texts.extend(
            patterns
                .iter()
                .filter(|pattern| {
                    !scope
                        .iter()
                        .any(|resolution| pattern.matches(resolution.as_str()))
                })
                .map(crate::describe_pattern),
        );
        texts
    }
}
