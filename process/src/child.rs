//! The life of a child: set up, call the function, tell the outcome, exit. It never returns into the program's own code.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::{env, io, mem, process};

use procession_core::codec::Message;
use procession_core::os::pidfd::own_number;
use procession_core::os::{directory, exit, lifeline, profile, signal, stdio};
use procession_core::{Control, Function, Image, LinkError, PendingDrop, last_words, start};
use std::os::fd::OwnedFd;

use crate::identity;
use crate::job::{Job, Report, Surroundings};
use crate::panics::{self, Panic};
use crate::stdio::Stream;

/// The exit code of a Rust program whose `main` panics.
pub(crate) const PANICKED: i32 = 101;
/// The exit code of a child whose function could not be called, or whose result could not be sent.
const FAILED: i32 = 1;

/// The variable that has copies run the exit hooks of the C library.
const WANTS_EXIT_HOOKS: &str = "PROCESSION_EXIT_HOOKS";
/// Whether it was set when the environment was looked at last.
static EXIT_HOOKS: AtomicBool = AtomicBool::new(false);

/// How a child leaves when its function is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// As a program of its own does: through the C library.
    AsProgram,
    /// As a copy of another process: what that one has registered to run at exit is not run.
    AsCopy,
}

/// The link to the parent, while there is an outcome to tell.
static PARENT: Mutex<Option<&'static mut Control>> = Mutex::new(None);

/// Does once, in the process that is about to be copied, what each copy would have to do: every page of memory that a fresh copy
/// touches costs it microseconds.
pub(crate) fn prepare_copies() {
    panics::prepare_watch();
    look_for_exit_hooks();
}

/// Lives as the child whose job arrives over `control`.
pub(crate) fn receive(mut control: Control, leave: Leave) -> ! {
    match control.recv::<Job>(None) {
        Ok(Some(job)) => {
            identity::become_one(&job.identity);
            live(job, control, leave)
        }
        // The parent changed its mind or is gone: there is nobody to tell.
        Ok(None) => exit::exit_now(FAILED),
        Err(error) => refuse(&mut control, &error.to_string()),
    }
}

/// Lives as a child that has its job and its identity.
pub(crate) fn live(job: Job, mut control: Control, leave: Leave) -> ! {
    if leave == Leave::AsCopy {
        profile::begin_copy();
    }
    let Job { image, identity: _, surroundings, lifeline, function, argument, control: second, .. } = job;
    #[cfg(feature = "log")]
    let logs = job.logs;
    if image.is_some_and(|one| one != *Image::own()) {
        refuse(
            &mut control,
            "it runs another program than its parent: /proc/self/exe does not lead back to this executable",
        );
    }
    #[cfg(feature = "log")]
    logs.into_iter().for_each(crate::logs::begin);
    let told = match settle(surroundings, lifeline.map(OwnedFd::from)) {
        Ok(()) => control.send(&Report::Started { pid: own_number() }),
        Err(reason) => refuse(&mut control, &reason),
    };
    if told.is_err() {
        exit::exit_now(FAILED);
    }
    *parent() = Some(last_words::speak_over(control));
    let code = run(function, argument, second);
    match leave {
        Leave::AsCopy if !EXIT_HOOKS.load(Ordering::Relaxed) => exit::leave(code),
        Leave::AsCopy | Leave::AsProgram => process::exit(code),
    }
}

/// Looks whether copies are to leave as programs do, with all that libraries do then: leak sanitizers, profilers, exit hooks of C
/// code. To be called again when the environment has changed.
fn look_for_exit_hooks() {
    let wanted = env::var_os(WANTS_EXIT_HOOKS).is_some_and(|value| !value.is_empty() && value != "0");
    EXIT_HOOKS.store(wanted, Ordering::Relaxed);
}

/// A result with more descriptors is dropped before it is told: sending opens each once more, and the limit on them is near.
const MANY_DESCRIPTORS: usize = 64;

/// Calls the function, tells the outcome, and answers the exit code.
fn run(function: Function, argument: Message, control: Option<Control>) -> i32 {
    let outcome = panics::catch_and_print(|| function.call_keeping(argument, control));
    let (report, code, mut value) = match outcome {
        Ok(Ok((result, value))) => (Report::Returned(result), 0, value),
        Ok(Err(error)) => (Report::Failed(error.to_string()), FAILED, PendingDrop::default()),
        Err(panic) => (Report::Panicked(panic), PANICKED, PendingDrop::default()),
    };
    last_records();
    if let Report::Returned(result) = &report
        && result.descriptors().len() > MANY_DESCRIPTORS
    {
        panics::discard(mem::take(&mut value));
    }
    let told = tell(&[report]);
    // A destructor that panics or ends the process costs no result: it was told.
    let dropped = panics::catch_and_print(|| drop(value));
    told.map_or(FAILED, |()| if dropped.is_ok() { code } else { PANICKED })
}

/// Arranges the process as the job says.
fn settle(around: Surroundings, lifeline: Option<OwnedFd>) -> Result<(), String> {
    let streams = around.standard.map(Stream::received);
    let step = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    stdio::install(streams).map_err(step("connect its standard streams"))?;
    let has_new_environment = around.environment.is_some() || !around.changes.is_empty();
    if let Some(variables) = around.environment {
        start::set_environment(&variables).map_err(step("take over the environment"))?;
    }
    for (name, value) in &around.changes {
        start::set_variable(name, value.as_ref()).map_err(step("change its environment"))?;
    }
    if has_new_environment {
        look_for_exit_hooks();
    }
    if let Some(place) = around.place {
        directory::enter(OwnedFd::from(place)).map_err(step("enter its parent's working directory"))?;
    }
    if let Some(directory) = around.directory {
        env::set_current_dir(&directory).map_err(|error| format!("cannot enter {}: {error}", directory.display()))?;
    }
    if let Some(end) = lifeline {
        lifeline::die_with(&end).map_err(step("tie its life to its parent's"))?;
    }
    if around.named {
        let name = identity::own().name.replace('\0', " ");
        signal::set_process_name(&name).map_err(step("name itself"))?;
    }
    watch_exit();
    Ok(())
}

fn refuse(control: &mut Control, reason: &str) -> ! {
    let _parent_gone = control.send(&Report::Refused(reason.to_owned()));
    exit::exit_now(FAILED)
}

/// Has the parent told of an exit code that the kernel would cut. Without memory for that it is told the cut one.
pub(crate) fn watch_exit() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| drop(exit::on_exit_status(tell_exit)));
}

/// Tells the outcome. After it nothing else is told. What cannot be told is told of.
fn tell(reports: &[Report]) -> Result<(), LinkError> {
    let Some(control) = parent().take() else { return Ok(()) };
    last_words::silence();
    reports.iter().try_for_each(|report| control.send(report)).or_else(|error| match error {
        // The parent is gone; nobody is left to know.
        LinkError::Disconnected => Ok(()),
        error => {
            let _parent_gone = control.send(&Report::Failed(unsendable(&error)));
            Err(error)
        }
    })
}

fn unsendable(error: &LinkError) -> String {
    format!("the function returned, but its result cannot be sent: {error}")
}

/// Whether somebody wants to know of a panic that ends this process.
pub(crate) fn has_last_words() -> bool {
    last_words::are_wanted()
}

/// Puts a panic down in case it ends this process.
pub(crate) fn prepare_last_words(panic: &Panic) {
    last_words::prepare(&Report::Panicked(panic.clone()));
}

/// Tells how this process exits, before its function has returned: in the middle of which panic, and with which code, where the
/// kernel would cut it.
fn tell_exit(code: i32) {
    last_records();
    let panic = panics::under_way().map(Report::Panicked);
    let code = (!(0..=255).contains(&code)).then_some(Report::Exited(code));
    let reports: Vec<Report> = code.into_iter().chain(panic).collect();
    if !reports.is_empty() {
        let _untold = tell(&reports);
    }
}

/// Tells of log records that there was no room for.
fn last_records() {
    #[cfg(feature = "log")]
    if let (Some(control), count @ 1..) = (&mut *parent(), crate::logs::untold()) {
        let _parent_gone = control.send(&Report::Unlogged(count));
    }
}

/// Forgets the link to the parent without touching it: it is that of the process that this one was copied from.
pub(crate) fn disown() {
    last_words::silence();
    *parent() = None;
}

fn parent() -> std::sync::MutexGuard<'static, Option<&'static mut Control>> {
    PARENT.lock().unwrap_or_else(PoisonError::into_inner)
}
