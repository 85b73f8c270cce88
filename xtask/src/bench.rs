//! `cargo xtask bench`: builds the project in `bench/` optimised and hands it the arguments.
//!
//! The project stands outside the workspace, with a lock file of its own, so that the peers it
//! measures against never become dependencies of ours.

use lexopt::Parser;

use crate::command::Command;
use crate::failure::Failure;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    takes: "[GROUP...] [--quick] [--pin] [--rounds N]",
    about: "measures against peers, CPython and raw limits; --help lists the groups",
    details: None,
    run,
};

/// Where the project is, seen from the root.
pub(crate) const MANIFEST: &str = "bench/Cargo.toml";

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let mut cargo = step::cargo(["run", "--quiet", "--release", "--manifest-path", MANIFEST, "--"]);
    step::run(cargo.args(arguments.raw_args()?))
}
