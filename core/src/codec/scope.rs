//! The table of descriptors that is open while one message is being encoded or decoded on this thread.
//!
//! Serde hands a value nothing but a serializer of unknown type, so the table cannot be passed: it is found through a
//! thread-local. Scopes nest, since a value's own `Serialize` may encode another message; the inner one never sees the
//! outer's descriptors nor its trust. A scope is closed by a guard, also when a value's code panics.

use std::cell::Cell;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::fd::{BorrowedFd, OwnedFd};

use super::error::Fault;
use crate::os::limits;

/// How many descriptors one message can mention.
const MAX_DESCRIPTORS: usize = u16::MAX as usize;

thread_local! {
    /// The scope that is open on this thread.
    ///
    /// It needs no destructor, because whoever opens a scope also closes it; and without one it can be used as long as
    /// the thread lives, and costs next to nothing.
    static CURRENT: Cell<ManuallyDrop<Scope>> = const { Cell::new(ManuallyDrop::new(Scope::CLOSED)) };
}

/// What one message in the making, or in the unmaking, may use.
#[derive(Debug)]
pub(super) struct Scope {
    direction: Direction,
    /// What this crate's own types have vouched for, on a link on which functions may be named.
    vouchers: Option<Vec<Voucher>>,
    /// The descriptors by their numbers; one that was taken leaves its place empty.
    table: Vec<Option<OwnedFd>>,
    /// Whether a limit on descriptors was reached.
    ran_out: bool,
}

/// What is left of a scope that was closed.
#[derive(Debug)]
pub(super) struct Rest {
    /// The descriptors to send, or those that nobody took.
    pub(super) descriptors: Vec<OwnedFd>,
    /// Whether a limit on descriptors was reached.
    pub(super) ran_out: bool,
    /// What was vouched for.
    pub(super) vouchers: Vec<Voucher>,
}

/// Something that only this crate's own types put into a message. It travels beside the value's bytes, so whatever a value
/// writes there, it cannot be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Voucher {
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

impl Scope {
    const CLOSED: Self = Self { direction: Direction::None, vouchers: None, table: Vec::new(), ran_out: false };

    #[inline]
    pub(super) fn sending(trusted: bool) -> Self {
        let vouchers = trusted.then(Vec::new);
        Self { direction: Direction::Sending, vouchers, table: Vec::new(), ran_out: false }
    }

    #[inline]
    pub(super) fn receiving(vouchers: Option<Vec<Voucher>>, descriptors: Vec<OwnedFd>) -> Self {
        let table = if descriptors.is_empty() { Vec::new() } else { descriptors.into_iter().map(Some).collect() };
        Self { direction: Direction::Receiving, vouchers, table, ran_out: false }
    }

    /// Runs `work` with this scope open, and gives back what is left of it.
    #[inline]
    pub(super) fn within<R>(self, work: impl FnOnce() -> R) -> (R, Rest) {
        let _outer = Outer(swap(self));
        let answer = work();
        let mut inner = swap(Scope::CLOSED);
        let vouchers = inner.vouchers.take().unwrap_or_default();
        (answer, Rest { ran_out: inner.ran_out, vouchers, descriptors: inner.into_descriptors() })
    }

    #[inline]
    fn into_descriptors(self) -> Vec<OwnedFd> {
        // Most messages carry none, and are so small that the iterators would show.
        if self.table.is_empty() { Vec::new() } else { self.table.into_iter().flatten().collect() }
    }

    fn put(&mut self, fd: BorrowedFd<'_>) -> Result<u32, Fault> {
        match self.direction {
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
        let copy = fd.try_clone_to_owned().map_err(|error| self.cannot_duplicate(&error))?;
        self.table.push(Some(copy));
        Ok(index as u32)
    }

    #[cold]
    fn cannot_duplicate(&mut self, error: &io::Error) -> Fault {
        let limit = limits::explain(error);
        self.ran_out = limit.is_some();
        Fault::text(format!("cannot duplicate a descriptor: {}", limit.unwrap_or_else(|| error.to_string())))
    }

    fn take(&mut self, index: u32) -> Result<OwnedFd, Fault> {
        match self.direction {
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
            Some(slot) => slot.take().ok_or_else(|| Fault::text(format!("the value names descriptor {index} twice"))),
        }
    }
}

/// Puts a voucher beside the message that is being encoded, and gives its number there; `None` where none may be.
pub(crate) fn vouch(kind: u64, what: [u64; 2]) -> Option<u32> {
    with(|scope| {
        let vouchers = scope.vouchers.as_mut().filter(|_| scope.direction == Direction::Sending)?;
        vouchers.push(Voucher { kind, what });
        u32::try_from(vouchers.len() - 1).ok()
    })
}

/// What came with the message that is being decoded under a number; `None` where nothing of that kind did.
pub(crate) fn vouched(kind: u64, number: u32) -> Option<[u64; 2]> {
    with(|scope| {
        let vouchers = scope.vouchers.as_ref().filter(|_| scope.direction == Direction::Receiving)?;
        vouchers.get(number as usize).filter(|one| one.kind == kind).map(|one| one.what)
    })
}

/// Duplicates a descriptor into the open table and gives its number there.
pub(crate) fn put(fd: BorrowedFd<'_>) -> Result<u32, Fault> {
    with(|scope| scope.put(fd))
}

/// Takes a descriptor out of the open table.
pub(crate) fn take(index: u32) -> Result<OwnedFd, Fault> {
    with(|scope| scope.take(index))
}

/// Puts the outer scope back, whatever ended the inner one.
struct Outer(Scope);

impl Drop for Outer {
    #[inline]
    fn drop(&mut self) {
        drop(swap(mem::replace(&mut self.0, Scope::CLOSED)));
    }
}

fn with<R>(work: impl FnOnce(&mut Scope) -> R) -> R {
    let mut scope = swap(Scope::CLOSED);
    let answer = work(&mut scope);
    swap(scope);
    answer
}

#[inline]
fn swap(scope: Scope) -> Scope {
    CURRENT.with(|current| ManuallyDrop::into_inner(current.replace(ManuallyDrop::new(scope))))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn trust_does_not_reach_an_inner_scope_and_comes_back_after_it() {
        assert_eq!(vouch(1, [2, 3]), None);
        let (_, rest) = Scope::sending(true).within(|| {
            assert_eq!(vouch(1, [2, 3]), Some(0));
            Scope::receiving(None, Vec::new()).within(|| assert_eq!(vouched(1, 0), None));
            Scope::sending(false).within(|| assert_eq!(vouch(1, [2, 3]), None));
            assert_eq!(vouch(4, [5, 6]), Some(1));
        });
        Scope::receiving(Some(rest.vouchers), Vec::new()).within(|| {
            assert_eq!((vouched(1, 0), vouched(4, 1)), (Some([2, 3]), Some([5, 6])));
            assert_eq!((vouched(4, 0), vouched(1, 2)), (None, None));
            assert_eq!(vouch(1, [2, 3]), None);
        });
    }

    #[test]
    fn without_a_scope_there_is_no_sending_and_a_sentence_says_so() {
        let error = put(std::io::stdin().as_fd()).unwrap_err();
        assert_eq!(error.to_string(), "a descriptor can only be sent inside a message to another process");
    }

    #[test]
    fn a_scope_serves_one_direction() {
        let (sent, _) = Scope::receiving(None, Vec::new()).within(|| put(std::io::stdin().as_fd()));
        assert!(sent.unwrap_err().to_string().contains("being received"));
        let (taken, _) = Scope::sending(false).within(|| take(0));
        assert!(taken.unwrap_err().to_string().contains("being sent"));
    }

    #[test]
    fn a_panic_inside_restores_the_outer_scope() {
        Scope::sending(true).within(|| {
            let panicked = catch_unwind(|| Scope::sending(false).within(|| panic!("on purpose")));
            assert!(panicked.is_err());
            assert!(vouch(1, [2, 3]).is_some());
        });
        assert!(put(std::io::stdin().as_fd()).is_err());
    }
}
