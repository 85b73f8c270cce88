//! The panic hook: records panics where they will be caught or reported.
//!
//! | [`Watch`] | a panic is recorded | a panic is printed | in force |
//! | --- | --- | --- | --- |
//! | `Off` | in a child, while its parent waits for reports | by the hook from before | outside of the calls below |
//! | `Quiet` | always | never; where panics abort, by the hook from before | in `catch` and `discard` |
//! | `Loud` | always | after the name of the process | in the call of a child's function |
//!
//! The treatment belongs to a thread: threads that a function starts are not watched, as with `catch_unwind`.

use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::{mem, thread};

use procession_core::last_words;
use procession_core::os::{limits, mutex};

use super::frames;
use super::panic_info::{self, Panic};
use super::payload::PayloadId;
use crate::process_info;

/// The treatment of a panic of this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// It is not caught: leave it to the hook that was there before.
    Off,
    /// Record it and print nothing: it is a result.
    Quiet,
    /// Record it, and print it as well.
    Loud,
}

/// A panic that the hook has seen.
#[derive(Clone)]
pub(super) struct SeenPanic {
    pub(super) payload_id: PayloadId,
    pub(super) panic: Panic,
    /// The panic before it, during whose unwinding it may have occurred.
    earlier: Option<Panic>,
}

/// A hook, as the standard library has them.
type Hook = dyn Fn(&PanicHookInfo<'_>) + Sync + Send;

/// Prepares the report of a panic in case it ends a child. A callback, so that this module need not know of children.
static ON_PANIC: OnceLock<fn(&Panic)> = OnceLock::new();

/// Sets the function that is called with each panic while the parent waits for reports of this process.
pub(crate) fn on_watched_panic(prepare: fn(&Panic)) {
    let _the_same = ON_PANIC.set(prepare);
}

thread_local! {
    /// The treatment that is in force on this thread.
    static WATCH: Cell<Watch> = const { Cell::new(Watch::Off) };
    /// The last panic of this thread that was recorded, until the call that catches it takes it.
    ///
    /// In a box: each `catch` moves it out and back, and the record of a panic is some hundred bytes.
    static SEEN: Cell<Option<Box<SeenPanic>>> = const { Cell::new(None) };
}

/// Does now what the first [`watch`] of a thread does: the C library registers a destructor, and looks up symbols for that all over
/// the program's memory. A copy of this process need not do it again.
pub(crate) fn prepare() {
    unwatch(watch(Watch::Off));
}

/// Replaces the treatment of panics of this thread, and takes the last one seen: it belongs to another call.
pub(super) fn watch(watch: Watch) -> (Watch, Option<Box<SeenPanic>>) {
    (WATCH.replace(watch), SEEN.take())
}

/// Restores what [`watch`] has replaced, and returns the panic that was seen meanwhile.
pub(super) fn unwatch((watch, seen): (Watch, Option<Box<SeenPanic>>)) -> Option<Box<SeenPanic>> {
    WATCH.set(watch);
    SEEN.replace(seen)
}

/// The last panic of a child, and its thread. It is no thread-local, whose destructor would run before the exit handlers
/// of the process.
static LAST: Mutex<Option<(usize, Panic)>> = Mutex::new(None);

/// Returns the panic that unwinds this thread, as far as the hook has seen it.
pub(crate) fn current_panic() -> Option<Panic> {
    if !thread::panicking() {
        return None;
    }
    let last = mutex::lock(&LAST).take();
    let own = last.filter(|(thread, _)| *thread == this_thread());
    Some(own.map_or_else(Panic::unknown, |(_, panic)| panic))
}

/// Returns a number that no other living thread of this process has.
fn this_thread() -> usize {
    thread_local! {
        static HERE: Cell<u8> = const { Cell::new(0) };
    }
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// Whether the hook is installed. Relaxed: `take_hook` has a lock of its own.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Installs the hook, once.
#[inline]
pub(crate) fn install() {
    if !INSTALLED.load(Ordering::Relaxed) {
        install_now();
    }
}

#[cold]
fn install_now() {
    // A panicking thread cannot change the hook, and leaves it to the next.
    if thread::panicking() || INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    let before = panic::take_hook();
    // Now there is only the standard one. It has no state, so it is the same one if it is the same function.
    let standard = panic::take_hook();
    let is_standard = std::ptr::eq::<Hook>(&raw const *before, &raw const *standard);
    panic::set_hook(Box::new(move |info| on_panic(info, &*before, is_standard)));
}

/// The hook: records the panic as the table says, then prints it or lets `before` do so.
fn on_panic(info: &PanicHookInfo<'_>, before: &Hook, is_standard: bool) {
    let watch = WATCH.get();
    if watch != Watch::Off || last_words::are_wanted() {
        let seen = record_panic(info);
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
    if last_words::are_wanted() {
        if let Some(prepare) = ON_PANIC.get() {
            prepare(panic);
        }
        // Another thread that ends the process holds the lock.
        if let Ok(mut last) = LAST.try_lock() {
            *last = Some((this_thread(), panic.clone()));
        }
    }
}

/// Makes the record of a panic. Two kinds come of the one before them, and must not hide its message.
fn record_panic(info: &PanicHookInfo<'_>) -> Box<SeenPanic> {
    let (payload_id, panic) = (PayloadId::of(info.payload()), Panic::of(info));
    Box::new(match (SEEN.take().map(|seen| *seen), panic.message()) {
        // These two are consequences of the panic that was seen before them.
        (Some(cause), "panic in a function that cannot unwind") => cause,
        (Some(SeenPanic { payload_id, panic, earlier: Some(first) }), "panic in a destructor during cleanup") => {
            SeenPanic { payload_id, panic: first.met_by(&panic), earlier: None }
        }
        (seen, _) => SeenPanic { payload_id, panic, earlier: seen.map(|seen| seen.panic) },
    })
}

/// Prints a panic with the name of this process. Nothing here may panic, and nothing may look up names where memory is limited:
/// when that fails, the standard library deadlocks.
fn print(info: &PanicHookInfo<'_>, before: &Hook, is_standard: bool) {
    let name = process_info::own().describe();
    let wants_backtrace = frames::setting() == Some(true) && !limits::has_memory_limit();
    let mut stderr = io::stderr().lock();
    if !is_standard || wants_backtrace {
        let _unwritable = write!(stderr, "{name}: ");
        mem::drop(stderr);
        return before(info);
    }
    let _unwritable = match info.location() {
        Some(place) => writeln!(stderr, "{name} panicked at {place}:\n{}", panic_info::message(info)),
        None => writeln!(stderr, "{name} panicked:\n{}", panic_info::message(info)),
    };
}
