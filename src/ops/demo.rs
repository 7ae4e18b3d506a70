//! A small board, played through: agents race for its tasks as real processes, and what they were told is held against
//! what the remote has.
//!
//! Owns the scratch folder, the script and the checks. The players are this very program, started anew for each step:
//! for `demo` in an environment that holds nothing of the user's, for `selftest` in the user's own. Everything is local,
//! so it works offline.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::failure::Failure;
use crate::board::Git;
use crate::board::receipt::{self, Receipt};
use crate::model::code::ErrorCode;
use crate::runner::command::{Call, Ran, run_together};

mod checks;
pub use checks::Check;

/// The person who owns the board.
const OWNER: &str = "ada";

/// The agents.
const AGENTS: [&str; 3] = ["scout", "forge", "pixel"];

/// The tasks: id, title, the path that it touches.
const TASKS: [(&str, &str, &str); 5] = [
    ("login", "Renew the session token in time", "src/auth/**"),
    ("session", "Sign out on every device", "src/auth/session.rs"),
    ("search", "Search titles as you type", "src/search/**"),
    ("billing", "Show invoices by month", "src/billing/**"),
    ("docs", "Write the quick start", "docs/**"),
];

/// The exit code of a lost race.
const LOST: i32 = 6;

/// The exit code of a path that is held.
const LOCKED: i32 = 7;

/// The exit code of a rule that refuses.
const REFUSED: i32 = 5;

/// The verbs that judge a board and the machine.
const GATES: [&str; 3] = ["check", "audit", "doctor"];

/// Longest that one step may take: well beyond the time that a verb goes on trying for.
const STEP_LIMIT: Duration = Duration::from_secs(300);

/// Whose git the play is played with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// One without any settings: it holds the same everywhere.
    Bare,
    /// The user's, with all their settings: then the board is also held against the gates that a real one has.
    Users,
}

/// What the play needs from outside.
#[derive(Debug)]
pub struct Stage {
    /// Whose git it is.
    pub world: World,
    /// This program.
    pub program: PathBuf,
    /// The environment of the players: for [`World::Bare`] what programs need to start at all, `PATH` above all.
    pub env: Vec<(OsString, OsString)>,
    /// The folder to play in, which is kept; a temporary one without.
    pub dir: Option<PathBuf>,
}

/// What happened.
#[derive(Debug)]
pub struct Story {
    /// The folder.
    pub dir: PathBuf,
    /// Whether it is still there.
    pub kept: bool,
    /// What was done, by scene.
    pub scenes: Vec<Scene>,
    /// What the remote's history holds, oldest first.
    pub receipts: Vec<Receipt>,
    /// What has to be so, and whether it is.
    pub checks: Vec<Check>,
}

impl Story {
    /// Returns the steps of all scenes, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.scenes.iter().flat_map(|scene| &scene.steps)
    }
}

/// Steps that belong together.
#[derive(Debug)]
pub struct Scene {
    /// What it is about.
    pub title: String,
    /// Whether it only prepares the others.
    pub prologue: bool,
    /// What was done, in order; those of a race all at once.
    pub steps: Vec<Step>,
}

/// One run of this program.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Who acted.
    pub agent: &'static str,
    /// The command line, as one would type it.
    pub command: String,
    /// The exit code; `null` when a signal ended it.
    pub exit: Option<i32>,
    /// The receipt that was acknowledged, or that a refusal names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What came of it, in a few words.
    pub summary: String,
    /// The exit code that the script foresees; nothing for one of a race.
    #[serde(skip)]
    expected: Option<i32>,
    /// The JSON answer.
    #[serde(skip)]
    answer: Value,
}

impl Step {
    /// Tells whether it did what it was asked to.
    pub fn succeeded(&self) -> bool {
        self.exit == Some(0)
    }

    /// Tells whether it ended as the script foresees; one of a race may end either way.
    pub fn is_foreseen(&self) -> bool {
        self.expected.is_none_or(|expected| self.exit == Some(expected))
    }

    /// Tells whether the agent was told that the board has changed by it.
    pub fn changed(&self) -> bool {
        self.succeeded() && self.answer["receipt"].is_object() && self.answer.get("unchanged").is_none()
    }
}

/// Plays the whole script and checks what came of it.
///
/// # Errors
/// [`Failure`] when the folder cannot be used, or git or this program not be started. That a check does not hold is
/// no error here: [`Story::checks`] says so.
pub fn play(stage: Stage) -> Result<Story, Failure> {
    let scratch = Scratch::new(stage.dir.as_deref())?;
    let mut play = Play::new(stage, scratch.path())?;
    play.prepare()?;
    let winner = play.race_for_one()?;
    play.race_for_many()?;
    play.meet_a_lock(winner)?;
    play.ask_a_person(winner)?;
    play.review()?;
    play.hand_in(winner)?;
    if play.world == World::Users {
        play.pass_the_gates()?;
    }
    let (receipts, checks) = checks::judge(&play)?;
    let broken = checks.iter().any(|check| !check.ok);
    // Where something is wrong with the demo, the folder is the proof of it.
    let kept = scratch.end(broken && play.world == World::Bare)?;
    Ok(Story { dir: play.root, kept, scenes: play.scenes, receipts, checks })
}

/// The folder of the play.
enum Scratch {
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Scratch {
    fn new(given: Option<&Path>) -> Result<Self, Failure> {
        let Some(dir) = given else {
            let made = tempfile::Builder::new().prefix("squad-demo-").tempdir();
            return made.map(Self::Temporary).map_err(|e| broken("cannot make a temporary folder").caused_by(&e));
        };
        let cannot = |e: &std::io::Error| broken(format!("cannot use {} as a folder", dir.display())).caused_by(e);
        std::fs::create_dir_all(dir).map_err(|e| cannot(&e))?;
        if std::fs::read_dir(dir).map_err(|e| cannot(&e))?.next().is_some() {
            return Err(Failure::new(ErrorCode::Usage, format!("{} is not empty", dir.display()))
                .hint("name a new folder, or none for a temporary one"));
        }
        dir.canonicalize().map(Self::Given).map_err(|e| cannot(&e))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    /// Removes what is temporary, unless it is to be kept; tells whether the folder is still there.
    fn end(self, keep: bool) -> Result<bool, Failure> {
        match self {
            Self::Temporary(folder) if !keep => {
                folder.close().map_err(|e| broken("cannot remove the temporary folder").caused_by(&e))?;
                return Ok(false);
            }
            Self::Temporary(folder) => drop(folder.keep()),
            Self::Given(_) => {}
        }
        Ok(true)
    }
}

fn broken(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::Internal, message)
}

/// The play while it goes on.
struct Play {
    world: World,
    root: PathBuf,
    program: PathBuf,
    env: Vec<(OsString, OsString)>,
    git: Git,
    scenes: Vec<Scene>,
}

/// Who does what, as arguments.
type Turn<'a> = (&'static str, Vec<&'a str>);

impl Play {
    fn new(stage: Stage, root: &Path) -> Result<Self, Failure> {
        let mut env = stage.env;
        // What is left behind in a folder for temporary files goes with the play.
        for key in ["TMPDIR", "TEMP", "TMP"] {
            env.push((key.into(), root.into()));
        }
        for (key, value) in [("GIT_TERMINAL_PROMPT", "0"), ("LC_ALL", "C"), ("NO_COLOR", "1")] {
            env.push((key.into(), value.into()));
        }
        if stage.world == World::Bare {
            env.push(("HOME".into(), root.into()));
            env.extend(
                [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")].map(|(k, v)| (k.into(), v.into())),
            );
        }
        // The commit that the play begins with needs an author, whoever the user is, and if they are nobody yet.
        let git = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].iter().fold(Git::alone_with(env.clone()), |git, name| {
            git.env(*name, OWNER).env(name.replace("NAME", "EMAIL"), format!("{OWNER}@example.com"))
        });
        let play =
            Self { world: stage.world, root: root.to_owned(), program: stage.program, env, git, scenes: Vec::new() };
        play.set_the_stage()?;
        Ok(play)
    }

    /// Makes the remote, with one commit of code, and a clone for everybody, with a name of their own.
    fn set_the_stage(&self) -> Result<(), Failure> {
        let root = &self.root;
        self.git("init", root, &["--quiet", "--bare", "--initial-branch=main", "--template=", "remote.git"])?;
        for name in [OWNER].into_iter().chain(AGENTS) {
            self.git("clone", root, &["--quiet", "--template=", "remote.git", name])?;
            let clone = root.join(name);
            if self.world == World::Bare {
                self.git("config", &clone, &["user.name", name])?;
                self.git("config", &clone, &["user.email", &format!("{name}@example.com")])?;
            }
            if name == OWNER {
                let readme = clone.join("README.md");
                File::create(&readme)
                    .and_then(|mut file| file.write_all(b"# Shop\n\nWhat the agents of the demo work on.\n"))
                    .map_err(|e| broken(format!("cannot write {}", readme.display())).caused_by(&e))?;
                self.git("add", &clone, &["README.md"])?;
                self.git("commit", &clone, &["--quiet", "--no-verify", "--no-gpg-sign", "--message=Begin"])?;
                self.git("push", &clone, &["--quiet", "origin", "HEAD:main"])?;
            }
        }
        Ok(())
    }

    fn git(&self, what: &'static str, dir: &Path, args: &[&str]) -> Result<Vec<u8>, Failure> {
        let output = self.git.command(what).dir(dir).verb().args(args).output();
        output.map_err(|e| broken("git cannot set the stage").caused_by(&e))
    }

    fn remote(&self) -> PathBuf {
        self.root.join("remote.git")
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.scenes.iter().flat_map(|scene| &scene.steps)
    }

    fn scene(&mut self, title: impl Into<String>) {
        self.scenes.push(Scene { title: title.into(), prologue: false, steps: Vec::new() });
    }

    /// Lets one act, and notes how that is to end.
    fn act(&mut self, agent: &'static str, args: &[&str], expected: i32) -> Result<(), Failure> {
        self.act_with(agent, args, b"", expected)
    }

    fn act_with(&mut self, agent: &'static str, args: &[&str], stdin: &[u8], expected: i32) -> Result<(), Failure> {
        self.at_once(&[(agent, args.to_vec())], stdin, Some(expected)).map(drop)
    }

    /// Lets several act at once; returns the place of the first who succeeded.
    fn at_once(&mut self, turns: &[Turn], stdin: &[u8], expected: Option<i32>) -> Result<Option<usize>, Failure> {
        let calls: Vec<Call> = turns
            .iter()
            .map(|(agent, args)| Call {
                program: self.program.clone(),
                // A user who wants to be asked before a push has agreed to these, which leave the machine nowhere.
                args: args.iter().copied().chain(["--json", "--yes", "--agent", agent]).map(str::to_owned).collect(),
                dir: self.root.join(agent),
                env: self.env.clone(),
                stdin: stdin.to_vec(),
            })
            .collect();
        let ends = run_together(&calls, STEP_LIMIT)
            .map_err(|e| broken(format!("cannot run {}", self.program.display())).caused_by(&e))?;
        let steps: Vec<Step> = turns.iter().zip(&ends).map(|(turn, ran)| step(turn, ran, expected)).collect();
        let first = steps.iter().position(Step::succeeded);
        self.scenes.last_mut().expect("a scene has begun").steps.extend(steps);
        Ok(first)
    }

    fn prepare(&mut self) -> Result<(), Failure> {
        self.scene("A board, three agents and five tasks, on a remote that is a bare repository");
        self.scenes[0].prologue = true;
        self.act(OWNER, &["init"], 0)?;
        for agent in AGENTS {
            self.act(OWNER, &["agents", "add", agent, "--role", "executor"], 0)?;
        }
        let tasks: Vec<Value> =
            TASKS.iter().map(|(id, title, path)| json!({"id": id, "title": title, "files": [path]})).collect();
        self.act_with(OWNER, &["new", "--from", "-"], Value::Array(tasks).to_string().as_bytes(), 0)
    }

    /// Returns who won.
    fn race_for_one(&mut self) -> Result<&'static str, Failure> {
        self.scene("All three claim the same task at once: one wins, the others are told who did");
        let turns = AGENTS.map(|agent| (agent, vec!["claim", "login", "--plan", "Look at the token's clock first"]));
        let first = self.at_once(&turns, b"", None)?;
        Ok(AGENTS[first.unwrap_or(0)])
    }

    fn race_for_many(&mut self) -> Result<(), Failure> {
        self.scene("Each claims a task of its own at once: nobody is in anybody's way");
        let tasks = ["search", "billing", "docs"];
        let turns: Vec<Turn> = AGENTS
            .into_iter()
            .zip(tasks)
            .map(|(agent, task)| (agent, vec!["claim", task, "--plan", "As the title says"]))
            .collect();
        self.at_once(&turns, b"", Some(0)).map(drop)
    }

    fn meet_a_lock(&mut self, winner: &str) -> Result<(), Failure> {
        self.scene("A task whose file lies below a path that another task holds has to wait");
        self.act(other_than(winner), &["claim", "session", "--plan", "End every session"], LOCKED)
    }

    fn ask_a_person(&mut self, winner: &'static str) -> Result<(), Failure> {
        self.scene("Work stops for a question, and goes on with the answer");
        let ask = [
            "block",
            "login",
            "--kind",
            "human",
            "--reason",
            "Two designs are possible",
            "--need",
            "a decision",
            "--question",
            "Renew before or after it expires?",
            "--option",
            "before",
            "--option",
            "after",
        ];
        self.act(winner, &ask, 0)?;
        self.act(OWNER, &["unblock", "login", "--comment", "before"], 0)
    }

    fn review(&mut self) -> Result<(), Failure> {
        self.scene("A review sends work back once, then lets it pass");
        let [agent, ..] = AGENTS;
        let submit = [
            "submit",
            "search",
            "--deliverable",
            "src/search",
            "--summary",
            "Titles are found as you type",
            "--evidence",
            "commit:HEAD",
        ];
        self.act(agent, &submit, 0)?;
        self.act(OWNER, &["reject", "search", "--missing", "a test with no match"], 0)?;
        self.act(agent, &submit, 0)?;
        self.act(OWNER, &["approve", "search"], 0)
    }

    fn hand_in(&mut self, winner: &'static str) -> Result<(), Failure> {
        self.scene("Done needs proof: squad runs the command itself. Then the path is free");
        let bare =
            ["complete", "login", "--deliverable", "src/auth", "--summary", "Renewed a minute before it expires"];
        self.act(winner, &bare, REFUSED)?;
        let run = ["--run", "git grep -c agents README.md"];
        self.act(winner, &[&bare[..], &run].concat(), 0)?;
        let search = ["complete", "search", "--deliverable", "src/search", "--summary", "As reviewed"];
        self.act(AGENTS[0], &[&search[..], &run].concat(), 0)?;
        self.act(other_than(winner), &["claim", "session", "--plan", "End every session"], 0)
    }

    /// Lets those look who judge a board: of everything that was done nothing is wrong.
    fn pass_the_gates(&mut self) -> Result<(), Failure> {
        self.scene("What judges a board finds nothing wrong with it, or with this machine");
        GATES.iter().try_for_each(|gate| self.act(OWNER, &[gate], 0))
    }
}

fn other_than(agent: &str) -> &'static str {
    AGENTS.into_iter().find(|other| *other != agent).expect("there are three")
}

fn step((agent, args): &Turn, ran: &Ran, expected: Option<i32>) -> Step {
    let quoted = |word: &&str| match word.contains(|c: char| c.is_whitespace() || "*?'\"".contains(c)) {
        true => format!("'{word}'"),
        false => (*word).to_owned(),
    };
    let command = args.iter().map(quoted).collect::<Vec<_>>().join(" ");
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap_or_default();
    let commit = [&answer["receipt"]["commit"], &answer["error"]["commit"]].into_iter().find_map(Value::as_str);
    Step {
        agent,
        command,
        exit: ran.code,
        summary: summary(&answer, ran),
        commit: commit.map(str::to_owned),
        expected,
        answer,
    }
}

/// Returns what an answer says, in a few words.
fn summary(answer: &Value, ran: &Ran) -> String {
    let error = &answer["error"];
    let probes = error["checks"].as_array().into_iter().flatten().filter(|probe| probe["state"] == "failed");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told: Vec<String> = probes
        .map(|probe| format!("{}: {}; {}", text(&probe["name"]), text(&probe["detail"]), text(&probe["fix"])))
        .collect();
    if !told.is_empty() {
        return told.join("; ");
    }
    if let Some(message) = error["message"].as_str() {
        // What could not be done is the command itself, which stands beside it.
        let message = message.split_once(": ").map_or(message, |(_, what)| what);
        return error["why"].as_str().map_or_else(|| message.to_owned(), |why| format!("{message}; {why}"));
    }
    let receipt = &answer["receipt"];
    match (receipt["from"].as_str(), receipt["to"].as_str(), receipt["epoch"].as_u64()) {
        (Some(from), Some(to), Some(epoch)) => format!("{from} → {to}, epoch {epoch}"),
        (Some(from), Some(to), None) => format!("{from} → {to}"),
        _ => match (answer["unchanged"].as_str(), answer["head"].as_str()) {
            (Some(why), _) => format!("nothing to do: {why}"),
            (None, Some(head)) => format!("sees the board at {head}"),
            (None, None) if receipt.is_object() => "done".to_owned(),
            // No answer at all: a program that broke.
            (None, None) => String::from_utf8_lossy(&ran.stderr).trim().to_owned(),
        },
    }
}
