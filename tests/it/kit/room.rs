//! The places: a temporary folder, a bare remote in it, and clones of that remote.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::board::{git_in, task_json};
use super::run::{Run, words};

/// A temporary folder with a bare remote whose branch is `main`.
pub struct Room {
    root: TempDir,
}

/// A clone, or any other folder that squad is run in.
pub struct Checkout {
    /// The folder.
    pub dir: PathBuf,
    root: PathBuf,
}

/// A commit of the board, with its receipt.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its id.
    pub oid: String,
    /// `Name <e-mail>` of its author.
    pub author: String,
    /// Its first line.
    pub subject: String,
    /// Its trailers; of several with one key the last.
    pub trailers: BTreeMap<String, String>,
}

impl Commit {
    /// Returns the value of a trailer, or an empty text.
    pub fn trailer(&self, key: &str) -> &str {
        self.trailers.get(key).map_or("", String::as_str)
    }
}

/// The files of a bare remote with the roster, made once by the verbs themselves and copied into each test.
static ROSTER: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();

impl Room {
    /// Returns a room whose remote is empty.
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    /// Returns a room below a folder, on whatever disk that is.
    pub fn empty_in(folder: &Path) -> Self {
        let root = tempfile::Builder::new().prefix("squad-it-").tempdir_in(folder).expect("a temporary folder");
        for folder in ["home", "tmp"] {
            std::fs::create_dir(root.path().join(folder)).expect("a new folder");
        }
        Self { root }.with_remote()
    }

    fn with_remote(self) -> Self {
        // Without templates: sample hooks are forty files that every test would copy.
        self.git_at(self.path(), "init --quiet --bare --template= -b main remote.git");
        // A push that meets another one's lock waits for it: what is counted is who came first, not who could wait.
        for setting in ["core.filesRefLockTimeout 20000", "core.packedRefsTimeout 20000"] {
            self.git_at(&self.remote(), &format!("config {setting}"));
        }
        std::fs::create_dir_all(self.remote().join("hooks")).expect("a new folder");
        std::fs::create_dir_all(self.remote().join("info")).expect("a new folder");
        self
    }

    /// Returns a room whose remote holds one commit with code and no board.
    pub fn code() -> Self {
        let room = Self::empty();
        room.put(&[("README.md", Some("code\n")), ("src/main.txt", Some("one\n"))]);
        room
    }

    /// Returns a room whose remote holds a board with a roster: `olga` (owner), the executors `scout`, `aria` and
    /// `vault`, the managers `knox` (dev) and `sterling` (marketing), and the chief `hex`.
    pub fn board() -> Self {
        Self::board_in(&std::env::temp_dir())
    }

    /// Like [`Room::board`], below a folder.
    pub fn board_in(folder: &Path) -> Self {
        let files = ROSTER.get_or_init(|| {
            let room = Self::code();
            let olga = room.clone_as("olga");
            olga.ok("init");
            for name in ["scout", "aria", "vault"] {
                olga.ok(&format!("agents add {name} --role executor"));
            }
            olga.ok("agents add knox --role manager --domain dev");
            olga.ok("agents add sterling --role manager --domain marketing");
            olga.ok("agents add hex --role chief");
            room.remote_files()
        });
        let room = Self::empty_in(folder);
        room.fill(files);
        room
    }

    /// Returns another room that holds whatever this one does: the remote, and clones that know each other by path.
    pub fn copy(&self) -> Self {
        let root = tempfile::Builder::new().prefix("squad-it-").tempdir().expect("a temporary folder");
        let (old, new) = (self.path().display().to_string(), root.path().display().to_string());
        for entry in walkdir::WalkDir::new(self.path()).min_depth(1) {
            let entry = entry.expect("the room can be read");
            let to = root.path().join(entry.path().strip_prefix(self.path()).expect("it lies below"));
            if entry.file_type().is_dir() {
                std::fs::create_dir(to).expect("a new folder");
            } else if entry.file_name() == "config" {
                let text = std::fs::read_to_string(entry.path()).expect("it is text");
                std::fs::write(to, text.replace(&old, &new)).expect("a file");
            } else {
                std::fs::copy(entry.path(), to).expect("a file");
            }
        }
        Self { root }
    }

    /// Returns the files of the remote, each by its path within.
    fn remote_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let remote = self.remote();
        let walk = walkdir::WalkDir::new(&remote).into_iter().map(|entry| entry.expect("the remote can be read"));
        let files = walk.filter(|entry| entry.file_type().is_file());
        files
            .map(|file| {
                let within = file.path().strip_prefix(&remote).expect("it lies below").to_owned();
                (within, std::fs::read(file.path()).expect("the remote can be read"))
            })
            .collect()
    }

    fn fill(&self, files: &[(PathBuf, Vec<u8>)]) {
        for (within, bytes) in files {
            let path = self.remote().join(within);
            std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("a folder");
            // Objects are read-only; what `init` made is in the way of none of them.
            std::fs::write(path, bytes).expect("a file");
        }
    }

    /// Returns a room with the roster and these tasks, made by hand.
    pub fn with_tasks(tasks: &[Value]) -> Self {
        let room = Self::board();
        room.put_tasks(tasks);
        room
    }

    /// Returns the temporary folder.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Returns the bare remote.
    pub fn remote(&self) -> PathBuf {
        self.path().join("remote.git")
    }

    /// Returns the remote as a URL, for what a plain path does not do.
    pub fn remote_url(&self) -> String {
        format!("file://{}", self.remote().display())
    }

    /// Clones the remote into a folder named after the person, who is `<name>@example.test`.
    pub fn clone_as(&self, name: &str) -> Checkout {
        self.clone_with(name, "remote.git")
    }

    /// Like [`Room::clone_as`], with more arguments for `git clone`, the remote among them.
    pub fn clone_with(&self, name: &str, args: &str) -> Checkout {
        self.git_at(self.path(), &format!("clone --quiet {args} {name}"));
        let clone = self.at(name);
        clone.sign_as(name);
        clone
    }

    /// Returns a folder of the room to run things in.
    pub fn at(&self, within: &str) -> Checkout {
        Checkout { dir: self.path().join(within), root: self.path().to_owned() }
    }

    /// Runs git in the remote and returns its output without the last line break.
    #[track_caller]
    pub fn git(&self, line: &str) -> String {
        self.git_at(&self.remote(), line)
    }

    #[track_caller]
    fn git_at(&self, dir: &Path, line: &str) -> String {
        let done = git_in(dir, &words(line), b"", |command| clean_env(command, self.path()));
        done.unwrap_or_else(|e| panic!("{e}")).trim_end_matches('\n').to_owned()
    }

    /// Returns the head of the board on the remote.
    #[track_caller]
    pub fn head(&self) -> String {
        self.git("rev-parse refs/heads/main")
    }

    /// Returns every ref of the remote with its value.
    #[track_caller]
    pub fn refs(&self) -> String {
        self.git("for-each-ref --format='%(refname) %(objectname)'")
    }

    /// Returns the bytes of a file of the board, or `None` where it is not there.
    pub fn file(&self, path: &str) -> Option<String> {
        self.file_at("refs/heads/main", path)
    }

    /// Returns the bytes of a file at a commit, or `None` where it is not there.
    pub fn file_at(&self, rev: &str, path: &str) -> Option<String> {
        let args = words(&format!("cat-file blob {rev}:{path}"));
        git_in(&self.remote(), &args, b"", |command| clean_env(command, self.path())).ok()
    }

    /// Returns the text of a live task's file.
    #[track_caller]
    pub fn task_text(&self, id: &str) -> String {
        self.file(&format!("squad/tasks/json/{id}.json")).unwrap_or_else(|| panic!("no task {id} on the remote"))
    }

    /// Returns a live task as the remote has it.
    #[track_caller]
    pub fn task(&self, id: &str) -> Value {
        serde_json::from_str(&self.task_text(id)).expect("a task is JSON")
    }

    /// Returns the locks file as the remote has it.
    #[track_caller]
    pub fn locks(&self) -> Value {
        serde_json::from_str(&self.file(".claude/coordination.json").expect("a locks file")).expect("it is JSON")
    }

    /// Returns the commits of the board since `base`, oldest first.
    #[track_caller]
    pub fn commits_since(&self, base: &str) -> Vec<Commit> {
        let log = self.git(&format!(
            "log --reverse --topo-order --format='%H%x1f%an <%ae>%x1f%s%x1f%(trailers:only,unfold)%x1e' {base}..refs/heads/main"
        ));
        let records = log.split('\u{1e}').map(str::trim_start).filter(|record| !record.is_empty());
        records
            .map(|record| {
                let fields: Vec<&str> = record.split('\u{1f}').collect();
                let trailers = fields[3].lines().filter_map(|line| line.split_once(": "));
                Commit {
                    oid: fields[0].to_owned(),
                    author: fields[1].to_owned(),
                    subject: fields[2].to_owned(),
                    trailers: trailers.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
                }
            })
            .collect()
    }

    /// Returns the commits that claimed a task.
    pub fn claims_of(&self, task: &str, base: &str) -> Vec<Commit> {
        let subject = format!("squad(claim): {task} by ");
        self.commits_since(base).into_iter().filter(|commit| commit.subject.starts_with(&subject)).collect()
    }

    /// Makes the remote one that git does not find, until [`Room::regain_remote`].
    ///
    /// Its folder stays where it is: a push that is under way removes its locks by their path, and one that stayed
    /// behind would keep everybody out for good.
    pub fn lose_remote(&self) {
        std::fs::rename(self.remote().join("HEAD"), self.lost_head()).expect("the remote is there");
    }

    /// Brings back the remote that [`Room::lose_remote`] took away.
    pub fn regain_remote(&self) {
        std::fs::rename(self.lost_head(), self.remote().join("HEAD")).expect("the remote was away");
    }

    /// Returns where the remote's `HEAD` is while it is away.
    pub fn lost_head(&self) -> PathBuf {
        self.remote().join("lost-HEAD")
    }

    /// Puts a commit on the remote's `main` as somebody without squad would: each path gets these bytes, or goes.
    pub fn put<P: AsRef<str>, B: AsRef<[u8]>>(&self, files: &[(P, Option<B>)]) {
        self.put_on("refs/heads/main", files);
    }

    /// Like [`Room::put`], on any branch.
    pub fn put_on<P: AsRef<str>, B: AsRef<[u8]>>(&self, branch: &str, files: &[(P, Option<B>)]) {
        // Somebody else may push in between; git then refuses, and a person would do it again.
        let begun = Instant::now();
        while let Err(error) = self.try_put_on(branch, files) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{error}");
        }
    }

    fn try_put_on<P: AsRef<str>, B: AsRef<[u8]>>(&self, branch: &str, files: &[(P, Option<B>)]) -> Result<(), String> {
        let mut stream = Vec::new();
        let stamp = super::now_ms() / 1000;
        let mut say = |bytes: &[u8]| stream.extend_from_slice(bytes);
        say(format!("commit {branch}\nauthor olga <olga@example.test> {stamp} +0000\ncommitter Hand <hand@example.test> {stamp} +0000\ndata 8\nby hand\n\n")
            .as_bytes());
        let args = words(&format!("rev-parse --verify --quiet {branch}"));
        if let Ok(base) = git_in(&self.remote(), &args, b"", |command| clean_env(command, self.path())) {
            say(format!("from {base}").as_bytes());
        }
        for (path, bytes) in files {
            let quoted = serde_json::to_string(path.as_ref()).expect("a path is text");
            match bytes {
                Some(bytes) => {
                    let bytes = bytes.as_ref();
                    say(format!("M 100644 inline {quoted}\ndata {}\n", bytes.len()).as_bytes());
                    say(bytes);
                    say(b"\n");
                }
                None => say(format!("D {quoted}\n").as_bytes()),
            }
        }
        say(b"done\n");
        let args = words("fast-import --quiet --done");
        git_in(&self.remote(), &args, &stream, |command| clean_env(command, self.path())).map(drop)
    }

    /// Feeds git's fast-import in the remote.
    #[track_caller]
    pub fn import(&self, stream: &str) {
        let args = words("fast-import --quiet --done");
        let done = git_in(&self.remote(), &args, stream.as_bytes(), |command| clean_env(command, self.path()));
        done.unwrap_or_else(|e| panic!("{e}"));
    }

    /// Puts commits on the remote's `main` that touch only code, each dated long before the board was made.
    pub fn put_code(&self, count: usize) {
        let commit = |n: usize| {
            let from = if n == 0 { "from refs/heads/main^0\n" } else { "" };
            format!(
                "commit refs/heads/main\ncommitter x <x@example.test> 1500000000 +0000\ndata 4\ncode\n{from}\
                 M 644 inline code\ndata 4\n{n:04}\n"
            )
        };
        self.import(&((0..count).map(commit).collect::<String>() + "done\n"));
    }

    /// Puts tasks on the remote's `main`, in one commit made by hand.
    pub fn put_tasks(&self, tasks: &[Value]) {
        let files: Vec<_> = tasks.iter().map(task_json).map(|(path, bytes)| (path, Some(bytes))).collect();
        self.put(&files);
    }

    /// Changes `squad.json` on the remote, in a commit made by hand.
    pub fn configure(&self, change: impl FnOnce(&mut Value)) {
        let text = self.file("squad/squad.json").expect("a board");
        let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
        change(&mut config);
        let text = serde_json::to_string_pretty(&config).expect("a value is JSON") + "\n";
        self.put(&[("squad/squad.json", Some(text))]);
    }

    /// Counts the pushes that reach the remote from now on.
    #[cfg(unix)]
    pub fn count_pushes(&self) -> impl Fn() -> usize + use<> {
        self.hook("pre-receive", "echo x >> pushes");
        let counted = self.remote().join("pushes");
        move || std::fs::read_to_string(&counted).unwrap_or_default().lines().count()
    }

    /// Installs a hook in the remote: a shell script, run with the remote as its folder.
    #[cfg(unix)]
    pub fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.remote().join("hooks").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a hook");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
}

impl Checkout {
    /// Makes git sign commits of this clone as a person.
    pub fn sign_as(&self, name: &str) {
        self.git(&format!("config user.name {name}"));
        self.git(&format!("config user.email {name}@example.test"));
    }

    /// Returns a folder below this one to run things in.
    pub fn below(&self, within: &str) -> Self {
        Self { dir: self.dir.join(within), root: self.root.clone() }
    }

    /// Runs squad here.
    pub fn squad(&self, line: &str) -> Run {
        self.squad_args(&words(line))
    }

    /// Runs squad here with `--json`.
    pub fn json(&self, line: &str) -> Run {
        let mut args = words(line);
        let end = args.iter().position(|a| a == "--").unwrap_or(args.len());
        args.insert(end, "--json".to_owned());
        self.squad_args(&args)
    }

    /// Runs squad here with arguments that are words already.
    pub fn squad_args<S: AsRef<OsStr>>(&self, args: &[S]) -> Run {
        self.squad_with(args, b"", &[])
    }

    /// Returns a command that runs here with what every test has in its environment, and nothing else.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        clean_env(&mut command, &self.root);
        command.current_dir(&self.dir);
        command
    }

    /// Returns the run that ended with this output.
    pub fn run_of(&self, argv: String, output: &std::process::Output) -> Run {
        let real = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        Run::new(argv, output, &[real, self.root.clone()])
    }

    /// Gives a command this folder and the environment of every test.
    pub fn prepare(&self, command: &mut Command) {
        clean_env(command, &self.root);
        command.current_dir(&self.dir);
    }

    /// Runs squad here with this standard input and more of an environment.
    pub fn squad_with<S: AsRef<OsStr>>(&self, args: &[S], stdin: &[u8], env: &[(&str, &str)]) -> Run {
        let mut command = self.command(env!("CARGO_BIN_EXE_squad"));
        command.args(args).envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("squad starts");
        let mut pipe = child.stdin.take().expect("it was piped");
        let output = std::thread::scope(|scope| {
            scope.spawn(move || drop(pipe.write_all(stdin)));
            child.wait_with_output().expect("squad ends")
        });
        let shown: Vec<_> = args.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
        self.run_of(format!("squad {}", shown.join(" ")), &output)
    }

    /// Returns a `PATH` on which git says to be of this version, and is otherwise the one that is there.
    #[cfg(unix)]
    pub fn path_with_git(&self, version: &str) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = self.root.join(format!("git-{version}"));
        let real = super::find_program("git").expect("there is a git");
        let says = format!("[ \"$1\" = version ] && {{ echo git version {version}; exit 0; }}");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("git"), format!("#!/bin/sh\n{says}\nexec {} \"$@\"\n", real.display()))
            .expect("a file");
        std::fs::set_permissions(folder.join("git"), std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        format!("{}:{}", folder.display(), std::env::var("PATH").expect("there is a PATH"))
    }

    /// Runs squad here with `--json`, and with every write to a file failing as it does on a full disk.
    #[cfg(unix)]
    pub fn without_room(&self, line: &str) -> Run {
        let mut command = self.command("sh");
        // A limit of nothing on the size of files; ignored, its signal turns into the error of the write.
        let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\" --json";
        command.args(["-c", script, env!("CARGO_BIN_EXE_squad")]).args(words(line));
        let output = command.stdin(Stdio::null()).output().expect("a shell starts");
        self.run_of(format!("squad {line} (no room)"), &output)
    }

    /// Runs squad here with `--json`, and returns the answer of its success.
    #[track_caller]
    pub fn ok(&self, line: &str) -> Value {
        let ran = self.json(line).ok();
        let answer = ran.json();
        assert_eq!(answer["v"], 1, "{ran}");
        assert_eq!(answer["ok"], true, "{ran}");
        assert!(answer["command"].is_string(), "{ran}");
        answer
    }

    /// Runs squad here with `--json`, and returns the `error` of its failure.
    #[track_caller]
    pub fn refused(&self, line: &str, exit: i32, code: &str) -> Value {
        self.json(line).fails(exit, code)
    }

    /// Runs git here and returns its output without the last line break.
    #[track_caller]
    pub fn git(&self, line: &str) -> String {
        self.try_git(line).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Runs git here and returns its output, or what it said when it failed.
    pub fn try_git(&self, line: &str) -> Result<String, String> {
        let done = git_in(&self.dir, &words(line), b"", |command| clean_env(command, &self.root));
        done.map(|text| text.trim_end_matches('\n').to_owned())
    }

    /// Writes a file here.
    pub fn write(&self, within: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.join(within);
        std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Reads a file here.
    #[track_caller]
    pub fn read(&self, within: &str) -> String {
        let path = self.dir.join(within);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Returns what `git status` says of this worktree, ignored files left out.
    #[track_caller]
    pub fn status(&self) -> String {
        self.git("status --porcelain=v1 --untracked-files=all")
    }
}

/// Clears a child's environment and gives it what every test has.
pub(super) fn clean_env(command: &mut Command, root: &Path) {
    command.env_clear();
    // Without these a program does not start on some systems; coverage writes where it is told.
    for key in ["PATH", "SystemRoot", "PATHEXT", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(key) {
            command.env(key, value);
        }
    }
    command
        .env("HOME", root.join("home"))
        .env("TMPDIR", root.join("tmp"))
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .env("NO_COLOR", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0");
}
