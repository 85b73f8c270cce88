//! The panic hook: takes panics down where somebody wants to know of them.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{mem, thread};

use procession_core::os::limits;

use super::payload::Mark;
use super::{Panic, frames};
use crate::{child, identity};

/// What the hook does with a panic of this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Nobody catches: leave it to the hook that was there before.
    Off,
    /// Take it down and print nothing: it is a result.
    Quiet,
    /// Take it down, and print it as well.
    Loud,
}

/// What the hook has seen.
#[derive(Clone)]
pub(super) struct Sighting {
    pub(super) mark: Mark,
    pub(super) panic: Panic,
    /// The one before it, which it may have met on its way.
    earlier: Option<Panic>,
}

/// A hook, as the standard library has them.
type Hook = dyn Fn(&PanicHookInfo<'_>) + Sync + Send;

thread_local! {
    static WATCH: Cell<Watch> = const { Cell::new(Watch::Off) };
    static SEEN: RefCell<Option<Sighting>> = const { RefCell::new(None) };
}

/// Does now what the first [`watch`] of a thread does: the C library is told of a destructor, and looks up symbols for that all over
/// the program's memory. A copy of this process need not do it again.
pub(crate) fn prepare() {
    unwatch(watch(Watch::Off));
}

/// Replaces what is done with panics of this thread, and forgets what was seen before: it belongs to another call.
pub(super) fn watch(watch: Watch) -> (Watch, Option<Sighting>) {
    (WATCH.replace(watch), SEEN.take())
}

/// Puts back what [`watch`] has replaced, and returns what was seen meanwhile.
pub(super) fn unwatch((watch, seen): (Watch, Option<Sighting>)) -> Option<Sighting> {
    WATCH.set(watch);
    SEEN.replace(seen)
}

/// The last panic of a child, and the thread that it was in. Not in that thread's own memory, whose destructors run before what is
/// registered for the exit of the process.
static LAST: Mutex<Option<(usize, Panic)>> = Mutex::new(None);

/// The panic that this thread is in the middle of, as far as the hook has seen it.
pub(crate) fn under_way() -> Option<Panic> {
    if !thread::panicking() {
        return None;
    }
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
    let own = last.filter(|(thread, _)| *thread == this_thread());
    Some(own.map_or_else(Panic::unseen, |(_, panic)| panic))
}

/// A number that no other living thread of this process has.
fn this_thread() -> usize {
    thread_local! {
        static HERE: Cell<u8> = const { Cell::new(0) };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// Puts the hook in place, once.
pub(crate) fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    // A thread that panics cannot change the hook. Then it is left to the next.
    if INSTALLED.load(Ordering::Relaxed) || thread::panicking() || INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    let before = panic::take_hook();
    // Now there is only the standard one. It has no state, so it is the same one if it is the same function.
    let standard = panic::take_hook();
    let is_standard = std::ptr::eq::<Hook>(&raw const *before, &raw const *standard);
    panic::set_hook(Box::new(move |info| see(info, &*before, is_standard)));
}

fn see(info: &PanicHookInfo<'_>, before: &Hook, is_standard: bool) {
    let watch = WATCH.get();
    if watch != Watch::Off || child::has_last_words() {
        let seen = put_down(info);
        prepare_last_words(&seen.panic);
        SEEN.set(Some(seen));
    }
    match watch {
        Watch::Off => before(info),
        // It ends the process, so it is no result.
        Watch::Quiet if cfg!(panic = "abort") => before(info),
        Watch::Quiet => {}
        Watch::Loud => print(info, before, is_standard),
    }
}

/// Keeps a panic in case it ends the process.
fn prepare_last_words(panic: &Panic) {
    if child::has_last_words() {
        child::prepare_last_words(panic);
        // Who holds the lock is another thread on its way out.
        if let Ok(mut last) = LAST.try_lock() {
            *last = Some((this_thread(), panic.clone()));
        }
    }
}

fn put_down(info: &PanicHookInfo<'_>) -> Sighting {
    let (mark, panic) = (Mark::of(info.payload()), Panic::of(info));
    match (SEEN.take(), panic.message()) {
        // What led to these two is what was seen before them.
        (Some(cause), "panic in a function that cannot unwind") => cause,
        (Some(Sighting { mark, panic, earlier: Some(first) }), "panic in a destructor during cleanup") => {
            Sighting { mark, panic: first.met_by(&panic), earlier: None }
        }
        (seen, _) => Sighting { mark, panic, earlier: seen.map(|seen| seen.panic) },
    }
}

/// Prints a panic with the name of this process. Nothing here may panic, and nothing may look up names where memory is limited:
/// when that fails, the standard library waits for itself.
fn print(info: &PanicHookInfo<'_>, before: &Hook, is_standard: bool) {
    let name = identity::own().describe();
    let wants_backtrace = frames::setting() == Some(true) && !limits::has_memory_limit();
    let mut stderr = io::stderr().lock();
    if !is_standard || wants_backtrace {
        let _unwritable = write!(stderr, "{name}: ");
        mem::drop(stderr);
        return before(info);
    }
    let _unwritable = match info.location() {
        Some(place) => writeln!(stderr, "{name} panicked at {place}:\n{}", super::message(info)),
        None => writeln!(stderr, "{name} panicked:\n{}", super::message(info)),
    };
}
