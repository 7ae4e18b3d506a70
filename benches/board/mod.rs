//! Boards of any size for measuring: the same seed gives the same bytes on every machine.
//!
//! Owns what a realistic board looks like. Writes it straight into a bare repository with `git fast-import`, so that
//! a hundred thousand tasks take seconds. The board it writes passes `squad check`.

pub mod history;

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Map, Value, json};

/// The instant that all times of a board are counted back from: 2026-01-01.
const NOW: i64 = 1_767_225_600_000;

const HOUR: i64 = 3_600_000;

/// The executors of a board, one of whom is `scout`.
pub const EXECUTORS: [&str; 8] = ["scout", "aria", "vault", "rigor", "slate", "pulse", "reach", "iris"];

const WORDS: [&str; 24] = [
    "parser", "column", "index", "retry", "the", "importer", "keeps", "order", "after", "a", "failed", "push", "board",
    "teach", "lamp", "cache", "report", "names", "every", "lost", "update", "before", "review", "file",
];

/// What a board is made from.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many live tasks.
    pub tasks: usize,
    /// Where the numbers start.
    pub seed: u64,
}

/// Random enough for a board, and the same everywhere (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `n`.
    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).expect("a size fits 64 bits");
        usize::try_from(self.roll() % n).expect("it is below a size")
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn sentence(&mut self, words: usize) -> String {
        (0..words).map(|_| self.pick(&WORDS)).collect::<Vec<_>>().join(" ")
    }
}

/// Returns the id of the nth task.
pub fn id(n: usize) -> String {
    format!("mc-{n:06}")
}

/// Returns the nth task of a board.
pub fn task(shape: Shape, n: usize) -> Value {
    let mut dice =
        Dice(shape.seed.wrapping_mul(1_000_003).wrapping_add(u64::try_from(n).expect("a size fits 64 bits")));
    let status = match dice.below(100) {
        0..45 => "backlog",
        45..60 => "in-progress",
        60..68 => "blocked",
        68..76 => "review",
        76..80 => "ready",
        _ => "completed",
    };
    let agent = dice.pick(&EXECUTORS);
    let age = i64::try_from(dice.below(24 * 60)).expect("it is small");
    let (created, updated) = (NOW - (age + 48) * HOUR, NOW - age * HOUR);
    let mut task = Map::new();
    let mut set = |key: &str, value: Value| drop(task.insert(key.to_owned(), value));
    set("id", json!(id(n)));
    set("title", json!(dice.sentence(6)));
    set("description", json!(dice.sentence(40)));
    set("status", json!(status));
    set("priority", json!(dice.pick(&["critical", "high", "medium", "medium", "low"])));
    let taken = status != "backlog";
    if taken || dice.below(2) == 0 {
        set("assigned", json!(agent));
    }
    set("category", json!(dice.pick(&["dev", "dev", "marketing", "both"])));
    set("tags", json!([dice.pick(&WORDS)]));
    set("participants", json!([agent]));
    set("files", json!([format!("src/part-{n:06}/mod.rs"), format!("docs/part-{n:06}.md")]));
    let epoch = match status {
        "backlog" => 0,
        "in-progress" => 1,
        _ => 2,
    };
    set("epoch", json!(epoch));
    match status {
        "in-progress" => {
            let claim = json!({"agent": agent, "epoch": 1, "at": updated, "startedAt": updated, "leaseSeconds": 900});
            set("claim", claim);
        }
        "blocked" => {
            let block =
                json!({"kind": "human", "needs": ["an answer"], "question": "Which one?", "options": ["a", "b"]});
            set("block", block);
            set("blockedBy", json!(dice.sentence(5)));
            set("blockedAt", json!(updated));
        }
        _ => {}
    }
    let parts = dice.below(6);
    if parts > 0 {
        let part = |i: usize| {
            let status = if taken { "complete" } else { "backlog" };
            json!({"id": format!("sub-{i:03}"), "title": format!("part {i}"), "status": status, "assigned": EXECUTORS[i]})
        };
        set("subtasks", (0..parts).map(part).collect());
    }
    if matches!(status, "review" | "ready" | "completed") {
        set("deliverable", json!(dice.sentence(5)));
        let url = format!("https://example.test/pull/{n}");
        set("evidence", json!([{"id": "ev-1", "kind": "url", "url": url, "by": agent, "at": updated, "epoch": 1}]));
    }
    if matches!(status, "review" | "ready") {
        set("submittedBy", json!(agent));
        set("submittedAt", json!(updated));
    }
    if status == "ready" {
        set("approvals", json!([{"by": "knox", "role": "manager", "at": updated}]));
    }
    if status == "completed" {
        set("completedBy", json!(agent));
        set("completedAt", json!(updated));
    }
    set("createdBy", json!("olga"));
    set("createdAt", json!(created));
    set("updatedAt", json!(updated));
    let said = |i: usize, dice: &mut Dice| {
        let at = created + i64::try_from(i).expect("it is small") * HOUR;
        json!({"id": format!("msg-{i:03}"), "author": dice.pick(&EXECUTORS), "content": dice.sentence(12), "timestamp": at})
    };
    let messages = dice.below(5);
    set("chat", (0..messages).map(|i| said(i, &mut dice)).collect());
    let way: &[(&str, &str, &str)] = match status {
        "backlog" => &[],
        "in-progress" => &[("in-progress", "claim", agent)],
        "blocked" => &[("in-progress", "claim", agent), ("blocked", "block", agent)],
        "review" => &[("in-progress", "claim", agent), ("review", "submit", agent)],
        "ready" => &[("in-progress", "claim", agent), ("review", "submit", agent), ("ready", "approve", "knox")],
        _ => &[("in-progress", "claim", agent), ("completed", "complete", agent)],
    };
    let made = json!({"state": "backlog", "timestamp": created, "actor": "olga", "trigger": "new"});
    let steps = way.iter().map(
        |(state, trigger, actor)| json!({"state": state, "timestamp": updated, "actor": actor, "trigger": trigger}),
    );
    set("stateHistory", std::iter::once(made).chain(steps).collect());
    Value::Object(task)
}

/// Returns a file as squad writes it.
pub fn text(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value is JSON") + "\n"
}

fn config() -> Value {
    let member = |name: &str, role: &str| json!({"name": name, "role": role, "kind": "agent"});
    let mut agents = vec![json!({"name": "olga", "role": "owner", "kind": "human", "email": "olga@example.test"})];
    agents.push(json!({"name": "knox", "role": "manager", "kind": "agent", "domain": "dev"}));
    agents.push(member("hex", "chief"));
    agents.extend(EXECUTORS.map(|name| member(name, "executor")));
    json!({
        "schemaVersion": 1, "board": {"branch": "main"}, "agents": agents,
        "limits": {"claimsPerAgent": 1_000_000},
    })
}

fn lock(task: &Value) -> Option<(String, Value)> {
    let mode = match task["status"].as_str()? {
        "in-progress" => "hard",
        "blocked" | "review" => "advisory",
        _ => return None,
    };
    let id = task["id"].as_str()?;
    let entry = json!({
        "taskId": id, "files": task["files"], "agent": task["assigned"], "since": task["updatedAt"], "mode": mode,
    });
    Some((id.to_owned(), entry))
}

/// Returns the files of a board of that shape, one after the other.
fn files(shape: Shape) -> impl Iterator<Item = (String, Vec<u8>)> {
    let mut work = Map::new();
    let mut n = 0;
    let tasks = std::iter::from_fn(move || {
        n += 1;
        if n <= shape.tasks {
            let task = task(shape, n - 1);
            work.extend(lock(&task));
            return Some((format!("squad/tasks/json/{}.json", id(n - 1)), text(&task)));
        }
        let locks = (n == shape.tasks + 1).then(|| {
            json!({
                "version": "1.0", "lastUpdated": "2026-01-01T00:00:00.000Z", "currentWork": std::mem::take(&mut work),
                "sharedResources": {}, "notes": "",
            })
        })?;
        Some((".claude/coordination.json".to_owned(), text(&locks)))
    });
    let files = std::iter::once(("squad/squad.json".to_owned(), text(&config()))).chain(tasks);
    files.map(|(path, text)| (path, text.into_bytes()))
}

/// A git that commits to a repository what it is told.
struct Import {
    git: Child,
    out: BufWriter<ChildStdin>,
}

impl Import {
    fn into(remote: &Path) -> io::Result<Self> {
        let mut command = Command::new("git");
        command.arg("-C").arg(remote).args(["fast-import", "--quiet", "--done"]).stdin(Stdio::piped());
        let mut git = command.spawn()?;
        let out = BufWriter::new(git.stdin.take().expect("it was piped"));
        Ok(Self { git, out })
    }

    /// Writes a file of the commit that was begun last.
    fn put(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        writeln!(self.out, "M 100644 inline {path}\ndata {}", bytes.len())?;
        self.out.write_all(bytes)?;
        writeln!(self.out)
    }

    fn end(mut self) -> io::Result<()> {
        writeln!(self.out, "done")?;
        drop(self.out);
        ended("git fast-import", self.git.wait()?)
    }
}

/// Makes a bare repository at `remote` whose `main` holds a board of that shape, in one commit.
///
/// # Errors
/// Whatever stops git or the pipe to it.
pub fn write(remote: &Path, shape: Shape) -> io::Result<()> {
    run(Command::new("git").args(["init", "--quiet", "--bare", "--template=", "-b", "main"]).arg(remote))?;
    let mut import = Import::into(remote)?;
    let out = &mut import.out;
    writeln!(out, "commit refs/heads/main\ncommitter Olga <olga@example.test> {} +0000", NOW / 1000)?;
    writeln!(out, "data 5\nboard")?;
    for (path, bytes) in files(shape) {
        import.put(&path, &bytes)?;
    }
    import.end()
}

/// Puts the first `count` tasks on `main` again, each with one more message.
///
/// # Errors
/// Whatever stops git or the pipe to it.
#[allow(dead_code, reason = "each bench is a program of its own, and only one of them changes a board")]
pub fn touch(remote: &Path, shape: Shape, count: usize, round: usize) -> io::Result<()> {
    let mut import = Import::into(remote)?;
    let out = &mut import.out;
    writeln!(out, "commit refs/heads/main\ncommitter Olga <olga@example.test> {} +0000", NOW / 1000)?;
    writeln!(out, "data 5\ntouch\nfrom refs/heads/main^0")?;
    for n in 0..count {
        let mut task = task(shape, n);
        task["title"] = json!(format!("touched in round {round}"));
        import.put(&format!("squad/tasks/json/{}.json", id(n)), text(&task).as_bytes())?;
    }
    import.end()
}

/// Runs a command to its end.
///
/// # Errors
/// That it did not start, or did not end with 0.
pub fn run(command: &mut Command) -> io::Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    ended(&format!("{command:?}"), status)
}

fn ended(what: &str, status: std::process::ExitStatus) -> io::Result<()> {
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{what}: {status}"))) }
}
