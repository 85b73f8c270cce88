//! What a process says over a link when it aborts in the middle of a panic.
//!
//! A panic that does not unwind, one that meets another, and a hook that aborts end the process before any code of ours runs again;
//! and whether a panic ends its process, nobody knows when it begins. So its words are put down then, and said by a handler of
//! SIGABRT, which only sends them: it neither allocates nor waits.

use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering, compiler_fence};
use std::thread;

use nix::libc;
use serde::Serialize;

use crate::codec;
use crate::control::Control;
use crate::frame::FrameHeader;
use crate::link::SPILL;

/// The socket of the link; −1 while there is none.
static SOCKET: AtomicI32 = AtomicI32::new(-1);
/// The process whose link it is: a copy says nothing in its original's name.
static OWNER: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Whether the words of this thread are complete. The handler may come between any two instructions.
    static READY: Cell<bool> = const { Cell::new(false) };
    /// A whole frame.
    static WORDS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Has the last words of this process go over `control`, which is never closed again: a handler may come at any time.
///
/// ```
/// use procession_core::{Control, last_words};
/// # use procession_core::os::fork::Forked;
///
/// let (mut here, there) = Control::pair()?;
/// let (side, there) = there.fork()?;
/// if side == Forked::Child {
///     last_words::speak_over(there);
///     std::panic::set_hook(Box::new(|_| last_words::prepare("I am lost")));
///     extern "C" fn end() { panic!("there is no way out") }
///     end();
/// } else {
///     drop(there);
///     assert_eq!(here.recv::<String>(None)?.as_deref(), Some("I am lost"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn speak_over(control: Control) -> &'static mut Control {
    let control = Box::leak(Box::new(control));
    OWNER.store(std::process::id(), Ordering::Relaxed);
    // Release pairs with the handler's Acquire, which may run on another thread: it reads the owner after the socket.
    SOCKET.store(control.socket().as_raw_fd(), Ordering::Release);
    control
}

/// Nothing is said from here on: everything has been told, or the link is another process's.
///
/// ```
/// procession_core::last_words::silence();
/// assert!(!procession_core::last_words::are_wanted());
/// ```
pub fn silence() {
    SOCKET.store(-1, Ordering::Relaxed);
}

/// Whether somebody listens.
///
/// ```
/// let (_here, there) = procession_core::Control::pair()?;
/// procession_core::last_words::speak_over(there);
/// assert!(procession_core::last_words::are_wanted());
/// procession_core::last_words::silence();
/// # std::io::Result::Ok(())
/// ```
#[must_use]
pub fn are_wanted() -> bool {
    SOCKET.load(Ordering::Relaxed) >= 0
}

/// Puts down what this thread says if its process aborts while the thread is panicking. It replaces what was put down before.
///
/// Nothing is said of a value that is larger than a frame may be, or where the program handles SIGABRT itself.
///
/// ```
/// procession_core::last_words::prepare("said only in case of a panic that ends the process");
/// ```
pub fn prepare<T: Serialize + ?Sized>(value: &T) {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(listen);
    READY.set(false);
    // The handler runs on this very thread: what it must not see reordered, only the compiler could reorder.
    compiler_fence(Ordering::SeqCst);
    if let Some(frame) = frame(value) {
        WORDS.set(frame);
        compiler_fence(Ordering::SeqCst);
        READY.set(true);
    }
}

fn frame<T: Serialize + ?Sized>(value: &T) -> Option<Vec<u8>> {
    let (payload, descriptors) = codec::encode_trusted(value).ok()?.into_parts();
    if !descriptors.is_empty() || payload.len() > SPILL {
        return None;
    }
    let header = FrameHeader::new(payload.len(), 0).ok()?.encode();
    Some([&header[..], &payload.into_vec()].concat())
}

/// Installs the handler, unless the program has one.
fn listen() {
    // SAFETY: all-zero is a valid `sigaction`: the default action, no flags.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null pointer changes nothing, and `before` is written to.
    let asked = unsafe { libc::sigaction(libc::SIGABRT, std::ptr::null(), &raw mut before) };
    if asked != 0 || before.sa_sigaction != libc::SIG_DFL {
        return;
    }
    let mut handler = before;
    handler.sa_sigaction = on_abort as extern "C" fn(libc::c_int) as usize;
    // On the other stack where there is one: this one may be what has overflowed. Once, because it ends with the signal.
    handler.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
    // SAFETY: the handler has the signature of one without `SA_SIGINFO`, and does only what a handler may.
    let _without_words = unsafe { libc::sigaction(libc::SIGABRT, &raw const handler, std::ptr::null_mut()) };
}

extern "C" fn on_abort(signal: libc::c_int) {
    say();
    // The default action is back. The signal is blocked until this handler returns, and ends the process then.
    // SAFETY: raising a signal is allowed in a handler.
    unsafe { libc::raise(signal) };
}

fn say() {
    let socket = SOCKET.load(Ordering::Acquire);
    let is_own = OWNER.load(Ordering::Relaxed) == std::process::id();
    if socket < 0 || !is_own || !thread::panicking() || !READY.get() {
        return;
    }
    if let Ok(words) = WORDS.try_with(Cell::take) {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the bytes are those of the vector; the socket is that of a link that is never closed.
        let _nobody_listens = unsafe { libc::send(socket, words.as_ptr().cast(), words.len(), flags) };
        // Freeing is not for handlers: the abort may come from within the allocator.
        std::mem::forget(words);
    }
}
