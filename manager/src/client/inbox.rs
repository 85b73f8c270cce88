//! [`Inbox`]: the answers that have arrived over a connection, for all the threads that wait for one.
//!
//! There is no thread for it. Of those that wait, one reads, and puts what is not for itself where the others find it; when
//! it has its own answer, another one reads on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use procession_channels::PipeReceiver;
use procession_core::Control;
use procession_core::codec::Message;
use procession_core::os::poll::{Pollable, poll};

use super::callbacks::{Callback, Due, Next};
use super::lines::Lines;
use super::mail::Mail;
use crate::claims::{Claims, Place};
use crate::error::CallError;
use crate::frames::Frames;
use crate::wire::Failure;

/// Where answers arrive.
#[derive(Debug)]
pub(crate) struct Inbox {
    mail: Mutex<Mail>,
    /// Rung when the reader has read something, or reads no longer.
    arrived: Condvar,
    lines: Mutex<Lines>,
}

/// How waiting for an answer has ended.
#[derive(Debug)]
pub(crate) enum Waited {
    Answer(Result<Message, Failure>),
    /// The call that was to be cancelled has begun.
    Begun,
    TimeIsUp,
    Closed,
}

impl Inbox {
    /// For answers of a manager of this program.
    pub(crate) fn near(replies: Control, answers: PipeReceiver<()>) -> Inbox {
        Inbox::new(Lines::near(replies, answers), Mail::new(Claims::places()))
    }

    /// For answers of a manager of another one.
    pub(crate) fn far(frames: Frames) -> Inbox {
        Inbox::new(Lines::far(frames), Mail::default())
    }

    fn new(lines: Lines, mail: Mail) -> Inbox {
        Inbox { mail: Mutex::new(mail), arrived: Condvar::new(), lines: Mutex::new(lines) }
    }

    /// Expects an answer. Call before the call is sent. One that has a limit may get a place for its word.
    pub(crate) fn expect(&self, number: u64, is_limited: bool) -> Place {
        self.lock().expect(number, is_limited)
    }

    /// Expects it no longer: it is thrown away when it comes.
    pub(crate) fn forget(&self, number: u64) {
        self.lock().forget(number);
    }

    /// Expects it no longer, because the call was taken back.
    pub(crate) fn end(&self, number: u64) {
        self.lock().end(number);
    }

    /// Waits for an answer.
    pub(crate) fn wait(&self, number: u64, deadline: Option<Instant>) -> Result<Waited, CallError> {
        self.wait_for(|mail| mail.look(number), deadline)
    }

    /// Waits until one of several calls is answered, and answers which; `None` when none is in time. The answer stays where
    /// it is.
    pub(crate) fn wait_any(&self, numbers: &[u64], deadline: Option<Instant>) -> Result<Option<usize>, CallError> {
        let mut found = None;
        let look = |mail: &mut Mail| {
            found = numbers.iter().position(|number| mail.has(*number));
            found.map(|_| Waited::Begun)
        };
        match self.wait_for(look, deadline)? {
            Waited::Closed => Err(CallError::ManagerGone),
            _ => Ok(found),
        }
    }

    /// Has a callback called with the answer to a call. Answers whether a thread is to be started that [listens](Inbox::listen).
    pub(super) fn call_back(&self, number: u64, callback: Callback) -> bool {
        self.lock().call_back(number, callback)
    }

    /// Calls callbacks while any is to come. `replace` starts a thread that does the same, and answers whether it could.
    pub(super) fn listen(&self, replace: impl Fn() -> bool) {
        while let Some((due, is_short)) = self.next_due() {
            if is_short && !replace() {
                self.lock().callbacks.dismiss();
            }
            due.call();
            self.lock().callbacks.enlist();
        }
    }

    /// Waits for a callback that is due, and whether nobody else does. `None` when none is to come.
    fn next_due(&self) -> Option<(Due, bool)> {
        loop {
            let mut next = Next::Wait;
            let look = |mail: &mut Mail| {
                next = mail.callbacks.next();
                (!matches!(next, Next::Wait)).then_some(Waited::Begun)
            };
            let _lost_which_makes_all_due = self.wait_for(look, None);
            match next {
                Next::Call { due, is_short } => return Some((due, is_short)),
                Next::Leave => return None,
                Next::Wait => {}
            }
        }
    }

    /// Whether a call is answered, or never will be.
    pub(crate) fn has(&self, number: u64) -> bool {
        let _news = self.drain();
        let mail = self.lock();
        mail.is_closed || mail.has(number)
    }

    /// Waits until a call is answered, or never will be. Answers whether it was in time. The answer stays where it is.
    pub(crate) fn has_by(&self, number: u64, deadline: Option<Instant>) -> bool {
        let look = |mail: &mut Mail| mail.has(number).then_some(Waited::Begun);
        !matches!(self.wait_for(look, deadline), Ok(Waited::TimeIsUp))
    }

    fn wait_for(
        &self,
        mut look: impl FnMut(&mut Mail) -> Option<Waited>,
        deadline: Option<Instant>,
    ) -> Result<Waited, CallError> {
        let mut mail = self.lock();
        loop {
            if let Some(waited) = look(&mut mail) {
                return Ok(waited);
            }
            if mail.is_closed {
                return Ok(Waited::Closed);
            }
            if !mail.is_read {
                let is_late;
                (mail, is_late) = self.read(mail, deadline)?;
                if is_late {
                    return Ok(look(&mut mail).unwrap_or(Waited::TimeIsUp));
                }
            } else if deadline.is_some_and(|at| at <= Instant::now()) {
                return Ok(Waited::TimeIsUp);
            } else {
                mail = self.sleep(mail, deadline);
            }
        }
    }

    /// Reads for all. Answers whether nothing has come in time.
    fn read<'a>(
        &'a self,
        mut mail: MutexGuard<'a, Mail>,
        deadline: Option<Instant>,
    ) -> Result<(MutexGuard<'a, Mail>, bool), CallError> {
        mail.is_read = true;
        drop(mail);
        let mut lines = self.lines();
        let is_there = lines.wait(deadline);
        let is_late = matches!(is_there, Ok(false));
        mail = self.lock();
        mail.is_read = false;
        let sorted = is_there.and_then(|is_there| if is_there { lines.sort_into(&mut mail) } else { Ok(()) });
        drop(lines);
        if sorted.is_err() {
            mail.close();
        }
        self.ring(&mail);
        sorted.map(|()| (mail, is_late))
    }

    /// Takes in what has arrived, without waiting, unless somebody reads anyway.
    pub(crate) fn drain(&self) -> Result<(), CallError> {
        let mut mail = self.lock();
        if mail.is_read || mail.is_closed {
            return Ok(());
        }
        let sorted = self.lines().sort_into(&mut mail);
        if sorted.is_err() {
            mail.close();
        }
        self.ring(&mail);
        sorted
    }

    /// Waits until `other` is ready, or it is time to look here again.
    pub(crate) fn poll_with(&self, other: Pollable<'_>, patience: Duration) -> Result<(), CallError> {
        let soon = Instant::now().checked_add(patience);
        poll(&[other], soon).map(drop).map_err(|error| CallError::from_io(&error))
    }

    /// Whether the manager is known to be gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn sleep<'a>(&self, mut mail: MutexGuard<'a, Mail>, deadline: Option<Instant>) -> MutexGuard<'a, Mail> {
        mail.sleepers += 1;
        let mut mail = match deadline {
            None => self.arrived.wait(mail).unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                self.arrived.wait_timeout(mail, left).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        mail.sleepers -= 1;
        mail
    }

    fn ring(&self, mail: &Mail) {
        if mail.sleepers > 0 {
            self.arrived.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
