//! Checked names: task ids, agent names, operation ids, epochs, instants.
//!
//! Owns what a name may look like. A path is only ever built from a [`TaskId`], so an id with `../` in it
//! cannot reach the file system. Knows nothing of where names are stored.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest task id: room for a suffix within the 255 bytes that file systems allow a name.
pub const TASK_ID_MAX: usize = 120;

/// Longest agent name that squad writes.
pub const AGENT_NAME_MAX: usize = 64;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} {why}")]
pub struct BadName {
    /// What was being named: `task id`, `agent name`, `operation id`.
    pub what: &'static str,
    /// The text as it was given.
    pub text: String,
    /// The rule that it breaks, as the end of a sentence.
    pub why: &'static str,
}

/// Returns a name as a word of a command in a hint: `NAME` stands for one that no agent and no task may have, since what
/// stands in a file may be a command of its own.
pub fn in_command(name: &str) -> &str {
    let is_name = AgentName::new(name).is_ok() || TaskId::new(name).is_ok();
    if is_name { name } else { "NAME" }
}

/// The id of a task, which is also the stem of its file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// Returns the checked id.
    ///
    /// # Errors
    /// [`BadName`] when the text is not `[A-Za-z0-9][A-Za-z0-9._-]{0,119}`, ends with a dot, or is a name that
    /// Windows reserves for a device.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let bad = |why| BadName { what: "task id", text: text.chars().take(200).collect(), why };
        if text.is_empty() {
            return Err(bad("is empty"));
        }
        if text.len() > TASK_ID_MAX {
            return Err(bad("is longer than 120 characters"));
        }
        if !text.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(bad("must start with a letter or a digit"));
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
            return Err(bad("may hold only letters, digits, '.', '_' and '-'"));
        }
        if text.ends_with('.') {
            return Err(bad("must not end with a dot"));
        }
        if is_windows_device(text) {
            return Err(bad("is a device name on Windows"));
        }
        Ok(Self(text.into()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id folded to lower case: two ids that fold alike share one file on some systems.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Tells whether Windows reserves `name`, with or without an extension.
pub fn is_windows_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    match stem.as_str() {
        "con" | "prn" | "aux" | "nul" => true,
        _ => {
            stem.len() == 4
                && (stem.starts_with("com") || stem.starts_with("lpt"))
                && matches!(stem.as_bytes()[3], b'1'..=b'9')
        }
    }
}

impl Borrow<str> for TaskId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TaskId {
    type Err = BadName;
    fn from_str(s: &str) -> Result<Self, BadName> {
        Self::new(s)
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

/// The name of an agent or a person.
///
/// Names compare without regard to ASCII case and keep the spelling of the file they came from, so that
/// touching one field of a hand-made task does not respell another. Names that squad writes are lower case
/// ([`AgentName::new`]).
#[derive(Debug, Clone)]
pub struct AgentName(Arc<str>);

impl AgentName {
    /// Returns the checked name in lower case.
    ///
    /// # Errors
    /// [`BadName`] when the folded text is not `[a-z0-9][a-z0-9._-]{0,63}`.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let bad = |why| BadName { what: "agent name", text: text.chars().take(100).collect(), why };
        let name = text.to_ascii_lowercase();
        if name.is_empty() {
            return Err(bad("is empty"));
        }
        if name.len() > AGENT_NAME_MAX {
            return Err(bad("is longer than 64 characters"));
        }
        if !name.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(bad("must start with a letter or a digit"));
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
            return Err(bad("may hold only letters, digits, '.', '_' and '-'"));
        }
        Ok(Self(name.into()))
    }

    /// Returns a name as it stood in a file: boards made by hand hold names that squad would not make.
    pub fn as_found(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the name as it is spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name in lower case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    fn folded_bytes(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for AgentName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for AgentName {}
impl PartialOrd for AgentName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for AgentName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded_bytes().cmp(other.folded_bytes())
    }
}
impl Hash for AgentName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded_bytes().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xFF);
    }
}
impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl FromStr for AgentName {
    type Err = BadName;
    fn from_str(s: &str) -> Result<Self, BadName> {
        Self::new(s)
    }
}
impl Serialize for AgentName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for AgentName {
    /// Reads any non-empty name: boards made by hand hold names that squad would not make.
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        if text.trim().is_empty() {
            return Err(de::Error::invalid_value(Unexpected::Str(&text), &"a name"));
        }
        Ok(Self(text.into()))
    }
}

/// The alphabet of a ULID: Crockford's base 32.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The id of an operation: a ULID, 26 characters, the first ten of which are its time.
///
/// Format: <https://github.com/ulid/spec>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId([u8; 26]);

impl OpId {
    /// Returns the ULID of an instant and 80 random bits.
    pub fn from_parts(at: Millis, random: [u8; 10]) -> Self {
        // 48 bits of time are enough until the year 10889; anything else is an instant nobody can have meant.
        let time = u64::try_from(at.0).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
        let mut bits = u128::from(time) << 80;
        for (i, byte) in random.iter().enumerate() {
            bits |= u128::from(*byte) << (72 - 8 * i);
        }
        let mut text = [0u8; 26];
        for slot in text.iter_mut().rev() {
            *slot = CROCKFORD[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(text)
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a ULID is ASCII by construction")
    }

    /// Returns the instant that it was made at.
    pub fn time(&self) -> Millis {
        let digit = |byte: &u8| CROCKFORD.iter().position(|c| c == byte).unwrap_or_default() as u64;
        let millis = self.0[..10].iter().fold(0u64, |time, byte| time << 5 | digit(byte));
        Millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// Returns `len` (at most 16) lower-case characters made from the random part, different for each `nth`:
    /// the ids of what an operation makes come from the operation, so that every machine makes the same.
    pub fn suffix(&self, nth: u32, len: usize) -> String {
        let mut bits = self.random_bits().wrapping_add(u128::from(nth));
        let mut text = vec![0u8; len.min(16)];
        for slot in text.iter_mut().rev() {
            *slot = CROCKFORD[(bits & 31) as usize].to_ascii_lowercase();
            bits >>= 5;
        }
        String::from_utf8(text).expect("the alphabet is ASCII")
    }

    /// Returns the `nth` of which [`Self::suffix`] makes this text; nothing where it makes it of none.
    pub fn nth_of(&self, suffix: &str) -> Option<u32> {
        if suffix.is_empty() || suffix.len() > 16 || suffix.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let mut digits = suffix.bytes().map(|byte| CROCKFORD.iter().position(|c| *c == byte.to_ascii_uppercase()));
        let bits = digits.try_fold(0u128, |bits, digit| Some(bits << 5 | digit? as u128))?;
        let mask = (1u128 << (5 * suffix.len())) - 1;
        u32::try_from(bits.wrapping_sub(self.random_bits()) & mask).ok()
    }

    fn random_bits(&self) -> u128 {
        let digit = |byte: &u8| CROCKFORD.iter().position(|c| c == byte).unwrap_or_default() as u128;
        self.0[10..].iter().fold(0, |bits, byte| bits << 5 | digit(byte))
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
impl FromStr for OpId {
    type Err = BadName;
    fn from_str(s: &str) -> Result<Self, BadName> {
        // Of the letters, four stand for none of the digits of base 32.
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'A'..=b'Z') && !matches!(b, b'I' | b'L' | b'O' | b'U');
        let ok = s.len() == 26 && s.bytes().all(is_digit) && s.as_bytes()[0] <= b'7';
        if !ok {
            return Err(BadName {
                what: "operation id",
                text: s.chars().take(40).collect(),
                why: "is not a ULID (26 characters of Crockford's base 32)",
            });
        }
        let mut text = [0u8; 26];
        text.copy_from_slice(s.as_bytes());
        Ok(Self(text))
    }
}
impl Serialize for OpId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
impl<'de> Deserialize<'de> for OpId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// The fencing number of a task. It only rises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Returns the next number.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = integer(d)?;
        u64::try_from(value)
            .map(Self)
            .map_err(|_| de::Error::invalid_value(Unexpected::Signed(value), &"an integer that is not negative"))
    }
}

/// An instant: integer milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// Returns how many milliseconds lie between `earlier` and this instant; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// Returns the instant that many milliseconds later.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Returns the instant that many seconds later.
    pub fn plus_seconds(self, seconds: u64) -> Self {
        self.plus_ms(seconds.saturating_mul(1000))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        integer(d).map(Self)
    }
}

/// Largest integer that every JSON reader keeps exact: 2^53 - 1.
pub const SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Reads an integer as JSON Schema means it: `3`, `3.0` and `3e0` are the same number.
fn integer<'de, D: Deserializer<'de>>(d: D) -> Result<i64, D::Error> {
    struct Integer;
    impl Visitor<'_> for Integer {
        type Value = i64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer within 2^53")
        }
        fn visit_i64<E: de::Error>(self, v: i64) -> Result<i64, E> {
            if (-SAFE_INTEGER..=SAFE_INTEGER).contains(&v) {
                Ok(v)
            } else {
                Err(E::invalid_value(Unexpected::Signed(v), &self))
            }
        }
        fn visit_u64<E: de::Error>(self, v: u64) -> Result<i64, E> {
            i64::try_from(v)
                .map_err(|_| E::invalid_value(Unexpected::Unsigned(v), &self))
                .and_then(|v| self.visit_i64(v))
        }
        #[expect(clippy::cast_possible_truncation, reason = "range and fraction are checked first")]
        fn visit_f64<E: de::Error>(self, v: f64) -> Result<i64, E> {
            if v.fract() == 0.0 && v.abs() <= SAFE_INTEGER as f64 {
                Ok(v as i64)
            } else {
                Err(E::invalid_value(Unexpected::Float(v), &self))
            }
        }
    }
    d.deserialize_any(Integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_stands_in_a_command() {
        for good in ["scout", "Scout", "t-1", "a.b_c", &"x".repeat(TASK_ID_MAX)] {
            assert_eq!(in_command(good), good);
        }
        for bad in ["", "-v", "$(id)", "`id`", "a b", "a\nb", "a;b", "é", "\"", &"x".repeat(TASK_ID_MAX + 1)] {
            assert_eq!(in_command(bad), "NAME", "{bad:?}");
        }
    }

    #[test]
    fn ids_that_could_leave_the_folder_are_refused() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "-x",
            ".x",
            "_x",
            "a\0b",
            "a b",
            "con",
            "CON.txt",
            "aux.1",
            "lpt9",
            "nul",
            "x.",
            "é",
            "a\nb",
            &"x".repeat(121),
        ] {
            assert!(TaskId::new(bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["a", "mc-042", "Task.1", "com0", "console", "comma1", "0", &"x".repeat(120)] {
            assert!(TaskId::new(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn agent_names_compare_without_case_and_are_made_lower_case() {
        assert_eq!(AgentName::new("Scout").expect("a name").as_str(), "scout");
        let read: AgentName = serde_json::from_str("\"Scout\"").expect("a name");
        assert_eq!(read.as_str(), "Scout");
        assert_eq!(read, AgentName::new("scout").expect("a name"));
        assert!(AgentName::new("two words").is_err());
    }

    #[test]
    fn operation_ids_sort_by_time_and_read_back() {
        let a = OpId::from_parts(Millis(1_700_000_000_000), [0xFF; 10]);
        let b = OpId::from_parts(Millis(1_700_000_000_001), [0; 10]);
        assert!(a < b);
        assert_eq!(a.as_str().parse::<OpId>().expect("a ULID"), a);
        // The worked example of the specification.
        assert_eq!(OpId::from_parts(Millis(1_469_918_176_385), [0; 10]).as_str(), "01ARYZ6S410000000000000000");
        assert!("01ARYZ6S41000000000000000I".parse::<OpId>().is_err());
        assert!("81ARYZ6S410000000000000000".parse::<OpId>().is_err());
    }

    #[test]
    fn what_an_operation_has_made_says_the_how_manieth_it_was() {
        for random in [[0; 10], [7; 10], [0xFF; 10]] {
            let op = OpId::from_parts(Millis(1_700_000_000_000), random);
            for (nth, len) in [(0, 4), (1, 4), (39, 6), (0, 16), (31, 6), (32, 6)] {
                assert_eq!(op.nth_of(&op.suffix(nth, len)), Some(nth), "{nth} of {op} in {len}");
            }
            for bad in ["", "ABCD", "u", "a-b", "00000000000000000"] {
                assert_eq!(op.nth_of(bad), None, "{bad:?}");
            }
        }
    }

    #[test]
    fn integers_may_be_spelled_as_floats_but_not_be_fractions() {
        assert_eq!(serde_json::from_str::<Millis>("17e2").expect("an integer"), Millis(1700));
        for bad in ["1.5", "1e300", "9007199254740992", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Millis>(bad).is_err(), "{bad} was accepted");
        }
    }
}
