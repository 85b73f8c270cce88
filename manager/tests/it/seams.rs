//! Wherever the user's code runs in a manager, it may do anything: each behaviour at each seam has an outcome, and hurts nobody else.
//!
//! | | of its caller | of the object | of the manager |
//! | --- | --- | --- | --- |
//! | returns | the result | – | – |
//! | panics, whatever its payload does when dropped | `Panicked`, `Argument` or `Result` | poisoned where it was being changed | – |
//! | blocks | waits, or its limit | waits with it | – |
//! | calls its own object | `Reentrant` | – | – |
//! | calls the manager | the result | – | – |
//! | exits, aborts | `ManagerGone` | gone | gone |

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use procession_manager::{CallError, Counter, Deferred, Manager, Proxy, Transaction};
use procession_process::panics;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{LONG, until_held};

/// How the user's code behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Act {
    Return,
    Panic,
    /// Panics with a payload that panics when it is dropped.
    Bomb,
    /// For longer than the caller's limit.
    Block,
    /// Calls another object of the same manager.
    Call,
    Abort,
    Exit,
}

const ACTS: [Act; 7] = [Act::Return, Act::Panic, Act::Bomb, Act::Block, Act::Call, Act::Abort, Act::Exit];

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload panics as well");
    }
}

/// An object of the manager, for code in it that has no argument.
static OTHER: OnceLock<Counter> = OnceLock::new();

impl Act {
    fn act(self) {
        match self {
            Act::Return => {}
            Act::Panic => panic!("as expected"),
            Act::Bomb => std::panic::panic_any(Bomb),
            Act::Block => std::thread::sleep(LONG),
            Act::Call => drop(OTHER.get().map(|other| other.add(1).unwrap())),
            Act::Abort => std::process::abort(),
            Act::Exit => std::process::exit(3),
        }
    }

    /// The limit of a call that does so.
    fn limit(self) -> Duration {
        if self == Act::Block { Duration::from_millis(100) } else { LONG }
    }

    fn is_the_end(self) -> bool {
        matches!(self, Act::Abort | Act::Exit)
    }

    fn panics(self) -> bool {
        matches!(self, Act::Panic | Act::Bomb)
    }
}

/// Acts when it is written in the manager, read there, dropped there, or shown there.
#[derive(Clone)]
struct Thing {
    written: Act,
    read: Act,
    dropped: Act,
    shown: Act,
}

const CALM: Thing = Thing { written: Act::Return, read: Act::Return, dropped: Act::Return, shown: Act::Return };

/// Whether this process is the manager.
fn is_manager() -> bool {
    OTHER.get().is_some()
}

impl Serialize for Thing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_manager() {
            self.written.act();
        }
        (self.written, self.read, self.dropped, self.shown).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Thing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Thing, D::Error> {
        let (written, read, dropped, shown) = Deserialize::deserialize(deserializer)?;
        if is_manager() {
            Act::act(read);
        }
        Ok(Thing { written, read, dropped, shown })
    }
}

impl Drop for Thing {
    fn drop(&mut self) {
        if is_manager() {
            self.dropped.act();
        }
    }
}

impl fmt::Debug for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.act();
        f.write_str("Thing")
    }
}

/// What a seam is tried with.
struct Bench {
    manager: Manager,
    number: Proxy<u64>,
    other: Counter,
}

type Seam = (&'static str, fn(&Bench, Act) -> Result<(), CallError>);

const SEAMS: [Seam; 12] = [
    ("a method", |bench, act| bench.number.call_timeout(|_, act: Act| act.act(), act, act.limit())),
    ("a reading method", |bench, act| bench.number.read_timeout(|_, act: Act| act.act(), act, act.limit())),
    ("a condition", |bench, act| {
        let when = |_: &mut u64, act: Act| {
            act.act();
            Some(1_u8)
        };
        bench.number.call_when_timeout(when, act, act.limit()).map(drop)
    }),
    ("a constructor", |bench, act| bench.manager.with_timeout(act.limit()).create(|act: Act| act.act(), act).map(drop)),
    ("an argument that is read", |bench, act| {
        bench.number.call_timeout(|_, _: Thing| (), Thing { read: act, ..CALM.clone() }, act.limit())
    }),
    ("an argument that is dropped", |bench, act| {
        bench.number.call_timeout(|_, _: Thing| (), Thing { dropped: act, ..CALM.clone() }, act.limit())
    }),
    ("a result that is written", |bench, act| {
        let thing = Thing { written: act, ..CALM.clone() };
        bench.number.call_timeout(|_, thing: Thing| thing, thing, act.limit()).map(drop)
    }),
    ("a result that is dropped", |bench, act| {
        let make = |_: &mut u64, act: Act| Thing { dropped: act, ..CALM.clone() };
        bench.number.call_timeout(make, act, act.limit()).map(drop)
    }),
    ("a debug form", |bench, act| {
        let thing = Thing { shown: act, ..CALM.clone() };
        bench.number.call_timeout(|_, thing: Thing| format!("{thing:?}"), thing, act.limit()).map(drop)
    }),
    ("a promise that is made", |bench, act| {
        let promise = |_: &u64, act: Act| {
            let (reply, deferred) = Deferred::pair();
            act.act();
            reply.send(&1_u8);
            deferred
        };
        bench.number.call_deferred_timeout(promise, act, act.limit()).map(drop)
    }),
    ("a promise that is kept", |bench, act| {
        let promise = |_: &u64, act: Act| {
            let (reply, deferred) = Deferred::pair();
            std::thread::spawn(move || {
                // A thread of the user's own that ends with a bomb is ended by std, with the whole process.
                if panics::catch(|| act.act()).is_ok() {
                    reply.send(&1_u8);
                }
            });
            deferred
        };
        bench.number.call_deferred_timeout(promise, act, act.limit()).map(drop)
    }),
    ("an object that is dropped", |bench, act| {
        let make = |act: Act| Thing { dropped: act, ..CALM.clone() };
        let made = bench.manager.create(make, act)?;
        // It is dropped there by and by.
        drop(made);
        Ok(())
    }),
];

fn bench() -> Bench {
    let manager = Manager::start().unwrap();
    let (number, other) = (manager.create(|n: u64| n, 0).unwrap(), manager.counter(0).unwrap());
    number.call(|_, other: Counter| drop(OTHER.set(other)), other.clone()).unwrap();
    Bench { manager, number, other }
}

/// What the caller is told.
fn is_right(seam: &str, act: Act, outcome: &Result<(), CallError>) -> bool {
    // The end of an object, and what is after its answer, is nobody's business.
    let is_unseen = seam == "an object that is dropped";
    match (act, outcome) {
        (Act::Return | Act::Call, outcome) => outcome.is_ok(),
        (_, Ok(())) if is_unseen => true,
        (Act::Panic | Act::Bomb, outcome) => {
            matches!(outcome, Err(CallError::Panicked(_) | CallError::Argument(_) | CallError::Result(_)))
        }
        (Act::Block, outcome) => matches!(outcome, Err(CallError::Timeout { .. })),
        (Act::Abort | Act::Exit, outcome) => matches!(outcome, Err(CallError::ManagerGone)),
    }
}

#[test]
fn every_behaviour_at_every_seam_has_its_outcome_and_hurts_nobody_else() {
    for (seam, try_it) in SEAMS {
        let mut shared = bench();
        for act in ACTS {
            let outcome = try_it(&shared, act);
            assert!(is_right(seam, act, &outcome), "{act:?} in {seam}: {outcome:?}");
            if act.is_the_end() {
                shared.manager.join_timeout(LONG).unwrap().then_some(()).expect("it has ended");
            } else {
                // Neither other objects nor new ones notice.
                shared.other.add(1).unwrap();
                assert_eq!(shared.manager.value(7).unwrap().get(), Ok(7), "{act:?} in {seam}");
            }
            if act.panics() {
                let _sound = shared.number.clear_poison();
                shared.number.call_timeout(|n, ()| *n += 1, (), LONG).unwrap();
            }
            if act.is_the_end() || act == Act::Block {
                shared = bench();
            }
        }
    }
}

#[test]
fn a_bomb_poisons_its_object_and_no_other() {
    let manager = Manager::start().unwrap();
    let (one, other) = (manager.create(|n: u8| n, 1).unwrap(), manager.create(|n: u8| n, 2).unwrap());
    for _ in 0..5 {
        let panicked = one.call(|_, ()| -> u8 { std::panic::panic_any(Bomb) }, ());
        assert!(matches!(panicked, Err(CallError::Panicked(_))), "{panicked:?}");
        assert!(matches!(one.get(), Err(CallError::Poisoned(_))));
        one.clear_poison().unwrap();
        assert_eq!((one.get(), other.get()), (Ok(1), Ok(2)));
    }
    drop((one, other));
    until_held(&manager, 0, 0);
}

#[test]
fn callbacks_may_do_what_they_like() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u8| n, 1).unwrap();
    for act in [Act::Panic, Act::Bomb, Act::Return] {
        for _ in 0..5 {
            number.post(|n, ()| *n, ()).unwrap().on_done(move |_| act.act());
        }
    }
    let (tell, told) = std::sync::mpsc::channel();
    let same = number.clone();
    number.post(|n, ()| *n, ()).unwrap().on_done(move |_| tell.send(same.get()).unwrap());
    assert_eq!(told.recv_timeout(LONG).unwrap(), Ok(1), "a callback may call");
}

/// Panics where its reader is the caller.
#[derive(Debug, Serialize)]
struct Unreadable(bool);

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unreadable, D::Error> {
        let has_a_bomb = bool::deserialize(deserializer)?;
        if has_a_bomb { std::panic::panic_any(Bomb) } else { panic!("as expected") }
    }
}

#[test]
fn a_result_whose_reading_panics_is_the_error_of_its_call_and_told_to_its_callback() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u8| n, 1).unwrap();
    let (told, tell) = std::sync::mpsc::channel();
    for has_a_bomb in [false, true] {
        let give = |_: &mut u8, has_a_bomb: bool| Unreadable(has_a_bomb);
        let right = |outcome: Result<Unreadable, CallError>| {
            let text = if has_a_bomb { "it panicked: Box<dyn Any>" } else { "it panicked: as expected" };
            assert_eq!(outcome.map(drop), Err(CallError::Result(text.to_owned())));
        };
        right(number.call(give, has_a_bomb));
        right(number.post(give, has_a_bomb).unwrap().wait());
        let told = told.clone();
        number.post(give, has_a_bomb).unwrap().on_done(move |outcome| told.send(outcome).unwrap());
        right(tell.recv_timeout(LONG).expect("no callback is lost"));
        let mut steps = Transaction::new();
        let step = steps.call(&number, give, has_a_bomb).unwrap();
        right(steps.commit().unwrap().take(step));
        assert_eq!(number.get(), Ok(1));
    }
}

#[test]
fn a_method_that_calls_its_own_object_is_told_so() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 0).unwrap();
    let again = |_: &mut u64, number: Proxy<u64>| number.call(|n, ()| *n, ());
    assert_eq!(number.call(again, number.clone()).unwrap(), Err(CallError::Reentrant));
}
