//! Running a model: all its schedules up to a number of preemptions, counted; with and without a seeded fault.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, thread};

use crate::raw::shim::{ProcessIdentity, Seeded, seed};

/// Which fault is on, and how many schedules there were, are globals: one model runs at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Names the fault to seed, in a process that was started to find it.
const FAULT: &str = "PROCESSION_SEEDED_FAULT";

/// The process with this number, 1 to 3.
pub(crate) fn process(number: u64) -> ProcessIdentity {
    ProcessIdentity::from_bits(number).expect("not 0")
}

/// Explores a model, which must hold in every schedule, and prints how many there were.
pub(crate) fn holds(name: &str, preemptions: usize, model: fn()) {
    if env::var_os(FAULT).is_some() {
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    seed(None);
    let executions = explore(preemptions, model);
    println!("{name}: {executions} executions, no fault found");
    assert!(executions > 1, "a model with one schedule checks nothing");
}

/// Explores a model with a fault seeded into the machine, and must find it.
///
/// A model that fails leaves its threads in the middle of things, so this happens in a process of its own: the same test
/// of the same program, told to seed the fault.
pub(crate) fn finds(fault: Seeded, preemptions: usize, model: fn()) {
    let name = format!("{fault:?}");
    match env::var(FAULT) {
        Ok(wanted) if wanted == name => {
            seed(Some(fault));
            explore(preemptions, model);
        }
        Ok(_) => {}
        Err(_) => assert!(!passes_with(&name), "{name} was seeded and not found"),
    }
}

/// Whether the test that calls this passes when the fault is seeded.
fn passes_with(fault: &str) -> bool {
    let thread = thread::current();
    let test = thread.name().expect("the thread of a test has its name");
    let program = env::current_exe().expect("a program has a path");
    let output = Command::new(program).args([test, "--exact", "--nocapture"]).env(FAULT, fault).output();
    let output = output.expect("this program can be started again");
    println!("{fault}: seeded, {}", if output.status.success() { "not found" } else { "found" });
    String::from_utf8_lossy(&output.stdout).contains("running 0 tests") || output.status.success()
}

fn explore(preemptions: usize, model: fn()) -> usize {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    SEEN.store(0, Ordering::SeqCst);
    check(preemptions, move || {
        SEEN.fetch_add(1, Ordering::SeqCst);
        model();
    });
    SEEN.load(Ordering::SeqCst)
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}
