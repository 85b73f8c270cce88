//! [`Inbox`]: the answers that have arrived over a connection, for all the threads that wait for one.
//!
//! There is no thread for it. Of those that wait, one reads, and puts what is not for itself where the others find it; when
//! it has its own answer, another one reads on.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use procession_channels::{PipeReceiver, RecvError, TryRecvError};
use procession_core::Control;
use procession_core::codec::{self, Message};
use procession_core::os::poll::{Pollable, deadline_after, poll};

use crate::error::CallError;
use crate::frames::Frames;
use crate::wire::{Answer, Failure, Verdict};

/// How many answers are taken over from shared memory at once.
const BATCH: usize = 256;

/// How long is waited for something else before answers are taken in again.
const SLICE: Duration = Duration::from_millis(5);

/// How long a caller stays awake for an answer from another program. Being woken costs as long.
const BRIEFLY: Duration = Duration::from_micros(50);

/// After so many vain waits one stays awake only one time in [`SELDOM`].
const VAIN: u32 = 4;
const SELDOM: u32 = 128;

/// Where answers arrive.
#[derive(Debug)]
pub(crate) struct Inbox {
    mail: Mutex<Mail>,
    /// Rung when the reader has read something, or reads no longer.
    arrived: Condvar,
    lines: Mutex<Lines>,
}

/// The way that answers come.
#[derive(Debug)]
enum Lines {
    /// From a manager of this program.
    Near(Box<Near>),
    /// From a manager of another one; with how often staying awake was in vain lately.
    Far(Box<Frames>, u32),
}

#[derive(Debug)]
struct Near {
    answers: PipeReceiver<()>,
    replies: Control,
    /// Answers that were taken over from the pipe, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Debug, Default)]
struct Mail {
    /// The calls whose answers somebody wants.
    expected: HashMap<u64, Letter>,
    is_read: bool,
    is_closed: bool,
    sleepers: usize,
}

/// An answer, or what is known before there is one.
#[derive(Debug, Default)]
enum Letter {
    #[default]
    Nothing,
    /// The call cannot be cancelled any more.
    Begun,
    Answer(Result<Message, Failure>),
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
        Inbox::new(Lines::Near(Box::new(Near { answers, replies, bytes: Vec::new(), ends: Vec::new() })))
    }

    /// For answers of a manager of another one.
    pub(crate) fn far(frames: Frames) -> Inbox {
        Inbox::new(Lines::Far(Box::new(frames), 0))
    }

    fn new(lines: Lines) -> Inbox {
        Inbox { mail: Mutex::default(), arrived: Condvar::new(), lines: Mutex::new(lines) }
    }

    /// Expects an answer. Call before the call is sent.
    pub(crate) fn expect(&self, number: u64) {
        self.lock().expected.insert(number, Letter::Nothing);
    }

    /// Expects it no longer: it is thrown away when it comes.
    pub(crate) fn forget(&self, number: u64) {
        self.lock().expected.remove(&number);
    }

    /// Waits for an answer.
    pub(crate) fn wait(&self, number: u64, deadline: Option<Instant>) -> Result<Waited, CallError> {
        self.wait_for(|mail| mail.look(number), deadline)
    }

    /// Waits until one of several calls is answered, and answers which; `None` when no answer will come any more. The answer
    /// stays where it is.
    pub(crate) fn wait_any(&self, numbers: &[u64]) -> Result<Option<usize>, CallError> {
        let mut found = None;
        let look = |mail: &mut Mail| {
            found = numbers.iter().position(|number| mail.has(*number));
            found.map(|_| Waited::Begun)
        };
        self.wait_for(look, None)?;
        Ok(found)
    }

    /// Whether a call is answered, or never will be.
    pub(crate) fn has(&self, number: u64) -> bool {
        let _news = self.drain();
        let mail = self.lock();
        mail.is_closed || mail.has(number)
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
                mail.is_read = true;
                drop(mail);
                let mut lines = self.lines();
                let is_there = lines.wait(deadline);
                let is_late = matches!(is_there, Ok(false));
                mail = self.lock();
                mail.is_read = false;
                let sorted = is_there.and_then(|is_there| if is_there { lines.sort_into(&mut mail) } else { Ok(()) });
                drop(lines);
                mail.is_closed |= sorted.is_err();
                self.ring(&mail);
                sorted?;
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

    /// Takes in what has arrived, without waiting, unless somebody reads anyway.
    pub(crate) fn drain(&self) -> Result<(), CallError> {
        let mut mail = self.lock();
        if mail.is_read || mail.is_closed {
            return Ok(());
        }
        let sorted = self.lines().sort_into(&mut mail);
        mail.is_closed |= sorted.is_err();
        sorted?;
        self.ring(&mail);
        Ok(())
    }

    /// Waits until `other` is ready, or it is time to look here again.
    pub(crate) fn poll_with(&self, other: Pollable<'_>) -> Result<(), CallError> {
        let soon = Instant::now().checked_add(SLICE);
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

impl Lines {
    /// Waits until there is an answer, or there will never be one. Answers whether it was in time.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<bool, CallError> {
        let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        match self {
            Lines::Near(near) => match near.answers.poll(left) {
                Ok(is_there) => Ok(is_there),
                Err(RecvError::Disconnected) => Ok(true),
                Err(error) => Err(CallError::Connection(error.to_string())),
            },
            Lines::Far(frames, vain) => match wait_far(frames, vain, left) {
                // The end is something to be taken in, too.
                Err(error) if is_end(&error) => Ok(true),
                waited => waited.map_err(|error| CallError::from_io(&error)),
            },
        }
    }

    /// Takes in what has arrived.
    fn sort_into(&mut self, mail: &mut Mail) -> Result<(), CallError> {
        match self {
            Lines::Near(near) => near.sort_into(mail),
            Lines::Far(frames, _) => loop {
                match frames.next() {
                    Ok(Some(bytes)) => mail.put(&bytes, Vec::new()),
                    Ok(None) => return Ok(()),
                    Err(error) if is_end(&error) => return mail.close(),
                    Err(error) => return Err(CallError::from_io(&error)),
                }
            },
        }
    }
}

/// Waits for a socket: awake for a moment, as long as that has paid lately, then asleep.
fn wait_far(frames: &mut Frames, vain: &mut u32, left: Duration) -> io::Result<bool> {
    if *vain < VAIN || vain.is_multiple_of(SELDOM) {
        let start = Instant::now();
        while start.elapsed() < BRIEFLY.min(left) {
            if frames.pull()? {
                *vain = 0;
                return Ok(true);
            }
            std::thread::yield_now();
        }
    }
    *vain = vain.wrapping_add(1);
    Ok(poll(&[Pollable::readable(frames.as_fd())], deadline_after(left))?[0])
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

impl Near {
    fn sort_into(&mut self, mail: &mut Mail) -> Result<(), CallError> {
        let Near { answers, replies, bytes, ends } = self;
        loop {
            bytes.clear();
            ends.clear();
            match answers.try_recv_many_bytes(BATCH, bytes, ends) {
                Ok(_) => mail.put_all(bytes, ends, replies)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return mail.close(),
                Err(error) => return Err(CallError::Connection(error.to_string())),
            }
            if answers.looks_empty() {
                return Ok(());
            }
        }
    }
}

impl Mail {
    /// What there is for a call, which is expected no longer if it is its answer.
    fn look(&mut self, number: u64) -> Option<Waited> {
        match self.expected.get_mut(&number).map(std::mem::take)? {
            Letter::Nothing => None,
            Letter::Begun => Some(Waited::Begun),
            Letter::Answer(answer) => {
                self.expected.remove(&number);
                Some(Waited::Answer(answer))
            }
        }
    }

    fn has(&self, number: u64) -> bool {
        matches!(self.expected.get(&number), Some(Letter::Answer(_)))
    }

    fn close(&mut self) -> Result<(), CallError> {
        self.is_closed = true;
        Ok(())
    }

    /// Puts a batch of answers where they belong. An empty one says that the next is to be had from the link.
    fn put_all(&mut self, bytes: &[u8], ends: &[usize], replies: &mut Control) -> Result<(), CallError> {
        let mut begin = 0;
        for end in ends {
            let answer = bytes.get(begin..*end).unwrap_or_default();
            begin = *end;
            if !answer.is_empty() {
                self.put(answer, Vec::new());
            } else if let Some(message) = replies.recv::<Message>(None).map_err(CallError::from_link)? {
                let (answer, descriptors) = message.into_parts();
                self.put(&answer, descriptors);
            }
        }
        Ok(())
    }

    /// Puts an answer where it belongs.
    fn put(&mut self, bytes: &[u8], descriptors: Vec<OwnedFd>) {
        let Some((end, answer)) = Answer::read(bytes) else {
            self.is_closed = true;
            return;
        };
        let Some(letter) = self.expected.get_mut(&answer.number) else { return };
        let bytes = &bytes[..end];
        *letter = match answer.verdict {
            Verdict::Returned => Letter::Answer(Ok(Message::new(bytes.to_vec(), descriptors))),
            Verdict::Begun => Letter::Begun,
            Verdict::Failed => Letter::Answer(Err(codec::decode_from(bytes, Vec::new())
                .unwrap_or_else(|error| Failure::Nonsense(format!("the manager's answer is no valid one: {error}"))))),
        };
    }
}
