//! What a process says over a link when it aborts in the middle of a panic.
//!
//! A panic that does not unwind, one that meets another, and a hook that aborts end the process before any code of ours runs again;
//! and it is not known when a panic begins whether it ends its process. So its words are put down then, and said by a handler of
//! SIGABRT, which only sends them: it neither allocates nor waits.

use std::cell::Cell;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
use std::thread;

use nix::libc;
use serde::Serialize;

use crate::bytes::codec;
use crate::bytes::frame::FrameHeader;
use crate::code::control::Control;
use crate::os::pidfd::own_number;
use crate::tuning::SPILL;

/// Who says something, and over what: see [`Speaker`]. One number, which a handler finds whole, and which lies in one page of
/// memory, because a fresh copy pays for each that it writes to.
static SPEAKER: AtomicU64 = AtomicU64::new(NOBODY);

/// While there is no link.
const NOBODY: u64 = 0;

/// A process and the socket of its link. A copy says nothing in its original's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Speaker {
    process: u32,
    socket: RawFd,
}

impl Speaker {
    /// Never [`NOBODY`], because no process has the number 0.
    fn to_bits(self) -> u64 {
        u64::from(self.process) << 32 | u64::from(self.socket.cast_unsigned())
    }

    fn from_bits(bits: u64) -> Option<Speaker> {
        let (process, socket) = ((bits >> 32) as u32, (bits as u32).cast_signed());
        (bits != NOBODY).then_some(Speaker { process, socket })
    }
}

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
    // Never freed: a handler that runs at any time must find the number of an open link and not of what came after it.
    let control = Box::leak(Box::new(control));
    let speaker = Speaker { process: own_number(), socket: control.socket().as_raw_fd() };
    SPEAKER.store(speaker.to_bits(), Ordering::Relaxed);
    control
}

/// Nothing is said from here on: everything has been sent, or the link is another process's.
///
/// ```
/// procession_core::last_words::silence();
/// assert!(!procession_core::last_words::are_wanted());
/// ```
pub fn silence() {
    SPEAKER.store(NOBODY, Ordering::Relaxed);
}

/// Returns whether the parent listens.
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
    SPEAKER.load(Ordering::Relaxed) != NOBODY
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
    // While the words change there are none: the handler may run between any two steps of this function.
    READY.set(false);
    // The handler runs on this very thread: what it must not see reordered, only the compiler could reorder.
    compiler_fence(Ordering::SeqCst);
    if let Some(frame) = frame(value) {
        WORDS.set(frame);
        // Pairs with the look of the handler at `READY`: it finds the whole frame.
        compiler_fence(Ordering::SeqCst);
        READY.set(true);
    }
}

fn frame<T: Serialize + ?Sized>(value: &T) -> Option<Vec<u8>> {
    let (payload, descriptors) = codec::encode_trusted(value).ok()?.into_parts();
    // A handler can neither make a memory file nor pass descriptors. Words that need one are not sent.
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
    // A handler that the program has installed stays: it is the program's decision what an abort does.
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
    let Some(Speaker { process, socket }) = Speaker::from_bits(SPEAKER.load(Ordering::Relaxed)) else { return };
    // A copy of the process has inherited words and link, but both speak of the original.
    if process != own_number() || !thread::panicking() || !READY.get() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_is_found_as_it_was_put_down() {
        for speaker in [Speaker { process: 1, socket: 0 }, Speaker { process: u32::MAX, socket: RawFd::MAX }] {
            assert_eq!(Speaker::from_bits(speaker.to_bits()), Some(speaker));
        }
        assert_eq!(Speaker::from_bits(NOBODY), None);
    }
}
