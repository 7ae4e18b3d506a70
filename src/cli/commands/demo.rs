//! `demo`

use crate::cli::args::DemoArgs;
use crate::cli::run::Context;
use crate::ops::failure::Failure;

pub(in crate::cli) fn run(_: &mut Context<'_>, _: &DemoArgs) -> Result<u8, Failure> {
    unimplemented!()
}
