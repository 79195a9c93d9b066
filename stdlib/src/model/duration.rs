//! Durations as users write them: `500ms`, `30s`, `5m`, `1h`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// A length of time with whole milliseconds, written `500ms`, `30s`, `5m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u64);

impl Span {
    pub const fn millis(ms: u64) -> Self {
        Self(ms)
    }

    pub const fn secs(s: u64) -> Self {
        Self(s * 1000)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl std::ops::Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Units with their length in milliseconds, longest first, so that a whole number of the longest is written.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let (unit, length) = UNITS.into_iter().find(|(_, length)| self.0.is_multiple_of(*length)).unwrap_or(("ms", 1));
        f.pad(&format!("{}{unit}", self.0 / length))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a duration; write a whole number with ms, s, m or h, such as `30s`");
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let (_, length) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(length).map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn reads_and_writes_every_unit() {
        for text in ["500ms", "30s", "5m", "1h", "90s", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("90s".parse::<Span>().unwrap().as_millis(), 90_000);
    }

    #[test]
    fn refuses_what_is_not_a_duration() {
        for text in ["", "30", "s", "1.5s", "-1s", "1d", "30 s", "99999999999999999999s", "9999999999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
