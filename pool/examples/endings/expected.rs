//! What is right in each cell: one pure function.

use std::ops::RangeInclusive;

use crate::table::{Cell, Ending, Hand, How, State};

/// What became of a task, as its handle or callback tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Value,
    /// Its worker died.
    Died,
    Cancelled,
    /// The pool was closed, terminated or dropped.
    Refused,
    /// An error that none of the cells expects.
    Other,
}

/// What is right.
#[derive(Debug)]
pub(crate) struct Expected {
    /// What each answer may be.
    pub(crate) outcomes: &'static [Outcome],
    /// How many answers whoever has the handle gets after the end.
    pub(crate) answers: u32,
    /// How often the callback is called by then. Each time with one of the outcomes.
    pub(crate) calls: u32,
    /// How many tasks of the job have run to their end.
    pub(crate) ran: RangeInclusive<u32>,
}

pub(crate) fn expected(cell: &Cell) -> Expected {
    Expected { outcomes: outcomes(cell), answers: answers(cell), calls: calls(cell), ran: ran(cell) }
}

/// Whether the job's tasks have been handed over when the end comes: those of an iterator are when it is first asked.
pub(crate) fn is_handed_over(cell: &Cell) -> bool {
    !(cell.how.is_lazy() && cell.hand == Hand::Held)
}

/// Whether somebody has the handle when the pool has ended. An iterator borrows the pool, so it is gone before the pool is dropped.
pub(crate) fn is_kept(cell: &Cell) -> bool {
    let is_kept = match cell.hand {
        Hand::Asked | Hand::Held => true,
        Hand::Dropped | Hand::Forgotten => false,
        Hand::Cancelled => !cell.how.is_lazy(),
    };
    is_kept && !(cell.how.is_lazy() && cell.ending == Ending::Drop)
}

fn outcomes(cell: &Cell) -> &'static [Outcome] {
    use Outcome::{Cancelled, Died, Refused, Value};
    if !is_handed_over(cell) {
        return &[Refused];
    }
    match (cell.state, cell.hand, cell.ending.waits()) {
        // What has come stays, whatever happens then.
        (State::Idle, _, _) => &[Value],
        (State::Running | State::Queued, Hand::Cancelled, _) => &[Cancelled],
        (State::Running | State::Queued, _, true) => &[Value],
        (State::Running | State::Queued, _, false) => &[Refused],
        // It is told to be dead by whoever comes first.
        (State::Dying, Hand::Cancelled, _) => &[Died, Cancelled],
        (State::Dying, _, true) => &[Died],
        (State::Dying, _, false) => &[Died, Refused],
    }
}

fn answers(cell: &Cell) -> u32 {
    match cell.how {
        _ if cell.ending.is_last() || !is_kept(cell) => 0,
        How::Imap | How::ImapUnordered => cell.how.tasks(),
        // All values, or one error.
        How::ApplyAsync | How::MapAsync | How::Callback | How::Future => 1,
    }
}

fn calls(cell: &Cell) -> u32 {
    u32::from(cell.how == How::Callback && !cell.ending.is_last())
}

fn ran(cell: &Cell) -> RangeInclusive<u32> {
    let all = cell.how.tasks();
    // For an iterator, to be dropped is to be cancelled; and it is dropped before its pool.
    let is_cancelled = cell.hand == Hand::Cancelled || cell.how.is_lazy() && cell.hand == Hand::Dropped;
    match cell.state {
        _ if !is_handed_over(cell) => 0..=0,
        State::Idle => all..=all,
        State::Dying => 0..=0,
        _ if !cell.ending.waits() => 0..=0,
        // What runs may come to its end before the worker is stopped; what has not begun never does.
        State::Running if is_cancelled => 0..=u32::from(cell.how.is_lazy()),
        State::Queued if is_cancelled => 0..=0,
        State::Running | State::Queued => all..=all,
    }
}
