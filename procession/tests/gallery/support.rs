//! How the tests run an example and read what it prints.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, SystemTime};

/// How long an example may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What an example has printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: ExitStatus,
}

impl Ran {
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// The place of the only line that is this one.
    pub(crate) fn place(&self, line: &str) -> usize {
        let places: Vec<_> = self.lines().into_iter().enumerate().filter(|(_, found)| *found == line).collect();
        assert_eq!(places.len(), 1, "{line:?} among\n{}", self.stdout);
        places[0].0
    }
}

/// Runs an example to its end, which must be a good one.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Ran {
    let ran = run_to_any_end(name, arguments);
    assert!(ran.status.success(), "{name} {arguments:?}: {}\n{}{}", ran.status, ran.stdout, ran.stderr);
    ran
}

pub(crate) fn run_to_any_end(name: &str, arguments: &[&str]) -> Ran {
    let child = command(name).args(arguments).stdin(Stdio::null()).spawn().expect("the example runs");
    finish(child)
}

/// An example that is not started yet; its streams will be pipes.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(built(name));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Everything that it prints until its end and the end of all who print with it.
pub(crate) fn finish(child: Child) -> Ran {
    let pid = child.id().to_string();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    match receive.recv_timeout(PATIENCE) {
        Ok(output) => Ran::from(output.expect("its output can be read")),
        Err(RecvTimeoutError::Timeout) => {
            let _killed = Command::new("kill").args(["-KILL", &pid]).status();
            panic!("the example hangs");
        }
        Err(RecvTimeoutError::Disconnected) => unreachable!("the thread sends before it ends"),
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ran { stdout, stderr, status: output.status }
    }
}

/// Where an example lies, as new as its sources.
///
/// Whoever tests the whole package has built the examples already, and then there is nothing to do.
fn built(name: &str) -> PathBuf {
    // This program lies in the folder `deps` of the folder of its profile.
    let own = std::env::current_exe().expect("this program's path");
    let profile = own.parent().and_then(Path::parent).expect("a profile's folder");
    let program = profile.join("examples").join(name);
    if !is_fresh(&program) {
        build(profile);
    }
    program
}

/// Whether the program is there and no source that it was made of is newer.
fn is_fresh(program: &Path) -> bool {
    let age = |path: &Path| fs::metadata(path).and_then(|found| found.modified());
    // Cargo writes beside each program, as a rule of a makefile, what it was made of.
    let (Ok(rule), Ok(made)) = (fs::read_to_string(program.with_extension("d")), age(program)) else { return false };
    let sources = rule.split_once(": ").map_or("", |(_, sources)| sources);
    let is_older = |source: &str| age(Path::new(source)).is_ok_and(|changed: SystemTime| changed <= made);
    !sources.contains('\\') && sources.split_whitespace().all(is_older)
}

/// Builds all examples with the settings of this test program, once.
fn build(profile: &Path) {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--manifest-path"]);
        cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        cargo.arg("--target-dir").arg(profile.parent().expect("a target folder"));
        if cfg!(feature = "hosts") {
            cargo.args(["--features", "hosts"]);
        }
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo").success(), "the examples do not build");
    });
}
