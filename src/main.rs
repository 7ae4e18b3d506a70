//! The doorstep: hands argv to the command line and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(squad::cli::run(std::env::args_os()))
}
