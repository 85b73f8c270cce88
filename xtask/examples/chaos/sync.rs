//! Kills processes at random moments while they use every primitive, and checks what must hold all the same.
//!
//! Nine processes work; a random one is killed and replaced, again and again. Nobody may hang, own a lock together
//! with another, find broken data without a poison error, or be the fourth inside three permits; in the end all permits are there.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use procession_core::os::identity::ProcessIdentity;
use procession_process::Process;
use procession_sync::{
    Barrier, Condvar, Event, Mutex, MutexGuard, PoisonCause, ReentrantLock, RwLock, Semaphore, Shared,
};
use serde::{Deserialize, Serialize};

use crate::kit::{Course, Dice, Failure, Faults, HANG, await_end, kill, start};

const WORKERS: usize = 9;
const PERMITS: u32 = 3;

/// What a worker can do, and what is counted.
const TALLIES: [&str; 10] =
    ["mutex", "reentrant", "write", "read", "semaphore", "condvar", "event", "barrier", "poisoned", "broken"];
const POISONED: usize = 8;
const BROKEN: usize = 9;

/// Two numbers that are equal unless somebody died between changing one and the other.
type Pair = [u64; 2];

/// Everything that all processes share.
#[derive(Clone, Serialize, Deserialize)]
struct Arena {
    mutex: Mutex<Pair>,
    reentrant: ReentrantLock<(AtomicU64, AtomicU64)>,
    rwlock: RwLock<Pair>,
    semaphore: Semaphore,
    tokens: Mutex<u64>,
    changed: Condvar,
    event: Event,
    barrier: Barrier,
    /// Who is inside the mutex, the reentrant lock, the writer's side of the third; and one bit for each inside the semaphore.
    inside: Shared<[AtomicU64; 4]>,
    /// Who each worker is, and how far it has come.
    workers: Shared<[AtomicU64; WORKERS]>,
    progress: Shared<[AtomicU64; WORKERS]>,
    tallies: Shared<[AtomicU64; TALLIES.len()]>,
    faults: Faults,
    stop: Event,
}

pub(crate) fn torment(course: &Course) -> Result<(), Failure> {
    let (mut dice, arena) = (course.dice(), Arena::new()?);
    let workers = (0..WORKERS).map(|index| arena.start_worker(index, dice.any())).collect::<Result<_, _>>()?;
    let mut run = Run { dice, workers, arena, kills: 0, slowest: Duration::ZERO };
    let ended = run.torment(course).and_then(|()| run.finish());
    run.report(course.took());
    ended
}

/// The course of one run, in the process that kills.
struct Run {
    dice: Dice,
    workers: Vec<Process<()>>,
    arena: Arena,
    kills: u64,
    /// The longest time in which some worker did not finish anything.
    slowest: Duration,
}

impl Run {
    fn torment(&mut self, course: &Course) -> Result<(), Failure> {
        let mut seen = [(0, Instant::now()); WORKERS];
        while course.goes_on(self.kills) {
            std::thread::sleep(Duration::from_micros(self.dice.below(3000)));
            let victim = self.dice.index(WORKERS);
            kill(&self.workers[victim])?;
            self.kills += 1;
            self.workers[victim] = self.arena.start_worker(victim, self.dice.any())?;
            self.watch(&mut seen)?;
        }
        Ok(())
    }

    /// Nobody stands still. A worker that is new begins again.
    fn watch(&mut self, seen: &mut [(u64, Instant); WORKERS]) -> Result<(), Failure> {
        for (index, (before, since)) in seen.iter_mut().enumerate() {
            let now = self.arena.progress[index].load(Ordering::Relaxed);
            if now != *before {
                self.slowest = self.slowest.max(since.elapsed());
                (*before, *since) = (now, Instant::now());
            } else if since.elapsed() > HANG {
                return Err(format!("worker {index} hangs").into());
            }
        }
        Ok(())
    }

    /// All end when told, everything can be taken once more, and nothing is lost.
    fn finish(&self) -> Result<(), Failure> {
        self.arena.stop.set();
        self.workers.iter().try_for_each(|process| await_end("a worker", process))?;
        let (arena, me) = (&self.arena, WORKERS);
        arena.use_mutex();
        arena.use_reentrant();
        arena.write();
        arena.read();
        arena.take_permit(me);
        let permits = arena.semaphore.available();
        if permits != PERMITS {
            return Err(format!("{permits} permits are left of {PERMITS}").into());
        }
        arena.faults.check()
    }

    fn report(&self, took: Duration) {
        println!("{} kills in {took:.1?}, slowest step {:.1?}", self.kills, self.slowest);
        for (name, tally) in TALLIES.iter().zip(self.arena.tallies.iter()) {
            println!("{name:>10} {}", tally.load(Ordering::Relaxed));
        }
        println!("{:>10} {}", "faults", self.arena.faults.count());
    }
}

/// The life of a worker: one thing after another, until it is killed or told to stop.
fn work((index, seed, arena): (usize, u64, Arena)) {
    let mut dice = Dice::new(seed);
    arena.inside[3].fetch_and(!(1 << index), Ordering::SeqCst);
    arena.workers[index].store(ProcessIdentity::current().to_bits(), Ordering::SeqCst);
    while !arena.stop.is_set() {
        let choice = dice.below(8) as usize;
        match choice {
            0 => arena.use_mutex(),
            1 => arena.use_reentrant(),
            2 => arena.write(),
            3 => arena.read(),
            4 => arena.take_permit(index),
            5 => arena.pass_tokens(dice.below(2) == 0),
            6 => arena.flash(dice.below(3)),
            _ => arena.meet(),
        }
        arena.count(choice);
        arena.progress[index].fetch_add(1, Ordering::Relaxed);
    }
}

impl Arena {
    fn new() -> Result<Arena, Failure> {
        let zero = || AtomicU64::new(0);
        Ok(Arena {
            mutex: Mutex::new([0; 2])?,
            reentrant: ReentrantLock::new((zero(), zero()))?,
            rwlock: RwLock::new([0; 2])?,
            semaphore: Semaphore::bounded(PERMITS)?,
            tokens: Mutex::new(0)?,
            changed: Condvar::new()?,
            event: Event::new()?,
            barrier: Barrier::new(2)?,
            inside: Shared::new(std::array::from_fn(|_| zero()))?,
            workers: Shared::new(std::array::from_fn(|_| zero()))?,
            progress: Shared::new(std::array::from_fn(|_| zero()))?,
            tallies: Shared::new(std::array::from_fn(|_| zero()))?,
            faults: Faults::new()?,
            stop: Event::new()?,
        })
    }

    fn start_worker(&self, index: usize, seed: u64) -> Result<Process<()>, Failure> {
        start(work, (index, seed, self.clone()))
    }

    fn use_mutex(&self) {
        let (mut guard, culprit) = match self.mutex.lock() {
            Ok(guard) => (guard, None),
            Err(poisoned) => {
                let culprit = MutexGuard::poisoned_by(poisoned.get_ref());
                (poisoned.into_inner(), culprit)
            }
        };
        self.enter(0, culprit);
        self.change(&mut guard, culprit);
        if culprit.is_some() {
            self.mutex.clear_poison();
        }
        self.leave(0);
    }

    fn use_reentrant(&self) {
        let outer = self.reentrant.lock();
        let culprit = outer.as_ref().err().and_then(|_| self.reentrant.poisoned_by());
        let outer = outer.unwrap_or_else(PoisonError::into_inner);
        self.enter(1, culprit);
        let inner = self.reentrant.lock().unwrap_or_else(PoisonError::into_inner);
        let (one, other) = (inner.0.load(Ordering::Relaxed), outer.1.load(Ordering::Relaxed));
        let mut pair = [one, other];
        inner.0.store(one + 1, Ordering::Relaxed);
        self.change(&mut pair, culprit);
        outer.1.store(one + 1, Ordering::Relaxed);
        if culprit.is_some() {
            self.reentrant.clear_poison();
        }
        self.leave(1);
    }

    fn write(&self) {
        let guard = self.rwlock.write();
        let culprit = guard.as_ref().err().and_then(|_| self.rwlock.poisoned_by());
        let mut guard = guard.unwrap_or_else(PoisonError::into_inner);
        self.enter(2, culprit);
        self.change(&mut guard, culprit);
        if culprit.is_some() {
            self.rwlock.clear_poison();
        }
        self.leave(2);
    }

    fn read(&self) {
        let Ok(pair) = self.rwlock.read() else { return self.count(POISONED) };
        let writer = self.inside[2].load(Ordering::SeqCst);
        if writer != 0 || pair[0] != pair[1] {
            self.faults.add(&format!("read {pair:?} while {writer:x} writes"));
        }
    }

    fn take_permit(&self, index: usize) {
        let _permit = self.semaphore.acquire();
        self.inside[3].fetch_or(1 << index, Ordering::SeqCst);
        self.dawdle();
        // The bits of the killed stay until their places are taken again; they are not inside. Whose places these are is
        // asked first: a new worker says who it is after it has cleared the bit of the one before.
        let places: Vec<u64> = self.workers.iter().map(|who| who.load(Ordering::SeqCst)).collect();
        let inside = self.inside[3].load(Ordering::SeqCst);
        let is_inside = |place: &usize| inside & (1 << place) != 0 && (*place == WORKERS || self.lives(places[*place]));
        if inside.count_ones() > PERMITS && (0..=WORKERS).filter(is_inside).count() > PERMITS as usize {
            self.faults.add(&format!("more than {PERMITS} hold a permit: {inside:b}"));
        }
        self.inside[3].fetch_and(!(1 << index), Ordering::SeqCst);
    }

    fn pass_tokens(&self, put: bool) {
        let mut tokens = self.tokens.lock().unwrap_or_else(|poisoned| {
            self.count(POISONED);
            self.tokens.clear_poison();
            poisoned.into_inner()
        });
        if put {
            *tokens += 1;
            drop(tokens);
            return self.changed.notify_one();
        }
        let waited = self.changed.wait_timeout_while(tokens, Duration::from_millis(10), |tokens| *tokens == 0);
        let (mut tokens, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if !result.timed_out() && *tokens > 0 {
            *tokens -= 1;
        }
    }

    fn flash(&self, choice: u64) {
        match choice {
            0 => self.event.set(),
            1 => self.event.clear(),
            _ => _ = self.event.wait_timeout(Duration::from_millis(5)),
        }
    }

    fn meet(&self) {
        if self.barrier.wait_timeout(Duration::from_millis(5)).is_err() {
            self.count(BROKEN);
            self.barrier.reset();
        }
    }

    /// Changes one number and, a moment later, the other: they must have been equal, unless somebody died in between.
    fn change(&self, pair: &mut Pair, culprit: Option<PoisonCause>) {
        if culprit.is_some() {
            self.count(POISONED);
            pair[1] = pair[0];
        } else if pair[0] != pair[1] {
            self.faults.add(&format!("found {pair:?} and no poison"));
        }
        pair[0] += 1;
        self.dawdle();
        pair[1] += 1;
    }

    /// Nobody else may be inside, but one who died there.
    fn enter(&self, lock: usize, culprit: Option<PoisonCause>) {
        let other = self.inside[lock].swap(ProcessIdentity::current().to_bits(), Ordering::SeqCst);
        if other != 0 && (culprit.is_none() || self.lives(other)) {
            self.faults.add(&format!("two have lock {lock}: {other:x} too, poisoned by {culprit:?}"));
        }
    }

    fn leave(&self, lock: usize) {
        let me = self.inside[lock].swap(0, Ordering::SeqCst);
        if me != ProcessIdentity::current().to_bits() {
            self.faults.add(&format!("somebody came into lock {lock}: {me:x}"));
        }
    }

    fn lives(&self, bits: u64) -> bool {
        ProcessIdentity::from_bits(bits).is_some_and(ProcessIdentity::is_alive)
    }

    /// Room for a kill.
    fn dawdle(&self) {
        for _ in 0..3 {
            std::thread::yield_now();
        }
    }

    fn count(&self, tally: usize) {
        self.tallies[tally].fetch_add(1, Ordering::Relaxed);
    }
}
