//! Writes a board of N tasks into a new bare repository: `cargo bench --bench generate -- --tasks 10000 DIR`; with
//! `--commits M`, so many commits of work on it as well.

#![expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a program of its own, for the terminal")]

mod board;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut shape = board::Shape { tasks: 10_000, seed: 1 };
    let mut commits = 0;
    let mut dir = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse::<u64>().ok());
        match arg.as_str() {
            // Cargo says this to every bench.
            "--bench" => {}
            "--tasks" => shape.tasks = number().and_then(|n| usize::try_from(n).ok()).unwrap_or(shape.tasks),
            "--commits" => commits = number().and_then(|n| usize::try_from(n).ok()).unwrap_or(commits),
            "--seed" => shape.seed = number().unwrap_or(shape.seed),
            _ => dir = Some(PathBuf::from(arg)),
        }
    }
    let Some(dir) = dir else {
        eprintln!("usage: generate [--tasks N] [--commits M] [--seed S] DIR");
        return ExitCode::SUCCESS;
    };
    let worked = |()| if commits > 0 { board::history::write(&dir, shape, commits) } else { Ok(()) };
    match board::write(&dir, shape).and_then(worked) {
        Ok(()) => {
            eprintln!("{} tasks in {}", shape.tasks, dir.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
