//! [`ProcessIdentity`]: one process, named by a number that is never given to another, and whether that process still lives.
//!
//! A process number alone is given again after its process has ended; together with the moment the process started it
//! is not. The pair fits 62 bits, so it can be the value of a lock word: who holds it can be read in one load.

use std::num::NonZeroU64;
use std::os::fd::RawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::{fs, io, thread};

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal;
use nix::unistd::{Pid, close};

use super::pidfd::{PidFd, own_number};

/// Process numbers are below 2^22 on every Linux (`PID_MAX_LIMIT`).
const PID_BITS: u32 = 22;
/// Ticks of 10 ms since boot: 348 years of them.
const START_BITS: u32 = 40;
/// The start of a process that could not see its own, as without `/proc`. Nothing that still runs began with the machine
/// but its first process.
const UNTOLD: u64 = 0;

/// One process of this machine: its number and when it started.
///
/// Comparable between processes that share a process-number namespace and a time namespace, as a program and its
/// children do.
///
/// ```
/// use procession_core::os::identity::ProcessIdentity;
///
/// let me = ProcessIdentity::current();
/// assert_eq!(me.pid(), std::process::id());
/// assert!(me.is_alive());
/// assert_eq!(ProcessIdentity::from_bits(me.to_bits()), Some(me));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessIdentity(NonZeroU64);

impl ProcessIdentity {
    /// The calling process. After the first call in a process this is two loads.
    ///
    /// ```
    /// # use procession_core::os::identity::ProcessIdentity;
    /// assert_eq!(ProcessIdentity::current(), ProcessIdentity::current());
    /// ```
    #[inline]
    #[must_use]
    pub fn current() -> ProcessIdentity {
        // Relaxed: all threads would store the same number, and it publishes no other memory.
        match NonZeroU64::new(wiped().identity.load(Ordering::Relaxed)) {
            Some(me) => ProcessIdentity(me),
            None => read_current(),
        }
    }

    /// As a number of 62 bits that is never 0.
    ///
    /// ```
    /// # use procession_core::os::identity::ProcessIdentity;
    /// assert_ne!(ProcessIdentity::current().to_bits(), 0);
    /// ```
    #[inline]
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// Back from the number; `None` for 0 and for what no process has.
    ///
    /// ```
    /// # use procession_core::os::identity::ProcessIdentity;
    /// let me = ProcessIdentity::current();
    /// assert_eq!(ProcessIdentity::from_bits(me.to_bits()), Some(me));
    /// assert_eq!(ProcessIdentity::from_bits(0), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn from_bits(bits: u64) -> Option<ProcessIdentity> {
        if bits >> (PID_BITS + START_BITS) != 0 { None } else { NonZeroU64::new(bits).map(ProcessIdentity) }
    }

    /// The process number.
    ///
    /// ```
    /// # use procession_core::os::identity::ProcessIdentity;
    /// assert_eq!(ProcessIdentity::current().pid(), std::process::id());
    /// ```
    #[must_use]
    pub fn pid(self) -> u32 {
        (self.0.get() & ((1 << PID_BITS) - 1)) as u32
    }

    /// Returns whether the process still runs: `false` once its last thread is gone, so that it cannot touch memory any more,
    /// even while it has not been waited for.
    ///
    /// Where the system reports less (a filter forbids the call, `/proc` is not there) a zombie, or another process with the
    /// number, may be taken for this one. A process that runs is never called dead.
    ///
    /// ```
    /// # use procession_core::os::identity::ProcessIdentity;
    /// assert!(ProcessIdentity::current().is_alive());
    /// ```
    #[must_use]
    pub fn is_alive(self) -> bool {
        // The descriptor comes before any look at `/proc`: it stays with its process, while the number may be given again.
        match PidFd::open(self.pid()) {
            // The question needs descriptors, and this process has none free: ask from a thread that has.
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
                with_room_for_descriptors(move || self.is_process(PidFd::open(self.pid())))
                    .unwrap_or_else(|| has_a_number(self.pid()))
            }
            opened => self.is_process(opened),
        }
    }

    /// Returns whether what was opened by this number is this process, and runs.
    fn is_process(self, opened: io::Result<PidFd>) -> bool {
        match opened {
            // A process number that names nothing, or by now a thread.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ESRCH | libc::EINVAL | libc::ENOENT)) => false,
            // The machine has no descriptor left, or a filter forbids the call.
            Err(_) => has_a_number(self.pid()),
            // The process with this number has ended: it was this one, or one that came after it.
            Ok(process) if process.has_ended().unwrap_or(false) => false,
            Ok(process) => match started(self.pid()) {
                Some(start) if self.start() != UNTOLD => start == self.start(),
                // Without a start to compare the number alone counts. It is asked once more, for it may have ended meanwhile.
                _ => !process.has_ended().unwrap_or(false),
            },
        }
    }

    fn of(pid: u32, start: u64) -> Option<ProcessIdentity> {
        ProcessIdentity::from_bits(((start & ((1 << START_BITS) - 1)) << PID_BITS) | u64::from(pid))
    }

    fn start(self) -> u64 {
        self.0.get() >> PID_BITS
    }
}

/// Returns the number of the calling process. It distinguishes a process from the copies that it makes of itself, and a fresh process reads
/// no file for it.
#[inline]
pub(crate) fn remembered_number() -> u32 {
    // Relaxed: the word holds the number of this process or nothing, and publishes no other memory.
    match wiped().pid.load(Ordering::Relaxed) {
        0 => remember_number(),
        pid => pid,
    }
}

#[cold]
fn remember_number() -> u32 {
    let (pid, words) = (own_number(), mapped());
    if !std::ptr::eq(words, &raw const UNKNOWN) {
        // Relaxed: each thread would store the same number.
        words.pid.store(pid, Ordering::Relaxed);
    }
    pid
}

/// What a process remembers of itself. All words read 0 in a child after any kind of fork.
struct Wiped {
    identity: AtomicU64,
    pid: AtomicU32,
}

/// The words of this process, once they are mapped; until then those that are never filled.
static WORDS: AtomicPtr<Wiped> = AtomicPtr::new((&raw const UNKNOWN).cast_mut());

/// Returns the words of this process, or words that are never filled.
#[inline]
fn wiped() -> &'static Wiped {
    // Acquire: pairs with the Release in `mapped`. One load and no look at a flag: each lock asks who it is taken by.
    // SAFETY: it points to `UNKNOWN` or to the page of `mapped`, and both stay for good.
    unsafe { &*WORDS.load(Ordering::Acquire) }
}

/// Maps the words of this process, if they are not there yet and can be.
fn mapped() -> &'static Wiped {
    static MAPPED: OnceLock<&'static Wiped> = OnceLock::new();
    let words = MAPPED.get_or_init(wiped_on_fork);
    // Pairs with the Acquire in `wiped`. Each thread stores the same address.
    WORDS.store(std::ptr::from_ref::<Wiped>(words).cast_mut(), Ordering::Release);
    words
}

/// Maps a page that the kernel clears in the child. Without such a page, returns words that are never filled.
fn wiped_on_fork() -> &'static Wiped {
    const LEN: usize = size_of::<Wiped>();
    let (read_write, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no other memory.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), LEN, read_write, private, -1, 0) };
    if page == libc::MAP_FAILED {
        return &UNKNOWN;
    }
    // A fork finds zeros on this page and reads its number anew, also after a bare clone that runs no handler.
    // SAFETY: advice on the page that was just mapped; it changes what a fork copies and nothing here.
    if unsafe { libc::madvise(page, LEN, libc::MADV_WIPEONFORK) } != 0 {
        return &UNKNOWN;
    }
    // SAFETY: the page is mapped for good, aligned, zeroed, and only ever used as these atomics.
    unsafe { &*page.cast::<Wiped>() }
}

/// Stays 0: a process asks the kernel each time where a fork cannot be noticed.
static UNKNOWN: Wiped = Wiped { identity: AtomicU64::new(0), pid: AtomicU32::new(0) };

#[cold]
fn read_current() -> ProcessIdentity {
    let pid = std::process::id();
    let me = ProcessIdentity::of(pid, started(pid).unwrap_or(UNTOLD)).unwrap_or(ProcessIdentity(NonZeroU64::MIN));
    let word = &mapped().identity;
    // The fallback word is not wiped by a fork: with a number in it a copy would take itself for the original.
    if !std::ptr::eq(word, &raw const UNKNOWN.identity) {
        word.store(me.to_bits(), Ordering::Relaxed);
    }
    me
}

/// Runs `question` in a thread with a descriptor table of its own, a copy of this process's in which a few numbers are free;
/// `None` where there can be no such thread.
fn with_room_for_descriptors(question: impl FnOnce() -> bool + Send) -> Option<bool> {
    /// As many as opening and reading a file beside a process descriptor takes, and one to spare.
    const NEEDED: usize = 3;
    /// As high as descriptors go on any Linux, by default (`fs.nr_open`).
    const MOST: RawFd = 1 << 20;
    /// The question calls the kernel and reads a small file. In bytes.
    const STACK: usize = 128 << 10;
    let ask = || {
        // A thread can leave the table that it shares with the others for a copy; theirs stays as it is.
        unshare(CloneFlags::CLONE_FILES).ok()?;
        // In the copy only: everybody else keeps them. The process has none free, so the lowest numbers are all in use.
        let closed = (0..MOST).filter(|number| close(*number).is_ok()).take(NEEDED).count();
        (closed == NEEDED).then(question)
    };
    thread::scope(|scope| {
        let asking = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, ask).ok()?;
        asking.join().ok()?
    })
}

/// Returns whether a process has this number, even one that ended and was not waited for.
fn has_a_number(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| signal::kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH))
}

/// When the process started, in ticks since boot; `None` when the system does not tell.
fn started(pid: u32) -> Option<u64> {
    start_in(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of a `stat` file. The name in field 2 may hold anything, brackets and spaces too.
fn start_in(stat: &[u8]) -> Option<u64> {
    // The last bracket ends the name, which may itself contain brackets and spaces.
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(&stat[after_name..]).ok()?;
    // Field 22 of proc(5); the first one behind the name is field 3.
    rest.split_ascii_whitespace().nth(19)?.parse::<u64>().ok().map(|start| start & ((1 << START_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_is_alive_until_it_has_ended_even_before_anyone_waits() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat starts");
        let named =
            ProcessIdentity::of(child.id(), started(child.id()).expect("it has a start")).expect("a valid pair");
        assert!(named.is_alive());
        drop(child.stdin.take());
        while named.is_alive() {
            std::thread::yield_now();
        }
        child.wait().expect("nobody else waited");
        assert!(!named.is_alive());
    }

    #[test]
    fn another_start_is_another_process() {
        let me = ProcessIdentity::current();
        let elder = ProcessIdentity::of(me.pid(), me.start() ^ 1).expect("a valid pair");
        assert!(!elder.is_alive());
    }

    #[test]
    fn a_question_gets_descriptors_where_none_are_free() {
        let opened = with_room_for_descriptors(|| PidFd::open(std::process::id()).is_ok() && started(1).is_some());
        assert_eq!(opened, Some(true));
        assert!(io::stdin().as_fd().try_clone_to_owned().is_ok(), "this process has kept all of its own");
    }

    #[test]
    fn less_is_known_without_a_descriptor_but_enough() {
        assert!(has_a_number(std::process::id()));
        assert!(!has_a_number(1 << PID_BITS), "one above the last");
    }

    #[test]
    fn numbers_that_no_process_has() {
        assert_eq!(ProcessIdentity::from_bits(0), None);
        assert_eq!(ProcessIdentity::from_bits(u64::MAX), None);
    }

    #[test]
    fn names_with_brackets_and_spaces() {
        let fields = (3..=21).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let stat = format!("7 (a) b) c) {fields} 4711 0 0");
        assert_eq!(start_in(stat.as_bytes()), Some(4711));
        assert_eq!(start_in(b"7 (a"), None);
        assert_eq!(start_in(b"7 (a) S 1"), None);
    }
}
