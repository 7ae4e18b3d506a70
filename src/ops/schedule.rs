//! `schedule`: what wakes each agent at its minutes, as lines of a crontab, timers of systemd or agents of launchd.
//!
//! Owns what an entry runs, and how entries get into the user's timer and out of it again: nothing of anybody else is
//! touched, what was there is kept, and nothing is put in while `doctor` finds a fault. When whom is `model`'s to say.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::doctor::{State, examine};
use super::failure::Failure;
use super::hook::Change;
use super::session::{Freshness, Session};
use crate::board::clone::clone_name;
use crate::board::repository::find_program;
use crate::model::code::ErrorCode;
use crate::model::id::AgentName;
use crate::model::refusal::Refusal;
use crate::model::schedule::{Timetable, Wake, timetable};
use crate::model::vocabulary::{AgentKind, words};

mod block;
mod crontab;
mod logs;
mod text;
mod units;

use crontab::Crontab;
pub(super) use logs::put_away as put_away_logs;
pub(super) use text::quoted;
use units::{Folder, Unit};

/// Folders that every timer looks for programs in.
const SEARCHED: [&str; 2] = ["/usr/bin", "/bin"];

words! {
    /// What keeps the time.
    Format, "format" {
        /// cron, by the user's crontab.
        Crontab = "crontab",
        /// systemd, by timers of the user.
        Systemd = "systemd",
        /// launchd, by agents of the user.
        Launchd = "launchd",
    }
}

words! {
    /// How an entry that is installed stands to what would be installed now.
    Standing, "standing" {
        /// The same.
        Ok = "ok",
        /// Another: the roster, the interval, the program or somebody has changed since.
        Changed = "changed",
        /// Of nobody who is to be woken.
        Extra = "extra",
    }
}

/// What is to be known of the machine and its user.
#[derive(Debug, Clone)]
pub struct Machine {
    /// This program.
    pub program: PathBuf,
    /// The environment of the programs that own timers.
    pub env: Vec<(OsString, OsString)>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The folder of the user's configuration.
    pub config_home: Option<PathBuf>,
    /// The folder of the user's state.
    pub state_home: Option<PathBuf>,
}

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What is to keep the time; what fits the machine where it is not said.
    pub format: Option<Format>,
    /// These agents alone; all of the roster where none is named.
    pub only: Vec<AgentName>,
    /// Whether a wake starts a run.
    pub run: bool,
}

/// One entry of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The agent that is woken; nothing where an installed line names nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The minutes of an hour.
    pub minutes: Vec<u8>,
    /// The hours of a day; all where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<u8>,
    /// The line of the crontab; the command line where the format has files.
    pub line: String,
    /// What keeps the time.
    #[serde(rename = "timer")]
    pub format: Format,
    /// How it stands, of one that is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Standing>,
}

/// A schedule as it would be.
#[derive(Debug)]
pub struct Schedule {
    /// What keeps the time.
    pub format: Format,
    /// The interval that is kept.
    pub every_minutes: u64,
    /// One for each agent.
    pub entries: Vec<Entry>,
    /// What is written: the block of the crontab, or each file with its name.
    pub texts: Vec<Unit>,
    /// What the caller should know.
    pub warnings: Vec<String>,
    id: String,
}

/// What came of putting a schedule in or taking it out.
#[derive(Debug, Default)]
pub struct Changed {
    /// What is, or on a dry run would be, installed.
    pub entries: Vec<Entry>,
    /// What was changed; nothing where all was as it should be.
    pub changes: Vec<Change>,
    /// The file that keeps what was there before.
    pub former: Option<String>,
    /// What is left to be run by hand.
    pub by_hand: Vec<String>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// What is installed.
#[derive(Debug)]
pub struct Installed {
    /// The entries of this clone.
    pub entries: Vec<Entry>,
    /// The agents of the roster that nothing here wakes.
    pub not_scheduled: Vec<AgentName>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// Returns the schedule of a board's roster.
///
/// # Errors
/// [`Failure`] `unknown-agent` for a name outside the roster, `invalid` for a path that no timer can be told.
pub fn plan(session: &Session, machine: &Machine, wanted: &Wanted) -> Result<Schedule, Failure> {
    let view = session.view(Freshness::Due)?;
    let config = view.config()?;
    for name in &wanted.only {
        let agent = config.agent(name).ok_or_else(|| Refusal::UnknownAgent { name: name.clone() })?;
        if agent.kind == AgentKind::Human {
            return Err(Failure::new(ErrorCode::Invalid, format!("{name} is a person, and not woken by a timer"))
                .hint("`squad agents` lists who is what"));
        }
    }
    let mut table = timetable(&config.agents, config.timing.wake_minutes);
    let warnings = warnings(&table, config.timing.wake_minutes);
    table.wakes.retain(|wake| wanted.only.is_empty() || wanted.only.contains(&wake.agent));
    let format = wanted.format.unwrap_or_else(|| fitting(machine));
    let id = name_of(session)?;
    let mut schedule =
        Schedule { format, every_minutes: table.every_minutes, entries: Vec::new(), texts: Vec::new(), warnings, id };
    for wake in &table.wakes {
        schedule.add(wake, &shell_line(session, machine, wake, wanted.run)?);
    }
    if format == Format::Crontab && !schedule.entries.is_empty() {
        let lines: Vec<String> = schedule.entries.iter().map(|entry| entry.line.clone()).collect();
        schedule.texts.push(("crontab".to_owned(), block::block(&schedule.id, &lines)));
    }
    Ok(schedule)
}

impl Schedule {
    fn add(&mut self, wake: &Wake, shell: &str) {
        let agent = wake.agent.as_str();
        let line = match self.format {
            Format::Crontab => text::cron_line(wake, shell),
            Format::Systemd => {
                let stem = format!("{}{agent}", prefix(self.format, &self.id));
                self.texts.push((format!("{stem}.service"), text::systemd_service(&self.id, agent, shell)));
                self.texts.push((format!("{stem}.timer"), text::systemd_timer(&self.id, wake)));
                shell.to_owned()
            }
            Format::Launchd => {
                let label = format!("{}{agent}", prefix(self.format, &self.id));
                self.texts.push((format!("{label}.plist"), text::launchd_plist(&label, wake, shell)));
                shell.to_owned()
            }
        };
        self.entries.push(Entry {
            agent: Some(agent.to_owned()),
            minutes: wake.minutes.clone(),
            hours: wake.hours.clone(),
            line,
            format: self.format,
            state: None,
        });
    }
}

fn warnings(table: &Timetable, wanted: u64) -> Vec<String> {
    let mut warnings = Vec::new();
    if table.every_minutes != wanted {
        let kept = table.every_minutes;
        warnings.push(format!("no calendar keeps timing.wakeMinutes {wanted}: agents are woken every {kept} minutes"));
    }
    if table.crowded {
        warnings.push("there are more agents than minutes, so some are woken together; spread evenly".to_owned());
    }
    for name in &table.nameless {
        warnings.push(format!("{:?} cannot be woken: no verb takes that name", name.as_str()));
    }
    warnings
}

/// Returns what keeps the time where nobody has said it.
fn fitting(machine: &Machine) -> Format {
    match (Crontab::find(machine), find_program("systemctl")) {
        _ if cfg!(target_os = "macos") => Format::Launchd,
        (None, Some(_)) => Format::Systemd,
        _ => Format::Crontab,
    }
}

fn name_of(session: &Session) -> Result<String, Failure> {
    let folder = session.board.state_dir();
    clone_name(&folder).map_err(|e| {
        Failure::new(ErrorCode::Internal, format!("cannot use {}", folder.display()))
            .caused_by(&e)
            .hint("allow writing there: what is installed is marked with the name of this clone")
    })
}

fn prefix(format: Format, id: &str) -> String {
    match format {
        Format::Launchd => format!("dev.squad.{id}."),
        _ => format!("squad-{id}-"),
    }
}

fn shell_line(session: &Session, machine: &Machine, wake: &Wake, run: bool) -> Result<String, Failure> {
    let git = find_program("git").and_then(|git| git.parent().map(Path::to_owned));
    let git = git.filter(|folder| SEARCHED.iter().all(|known| folder != Path::new(known)));
    let git = git.as_deref().map(plain).transpose()?;
    let (program, log) = (plain(&machine.program)?, log_folder(session));
    let (dir, log) = (plain(session.board.place.run_dir())?, plain(&log)?);
    let command = text::Command { program: &program, dir: &dir, log: &log, git: git.as_deref(), run };
    Ok(text::shell_line(&command, wake.agent.as_str()))
}

/// Returns a path as text that every format can hold.
fn plain(path: &Path) -> Result<String, Failure> {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(Failure::new(
            ErrorCode::Invalid,
            format!("no timer can be told the path {:?}", path.display().to_string()),
        )
        .why("it holds a control character, or is no UTF-8")
        .hint("move the clone to a folder with a plain name")),
    }
}

/// Puts the schedule in; what this clone had installed before is replaced.
///
/// # Errors
/// [`Failure`] `invalid` while `doctor` finds a fault or squad's lines are damaged, `not-found` without anybody to wake.
pub fn install(session: &Session, machine: &Machine, wanted: &Wanted) -> Result<Changed, Failure> {
    let probes = examine(session.options.clone(), session.clock.clone());
    let failed: Vec<&str> = probes.iter().filter(|p| p.state == State::Failed).map(|p| p.name).collect();
    if !failed.is_empty() {
        return Err(Failure::new(ErrorCode::Invalid, "no schedule is installed while something is broken")
            .why(format!("`squad doctor` fails at: {}", failed.join(", ")))
            .hint("`squad doctor` says what to do about each; install the schedule then")
            .with("checks", json!(probes)));
    }
    let schedule = plan(session, machine, wanted)?;
    if schedule.entries.is_empty() {
        return Err(Failure::new(ErrorCode::NotFound, "there is nobody to wake")
            .why("the roster has no agents")
            .hint("`squad agents add NAME --role executor` adds one"));
    }
    let mut changed = match schedule.format {
        Format::Crontab => into_crontab(session, machine, Some(&schedule)),
        format => into_folder(session, machine, format, &schedule.id, &schedule.texts),
    }?;
    changed.entries = schedule.entries;
    changed.warnings.splice(0..0, schedule.warnings);
    Ok(changed)
}

/// Takes out what [`install`] has put in, or that of one format; the crontab is then what it was before, byte for byte,
/// where nothing else in it has changed since.
///
/// # Errors
/// [`Failure`] where something cannot be read or written, or squad's lines are damaged.
pub fn uninstall(session: &Session, machine: &Machine, format: Option<Format>) -> Result<Changed, Failure> {
    let id = name_of(session)?;
    let mut all = Changed::default();
    for each in Format::ALL.iter().filter(|each| format.is_none_or(|format| format == **each)) {
        let part = match each {
            Format::Crontab => match into_crontab(session, machine, None) {
                // Who may not use cron has nothing there, and timers elsewhere.
                Err(failure) if format.is_none() && failure.code == ErrorCode::Internal => told(&failure),
                part => part?,
            },
            _ => into_folder(session, machine, *each, &id, &[])?,
        };
        all.changes.extend(part.changes);
        all.by_hand.extend(part.by_hand);
        all.warnings.extend(part.warnings);
        all.former = all.former.or(part.former);
    }
    Ok(all)
}

fn told(failure: &Failure) -> Changed {
    Changed { warnings: vec![in_one_line(failure)], ..Changed::default() }
}

fn in_one_line(failure: &Failure) -> String {
    let why = failure.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{}{why}", failure.message)
}

fn kept_in(session: &Session) -> PathBuf {
    session.board.state_dir().join("schedule")
}

fn log_folder(session: &Session) -> PathBuf {
    session.board.state_dir().join("log")
}

fn into_crontab(session: &Session, machine: &Machine, schedule: Option<&Schedule>) -> Result<Changed, Failure> {
    let Some(crontab) = Crontab::find(machine) else {
        return match schedule {
            None => Ok(Changed::default()),
            Some(_) => Err(Failure::new(ErrorCode::NotFound, "there is no crontab on PATH").hint(
                "`--format systemd` writes timers instead; `squad schedule print` shows what to install by hand",
            )),
        };
    };
    let id = name_of(session)?;
    let _alone = if session.options.dry_run { None } else { crontab.lock()? };
    let present = crontab.read()?;
    let old = present.clone().unwrap_or_default();
    let new = match schedule {
        Some(schedule) => {
            let lines = schedule.texts.iter().map(|(_, text)| text.as_str()).collect::<String>();
            Some(block::with_block(&old, &id, &lines).map_err(crontab::damaged)?)
        }
        None => match block::find(&old, &id).map_err(crontab::damaged)? {
            None => return Ok(Changed::default()),
            Some(place) => crontab::former(&kept_in(session), &id, &old, &place),
        },
    };
    if new == present {
        return Ok(Changed::default());
    }
    let diff = super::act::difference(&old, new.as_deref().unwrap_or_default(), "crontab");
    let mut changed = Changed { changes: vec![Change { path: "crontab".to_owned(), diff }], ..Changed::default() };
    if !session.options.dry_run {
        let kept = crontab::keep(&kept_in(session), session.now(), present.as_deref())?;
        crontab.write(new.as_deref())?;
        changed.former = Some(kept.display().to_string());
    }
    Ok(changed)
}

/// Returns the folder of a format; nothing where nobody knows the user's home.
fn folder(machine: &Machine, format: Format, id: &str) -> Option<Folder> {
    let dir = match format {
        Format::Launchd => machine.home.as_ref()?.join("Library/LaunchAgents"),
        _ => machine.config_home.as_ref()?.join("systemd/user"),
    };
    Some(Folder { dir, prefix: prefix(format, id) })
}

fn into_folder(
    session: &Session,
    machine: &Machine,
    format: Format,
    id: &str,
    units: &[Unit],
) -> Result<Changed, Failure> {
    let Some(folder) = folder(machine, format, id) else {
        return match units {
            [] => Ok(Changed::default()),
            _ => Err(Failure::new(ErrorCode::NotFound, "HOME is not set, so nobody knows where to put the files")
                .hint("set HOME; `squad schedule print` shows the files")),
        };
    };
    let changes = folder.changes(units)?;
    let mut changed = Changed { changes: units::told(&changes), ..Changed::default() };
    if changes.is_empty() || session.options.dry_run {
        return Ok(changed);
    }
    let names = |gone: bool| -> Vec<String> {
        let ending = if format == Format::Launchd { ".plist" } else { ".timer" };
        let paths = changes.iter().filter(|(_, _, new)| new.is_none() == gone).map(|(path, ..)| path);
        let names = paths.filter_map(|path| path.file_name()?.to_str());
        names.filter(|name| name.ends_with(ending)).map(str::to_owned).collect()
    };
    let (gone, come) = (names(true), names(false));
    if format == Format::Systemd && !gone.is_empty() {
        // While the unit is still there: systemd knows no other way from its name to what it has started.
        run_or_tell(machine, &mut changed, &user(&["disable", "--now"], &gone))?;
    }
    units::make(&changes, &kept_in(session), session.now())?;
    changed.former = changes
        .iter()
        .any(|(_, old, _)| !old.is_empty())
        .then(|| kept_in(session).join(crontab::stamp(session.now())).display().to_string());
    if format == Format::Systemd {
        run_or_tell(machine, &mut changed, &user(&["daemon-reload"], &[]))?;
        if !come.is_empty() {
            // A timer whose times are others is the old one until it is started anew.
            run_or_tell(machine, &mut changed, &user(&["enable"], &come))?;
            run_or_tell(machine, &mut changed, &user(&["restart"], &come))?;
        }
        return Ok(changed);
    }
    let label = |name: &String| name.trim_end_matches(".plist").to_owned();
    // launchd goes on with the former one until it is told to let go of it.
    let known = |name: &String| changes.iter().any(|(path, old, _)| path.ends_with(name) && !old.is_empty());
    let over = gone.iter().chain(&come).filter(|name| known(name));
    changed.by_hand.extend(over.map(|name| format!("launchctl bootout gui/$(id -u)/{}", label(name))));
    let path = |name: &String| quoted(&folder.dir.join(name).display().to_string());
    changed.by_hand.extend(come.iter().map(|name| format!("launchctl bootstrap gui/$(id -u) {}", path(name))));
    Ok(changed)
}

fn user(what: &[&str], names: &[String]) -> Vec<String> {
    ["--user"].iter().chain(what).map(|word| (*word).to_owned()).chain(names.iter().cloned()).collect()
}

/// Runs `systemctl`; where that is not possible it is left to the user, who is told the command.
fn run_or_tell(machine: &Machine, changed: &mut Changed, args: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    // Once one could not be run, the next would come too early.
    let program = find_program("systemctl").filter(|_| changed.by_hand.is_empty());
    if let Some(program) = program {
        let ran = crontab::run(&program, &words, Vec::new(), machine)?;
        if ran.code == Some(0) {
            return Ok(());
        }
        changed.warnings.push(format!("systemctl {}: {}", words.join(" "), crontab::last_words(&ran)));
    }
    changed.by_hand.push(format!("systemctl {}", words.join(" ")));
    Ok(())
}

/// Returns the entries of this clone that are installed, and how they stand to what would be installed now.
///
/// # Errors
/// [`Failure`] where something cannot be read, or squad's lines are damaged.
pub fn status(session: &Session, machine: &Machine) -> Result<Installed, Failure> {
    let id = name_of(session)?;
    let mut entries = Vec::new();
    let (mut everybody, mut warnings) = (Vec::new(), Vec::new());
    for format in Format::ALL.iter().copied() {
        // Either of the two that could have been asked for is as it should be.
        let might = |run| plan(session, machine, &Wanted { format: Some(format), only: Vec::new(), run });
        let plans = [might(false)?, might(true)?];
        everybody = plans[0].entries.iter().filter_map(|entry| AgentName::new(entry.agent.as_deref()?).ok()).collect();
        match format {
            Format::Crontab => {
                let text = match Crontab::find(machine).map(|crontab| crontab.read()).transpose() {
                    Ok(Some(Some(text))) => text,
                    Ok(_) => continue,
                    Err(failure) => {
                        warnings.push(in_one_line(&failure));
                        continue;
                    }
                };
                let Some(place) = block::find(&text, &id).map_err(crontab::damaged)? else { continue };
                entries.extend(block::entries(&text, &place).iter().map(|line| of_line(line, &plans)));
            }
            _ => {
                let Some(folder) = folder(machine, format, &id) else { continue };
                entries.extend(of_files(&folder.present()?, &folder.prefix, &plans));
            }
        }
    }
    let woken = |name: &AgentName| entries.iter().any(|entry: &Entry| entry.agent.as_deref() == Some(name.as_str()));
    everybody.retain(|name| !woken(name));
    Ok(Installed { entries, not_scheduled: everybody, warnings })
}

fn of_line(line: &str, plans: &[Schedule; 2]) -> Entry {
    let mut all = plans.iter().flat_map(|plan| &plan.entries);
    if let Some(entry) = all.find(|entry| entry.line == line) {
        return Entry { state: Some(Standing::Ok), ..entry.clone() };
    }
    let agent = line.split_once(" --agent ").and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned);
    let field = |nth| line.split_whitespace().nth(nth).unwrap_or_default();
    let numbers = |field: &str| field.split(',').filter_map(|n| n.parse().ok()).collect();
    Entry {
        state: Some(standing(agent.as_deref(), plans)),
        agent,
        minutes: numbers(field(0)),
        hours: numbers(field(1)),
        line: line.to_owned(),
        format: Format::Crontab,
    }
}

fn standing(agent: Option<&str>, plans: &[Schedule; 2]) -> Standing {
    let known = agent.is_some_and(|agent| plans[0].entries.iter().any(|entry| entry.agent.as_deref() == Some(agent)));
    if known { Standing::Changed } else { Standing::Extra }
}

/// Returns an entry for each agent that files are named after; it is as it should be when each of its files is.
fn of_files(present: &[(String, Vec<u8>)], prefix: &str, plans: &[Schedule; 2]) -> Vec<Entry> {
    let stem = |name: &str| {
        let name = name.strip_prefix(prefix).unwrap_or(name);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
    };
    let mut agents: Vec<String> = present.iter().map(|(name, _)| stem(name)).collect();
    agents.dedup();
    let of = |agent: &str, plan: &Schedule| -> bool {
        let wanted: Vec<&Unit> = plan.texts.iter().filter(|(name, _)| stem(name) == agent).collect();
        let there = |unit: &&Unit| present.iter().any(|(name, bytes)| *name == unit.0 && bytes == unit.1.as_bytes());
        !wanted.is_empty() && wanted.iter().all(there)
    };
    let entry = |agent: String| {
        let right = plans.iter().find(|plan| of(&agent, plan));
        let like = right.unwrap_or(&plans[0]).entries.iter().find(|entry| entry.agent.as_deref() == Some(&agent));
        let state = if right.is_some() { Standing::Ok } else { standing(Some(&agent), plans) };
        let known = like.cloned().unwrap_or_else(|| Entry {
            agent: Some(agent),
            minutes: Vec::new(),
            hours: Vec::new(),
            line: String::new(),
            format: plans[0].format,
            state: None,
        });
        Entry { state: Some(state), ..known }
    };
    agents.into_iter().map(entry).collect()
}
