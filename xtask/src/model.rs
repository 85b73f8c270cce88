//! `cargo xtask model`: runs the lock machines of `sync` under loom, which tries every order in which their steps can happen.
//!
//! The machines are compiled for loom by a cfg, so they get a folder of build artefacts of their own.

use lexopt::Parser;

use crate::command::Command;
use crate::failure::Failure;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "model",
    takes: "",
    about: "tries every order of the steps of the locks (loom)",
    details: Some("It takes no arguments, and about a minute.\n"),
    run,
};

/// Where the artefacts go, below the root.
const TARGET: &str = "target/model";

fn run(mut arguments: Parser) -> Result<(), Failure> {
    if let Some(argument) = arguments.next()? {
        return Err(argument.unexpected().into());
    }
    check()
}

/// Explores all models; each prints how many executions there were, and the seeded faults must be found.
pub(crate) fn check() -> Result<(), Failure> {
    let mut cargo = step::cargo(["test", "--locked", "--quiet", "--release", "--package", "procession-sync"]);
    cargo.args(["--test", "model", "--", "--nocapture", "--test-threads", "1"]);
    cargo.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", step::root().join(TARGET));
    step::run(&mut cargo)
}
