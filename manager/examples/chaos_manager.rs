//! Kills clients of a manager at random moments, and checks what must hold all the same.
//!
//! `cargo run --release -p procession-manager --example chaos_manager -- --seconds 20 --seed 7`, or `--kills 10000` instead of a
//! time. Six clients use every kind of object, pass proxies to each other through a managed queue, and are killed and replaced,
//! again and again. Nobody may hang, hold a lock together with another, be the fourth with one of three permits, or see a
//! value half changed; in the end all locks and permits are free, and no reference is left.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use procession_manager::{CallError, Counter, Dict, List, Lock, Manager, Proxy, Queue, RLock, Semaphore, Transaction};
use procession_process::Process;
use serde::{Deserialize, Serialize};

const CLIENTS: u64 = 6;
const PERMITS: u64 = 3;
/// How many lists are passed on from client to client.
const LISTS: u64 = 5;
/// Nobody takes so long unless it hangs.
const HANG: Duration = Duration::from_secs(60);

/// Everything that the clients share.
#[derive(Clone, Serialize, Deserialize)]
struct Arena {
    lock: Lock,
    rlock: RLock,
    /// Who is inside the lock. Only who is inside changes it.
    inside: Proxy<Vec<u64>>,
    semaphore: Semaphore,
    dict: Dict<u64, u64>,
    /// Two numbers that are equal.
    left: Proxy<u64>,
    right: Proxy<u64>,
    parcels: Queue<List<u64>>,
    progress: Dict<u64, u64>,
    faults: Counter,
}

/// Numbers that look random and can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

struct Options {
    seconds: u64,
    kills: u64,
    seed: u64,
}

impl Options {
    fn parse() -> Options {
        let mut options = Options { seconds: 10, kills: u64::MAX, seed: 1 };
        let mut words = std::env::args().skip(1);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            let value = value.parse().unwrap_or_else(|_| panic!("{name} needs a number"));
            match name.as_str() {
                "--seconds" => options.seconds = value,
                "--kills" => (options.kills, options.seconds) = (value, 1 << 30),
                "--seed" => options.seed = value,
                _ => panic!("unknown option {name}: use --seconds N, --kills N, --seed N"),
            }
        }
        options
    }
}

fn main() -> ExitCode {
    procession_process::init();
    let options = Options::parse();
    match torment(&options) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("chaos_manager: {reason} (seed {})", options.seed);
            ExitCode::FAILURE
        }
    }
}

fn torment(options: &Options) -> Result<String, String> {
    let manager = Manager::start().map_err(|error| error.to_string())?;
    let arena = Arena::new(&manager).map_err(|error| error.to_string())?;
    // The lists that are passed on are not counted: a client that is killed with one takes it along.
    // Each of the others is held by one proxy of this process.
    let before = manager.stats().map(|all| all.objects - LISTS);
    let before = before.map_err(|error| error.to_string())?;
    let mut dice = Dice(options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut kills, mut names) = (0, 0..);
    let mut start = |dice: &mut Dice| {
        let (name, seed) = (names.next().unwrap_or(0), dice.below(u64::MAX) | 1);
        let client = Process::builder().daemon(true).spawn(work, (arena.clone(), name, seed));
        client.map(|client| (name, client)).map_err(|error| error.to_string())
    };
    let mut clients = (0..CLIENTS).map(|_| start(&mut dice)).collect::<Result<Vec<_>, _>>()?;
    let began = Instant::now();
    while kills < options.kills && began.elapsed() < Duration::from_secs(options.seconds) {
        std::thread::sleep(Duration::from_micros(dice.below(20_000)));
        let at = usize::try_from(dice.below(CLIENTS)).unwrap_or(0);
        let (name, victim) = &clients[at];
        // One that has done something at least is killed in the middle of something.
        wait_for("a client to do anything", || Ok(arena.progress.contains_key(name)? || !victim.is_alive()))?;
        victim.kill();
        let ended = victim.join();
        if let Some(panic) = ended.as_ref().err().and_then(|error| error.panic()) {
            return Err(format!("a client {panic}"));
        }
        kills += 1;
        clients[at] = start(&mut dice)?;
    }
    for (_, client) in &clients {
        client.kill();
        let _killed = client.join();
    }
    let done = arena.settle(&manager, before)?;
    Ok(format!("{kills} clients killed in {:.1?}; {done} things done, no fault", began.elapsed()))
}

impl Arena {
    fn new(manager: &Manager) -> Result<Arena, CallError> {
        let arena = Arena {
            lock: manager.lock()?,
            rlock: manager.rlock()?,
            inside: manager.create(|list: Vec<u64>| list, Vec::new())?,
            semaphore: manager.semaphore(PERMITS)?,
            dict: manager.dict()?,
            left: manager.create(|n: u64| n, 0)?,
            right: manager.create(|n: u64| n, 0)?,
            parcels: manager.queue(10)?,
            progress: manager.dict()?,
            faults: manager.counter(0)?,
        };
        for _ in 0..LISTS {
            arena.parcels.send(manager.list()?)?;
        }
        Ok(arena)
    }

    /// After all clients are gone: everything is free, and nothing is left. Answers how many things were done.
    fn settle(&self, manager: &Manager, before: u64) -> Result<u64, String> {
        wait_for("the lock", || Ok(!self.lock.is_locked()?))?;
        wait_for("the reentrant lock", || Ok(!self.rlock.is_locked()?))?;
        wait_for("the permits", || Ok(self.semaphore.available()? == PERMITS))?;
        wait_for("the parcels", || Ok(self.parcels.try_recv()?.is_none()))?;
        wait_for("the references", || manager.stats().map(|all| (all.objects, all.references) == (before, before)))?;
        let all = || -> Result<_, CallError> { Ok((self.faults.get()?, self.left.get()?, self.right.get()?)) };
        let (faults, left, right) = all().map_err(|error| error.to_string())?;
        if (faults, left) != (0, right) {
            return Err(format!("{faults} faults, and two numbers that should be equal are {left} and {right}"));
        }
        Ok(self.progress.values().map_err(|error| error.to_string())?.iter().sum())
    }
}

/// Waits for something that must come.
fn wait_for(what: &str, mut has_come: impl FnMut() -> Result<bool, CallError>) -> Result<(), String> {
    let start = Instant::now();
    while !has_come().map_err(|error| error.to_string())? {
        if start.elapsed() > HANG {
            return Err(format!("waited in vain for {what}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The life of a client.
fn work((arena, name, seed): (Arena, u64, u64)) {
    let mut dice = Dice(seed);
    loop {
        let done = match dice.below(6) {
            0 => lock(&arena, name),
            1 => relock(&arena),
            2 => take_permit(&arena),
            3 => change_both(&arena),
            4 => pass_a_parcel(&arena, name),
            _ => count(&arena, dice.below(10)),
        };
        done.unwrap();
        arena.progress.proxy().call(|progress, name| *progress.entry(name).or_insert(0) += 1, name).unwrap();
    }
}

fn lock(arena: &Arena, name: u64) -> Result<(), CallError> {
    let guard = arena.lock.acquire()?;
    if guard.is_inherited() {
        arena.inside.call(|inside, ()| inside.clear(), ())?;
    }
    let enter = |inside: &mut Vec<u64>, name: u64| (inside.push(name), inside.len()).1;
    if arena.inside.call(enter, name)? != 1 {
        arena.faults.add(1)?;
    }
    arena.inside.call(|inside, ()| inside.clear(), ())
}

fn relock(arena: &Arena) -> Result<(), CallError> {
    let (_outer, _inner) = (arena.rlock.acquire()?, arena.rlock.acquire()?);
    Ok(())
}

fn take_permit(arena: &Arena) -> Result<(), CallError> {
    let _permit = arena.semaphore.acquire()?;
    if arena.semaphore.available()? >= PERMITS {
        arena.faults.add(1)?;
    }
    Ok(())
}

fn change_both(arena: &Arena) -> Result<(), CallError> {
    let mut both = Transaction::new();
    both.call(&arena.left, |n, ()| *n += 1, ())?;
    both.call(&arena.right, |n, ()| *n += 1, ())?;
    both.commit()?;
    if arena.left.call_both(&arena.right, |left, right, ()| left != right, ())? {
        arena.faults.add(1)?;
    }
    Ok(())
}

/// Sends a list through the queue, and takes one out.
fn pass_a_parcel(arena: &Arena, name: u64) -> Result<(), CallError> {
    let made = arena.dict.proxy().read(|dict, ()| dict.len(), ())?;
    let parcel = arena.parcels.try_recv()?;
    if let Some(list) = parcel {
        list.push(name + made as u64)?;
        arena.parcels.try_send(list)?;
    }
    Ok(())
}

fn count(arena: &Arena, key: u64) -> Result<(), CallError> {
    let answers: Vec<_> = (0..20)
        .map(|_| arena.dict.proxy().post(|dict, key| *dict.entry(key).or_insert(0) += 1, key))
        .collect::<Result<_, _>>()?;
    answers.into_iter().try_for_each(|answer| answer.wait())
}
