//! The name of an object, so that no other room has to know git2.

use std::fmt;
use std::str::FromStr;

use super::GitError;

/// The SHA-1 name of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(git2::Oid);

impl Oid {
    /// Returns the 20 raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns the name made of 20 raw bytes, or nothing where the length is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        git2::Oid::from_bytes(bytes).ok().map(Self)
    }

    /// Returns the first ten hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }

    pub(super) fn raw(self) -> git2::Oid {
        self.0
    }
}

impl From<git2::Oid> for Oid {
    fn from(raw: git2::Oid) -> Self {
        Self(raw)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Oid {
    type Err = GitError;

    /// Reads exactly forty hexadecimal digits; libgit2 alone would pad a shorter text with zeros.
    fn from_str(text: &str) -> Result<Self, GitError> {
        let bad = || GitError::BadName { what: "object id", text: text.chars().take(80).collect() };
        if text.len() != 40 {
            return Err(bad());
        }
        git2::Oid::from_str(text).map(Self).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forty_hexadecimal_digits_are_an_object_id() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(text.parse::<Oid>().unwrap().to_string(), text);
        assert_eq!(text.parse::<Oid>().unwrap().short(), "0123456789");
        for bad in ["", "0123", "g123456789abcdef0123456789abcdef01234567", "0123456789abcdef0123456789abcdef012345678"]
        {
            assert!(bad.parse::<Oid>().is_err(), "{bad:?}");
        }
    }
}
