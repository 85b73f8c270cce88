//! Kills clients of a manager at random moments, and checks what must hold all the same.
//!
//! Six clients use every kind of object, pass proxies to each other through a managed queue, and are killed and replaced,
//! again and again. Nobody may hang, hold a lock together with another, be the fourth with one of three permits, or see a
//! value half changed; in the end all locks and permits are free, and no reference is left.

use std::time::Duration;

use procession_manager::{CallError, Dict, List, Lock, Manager, Proxy, Queue, RLock, Semaphore, Transaction};
use serde::{Deserialize, Serialize};

use crate::kit::{Course, Dice, Failure, Faults, kill, start, wait_for};

const CLIENTS: u64 = 6;
const PERMITS: u64 = 3;
/// How many lists are passed on from client to client.
const LISTS: u64 = 5;

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
    faults: Faults,
}

pub(crate) fn torment(course: &Course) -> Result<(), Failure> {
    let manager = Manager::start()?;
    let arena = Arena::new(&manager)?;
    // The lists that are passed on are not counted: a client that is killed with one takes it along.
    // Each of the others is held by one proxy of this process.
    let before = manager.stats()?.objects - LISTS;
    let mut dice = course.dice();
    let (mut kills, mut names) = (0, 0..);
    let mut start = |dice: &mut Dice| -> Result<_, Failure> {
        let name = names.next().unwrap_or(0);
        Ok((name, start(work, (arena.clone(), name, dice.any()))?))
    };
    let mut clients = (0..CLIENTS).map(|_| start(&mut dice)).collect::<Result<Vec<_>, _>>()?;
    while course.goes_on(kills) {
        std::thread::sleep(Duration::from_micros(dice.below(4_000)));
        let at = dice.index(clients.len());
        let (name, victim) = &clients[at];
        // One that has done something at least is killed in the middle of something.
        wait_for("a client to do anything", || Ok(arena.progress.contains_key(name)? || !victim.is_alive()))?;
        kill(victim)?;
        kills += 1;
        clients[at] = start(&mut dice)?;
    }
    clients.iter().try_for_each(|(_, client)| kill(client))?;
    let done = arena.settle(&manager, before)?;
    println!("{kills} clients killed in {:.1?}; {done} things done, no fault", course.took());
    Ok(())
}

impl Arena {
    fn new(manager: &Manager) -> Result<Arena, Failure> {
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
            faults: Faults::new()?,
        };
        for _ in 0..LISTS {
            arena.parcels.send(manager.list()?)?;
        }
        Ok(arena)
    }

    /// After all clients are gone: everything is free, and nothing is left. Answers how many things were done.
    fn settle(&self, manager: &Manager, before: u64) -> Result<u64, Failure> {
        wait_for("the lock", || Ok(!self.lock.is_locked()?))?;
        wait_for("the reentrant lock", || Ok(!self.rlock.is_locked()?))?;
        wait_for("the permits", || Ok(self.semaphore.available()? == PERMITS))?;
        wait_for("the parcels", || Ok(self.parcels.try_recv()?.is_none()))?;
        wait_for("the references", || {
            let all = manager.stats()?;
            Ok((all.objects, all.references) == (before, before))
        })?;
        self.faults.check()?;
        let (left, right) = (self.left.get()?, self.right.get()?);
        if left != right {
            return Err(format!("two numbers that should be equal are {left} and {right}").into());
        }
        Ok(self.progress.values()?.iter().sum())
    }
}

/// The life of a client.
fn work((arena, name, seed): (Arena, u64, u64)) {
    let mut dice = Dice::new(seed);
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
        arena.faults.add("two have the lock");
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
        arena.faults.add("more have a permit than there are");
    }
    Ok(())
}

fn change_both(arena: &Arena) -> Result<(), CallError> {
    let mut both = Transaction::new();
    both.call(&arena.left, |n, ()| *n += 1, ())?;
    both.call(&arena.right, |n, ()| *n += 1, ())?;
    both.commit()?;
    if arena.left.call_both(&arena.right, |left, right, ()| left != right, ())? {
        arena.faults.add("two numbers that are changed together differ");
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
