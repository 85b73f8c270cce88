//! Kills processes at random moments while four of them send to a queue and four receive from it, and checks what must
//! hold all the same.
//!
//! A run consists of rounds with a fresh queue each. In a round a random process is killed and replaced again and
//! again; then the senders are told to stop, and the queue must end cleanly for all receivers. Of what any sender is known to
//! have sent nothing may be missing but what a killed receiver had taken, nothing may come twice, and each receiver must see
//! the messages of each sender in order. Where only senders are killed, nothing may be missing at all.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use procession_channels::{Receiver, RecvError, RecvManyError, RecvTimeoutError, Sender, queue};
use procession_process::Process;
use procession_sync::{Event, Shared};
use serde::{Deserialize, Serialize};

use crate::kit::{Course, Dice, Failure, Faults, HANG, await_end, kill, start};

/// So many send, and as many receive.
const SIDE: usize = 4;
const KILLS_A_ROUND: usize = 40;
/// A life is what one process sends from its start to its end.
const LIVES: usize = SIDE + KILLS_A_ROUND;
/// So many messages a life may send. The ledger has a bit for each.
const MESSAGES: u64 = 1 << 18;
const WORDS: usize = MESSAGES as usize / 64;
const BATCH: u64 = 32;

/// Whose it is, its number, bytes that follow from both, and now and then a descriptor: memory that holds the number.
#[derive(Serialize, Deserialize)]
struct Message {
    life: usize,
    number: u64,
    body: Vec<u8>,
    memory: Option<Shared<AtomicU64>>,
}

/// What all processes of a round write down, each for itself.
#[derive(Clone, Serialize, Deserialize)]
struct Ledger {
    /// How many messages each life was about to send at most, and how many `send` has said were sent.
    tried: Shared<[AtomicU64]>,
    sent: Shared<[AtomicU64]>,
    /// A bit for each message that arrived.
    arrived: Shared<[AtomicU64]>,
    /// How many messages each receiver may have taken that it has not written down yet.
    taking: Shared<[AtomicU64]>,
    failed: Shared<AtomicU64>,
    faults: Faults,
    stop: Event,
}

pub(crate) fn torment(course: &Course) -> Result<(), Failure> {
    let mut run = Run { course, dice: course.dice(), tally: Tally::default() };
    let ended = run.torment();
    run.tally.report(course.took());
    ended
}

/// What came together over all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    killed_senders: u64,
    killed_receivers: u64,
    arrived: u64,
    missing: u64,
    /// How many of those are missing because their descriptors are.
    failed: u64,
    /// What the killed receivers may have taken.
    allowed: u64,
    faults: u64,
}

impl Tally {
    fn kills(&self) -> u64 {
        self.killed_senders + self.killed_receivers
    }

    fn report(&self, took: Duration) {
        let Tally { rounds, killed_senders, killed_receivers, arrived, missing, failed, allowed, faults } = self;
        println!("{} kills in {rounds} rounds and {took:.1?}", self.kills());
        println!("{killed_senders:>10} senders killed\n{killed_receivers:>10} receivers killed");
        println!("{arrived:>10} messages arrived");
        println!("{missing:>10} messages lost with killed receivers, which may have taken {allowed}");
        println!("{failed:>10} of these because their descriptors were\n{faults:>10} faults");
    }
}

/// A run, in the process that kills.
struct Run<'a> {
    course: &'a Course,
    dice: Dice,
    tally: Tally,
}

impl Run<'_> {
    fn torment(&mut self) -> Result<(), Failure> {
        while self.course.goes_on(self.tally.kills()) {
            // Of four that are killed, so many are senders.
            let senders = [2, 4, 0][self.tally.rounds as usize % 3];
            let capacity = [Some(64), Some(1), Some(1000), None, Some(8)][self.tally.rounds as usize % 5];
            let mut round = Round::new(capacity, &mut self.dice)?;
            self.kill(&mut round, senders)?;
            round.finish()?.add(&mut self.tally)?;
            self.tally.rounds += 1;
        }
        Ok(())
    }

    fn kill(&mut self, round: &mut Round, senders: u64) -> Result<(), Failure> {
        for _ in 0..KILLS_A_ROUND {
            if !self.course.goes_on(self.tally.kills()) {
                break;
            }
            std::thread::sleep(Duration::from_micros(self.dice.below(4000)));
            let (place, seed) = (self.dice.index(SIDE), self.dice.any());
            if self.dice.below(4) < senders {
                kill(&round.senders[place])?;
                round.senders[place] = round.start_sender(seed)?;
                self.tally.killed_senders += 1;
            } else {
                round.kill_receiver(place)?;
                round.receivers[place] = round.start_receiver(place, seed)?;
                self.tally.killed_receivers += 1;
            }
        }
        Ok(())
    }
}

/// A queue, those who use it, and what they wrote down.
struct Round {
    sender: Sender<Message>,
    receiver: Receiver<Message>,
    senders: Vec<Process<()>>,
    receivers: Vec<Process<()>>,
    ledger: Ledger,
    lives: usize,
    allowed: u64,
}

impl Round {
    fn new(capacity: Option<usize>, dice: &mut Dice) -> Result<Round, Failure> {
        // Not `unbounded`, which waits for nothing, not even for descriptors on their way: it would refuse some of the messages.
        let (sender, receiver) = queue(capacity.unwrap_or(1 << 20))?;
        let (senders, receivers, ledger) = (Vec::new(), Vec::new(), Ledger::new()?);
        let mut round = Round { sender, receiver, senders, receivers, ledger, lives: 0, allowed: 0 };
        for place in 0..SIDE {
            let (sender, receiver) = (round.start_sender(dice.any())?, round.start_receiver(place, dice.any())?);
            round.senders.push(sender);
            round.receivers.push(receiver);
        }
        Ok(round)
    }

    fn start_sender(&mut self, seed: u64) -> Result<Process<()>, Failure> {
        let process = start(send, (self.lives, seed, self.sender.clone(), self.ledger.clone()))?;
        self.lives += 1;
        Ok(process)
    }

    fn start_receiver(&self, place: usize, seed: u64) -> Result<Process<()>, Failure> {
        start(receive, (place, seed, self.receiver.clone(), self.ledger.clone()))
    }

    fn kill_receiver(&mut self, place: usize) -> Result<(), Failure> {
        kill(&self.receivers[place])?;
        self.allowed += self.ledger.taking[place].swap(0, SeqCst);
        Ok(())
    }

    /// Tells the senders to stop: everybody must end, and the queue too.
    fn finish(self) -> Result<Ended, Failure> {
        self.ledger.stop.set();
        let Round { sender, receiver, senders, receivers, ledger, lives, allowed } = self;
        senders.iter().try_for_each(|process| await_end("a sender", process))?;
        drop(sender);
        receivers.iter().try_for_each(|process| await_end("a receiver", process))?;
        match receiver.recv_timeout(HANG) {
            Err(RecvTimeoutError::Disconnected) => Ok(Ended { ledger, lives, allowed }),
            Err(other) => Err(format!("the queue did not end: {other}").into()),
            Ok(_) => Err("there was a message after the receivers were told the end".into()),
        }
    }
}

/// A round after everybody has ended.
struct Ended {
    ledger: Ledger,
    lives: usize,
    allowed: u64,
}

impl Ended {
    fn add(&self, tally: &mut Tally) -> Result<(), Failure> {
        let (mut missing, allowed) = (0, self.allowed);
        for life in 0..self.lives {
            let (arrived, lost) = self.audit(life);
            (tally.arrived, missing) = (tally.arrived + arrived, missing + lost);
        }
        (tally.faults, tally.failed) =
            (tally.faults + self.ledger.faults.count(), tally.failed + self.ledger.failed.load(SeqCst));
        (tally.missing, tally.allowed) = (tally.missing + missing, tally.allowed + allowed);
        if missing > allowed {
            tally.faults += 1;
            return Err(format!("{missing} messages are missing, and killed receivers took {allowed} at most").into());
        }
        self.ledger.faults.check()
    }

    /// How many messages of a life arrived, and how many are missing: those before the last that arrived, and those that
    /// were said to be sent.
    fn audit(&self, life: usize) -> (u64, u64) {
        let (tried, sent) = (self.ledger.tried[life].load(SeqCst), self.ledger.sent[life].load(SeqCst));
        let words: Vec<u64> =
            self.ledger.arrived[life * WORDS..][..WORDS].iter().map(|word| word.load(SeqCst)).collect();
        let arrived: u64 = words.iter().map(|word| u64::from(word.count_ones())).sum();
        let last = words.iter().rposition(|word| *word != 0);
        let end = last.map_or(0, |at| at as u64 * 64 + 64 - u64::from(words[at].leading_zeros()));
        if end > tried {
            self.ledger.faults.add(&format!("message {} of life {life} arrived, and only {tried} were sent", end - 1));
        }
        (arrived, end.max(sent).saturating_sub(arrived))
    }
}

impl Ledger {
    fn new() -> Result<Ledger, Failure> {
        let row = |len| Shared::<[AtomicU64]>::from_fn(len, |_| AtomicU64::new(0));
        Ok(Ledger {
            tried: row(LIVES)?,
            sent: row(LIVES)?,
            arrived: row(LIVES * WORDS)?,
            taking: row(SIDE)?,
            failed: Shared::new(AtomicU64::new(0))?,
            faults: Faults::new()?,
            stop: Event::new()?,
        })
    }

    /// Writes down that a message came.
    fn note(&self, message: &Message, seen: &mut HashMap<usize, u64>) {
        let Message { life, number, body, memory } = message;
        if *life >= LIVES || *number >= MESSAGES || *body != text(*life, *number) {
            return self.faults.add(&format!("message {number} of life {life} is broken"));
        }
        if memory.as_ref().map(|memory| memory.load(SeqCst)) != has_memory(*number).then_some(*number) {
            self.faults.add(&format!("message {number} of life {life} came with the memory of another"));
        }
        if seen.insert(*life, *number).is_some_and(|before| before >= *number) {
            self.faults.add(&format!("message {number} of life {life} came after a later one"));
        }
        let bit = 1 << (number % 64);
        if self.arrived[life * WORDS + *number as usize / 64].fetch_or(bit, SeqCst) & bit != 0 {
            self.faults.add(&format!("message {number} of life {life} came twice"));
        }
    }
}

/// The body is mostly short, sometimes empty, now and then too long to lie among others.
fn message(life: usize, number: u64) -> Message {
    let memory = has_memory(number).then(|| Shared::new(AtomicU64::new(number)).expect("there is memory"));
    Message { life, number, body: text(life, number), memory }
}

/// Descriptors come in every other stretch, and there they are frequent.
fn has_memory(number: u64) -> bool {
    (number / 500).is_multiple_of(2) && number % 5 == 4
}

fn text(life: usize, number: u64) -> Vec<u8> {
    let len = if number % 61 == 60 { 20_000 + number % 50_000 } else { number * 37 % 300 };
    vec![(life as u64 * 31 + number) as u8; len as usize]
}

/// The life of a sender: one message or several at once, until it is killed or told to stop.
fn send((life, seed, sender, ledger): (usize, u64, Sender<Message>, Ledger)) {
    let mut dice = Dice::new(seed);
    let mut number = 0;
    while !ledger.stop.is_set() {
        if number + BATCH > MESSAGES {
            ledger.stop.wait();
            break;
        }
        let count = if dice.below(4) == 0 { 1 + dice.below(BATCH) } else { 1 };
        let mut batch = (number..number + count).map(|number| message(life, number));
        ledger.tried[life].store(number + count, SeqCst);
        let sent = match count {
            1 => sender.send(batch.next().expect("there is one")).map(|()| 1).map_err(|error| error.to_string()),
            _ => sender.send_many(batch).map(|count| count as u64).map_err(|error| error.to_string()),
        };
        if sent != Ok(count) {
            return ledger.faults.add(&format!("sending {count} messages failed: {sent:?}"));
        }
        number += count;
        ledger.sent[life].store(number, SeqCst);
    }
}

/// The life of a receiver: one message or several at once, until it is killed or the queue ends.
fn receive((place, seed, receiver, ledger): (usize, u64, Receiver<Message>, Ledger)) {
    let mut dice = Dice::new(seed);
    let mut seen = HashMap::new();
    loop {
        let most = if dice.below(4) == 0 { 1 + dice.below(BATCH) } else { 1 };
        ledger.taking[place].store(most, SeqCst);
        let (messages, failed) = match most {
            1 => receiver.recv().map_or_else(|error| (Vec::new(), Some(error)), |message| (vec![message], None)),
            _ => match receiver.recv_many(most as usize) {
                Ok(messages) => (messages, None),
                Err(RecvManyError { received, reason, .. }) => (received, Some(reason)),
            },
        };
        for (at, message) in messages.iter().enumerate() {
            ledger.note(message, &mut seen);
            ledger.taking[place].store((messages.len() - at - 1) as u64, SeqCst);
        }
        match failed {
            Some(RecvError::Disconnected) => return,
            // One that was killed had taken the descriptors, so the message counts as missing.
            other => _ = ledger.failed.fetch_add(other.is_some().into(), SeqCst),
        }
    }
}
