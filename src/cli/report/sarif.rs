//! A verdict as SARIF 2.1.0, for code scanning.
//!
//! Source: OASIS, Static Analysis Results Interchange Format 2.1.0.

use serde_json::{Value, json};

use super::foremost;
use crate::cli::ui::escape_json;
use crate::ops::review::Reviewed;
use crate::review::rules::{RULES, Rule};
use crate::schema::{Severity, Violation};

/// Results that one run may have; more are refused by those who read them.
const RESULTS: usize = 5000;

/// Returns the verdict as a document that is safe to look at.
pub(in crate::cli) fn document(reviewed: &Reviewed) -> String {
    let text = format!("{:#}", log(reviewed));
    // The ends of its lines stand between the values, never in one.
    text.lines().map(|line| escape_json(line.to_owned()) + "\n").collect()
}

fn log(reviewed: &Reviewed) -> Value {
    let rules: Vec<&Rule> = RULES.iter().flat_map(|(_, rules)| rules.iter()).collect();
    let results: Vec<Value> = foremost(&reviewed.violations, RESULTS).into_iter().map(|v| result(v, &rules)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "squad",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(violation: &Violation, rules: &[&Rule]) -> Value {
    let mut location = json!({"artifactLocation": {"uri": uri(&violation.file)}});
    if let Some(line) = violation.line {
        location["region"] = json!({"startLine": line});
    }
    let mut result = json!({
        "ruleId": violation.code,
        "level": level(violation.severity),
        "message": {"text": format!("{}. {}", violation.message, violation.hint)},
        "locations": [{
            "physicalLocation": location,
            "logicalLocations": [{"fullyQualifiedName": violation.pointer}],
        }],
    });
    if let Some(at) = rules.iter().position(|rule| rule.code == violation.code) {
        result["ruleIndex"] = json!(at);
    }
    result
}

/// Returns a path as a relative address.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(byte.into()),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_as_json_escapes_it() {
        let violation = Violation::error("x", "f", "/p\u{9b}", "a\n\u{202e}\u{e0041}", "h");
        let text = document(&Reviewed { violations: vec![violation.clone()], ..Reviewed::default() });
        assert!(!text.contains(['\u{202e}', '\u{9b}', '\u{e0041}']), "{text}");
        let result = &serde_json::from_str::<Value>(&text).unwrap()["runs"][0]["results"][0];
        assert_eq!(result["message"]["text"], format!("{}. h", violation.message));
        assert_eq!(result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "/p\u{9b}");
    }
}
