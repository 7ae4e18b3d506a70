//! `init`: make a board, or join the one that is there.
//!
//! Owns who is in the first roster, which branch the board goes on, and what is set up in this clone.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::act::Done;
use super::failure::Failure;
use super::session::Session;
use crate::board::Oid;
use crate::board::layout::CONFIG;
use crate::board::repository::is_program;
use crate::board::store::{AccessFault, SEPARATE_BRANCH, is_branch_name};
use crate::model::code::ErrorCode;
use crate::model::config::{Agent, ApprovalGate};
use crate::model::id::AgentName;
use crate::model::operation::Action;
use crate::model::vocabulary::{AgentKind, Domain, Role};

/// What a new board begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// One owner, the default settings.
    Minimal,
    /// A roster of ten agents with a gate of approvals.
    MissionControl,
}

/// What came of `init`.
#[derive(Debug)]
pub struct Initialised {
    /// The branch that the board is on.
    pub branch: String,
    /// The remote that it is published to; `None` where the user's own repository is it.
    pub remote: Option<String>,
    /// The files that were made on the board.
    pub created: Vec<String>,
    /// The receipt and what else came of it.
    pub done: Done,
}

/// Makes the board, or joins the one that is there; sets up this clone.
///
/// # Errors
/// [`Failure`], which says why there is no board now.
pub fn init(session: &Session, branch: Option<&str>, template: Template) -> Result<Initialised, Failure> {
    session.agree_to_push()?;
    let known = session.board.branch();
    let branch = choose_branch(session, branch)?;
    session.board.set_branch(&branch);
    if session.options.offline && !session.options.dry_run {
        return Err(AccessFault::OfflineAndEmpty.into());
    }
    let head = session.board.look(&branch, session.limits.network)?;
    if head.is_none() {
        refuse_to_replace_what_was_deleted(session, known.as_deref() == Some(branch.as_str()), &branch)?;
        refuse_to_leave_commits_behind(session, &branch)?;
    }
    if let Some(head) = head {
        refuse_to_begin_anew(session, head)?;
    }
    let owner = owner(session)?;
    let mut agents = vec![owner.clone()];
    let mut gate = None;
    if template == Template::MissionControl {
        agents.extend(mission_control(&owner.name));
        gate = Some(mission_control_gate());
    }
    let action = Action::Init { branch: branch.clone(), agents, gate };
    let operation = session.operation(head, owner.name, None, action)?;
    let done = session.publish(&operation)?;
    let mut created = Vec::new();
    if !session.options.dry_run {
        set_up_clone(session, &branch)?;
        if done.unchanged.is_none() {
            created = done.files.iter().filter(|f| f.content.is_some()).map(|f| f.path.clone()).collect();
        }
    }
    let remote = session.board.remote_name().map(str::to_owned);
    Ok(Initialised { branch, remote, created, done })
}

/// The branch that was said, else the one of an existing board, else the one that is checked out.
fn choose_branch(session: &Session, wanted: Option<&str>) -> Result<String, Failure> {
    if let Some(branch) = wanted {
        if !is_branch_name(branch) {
            return Err(Failure::new(ErrorCode::Invalid, format!("{branch:?} cannot be the name of a branch"))
                .hint("`git check-ref-format --branch NAME` tells what can"));
        }
        return Ok(branch.to_owned());
    }
    if let Some(branch) = session.board.branch() {
        return Ok(branch);
    }
    match session.board.fetch(session.limits.network) {
        Ok(_) => return Ok(session.board.branch().expect("a board that was found has a branch")),
        Err(AccessFault::NoBoard { .. }) => {}
        Err(fault) => return Err(fault.into()),
    }
    session.board.checked_out_branch().ok_or_else(|| {
        Failure::new(ErrorCode::Usage, "no branch is checked out to put the board on")
            .hint(format!("say which: `squad init --branch main`, or `--branch {SEPARATE_BRANCH}` for one of its own"))
    })
}

/// A board on the branch that is checked out builds on what the remote has of it. Where the remote has nothing and
/// the user has commits, a board would begin a second history beside theirs.
fn refuse_to_leave_commits_behind(session: &Session, branch: &str) -> Result<(), Failure> {
    let Some(remote) = session.board.remote_name() else { return Ok(()) };
    if !session.board.has_local_commits(branch)? {
        return Ok(());
    }
    let push_first = format!("`git push {remote} {branch}` first");
    Err(Failure::new(
        ErrorCode::RemoteRefused,
        format!("{remote} has no branch {branch}, and your {branch} has commits"),
    )
    .why("a board would begin a second history beside them")
    .hint(if session.board.is_checked_out_here(branch) {
        format!("{push_first}, or put the board on a branch of its own: `squad init --branch {SEPARATE_BRANCH}`")
    } else {
        format!("{push_first}, or choose another branch")
    }))
}

/// Where this clone has seen a board on that branch, and the remote has none now, somebody has deleted it. A new board in
/// its place would pass for the old one.
fn refuse_to_replace_what_was_deleted(session: &Session, known: bool, branch: &str) -> Result<(), Failure> {
    let Some(last) = session.board.head()?.filter(|_| known) else { return Ok(()) };
    let remote = session.board.remote_name().unwrap_or("this repository").to_owned();
    Err(Failure::from(AccessFault::NoBranch { remote, branch: branch.to_owned() })
        .why(format!("this clone has seen the board there, last at {last}, and keeps that in its private store"))
        .with("old", last.to_string()))
}

/// Where the branch had a board whose configuration is gone, a new one would hand the roster to whoever makes it.
fn refuse_to_begin_anew(session: &Session, head: Oid) -> Result<(), Failure> {
    let has_board = session.board.snapshot(Some(head))?.files().find(CONFIG).is_ok_and(|found| found.is_some());
    if has_board || !session.board.has_founding_before(&[head])? {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::NotPermitted, format!("this branch had a board, and {CONFIG} is gone"))
        .why("a new board in its place would make whoever makes it the owner of the old one's tasks")
        .hint(format!(
            "bring the file back: `git log -1 --format=%H -- {CONFIG}` is the commit that took it away, and \
             `git checkout COMMIT~1 -- {CONFIG}` the file; then commit and push it"
        )))
}

/// The first member: whoever makes the board, by git's own account of them.
fn owner(session: &Session) -> Result<Agent, Failure> {
    let settings = &session.board.settings;
    let name = match &session.options.agent {
        Some(name) => AgentName::new(name.as_str()).map_err(|bad| Failure::new(ErrorCode::Invalid, bad.to_string()))?,
        None => {
            let from = settings.get("user.name").or_else(|| settings.get("user.email")).unwrap_or_default();
            AgentName::new(&slug(from)).map_err(|_| {
                Failure::new(ErrorCode::UnknownAgent, "the board's owner has no name")
                    .why("git has neither user.name nor user.email to make one from")
                    .hint("`git config user.name \"Your Name\"`, or say `squad init --agent NAME`")
            })?
        }
    };
    let mut owner = Agent::new(name, Role::Owner, AgentKind::Human);
    owner.email = settings.get("user.email").map(str::to_owned);
    Ok(owner)
}

/// Returns a name made of the letters and digits of a text.
fn slug(text: &str) -> String {
    let text = text.split('@').next().unwrap_or_default().to_lowercase();
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').chars().take(64).collect()
}

/// A chief, two managers, and the executors whose work they hand out.
fn mission_control(owner: &AgentName) -> Vec<Agent> {
    use Domain::{Dev, Marketing};
    let roster: &[(&str, Role, Option<Domain>)] = &[
        ("hex", Role::Chief, None),
        ("knox", Role::Manager, Some(Dev)),
        ("sterling", Role::Manager, Some(Marketing)),
        ("aria", Role::Executor, Some(Dev)),
        ("vault", Role::Executor, Some(Dev)),
        ("scout", Role::Executor, Some(Dev)),
        ("rigor", Role::Executor, Some(Dev)),
        ("slate", Role::Executor, Some(Marketing)),
        ("pulse", Role::Executor, Some(Marketing)),
        ("reach", Role::Executor, Some(Marketing)),
        ("iris", Role::Executor, Some(Marketing)),
        ("recon", Role::Executor, Some(Domain::Both)),
    ];
    let member = |(name, role, domain): &(&str, Role, Option<Domain>)| {
        let name = AgentName::new(name).expect("the template's names are names");
        (name != *owner).then(|| Agent { domain: *domain, ..Agent::new(name, *role, AgentKind::Agent) })
    };
    roster.iter().filter_map(member).collect()
}

/// The owner, the chief and a manager approve, and four had a hand in it.
fn mission_control_gate() -> ApprovalGate {
    ApprovalGate {
        approvals: 3,
        roles: vec![Role::Manager, Role::Chief, Role::Owner],
        min_participants: 4,
        every_role: true,
    }
}

/// A setting of git that names a command of squad's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Driver {
    /// Its key.
    pub key: &'static str,
    /// The command.
    pub command: &'static str,
}

impl Driver {
    /// Returns what a value is to be that names squad and is not what it was made as, by an older squad or by a slip of
    /// the hand; nothing where it is right, or another program's. A squad that is named in full, and is there, stays.
    pub fn mended(self, found: &str) -> Option<String> {
        let (program, args) = found.trim().split_once(char::is_whitespace)?;
        let (_, wanted) = self.command.split_once(' ')?;
        let verb = |args: &str| args.split_whitespace().next().map(str::to_owned);
        let path = Path::new(program);
        if path.file_stem().is_none_or(|name| name != "squad") || verb(args) != verb(wanted) {
            return None;
        }
        // What the shell looks up, and what it takes apart first, is not looked for here.
        let is_there = program == "squad" || program.starts_with(['~', '$']) || is_program(path);
        let right = if is_there { format!("{program} {wanted}") } else { self.command.to_owned() };
        (args.split_whitespace().ne(wanted.split_whitespace()) || !is_there).then_some(right)
    }
}

/// The setting by which git merges files of the board.
pub(super) const MERGE_DRIVER: Driver = Driver { key: "merge.squad.driver", command: "squad merge-driver %O %A %B %P" };

/// The setting by which git shows changes of tasks.
pub(super) const TEXTCONV: Driver = Driver { key: "diff.squad.textconv", command: "squad diff --textconv" };

/// What `.gitattributes` of the board names beside them, and each clone has to say for itself.
const DRIVERS: [(&str, &str); 2] = [
    ("merge.squad.name", "squad: tasks by their fields"),
    // What it prints may change with squad, and git would not notice.
    ("diff.squad.cachetextconv", "false"),
];

/// First line of squad's block in `info/exclude`.
pub(super) const EXCLUDE_BEGIN: &str = "# squad: begin";

/// What an agent keeps for itself, below the root of a worktree.
const EXCLUDED: &str = "# squad: begin\n/memory/heartbeat-state.json\n/memory/*/WORKING.md\n# squad: end\n";

fn set_up_clone(session: &Session, branch: &str) -> Result<(), Failure> {
    let board = &session.board;
    board.configure("squad.branch", branch)?;
    board.configure("squad.remote", board.remote_name().unwrap_or("."))?;
    for (key, value) in DRIVERS {
        if board.settings.get(key).is_none() {
            board.configure(key, value)?;
        }
    }
    for driver in [MERGE_DRIVER, TEXTCONV] {
        // A driver that somebody has put there is theirs: another program, or this one by its full path.
        let wanted = match board.settings.get(driver.key) {
            None => Some(driver.command.to_owned()),
            Some(found) => driver.mended(found),
        };
        if let Some(wanted) = wanted {
            board.configure(driver.key, &wanted)?;
        }
    }
    let exclude = board.place.common_dir.join("info").join("exclude");
    let failed = |source| AccessFault::State { what: "write", path: exclude.clone(), source };
    let old = fs::read_to_string(&exclude).unwrap_or_default();
    if !old.contains(EXCLUDE_BEGIN) {
        fs::create_dir_all(board.place.common_dir.join("info")).map_err(failed)?;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&exclude).map_err(failed)?;
        let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{gap}{EXCLUDED}").as_bytes()).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_called_by_what_is_left_of_their_name() {
        assert_eq!(slug("Ada Lovelace"), "ada-lovelace");
        assert_eq!(slug("  J. R. Ewing "), "j-r-ewing");
        assert_eq!(slug("ryan@example.org"), "ryan");
        assert_eq!(slug("数え"), "");
    }

    #[test]
    fn a_driver_is_mended_where_it_is_squads_and_wrong() {
        let right = Some(MERGE_DRIVER.command.to_owned());
        for (found, mended) in [
            ("squad merge-driver %O %A %B %P", None),
            ("squad merge-driver %O %A %B", right.clone()),
            ("squad merge-driver %A %O %B %P", right.clone()),
            ("/not/here/squad merge-driver %O %A %B %P", right),
            ("~/bin/squad merge-driver %O %A %B", Some("~/bin/squad merge-driver %O %A %B %P".to_owned())),
            ("~/bin/squad merge-driver %O %A %B %P", None),
            ("squad-nonexist merge-driver %O %A %B %P", None),
            ("sh -c 'exit 0' merge-driver %O %A %B %P", None),
            ("cat %A", None),
            ("squad", None),
        ] {
            assert_eq!(MERGE_DRIVER.mended(found), mended, "{found}");
        }
        assert_eq!(TEXTCONV.mended("squad diff -textconv").as_deref(), Some(TEXTCONV.command));
    }
}
