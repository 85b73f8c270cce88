//! The life of a child: set up, call the function, report the outcome, exit. It never returns into the program's own code.
//!
//! | end of the function | outcome sent | exit code |
//! | --- | --- | --- |
//! | it returns | `Returned` | 0 |
//! | it returns, and a destructor of its value panics afterwards | `Returned` | 101 |
//! | its result cannot be sent | `Failed` | 1 |
//! | its argument cannot be decoded, its result not encoded | `Failed` | 1 |
//! | it panics | `Panicked` | 101 |
//! | it calls `exit(n)` | none; `Exited` where the kernel would truncate `n`, `Panicked` within a panic | `n` |
//! | it aborts within a panic | `Panicked`, as last words | none, a signal |
//! | a signal ends it | none | none, a signal |

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};
use std::{env, io, mem, process};

use procession_core::codec::Message;
use procession_core::os::pidfd::own_number;
use procession_core::os::{directory, exit, lifeline, mutex, profile, signal, stdio};
use procession_core::{Control, Function, Image, LinkError, PendingDrop, last_words, start};
use std::os::fd::OwnedFd;

use crate::job::{Job, Report, Setup};
use crate::panics::{self, Panic};
use crate::process_info;
use crate::stdio::Stream;

/// The exit code of a Rust program whose `main` panics.
pub(crate) const PANICKED: i32 = 101;
/// The exit code of a child whose function could not be called, or whose result could not be sent.
const FAILED: i32 = 1;

/// The variable that has copies run the exit hooks of the C library.
const WANTS_EXIT_HOOKS: &str = "PROCESSION_EXIT_HOOKS";
/// Whether it was set when the environment was last read. Relaxed: read and written before any thread of the program runs.
static EXIT_HOOKS: AtomicBool = AtomicBool::new(false);

/// How a child exits when its function has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStyle {
    /// As a program of its own does: through the C library.
    AsProgram,
    /// As a copy of another process: the exit handlers of the original are not run.
    AsCopy,
}

/// The link to the parent, until the outcome is sent.
static PARENT: Mutex<Option<&'static mut Control>> = Mutex::new(None);

/// Does once, in the process that is about to be copied, what each copy would have to do: each page of memory that a fresh copy
/// touches costs it 2 µs.
pub(crate) fn prepare_copies() {
    panics::prepare_watch();
    panics::on_watched_panic(prepare_last_words);
    update_exit_hooks();
}

/// Runs the child whose job arrives over `control`.
pub(crate) fn receive(mut control: Control, leave: ExitStyle) -> ! {
    match control.recv::<Job>(None) {
        Ok(Some(job)) => {
            process_info::set_own(&job.info);
            run_child(job, control, leave)
        }
        // The parent has given the start up or is gone, so that a report would reach no process.
        Ok(None) => exit::exit_now(FAILED),
        Err(error) => refuse(&mut control, &error.to_string()),
    }
}

/// Runs a child that has its job and its name.
pub(crate) fn run_child(job: Job, mut control: Control, leave: ExitStyle) -> ! {
    if leave == ExitStyle::AsCopy {
        profile::begin_copy();
    }
    let Job { image, info: _, setup, lifeline, function, argument, control: second, .. } = job;
    #[cfg(feature = "log")]
    let logs = job.logs;
    // Compared before the function is decoded: a distance in another program would lead anywhere.
    if image.is_some_and(|one| one != *Image::own()) {
        refuse(
            &mut control,
            "it runs another program than its parent: /proc/self/exe does not lead back to this executable",
        );
    }
    #[cfg(feature = "log")]
    logs.into_iter().for_each(crate::logs::begin);
    let sent = match apply_setup(setup, lifeline.map(OwnedFd::from)) {
        Ok(()) => control.send(&Report::Started { pid: own_number() }),
        Err(reason) => refuse(&mut control, &reason),
    };
    // The parent has given the start up. The function must not run then, as `spawn_timeout` promises.
    if sent.is_err() {
        exit::exit_now(FAILED);
    }
    // For children that were executed. Copies have it from `prepare_copies`, before they were made.
    panics::on_watched_panic(prepare_last_words);
    // Only after `Started`: the end of a link without it says that the child has run nothing.
    *parent() = Some(last_words::speak_over(control));
    let code = run(function, argument, second);
    match leave {
        ExitStyle::AsCopy if !EXIT_HOOKS.load(Ordering::Relaxed) => exit::leave(code),
        ExitStyle::AsCopy | ExitStyle::AsProgram => process::exit(code),
    }
}

/// Reads whether copies are to exit as programs do, with all that libraries do then: leak sanitizers, profilers, exit hooks of C
/// code. It is called again when the environment has changed.
fn update_exit_hooks() {
    let wanted = env::var_os(WANTS_EXIT_HOOKS).is_some_and(|value| !value.is_empty() && value != "0");
    EXIT_HOOKS.store(wanted, Ordering::Relaxed);
}

/// A result with more descriptors is dropped before it is sent. A smaller number drops results early, where a panic of their
/// destructor costs the result; a larger one may meet the limit on descriptors, of which sending opens each once more.
const MANY_DESCRIPTORS: usize = 64;

/// Calls the function, sends the outcome, and returns the exit code.
fn run(function: Function, argument: Message, control: Option<Control>) -> i32 {
    let outcome = panics::catch_and_print(|| function.call_keeping(argument, control));
    let (report, code, mut value) = match outcome {
        Ok(Ok((result, value))) => (Report::Returned(result), 0, value),
        Ok(Err(error)) => (Report::Failed(error.to_string()), FAILED, PendingDrop::default()),
        Err(panic) => (Report::Panicked(panic), PANICKED, PendingDrop::default()),
    };
    // Before the outcome, after which nothing is sent.
    report_dropped_logs();
    if let Report::Returned(result) = &report
        && result.descriptors().len() > MANY_DESCRIPTORS
    {
        panics::discard(mem::take(&mut value));
    }
    let sent = send_reports(std::slice::from_ref(&report));
    if let Report::Returned(result) = &report
        && result.descriptors().is_empty()
    {
        // Bytes alone, which go with the process: to free them would touch pages that a fresh copy has to fault in.
        mem::forget(report);
    }
    // A destructor that panics or ends the process costs no result: it was sent.
    let has_dropped = value.is_empty() || panics::catch_and_print(|| drop(value)).is_ok();
    sent.map_or(FAILED, |()| if has_dropped { code } else { PANICKED })
}

/// Sets the process up as the job says.
fn apply_setup(setup: Setup, lifeline: Option<OwnedFd>) -> Result<(), String> {
    let streams = setup.standard.map(Stream::received);
    let step = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    stdio::install(streams).map_err(step("connect its standard streams"))?;
    let has_new_environment = setup.environment.is_some() || !setup.changes.is_empty();
    // The whole environment first, then the changes of the builder, which are made on top of it.
    if let Some(variables) = setup.environment {
        start::set_environment(&variables).map_err(step("take over the environment"))?;
    }
    for (name, value) in &setup.changes {
        start::set_variable(name, value.as_ref()).map_err(step("change its environment"))?;
    }
    // Only then, because a look at the environment touches a page that a copy has to copy.
    if has_new_environment {
        update_exit_hooks();
    }
    // The directory of the parent first: that of the builder may be relative to it.
    if let Some(directory) = setup.parent_directory {
        directory::enter(OwnedFd::from(directory)).map_err(step("enter its parent's working directory"))?;
    }
    if let Some(directory) = setup.directory {
        env::set_current_dir(&directory).map_err(|error| format!("cannot enter {}: {error}", directory.display()))?;
    }
    // After the directory, which may fail with a better message, and before the function can start anything of its own.
    if let Some(end) = lifeline {
        lifeline::die_with(&end).map_err(step("tie its life to its parent's"))?;
    }
    if setup.named {
        let name = process_info::own().name.replace('\0', " ");
        signal::set_process_name(&name).map_err(step("name itself"))?;
    }
    watch_exit();
    Ok(())
}

/// Reports why the function is not called, and ends this process. Its parent gets
/// [`SpawnError::Refused`](crate::SpawnError::Refused).
fn refuse(control: &mut Control, reason: &str) -> ! {
    // Then at once: `process::exit` would run the exit handlers of the original in a copy.
    let _parent_gone = control.send(&Report::Refused(reason.to_owned()));
    exit::exit_now(FAILED)
}

/// Registers the report of an exit code that the kernel would truncate. Without memory for that the parent sees the truncated one.
pub(crate) fn watch_exit() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| drop(exit::on_exit_status(report_exit)));
}

/// Sends the last reports and closes the link. An outcome that cannot be sent is reported as an error.
fn send_reports(reports: &[Report]) -> Result<(), LinkError> {
    // Taken out: an exit handler that runs after the outcome finds no link, and sends no second one.
    let Some(control) = parent().take() else { return Ok(()) };
    // An abort from here on must not send a second outcome.
    last_words::silence();
    reports.iter().try_for_each(|report| control.send(report)).or_else(|error| match error {
        // The parent is gone, so that no process waits for the outcome.
        LinkError::Disconnected => Ok(()),
        error => {
            let _parent_gone = control.send(&Report::Failed(unsendable(&error)));
            Err(error)
        }
    })
}

/// Returns the text of a result that was encoded but cannot be sent, because of a limit for example.
fn unsendable(error: &LinkError) -> String {
    format!("the function returned, but its result cannot be sent: {error}")
}

/// Prepares the report of a panic in case it ends this process.
fn prepare_last_words(panic: &Panic) {
    last_words::prepare(&Report::Panicked(panic.clone()));
}

/// Reports an exit before the function has returned: in the middle of which panic, and with which code, where the
/// kernel would truncate it.
fn report_exit(code: i32) {
    // Before the outcome, after which nothing is sent.
    report_dropped_logs();
    let panic = panics::current_panic().map(Report::Panicked);
    let code = (!(0..=255).contains(&code)).then_some(Report::Exited(code));
    let reports: Vec<Report> = code.into_iter().chain(panic).collect();
    if !reports.is_empty() {
        let _untold = send_reports(&reports);
    }
}

/// Reports the number of log records that found no room.
fn report_dropped_logs() {
    #[cfg(feature = "log")]
    if let (Some(control), count @ 1..) = (&mut *parent(), crate::logs::take_dropped()) {
        let _parent_gone = control.send(&Report::Unlogged(count));
    }
}

/// Forgets the link to the parent without touching it: it belongs to the original of this copy.
pub(crate) fn forget_inherited() {
    // An abort from here on must not send a second outcome.
    last_words::silence();
    *parent() = None;
}

/// Locks the link to the parent: `None` before the start is reported, after the outcome is sent, and in processes that
/// are no children.
fn parent() -> std::sync::MutexGuard<'static, Option<&'static mut Control>> {
    mutex::lock(&PARENT)
}
