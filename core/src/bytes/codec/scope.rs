//! The table of descriptors that is open while one message is being encoded or decoded on this thread.
//!
//! Serde hands a value nothing but a serializer of unknown type, so the table cannot be passed: it is found through a
//! thread-local. Scopes nest, since a value's own `Serialize` may encode another message; the inner one never sees the
//! outer's descriptors nor its trust. A scope is closed by a guard, also when a value's code panics.

use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::error::Fault;
use super::handles::{Handle, Handles, Kind};
use crate::os::limits;

/// How many descriptors one message can mention.
const MAX_DESCRIPTORS: usize = u16::MAX as usize;

thread_local! {
    /// The scope that is open on this thread.
    static CURRENT: Cell<Scope> = const { Cell::new(Scope::NONE) };
    /// What belongs to it, where it has anything: few messages do, and small ones would notice the price.
    ///
    /// It needs no destructor, because the code that opens a scope also closes it; and without one it can be used as long as
    /// the thread lives.
    static ANCILLARY: Cell<ManuallyDrop<Option<Box<Ancillary>>>> = const { Cell::new(ManuallyDrop::new(None)) };
}

/// What kind of message is in the making, or in the unmaking.
#[derive(Clone, Copy, Debug)]
struct Scope {
    direction: Direction,
    /// Whether this crate's own types may add trusted entries: the message goes along a link on which functions are named.
    is_trusted: bool,
}

/// What one message carries beside its bytes.
#[derive(Debug, Default)]
pub(super) struct Ancillary {
    /// The entries that this crate's own types have added.
    pub(super) trusted: Vec<TrustedEntry>,
    /// The descriptors by their numbers; one that was taken leaves its place empty.
    table: Vec<Option<Handle>>,
    /// Whether a limit on descriptors was reached.
    pub(super) ran_out: bool,
}

/// Something that only this crate's own types put into a message. It travels beside the value's bytes, so whatever a value
/// writes there, it cannot be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrustedEntry {
    pub(crate) kind: u64,
    pub(crate) what: [u64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// No message is being made on this thread.
    None,
    Sending,
    Receiving,
}

/// Runs `work` while a message is being written on this thread, and returns what goes with it, if anything does.
#[inline]
pub(super) fn sending<R>(is_trusted: bool, work: impl FnOnce() -> R) -> (R, Option<Box<Ancillary>>) {
    within(Scope { direction: Direction::Sending, is_trusted }, work)
}

/// Runs `work` while a message that carries nothing but bytes is being read on this thread.
#[inline]
pub(super) fn receiving_nothing<R>(work: impl FnOnce() -> R) -> (R, Option<Box<Ancillary>>) {
    within(Scope { direction: Direction::Receiving, is_trusted: false }, work)
}

/// Runs `work` while a message with these descriptors, and the trusted entries of its link if there are any, is being read
/// on this thread. Returns what was not taken.
pub(super) fn receiving<R>(
    trusted: Option<Vec<TrustedEntry>>,
    descriptors: Handles,
    work: impl FnOnce() -> R,
) -> (R, Option<Box<Ancillary>>) {
    let scope = Scope { direction: Direction::Receiving, is_trusted: trusted.is_some() };
    let (trusted, table) = (trusted.unwrap_or_default(), descriptors.into_vec().into_iter().map(Some).collect());
    within(scope, || {
        // Inside of `within`, which has just put the outer message's table aside.
        drop(swap(Some(Box::new(Ancillary { trusted, table, ran_out: false }))));
        work()
    })
}

#[inline(always)]
fn within<R>(scope: Scope, work: impl FnOnce() -> R) -> (R, Option<Box<Ancillary>>) {
    let outer = Outer { scope: CURRENT.replace(scope), ancillary: swap(None) };
    let answer = work();
    (answer, outer.restore())
}

impl Scope {
    const NONE: Self = Self { direction: Direction::None, is_trusted: false };
}

impl Ancillary {
    /// The descriptors to send, or those that were not taken.
    pub(super) fn into_descriptors(self) -> Handles {
        self.table.into_iter().flatten().collect()
    }

    fn put(&mut self, direction: Direction, kind: Kind, fd: BorrowedFd<'_>) -> Result<u32, Fault> {
        match direction {
            Direction::Sending => {}
            Direction::None => {
                return Err(Fault::text("a descriptor can only be sent inside a message to another process"));
            }
            Direction::Receiving => {
                return Err(Fault::text("a descriptor cannot be sent by a value that is being received"));
            }
        }
        let index = self.table.len();
        if index >= MAX_DESCRIPTORS {
            return Err(Fault::text(format!("a message cannot carry more than {MAX_DESCRIPTORS} descriptors")));
        }
        // A duplicate: the value keeps its own, and may be gone before the message is sent.
        let copy = fd.try_clone_to_owned().map_err(|error| self.cannot_duplicate(&error))?;
        self.table.push(Some(Handle { fd: copy, kind }));
        Ok(index as u32)
    }

    #[cold]
    fn cannot_duplicate(&mut self, error: &io::Error) -> Fault {
        let limit = limits::explain(error);
        self.ran_out = limit.is_some();
        Fault::text(format!("cannot duplicate a descriptor: {}", limit.unwrap_or_else(|| error.to_string())))
    }

    /// Takes a descriptor, if it is of the kind that is wanted (`None`: whatever it is).
    fn take(&mut self, direction: Direction, wanted: Option<Kind>, index: u32) -> Result<Handle, Fault> {
        match direction {
            Direction::Receiving => {}
            Direction::None => {
                return Err(Fault::text("a descriptor can only be received inside a message from another process"));
            }
            Direction::Sending => {
                return Err(Fault::text("a descriptor cannot be received by a value that is being sent"));
            }
        }
        let carried = self.table.len();
        match self.table.get_mut(index as usize) {
            None => Err(Fault::text(format!("the value names descriptor {index}, but the message carried {carried}"))),
            // A handle of another kind stays in its place, so that the error can name what it is.
            Some(slot) => match slot.take_if(|handle| wanted.is_none_or(|wanted| wanted == handle.kind)) {
                Some(handle) => Ok(handle),
                None => Err(unavailable(index, wanted, slot.as_ref())),
            },
        }
    }
}

#[cold]
fn unavailable(index: u32, wanted: Option<Kind>, found: Option<&Handle>) -> Fault {
    Fault::text(match (wanted, found) {
        (Some(wanted), Some(found)) => {
            format!("descriptor {index} was sent as `{}`, and cannot be received as `{wanted}`", found.kind)
        }
        _ => format!("the value names descriptor {index} twice"),
    })
}

/// Puts a entry beside the message that is being encoded, and gives its number there; `None` where none may be.
pub(crate) fn put_trusted(kind: u64, what: [u64; 2]) -> Option<u32> {
    with(|scope, ancillary| {
        // Trust belongs to one message of a control link. A message that a value encodes inside of it has none.
        if !scope.is_trusted || scope.direction != Direction::Sending {
            return None;
        }
        ancillary.trusted.push(TrustedEntry { kind, what });
        u32::try_from(ancillary.trusted.len() - 1).ok()
    })
}

/// What came with the message that is being decoded under a number; `None` where nothing of that kind did.
pub(crate) fn take_trusted(kind: u64, number: u32) -> Option<[u64; 2]> {
    with(|scope, ancillary| {
        if !scope.is_trusted || scope.direction != Direction::Receiving {
            return None;
        }
        // The kind keeps apart what the numbers alone do not: a function, a method and a link are two words each.
        ancillary.trusted.get(number as usize).filter(|one| one.kind == kind).map(|one| one.what)
    })
}

/// Duplicates a descriptor into the open table, as something of this kind, and returns its number there.
pub(crate) fn put(kind: Kind, fd: BorrowedFd<'_>) -> Result<u32, Fault> {
    with(|scope, ancillary| ancillary.put(scope.direction, kind, fd))
}

/// Takes a descriptor of this kind out of the open table.
pub(crate) fn take(kind: Kind, index: u32) -> Result<OwnedFd, Fault> {
    with(|scope, ancillary| ancillary.take(scope.direction, Some(kind), index)).map(|handle| handle.fd)
}

/// Takes a descriptor out of the open table as what it is, for a message inside of the message.
pub(super) fn take_any(index: u32) -> Result<Handle, Fault> {
    with(|scope, ancillary| ancillary.take(scope.direction, None, index))
}

/// Puts the outer scope back, whatever ended the inner one.
struct Outer {
    scope: Scope,
    ancillary: Option<Box<Ancillary>>,
}

impl Outer {
    /// Returns what the inner scope has left.
    #[inline]
    fn restore(self) -> Option<Box<Ancillary>> {
        // Not dropped: `drop` would put the outer scope back a second time, over what this call returns.
        let mut outer = ManuallyDrop::new(self);
        CURRENT.set(outer.scope);
        swap(outer.ancillary.take())
    }
}

/// After a panic.
impl Drop for Outer {
    fn drop(&mut self) {
        CURRENT.set(self.scope);
        drop(swap(self.ancillary.take()));
    }
}

fn with<R>(work: impl FnOnce(Scope, &mut Ancillary) -> R) -> R {
    let scope = CURRENT.get();
    let mut ancillary = swap(None).unwrap_or_default();
    let answer = work(scope, &mut ancillary);
    // Outside of a message no code would ever take the table out again.
    if scope.direction != Direction::None {
        swap(Some(ancillary));
    }
    answer
}

#[inline]
fn swap(ancillary: Option<Box<Ancillary>>) -> Option<Box<Ancillary>> {
    ManuallyDrop::into_inner(ANCILLARY.replace(ManuallyDrop::new(ancillary)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn trust_does_not_reach_an_inner_scope_and_comes_back_after_it() {
        assert_eq!(put_trusted(1, [2, 3]), None);
        let (_, ancillary) = sending(true, || {
            assert_eq!(put_trusted(1, [2, 3]), Some(0));
            receiving(None, Handles::new(), || assert_eq!(take_trusted(1, 0), None));
            sending(false, || assert_eq!(put_trusted(1, [2, 3]), None));
            assert_eq!(put_trusted(4, [5, 6]), Some(1));
        });
        receiving(Some(ancillary.unwrap().trusted), Handles::new(), || {
            assert_eq!((take_trusted(1, 0), take_trusted(4, 1)), (Some([2, 3]), Some([5, 6])));
            assert_eq!((take_trusted(4, 0), take_trusted(1, 2)), (None, None));
            assert_eq!(put_trusted(1, [2, 3]), None);
        });
    }

    #[test]
    fn without_a_scope_there_is_no_sending_and_a_sentence_says_so() {
        let error = put(Kind::PLAIN, std::io::stdin().as_fd()).unwrap_err();
        assert_eq!(error.to_string(), "a descriptor can only be sent inside a message to another process");
    }

    #[test]
    fn a_scope_serves_one_direction() {
        let (sent, _) = receiving(None, Handles::new(), || put(Kind::PLAIN, std::io::stdin().as_fd()));
        assert!(sent.unwrap_err().to_string().contains("being received"));
        let (taken, _) = sending(false, || take(Kind::PLAIN, 0));
        assert!(taken.unwrap_err().to_string().contains("being sent"));
    }

    #[test]
    fn a_panic_inside_restores_the_outer_scope() {
        sending(true, || {
            let panicked = catch_unwind(|| sending(false, || panic!("on purpose")));
            assert!(panicked.is_err());
            assert!(put_trusted(1, [2, 3]).is_some());
        });
        assert!(put(Kind::PLAIN, std::io::stdin().as_fd()).is_err());
    }
}
