//! The programs in `xtask/examples` that the lab runs.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::step;

/// Builds an example, unless it is built, and returns where it is.
///
/// It has the features that it has when all of the workspace is built, so that the one check has built it before.
pub(super) fn build(name: &str) -> Result<PathBuf, Failure> {
    step::run(&mut step::cargo(["build", "--locked", "--quiet", "--workspace", "--example", name]))?;
    Ok(step::target().join("debug/examples").join(name))
}
