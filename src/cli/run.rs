//! From argv to exit code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;

use super::args::{self, Cli, Command, Globals, ReportFormat};
use super::commands;
use super::exit_code;
use super::terminal;
use super::ui::{Ui, Voice};
use crate::clock::{Clock, SystemClock};
use crate::model::code::ErrorCode;
use crate::ops::consent::Consent;
use crate::ops::failure::Failure;
use crate::ops::session::{Options, Session};

/// Runs a command line and returns the exit code.
pub fn run(argv: impl Iterator<Item = OsString>) -> u8 {
    #[cfg(debug_assertions)]
    if let Ok(step) = std::env::var("SQUAD_FAIL_POINT") {
        crate::failpoint::arm(&step);
    }
    match args::parse(argv) {
        Ok(cli) => {
            let mut voice = Voice::from(&cli.globals);
            // `--format json` is `--json` in other words.
            voice.json |= matches!(&cli.command, Command::Review(args) if args.format == ReportFormat::Json);
            let mut ui = Ui::new(voice);
            let name = cli.command.name();
            let code = match dispatch(cli, &mut ui) {
                Ok(code) => code,
                Err(failure) => {
                    ui.failure(Some(name), &failure);
                    failure.code.exit()
                }
            };
            close(ui, code)
        }
        Err(stop) => {
            let mut ui = Ui::new(stop.voice());
            let code = stop.tell(&mut ui);
            close(ui, code)
        }
    }
}

/// An answer that could not be written is no success.
fn close(ui: Ui, code: u8) -> u8 {
    match ui.finish() {
        Ok(()) => code,
        Err(_) if code == exit_code::OK => exit_code::INTERNAL,
        Err(_) => code,
    }
}

/// What every command is given.
pub(super) struct Context<'a> {
    /// The streams.
    pub ui: &'a mut Ui,
    /// The global flags.
    pub globals: Globals,
    /// The clock.
    pub clock: Rc<dyn Clock>,
}

impl Context<'_> {
    /// Returns the folder that the command is about.
    pub fn dir(&self) -> Result<PathBuf, Failure> {
        let here = std::env::current_dir()
            .map_err(|e| Failure::new(ErrorCode::Internal, "the current folder is gone").caused_by(&e))?;
        Ok(match &self.globals.directory {
            Some(dir) => here.join(dir),
            None => here,
        })
    }

    /// Opens the board for reading, or for a verb that is not only tried.
    pub fn session(&self) -> Result<Session, Failure> {
        self.session_with(|_| {})
    }

    /// Opens the board with more said about the command.
    pub fn session_with(&self, more: impl FnOnce(&mut Options)) -> Result<Session, Failure> {
        let mut options = self.options()?;
        more(&mut options);
        Session::open(options, self.clock.clone())
    }

    /// Returns what the command line says about the whole command.
    pub fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            dir: self.dir()?,
            agent: self.globals.agent.clone(),
            epoch: self.globals.epoch,
            offline: self.globals.offline,
            strict: self.globals.strict,
            consent: Consent::new(self.globals.yes, terminal::agrees),
            watcher: terminal::watcher(&self.globals),
            ..Options::default()
        })
    }
}

fn dispatch(cli: Cli, ui: &mut Ui) -> Result<u8, Failure> {
    let Cli { globals, command } = cli;
    let name = command.name();
    let mut cx = Context { ui, globals, clock: Rc::new(SystemClock) };
    match command {
        Command::Init(args) => commands::init::run(&mut cx, &args),
        Command::Agents(args) => commands::agents::run(&mut cx, name, args.command),
        Command::New(args) => commands::new::run(&mut cx, args),
        Command::Import(args) => commands::import::run(&mut cx, args),
        Command::Show(args) => commands::show::run(&mut cx, &args),
        Command::List(args) => commands::list::run(&mut cx, &args),
        Command::Edit(args) => commands::edit::run(&mut cx, &args),
        Command::Comment(args) => commands::comment::run(&mut cx, &args),
        Command::Dep(args::DepCommand::Tree(args)) => commands::dep_tree::run(&mut cx, &args),
        Command::Archive(args) => commands::archive::run(&mut cx, &args),
        Command::Scan(args) => commands::scan::run(&mut cx, &args),
        Command::Next => commands::next::run(&mut cx),
        Command::Claim(args) => commands::claim::run(&mut cx, args),
        Command::Block(args) => commands::block::run(&mut cx, args),
        Command::Submit(args) => commands::deliver::run(&mut cx, name, args, commands::deliver::Goal::Review),
        Command::Complete(args) => commands::deliver::run(&mut cx, name, args, commands::deliver::Goal::Done),
        Command::Verify(args) => commands::deliver::verify(&mut cx, args),
        Command::Sync(args) => commands::sync::run(&mut cx, args),
        Command::Status => commands::status::run(&mut cx),
        Command::Log(args) => commands::log::run(&mut cx, args),
        Command::Activity(args) => commands::log::activity(&mut cx, &args),
        Command::Stats(args) => commands::stats::run(&mut cx, &args),
        Command::Diff(args) => commands::diff::run(&mut cx, &args),
        Command::Check(args) => commands::check::run(&mut cx, &args),
        Command::Review(args) => commands::review::run(&mut cx, &args),
        Command::Audit(args) => commands::audit::run(&mut cx, &args),
        Command::Backup(args) => commands::backup::run(&mut cx, name, args),
        Command::Doctor => commands::doctor::run(&mut cx),
        Command::Schema(args) => commands::papers::schema(&mut cx, &args),
        Command::Lock(args) => commands::lock::run(&mut cx, name, args),
        Command::Beat(args) => commands::life::beat(&mut cx, &args),
        Command::Wait(args) => commands::life::wait(&mut cx, args),
        Command::Recover(args) => commands::life::recover(&mut cx, &args),
        Command::Heartbeat(args) => commands::life::heartbeat(&mut cx, &args),
        Command::Wake(args) => commands::life::wake(&mut cx, &args),
        Command::Schedule(command) => commands::schedule::run(&mut cx, name, command),
        Command::Run(args) => commands::running::run(&mut cx, args),
        Command::Hook(command) => commands::hook::run(&mut cx, name, command),
        Command::Demo(args) => commands::demo::run(&mut cx, &args),
        Command::Selftest => commands::demo::selftest(&mut cx),
        Command::MergeDriver(args) => commands::merge_driver::run(&mut cx, args),
        Command::Completions(args) => commands::papers::completions(&mut cx, &args),
        Command::Man(args) => commands::papers::man(&mut cx, &args),
        // What needs no more than its arguments as they stand.
        other => commands::step::run(&mut cx, name, other),
    }
}
