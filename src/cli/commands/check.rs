//! `check`

use crate::cli::args::CheckArgs;
use crate::cli::run::Context;
use crate::ops::failure::Failure;

pub(in crate::cli) fn run(_: &mut Context<'_>, _: &CheckArgs) -> Result<u8, Failure> {
    unimplemented!()
}
