//! The matrices: programs that try every cell of a table, each of which says what is right there. See `examples/endings`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every ending of a pool, with every kind of call, whatever becomes of its handle, in every state.
#[test]
fn every_cell_of_the_endings_is_right() {
    let said = run("endings");
    assert!(said.contains("840 cells, 0 of them wrong"), "{said}");
}

/// Every place where code of the user's runs on a task's way, and whatever it may do there.
#[test]
fn every_cell_of_the_seams_is_right() {
    let said = run("seams");
    assert!(said.contains("203 cells, 0 of them wrong"), "{said}");
}

/// Runs such a program. It guards itself against hanging.
fn run(name: &str) -> String {
    let output = Command::new(built(name)).stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("the program");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where an example lies, as new as its sources. Whoever tests the whole package has built it already.
fn built(name: &str) -> PathBuf {
    // This program lies in the folder `deps` of the folder of its profile.
    let own = std::env::current_exe().expect("this program's path");
    let profile = own.parent().and_then(Path::parent).expect("a profile's folder");
    let program = profile.join("examples").join(name);
    if !is_fresh(&program) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--example", name, "--manifest-path"]);
        cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        cargo.arg("--target-dir").arg(profile.parent().expect("a target folder"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo").success(), "the example does not build");
    }
    program
}

/// Whether the program is there and no source that it was made of is newer.
fn is_fresh(program: &Path) -> bool {
    let age = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    // Cargo writes beside each program, as a rule of a makefile, what it was made of.
    let (Ok(rule), Ok(made)) = (fs::read_to_string(program.with_extension("d")), age(program)) else { return false };
    let sources = rule.split_once(": ").map_or("", |(_, sources)| sources);
    let is_older = |source: &str| age(Path::new(source)).is_ok_and(|changed| changed <= made);
    !sources.contains('\\') && sources.split_whitespace().all(is_older)
}
