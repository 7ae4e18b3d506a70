//! The doorstep: hands argv to the command line and returns its exit code. What keeps a run together
//! (`src/runner/shim.rs`) goes in by its own door, before anything else is set up.

use std::process::ExitCode;

fn main() -> ExitCode {
    let argv: Vec<_> = std::env::args_os().collect();
    #[cfg(unix)]
    if let Some(code) = squad::runner::shim::answer(&argv) {
        return ExitCode::from(code);
    }
    ExitCode::from(squad::cli::run(argv.into_iter()))
}
