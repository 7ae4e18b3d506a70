//! Why a run went wrong, as far as its end and its last words tell.
//!
//! A guess by rules: what a system or a shell says by a number goes before what a program says in words, and the last
//! words go before earlier ones.

use super::vocabulary::Cause;

/// How many of the last lines are read: what is said further up was not the end.
const LINES: usize = 20;

/// Longest part of a line that is read; who writes more on one line does not say why it fails.
const WIDTH: usize = 2_000;

/// How a run ended that did not pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exit {
    /// Whether its time was over.
    pub timed_out: bool,
    /// What it exited with.
    pub code: Option<i32>,
    /// The signal that ended it, where it was not squad that sent it.
    pub signal: Option<i32>,
}

/// What codes mean by themselves. A shell says 128 and the number of the signal for a command that a signal ended;
/// 124 is from timeout(1), 126 and 127 are from the shell.
const CODES: &[(i32, Cause)] = &[
    (124, Cause::Timeout),
    (126, Cause::Permission),
    (127, Cause::MissingFile),
    (128 + HUP, Cause::Unknown),
    (128 + INT, Cause::Unknown),
    (128 + KILL, Cause::Memory),
    (128 + TERM, Cause::Unknown),
    (128 + XCPU, Cause::Timeout),
];

/// What signals mean: out of memory, the system kills; somebody who wants a program to end asks it.
const SIGNALS: &[(i32, Cause)] = &[
    (HUP, Cause::Unknown),
    (INT, Cause::Unknown),
    (KILL, Cause::Memory),
    (TERM, Cause::Unknown),
    (XCPU, Cause::Timeout),
];

const HUP: i32 = 1;
const INT: i32 = 2;
const KILL: i32 = 9;
const TERM: i32 = 15;
const XCPU: i32 = 24;

/// What words mean, in small letters; of a line the first that fits.
const WORDS: &[(Cause, &[&str])] = &[
    (
        Cause::RateLimit,
        &[
            "rate limit",
            "rate-limit",
            "rate_limit",
            "ratelimit",
            "too many requests",
            "http 429",
            "status 429",
            "error 429",
            "error: 429",
            "usage limit",
            "quota exceeded",
            "overloaded_error",
        ],
    ),
    (
        Cause::Memory,
        &[
            "out of memory",
            "outofmemory",
            "cannot allocate memory",
            "memory allocation of",
            "memoryerror",
            "bad_alloc",
            "enomem",
            "oom-kill",
        ],
    ),
    (
        Cause::MissingFile,
        &[
            "no such file or directory",
            "enoent",
            "file not found",
            "filenotfounderror",
            "command not found",
            "cannot find module",
            "modulenotfounderror",
            "cannot find the file",
            "cannot find the path",
        ],
    ),
    (
        Cause::Network,
        &[
            "could not resolve",
            "name or service not known",
            "temporary failure in name resolution",
            "getaddrinfo",
            "enotfound",
            "eai_again",
            "connection refused",
            "econnrefused",
            "connection reset",
            "econnreset",
            "connection timed out",
            "etimedout",
            "connection closed by",
            "network is unreachable",
            "enetunreach",
            "no route to host",
            "ehostunreach",
            "tls handshake",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway",
            "fetch failed",
        ],
    ),
    (
        Cause::Permission,
        &[
            "permission denied",
            "permissionerror",
            "eacces",
            "operation not permitted",
            "eperm",
            "access denied",
            "access is denied",
            "read-only file system",
            "erofs",
            "401 unauthorized",
            "403 forbidden",
            "authentication failed",
            "invalid api key",
        ],
    ),
    (Cause::Timeout, &["timed out", "timeouterror", "timeout exceeded", "timeout expired", "deadline exceeded"]),
];

/// Returns what a run failed of, from how it ended and the end of what it said.
pub fn cause_of(exit: Exit, said: &str) -> Cause {
    if exit.timed_out {
        return Cause::Timeout;
    }
    let told = |number: Option<i32>, meanings: &[(i32, Cause)]| {
        let number = number?;
        meanings.iter().find(|(of, _)| *of == number).map(|(_, cause)| *cause)
    };
    told(exit.signal, SIGNALS).or_else(|| told(exit.code, CODES)).or_else(|| cause_in(said)).unwrap_or(Cause::Unknown)
}

fn cause_in(said: &str) -> Option<Cause> {
    let lines = said.lines().rev().filter(|line| !line.trim().is_empty()).take(LINES);
    lines.into_iter().find_map(|line| {
        let line: String = line.chars().take(WIDTH).collect::<String>().to_lowercase();
        WORDS.iter().find(|(_, words)| words.iter().any(|word| line.contains(word))).map(|(cause, _)| *cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Exit = Exit { timed_out: false, code: Some(1), signal: None };

    #[test]
    fn what_the_system_says_by_a_number_goes_before_words() {
        let words = "error: connection refused";
        for (code, signal, cause) in [
            (Some(137), None, Cause::Memory),
            (None, Some(9), Cause::Memory),
            (Some(143), None, Cause::Unknown),
            (None, Some(15), Cause::Unknown),
            (Some(130), None, Cause::Unknown),
            (None, Some(2), Cause::Unknown),
            (Some(127), None, Cause::MissingFile),
            (Some(126), None, Cause::Permission),
            (Some(124), None, Cause::Timeout),
            (Some(152), None, Cause::Timeout),
            (None, Some(24), Cause::Timeout),
            // These say only that it went wrong.
            (Some(1), None, Cause::Network),
            (Some(128), None, Cause::Network),
            (None, Some(11), Cause::Network),
            (None, None, Cause::Network),
        ] {
            assert_eq!(cause_of(Exit { timed_out: false, code, signal }, words), cause, "{code:?} {signal:?}");
            assert_eq!(cause_of(Exit { timed_out: true, code, signal }, words), Cause::Timeout, "{code:?} {signal:?}");
        }
    }

    #[test]
    fn what_programs_say_tells_the_cause() {
        for (said, cause) in [
            ("cat: plan.md: No such file or directory", Cause::MissingFile),
            ("Error: ENOENT: no such file or directory, open 'a.json'", Cause::MissingFile),
            ("ModuleNotFoundError: No module named 'x'", Cause::MissingFile),
            ("sh: 1: frob: not found\nbash: frob: command not found", Cause::MissingFile),
            ("fatal: unable to access 'https://x/': Could not resolve host: x", Cause::Network),
            ("ssh: connect to host x port 22: Connection timed out", Cause::Network),
            ("connect ECONNREFUSED 127.0.0.1:80", Cause::Network),
            ("getaddrinfo ENOTFOUND api.example.test", Cause::Network),
            ("memory allocation of 8589934592 bytes failed", Cause::Memory),
            ("FATAL ERROR: Reached heap limit - JavaScript heap out of memory", Cause::Memory),
            ("fork: Cannot allocate memory", Cause::Memory),
            ("terminate called after throwing an instance of 'std::bad_alloc'", Cause::Memory),
            ("git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.", Cause::Permission),
            ("open /etc/shadow: EACCES", Cause::Permission),
            ("HTTP 403 Forbidden\n403 Forbidden", Cause::Permission),
            ("API Error: 429 {\"type\":\"rate_limit_error\"}", Cause::RateLimit),
            ("HTTP/1.1 429 Too Many Requests", Cause::RateLimit),
            ("error: request timed out", Cause::Timeout),
            ("context deadline exceeded", Cause::Timeout),
            ("assertion failed: left == right", Cause::Unknown),
            ("", Cause::Unknown),
        ] {
            assert_eq!(cause_of(FAILED, said), cause, "{said}");
        }
    }

    #[test]
    fn of_several_reasons_the_last_counts_and_old_ones_do_not() {
        assert_eq!(cause_of(FAILED, "rate limit hit, waiting\nwrite: permission denied\n\n"), Cause::Permission);
        let old = format!("connection refused\n{}", "at some place in the code\n".repeat(LINES));
        assert_eq!(cause_of(FAILED, &old), Cause::Unknown);
        assert_eq!(cause_of(FAILED, &format!("{}out of memory", " ".repeat(WIDTH))), Cause::Unknown);
    }

    #[test]
    fn every_cause_can_be_found_and_words_are_in_small_letters() {
        for cause in Cause::ALL.iter().filter(|cause| **cause != Cause::Unknown) {
            let (_, words) = WORDS.iter().find(|(of, _)| of == cause).expect("it has words");
            for word in *words {
                assert_eq!(*word, word.to_lowercase());
                assert_eq!(cause_of(FAILED, &format!("x: {word}!")), *cause, "{word}");
            }
        }
    }
}
