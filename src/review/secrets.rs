//! Strings that look like a key to something: what is pushed to a board cannot be taken back.
//!
//! Owns which shapes are known and how a false alarm is marked. Only what a change adds is looked at.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::Value;

use crate::schema::{Json, NOT_SECRET, Violation};

/// How many digits of the digest a fingerprint has.
const FINGERPRINT: usize = 16;

/// Shapes of keys that begin with a word of their own: what they are, how they begin, and how many characters of a
/// key follow at least. Source: what the issuers publish for scanners.
const PREFIXES: &[(&str, &str, usize)] = &[
    ("a key of AWS", "AKIA", 16),
    ("a key of AWS", "ASIA", 16),
    ("a token of GitHub", "ghp_", 30),
    ("a token of GitHub", "gho_", 30),
    ("a token of GitHub", "ghu_", 30),
    ("a token of GitHub", "ghs_", 30),
    ("a token of GitHub", "ghr_", 30),
    ("a token of GitHub", "github_pat_", 30),
    ("a token of GitLab", "glpat-", 16),
    ("a token of Slack", "xoxb-", 16),
    ("a token of Slack", "xoxp-", 16),
    ("a token of Slack", "xoxa-", 16),
    ("a token of Slack", "xapp-", 16),
    ("a key of Google", "AIza", 30),
    ("a key of Anthropic", "sk-ant-", 20),
    ("a key of OpenAI", "sk-proj-", 20),
    ("a secret key", "sk-", 32),
    ("a key of Stripe", "sk_live_", 16),
    ("a key of Stripe", "rk_live_", 16),
    ("a token of npm", "npm_", 30),
    ("a token of PyPI", "pypi-", 40),
    ("a key of SendGrid", "SG.", 40),
    ("a token of Hugging Face", "hf_", 30),
    ("a token (JWT)", "eyJhbGciOi", 30),
    ("a token (JWT)", "eyJ0eXAiOi", 30),
];

/// The shortest key of them, its beginning included.
const SHORTEST_KEY: usize = 20;

/// Of those the ones whose parts have dots between them.
const DOTTED: &[&str] = &["SG.", "eyJhbGciOi", "eyJ0eXAiOi"];

/// Names under which keys are passed in addresses and settings.
const NAMES: &[&str] = &[
    "access_token",
    "accesskey",
    "access_key",
    "api_key",
    "apikey",
    "api-key",
    "auth_token",
    "client_secret",
    "passwd",
    "password",
    "private_token",
    "secret",
    "secret_key",
    "token",
];

/// Shortest value of such a name that is taken for a key.
const VALUE_MIN: usize = 12;

/// Shortest password of an address that is taken for one.
const PASSWORD_MIN: usize = 6;

/// Words that stand where the password of an address would in examples.
const WORDS: &[&str] = &["passphrase", "passwd", "password", "passwort", "postgres", "secret", "mysecretpassword"];

/// Words that stand where a key would in examples.
const PLACEHOLDERS: &[&str] = &["xxxx", "your", "example", "redacted", "changeme", "placeholder", "****", "1234567"];

/// Something that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// Where it stands in its document, as a JSON pointer.
    pub pointer: String,
    /// What marks it as a false alarm.
    pub mark: String,
    /// What it looks like. Never the thing itself: this is printed into logs that others read.
    pub message: String,
}

/// Looks at what a file holds that it did not hold before.
pub(super) fn look(path: &str, new: &[u8], old: Option<&[u8]>, found: &mut Vec<Violation>) {
    let Ok(document) = Json::parse(new) else { return };
    let old = old.and_then(|bytes| Json::parse(bytes).ok()).map(|json| json.to_value());
    let suspicions = suspicions(&document.to_value(), old.as_ref());
    found.extend(suspicions.into_iter().map(|Suspicion { pointer, mark, message }| {
        let hint = format!(
            "take it out, and change it where it is used: what was pushed stays known. Where it is no secret, add \"{mark}\" to `{NOT_SECRET}` of the same file"
        );
        Violation::error("secret", path, pointer, message, hint)
    }));
}

/// Returns what looks like a secret in a document and does not stand in an older version of it. What either of them
/// marks as a false alarm is none.
pub fn suspicions(new: &Value, old: Option<&Value>) -> Vec<Suspicion> {
    let mut found = Vec::new();
    each_string(new, &mut String::new(), &mut |pointer, text| {
        for (what, secret) in secrets_in(text) {
            let message = format!("this looks like {what}: {}", shape(secret));
            let mark = fingerprint(secret);
            found.push((text.to_owned(), Suspicion { pointer: pointer.to_owned(), mark, message }));
        }
    });
    if found.is_empty() {
        return Vec::new();
    }
    let mut known: HashSet<String> = HashSet::new();
    if let Some(old) = old {
        each_string(old, &mut String::new(), &mut |_, text| {
            known.insert(text.to_owned());
        });
    }
    let excused = |mark: &str| [Some(new), old].into_iter().flatten().any(|document| is_marked(document, mark));
    found.retain(|(text, suspicion)| !known.contains(text) && !excused(&suspicion.mark));
    found.into_iter().map(|(_, suspicion)| suspicion).collect()
}

fn is_marked(document: &Value, mark: &str) -> bool {
    matches!(document.get(NOT_SECRET), Some(Value::Array(marks)) if marks.iter().any(|one| one.as_str() == Some(mark)))
}

/// Returns a text with what each secret in it looks like in its place.
pub fn masked(text: &str) -> String {
    let mut secrets = secrets_in(text);
    secrets.sort_by_key(|(_, secret)| place_of(text, secret).start);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (what, secret) in secrets {
        let place = place_of(text, secret);
        if place.start < from {
            continue;
        }
        out.push_str(&text[from..place.start]);
        out.push_str(&format!("[{what}]"));
        from = place.end;
    }
    out.push_str(&text[from..]);
    out
}

/// Calls `each` with every string of a document and its pointer.
fn each_string(value: &Value, pointer: &mut String, each: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => each(pointer, text),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                within(pointer, &i.to_string(), |pointer| each_string(item, pointer, each));
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                if key.len() >= VALUE_MIN {
                    each(pointer, key);
                }
                within(pointer, &key.replace('~', "~0").replace('/', "~1"), |pointer| each_string(item, pointer, each));
            }
        }
        _ => {}
    }
}

fn within(pointer: &mut String, part: &str, then: impl FnOnce(&mut String)) {
    let len = pointer.len();
    pointer.push('/');
    pointer.push_str(part);
    then(pointer);
    pointer.truncate(len);
}

/// Returns what looks like a secret in a text, and what it looks like; each once.
pub fn secrets_in(text: &str) -> Vec<(&'static str, &str)> {
    let mut found: Vec<(&'static str, &str)> = Vec::new();
    for line_start in text.match_indices("-----BEGIN ").map(|(at, _)| at) {
        let rest = &text[line_start..];
        if rest.lines().next().is_some_and(|line| line.contains("PRIVATE KEY")) {
            found.push(("a private key", rest));
        }
    }
    // Every file that changes and every verb is looked at, and hardly a text has anything that a key could be.
    if longest_run(text) >= SHORTEST_KEY {
        keys_in(text, &mut found);
    }
    let lower = text.to_ascii_lowercase();
    let looks_drawn =
        |(_, value): &(usize, &str)| value.len() >= VALUE_MIN && !is_placeholder(value) && is_mixed(value);
    let named = named_values(text, &lower).into_iter().chain(header_values(text, &lower)).filter(looks_drawn);
    let several = named.map(|(at, value)| (at, "the value of a password or key", value));
    let in_addresses = passwords_of_addresses(text).into_iter();
    for (at, what, value) in several.chain(in_addresses.map(|(at, value)| (at, "the password of an address", value))) {
        if found.iter().all(|(_, known)| !overlaps(text, known, at)) {
            found.push((what, value));
        }
    }
    found
}

/// Returns how long the longest part of a text is that could be a key.
fn longest_run(text: &str) -> usize {
    text.split(|c| !is_key_char(c) && c != '.').map(str::len).max().unwrap_or(0)
}

/// Finds keys that begin with a word of their own.
fn keys_in<'a>(text: &'a str, found: &mut Vec<(&'static str, &'a str)>) {
    for (what, prefix, least) in PREFIXES {
        for (at, _) in text.match_indices(prefix) {
            let begins = without_colour(&text[..at])
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
            let run = run_of(&text[at..], |c| is_key_char(c) || (c == '.' && DOTTED.contains(prefix)));
            let is_new = found.iter().all(|(_, known)| !overlaps(text, known, at));
            if begins
                && is_new
                && run.len() >= prefix.len() + least
                && !is_placeholder(run)
                && is_mixed(&run[prefix.len()..])
            {
                found.push((what, run));
            }
        }
    }
}

/// Returns a text without the order to a terminal (a colour) that ends it, whose last letter belongs to no word.
fn without_colour(text: &str) -> &str {
    let order = text.strip_suffix(|c: char| c.is_ascii_alphabetic());
    let order = order.map(|rest| rest.trim_end_matches(|c: char| c.is_ascii_digit() || c == ';'));
    order.and_then(|rest| rest.strip_suffix("\u{1b}[").or_else(|| rest.strip_suffix('['))).unwrap_or(text)
}

/// Returns where in a text a part of it lies.
fn place_of(text: &str, part: &str) -> Range<usize> {
    let begin = part.as_ptr() as usize - text.as_ptr() as usize;
    begin..begin + part.len()
}

fn overlaps(text: &str, known: &str, at: usize) -> bool {
    place_of(text, known).contains(&at)
}

/// Returns what stands after a name under which keys are passed, and where: `…?token=VALUE`, `password: VALUE`.
/// `lower` is the text in small letters.
fn named_values<'a>(text: &'a str, lower: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    if !text.contains(['=', ':']) {
        return found;
    }
    for name in NAMES {
        for (at, _) in lower.match_indices(name) {
            let before = lower[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
                continue;
            }
            let rest = &text[at + name.len()..];
            let rest = rest.trim_start_matches(['"', '\'']);
            let is_query = before.is_some_and(|c| c == '?' || c == '&');
            let value = match is_query {
                true => rest.strip_prefix('='),
                false => rest.trim_start_matches(' ').strip_prefix(['=', ':']).map(|rest| rest.trim_start_matches(' ')),
            };
            let Some(value) = value else { continue };
            let quote = value.chars().next().filter(|c| ['"', '\''].contains(c));
            let value = match quote {
                Some(quote) => run_of(&value[1..], |c| c != quote && !c.is_whitespace()),
                None => run_of(value, |c| is_key_char(c) || "+/=%.~".contains(c)),
            };
            // Where no sign binds them, programs and sentences have names, paths and calls in that place.
            let is_bound = rest.starts_with('=');
            if quote.is_none() && !is_bound && !is_of_all_sorts(value) && !is_plain_key(value) {
                continue;
            }
            found.push((place_of(text, value).start, value));
        }
    }
    found
}

/// Returns the passwords of addresses, and where they stand: `scheme://user:PASSWORD@host`.
fn passwords_of_addresses(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let rest = run_of(&text[at + 3..], |c| !c.is_whitespace() && !"/?#\"'<>`,".contains(c));
        let Some((user, password)) = rest.rsplit_once('@').and_then(|(who, _)| who.split_once(':')) else { continue };
        let is_word = user.eq_ignore_ascii_case(password) || WORDS.contains(&password.to_ascii_lowercase().as_str());
        let stands_for_one = password.starts_with(['$', '{', '*', '%']);
        if password.len() >= PASSWORD_MIN && !is_word && !stands_for_one && !is_placeholder(password) {
            found.push((place_of(text, password).start, password));
        }
    }
    found
}

/// Returns what stands in headers that let somebody in, and where: `Authorization: Bearer VALUE`. `lower` is the text in
/// small letters.
fn header_values<'a>(text: &'a str, lower: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, name) in lower.match_indices("authorization") {
        let rest = &text[at + name.len()..];
        let rest = rest.trim_start_matches(['"', '\'', ' ', ':', '=']);
        let Some((scheme, value)) = rest.split_once(char::is_whitespace) else { continue };
        if !["bearer", "basic", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            continue;
        }
        let value = run_of(value.trim_start(), |c| is_key_char(c) || "+/=.~".contains(c));
        found.push((place_of(text, value).start, value));
    }
    found
}

fn run_of(text: &str, is_part: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    &text[..end]
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

/// Tells whether a text is drawn from letters and digits, as keys are and words are not.
fn is_mixed(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let letters = text.chars().filter(char::is_ascii_alphabetic).count();
    let distinct: HashSet<char> = text.chars().collect();
    digits >= 1 && letters >= 1 && distinct.len() >= 6
}

/// Tells whether a text has small letters, capitals and several digits.
fn is_of_all_sorts(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
    has(u8::is_ascii_lowercase) > 0 && has(u8::is_ascii_uppercase) > 0 && has(u8::is_ascii_digit) > 1
}

/// Tells whether a text is nothing but many letters and digits.
fn is_plain_key(text: &str) -> bool {
    text.len() >= 16
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().filter(u8::is_ascii_digit).count() > 1
}

/// Returns what marks a text as no secret: it tells nothing about the text.
pub fn fingerprint(text: &str) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    let digest = Sha256::digest(text.as_bytes());
    let mut hex = String::with_capacity(FINGERPRINT);
    for byte in digest.iter().take(FINGERPRINT / 2) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Returns how a secret begins, for whoever has to find it.
fn shape(secret: &str) -> String {
    let begin: String = secret.chars().take(4).collect();
    format!("{}… ({} characters)", begin.escape_debug(), secret.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_shorter_than_what_is_looked_for() {
        let lengths = PREFIXES.iter().map(|(_, prefix, least)| prefix.len() + least);
        assert_eq!(lengths.min(), Some(SHORTEST_KEY));
    }
}
