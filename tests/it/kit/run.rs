//! One run of the binary: what went in, what came out, and what a test may ask of it.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

/// A run that nobody has judged yet.
#[must_use = "a run that nobody looks at proves nothing: ask for `ok()` or `fails(…)`"]
#[derive(Debug)]
pub struct Run(pub Ran);

/// What came out of a run.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output, with the temporary folder replaced by `[ROOT]`.
    pub stdout: String,
    /// Standard error, with the temporary folder replaced by `[ROOT]`.
    pub stderr: String,
    argv: String,
}

impl Run {
    /// Returns the run of `argv` in a test whose temporary folder is `root`.
    pub fn new(argv: String, output: &Output, root: &[PathBuf]) -> Self {
        let clean = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).expect("squad writes UTF-8");
            root.iter().fold(text, |text, root| text.replace(&*root.to_string_lossy(), "[ROOT]"))
        };
        Self(Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: clean(&output.stdout),
            stderr: clean(&output.stderr),
            argv,
        })
    }

    /// Returns what came out, after the run has succeeded.
    #[track_caller]
    pub fn ok(self) -> Ran {
        self.exits(0)
    }

    /// Returns what came out, after the run has ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert!(self.0.code == code, "expected exit {code} of {}", self.0);
        self.0
    }

    /// Returns the `error` of the JSON answer, after the run has failed with this exit code and code string.
    ///
    /// Checks what every failure promises: one object on standard output, version, a message, a hint or not,
    /// and whether trying again makes sense.
    #[track_caller]
    pub fn fails(self, exit: i32, code: &str) -> Value {
        let ran = self.exits(exit);
        let answer = ran.json();
        assert_eq!(answer["v"], 1, "{ran}");
        assert_eq!(answer["ok"], false, "{ran}");
        let error = &answer["error"];
        assert_eq!(error["code"], code, "{ran}");
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "no message: {ran}");
        assert!(error["retryable"].is_boolean(), "no retryable: {ran}");
        error.clone()
    }
}

impl Ran {
    /// Returns standard output as the one JSON object that it must be, by the schema that is shipped.
    #[track_caller]
    pub fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {self}"));
        assert!(value.is_object(), "not an object: {self}");
        if let Err(breach) = holds_to_the_schema(&value) {
            panic!("the answer breaks schema/answer.schema.json: {breach}\n{self}");
        }
        value
    }

    /// Holds the exit code against the one that is wanted, after what `at` tells of.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub fn assert_code(&self, code: i32, at: &str) {
        assert!(self.code == code, "expected exit {code} after {at}, not {self}");
    }

    /// Returns the last line of standard output.
    pub fn last_line(&self) -> &str {
        self.stdout.lines().next_back().unwrap_or("")
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, argv } = self;
        write!(f, "`{argv}`: exit {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Returns the place of the schema of all answers.
pub fn answer_schema() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema/answer.schema.json")
}

thread_local! {
    /// The schema, compiled by another implementation than squad's own. One a thread: a test is a thread.
    static ANSWERS: Option<(boon::Schemas, boon::SchemaIndex)> = compile_answers();
}

fn compile_answers() -> Option<(boon::Schemas, boon::SchemaIndex)> {
    // That it is there has a test of its own.
    let text = std::fs::read_to_string(answer_schema()).ok()?;
    let schema = serde_json::from_str(&text).expect("the schema of answers is JSON");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("answer.json", schema).expect("it is a resource");
    let index = compiler.compile("answer.json", &mut schemas).expect("the schema of answers compiles");
    Some((schemas, index))
}

fn holds_to_the_schema(answer: &Value) -> Result<(), String> {
    ANSWERS.with(|answers| match answers {
        Some((schemas, index)) => schemas.validate(answer, *index).map_err(|breach| format!("{breach:#}")),
        None => Ok(()),
    })
}

/// Returns the words of a command line; single and double quotes hold blanks together, nothing else is special.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut begun, mut quote) = (Vec::new(), String::new(), false, None);
    for c in line.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.push(c),
            None if c == '\'' || c == '"' => {
                begun = true;
                quote = Some(c);
            }
            None if c.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                    begun = false;
                }
            }
            None => {
                begun = true;
                word.push(c);
            }
        }
    }
    assert!(quote.is_none(), "open quote in {line:?}");
    if begun {
        words.push(word);
    }
    words
}

/// Returns a text with what differs from run to run replaced: ids of commits, instants, git's own words.
pub fn settled(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| line.split_once(" fatal: ").map_or(line, |(ours, _)| ours)).collect();
    let text = lines.join("\n");
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| word(c) != word(first)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        let bare = token.trim_end_matches([':', '.']);
        let commit = bare.len() >= 10 && bare.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        let instant = bare.len() >= 20 && bare.as_bytes()[10] == b'T' && bare.ends_with('Z');
        match (commit, instant) {
            (true, _) => out.push_str("[COMMIT]"),
            (_, true) => out.push_str("[INSTANT]"),
            _ => out.push_str(bare),
        }
        out.push_str(&token[bare.len()..]);
        rest = after;
    }
    out
}
