//! Clients that are killed give back what they had.

use procession_manager::{Barrier, CallError, Counter, List, Lock, Manager, Proxy, RLock, Semaphore};
use procession_process::Process;

use crate::support::{until, until_held};

/// Says that it is ready, and waits to be killed.
fn be_killed(ready: &Counter) {
    ready.add(1).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_lock_of_a_killed_client_comes_back_and_says_so() {
    let manager = Manager::start().unwrap();
    let (lock, rlock, semaphore) = (manager.lock().unwrap(), manager.rlock().unwrap(), manager.semaphore(2).unwrap());
    let ready = manager.counter(0).unwrap();
    let hold = |(lock, rlock, semaphore, ready): (Lock, RLock, Semaphore, Counter)| {
        let _guards = (lock.acquire().unwrap(), rlock.acquire().unwrap(), rlock.acquire().unwrap());
        let _permits = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
        be_killed(&ready);
    };
    let arguments = (lock.clone(), rlock.clone(), semaphore.clone(), ready.clone());
    let holder: Process<()> = Process::spawn(hold, arguments).unwrap();
    ready.wait_for(1).unwrap();
    assert!(lock.try_acquire().unwrap().is_none());
    holder.kill();
    assert!(lock.acquire().unwrap().is_inherited());
    assert!(rlock.acquire().unwrap().is_inherited());
    drop((semaphore.acquire().unwrap(), semaphore.acquire().unwrap()));
    assert!(!lock.acquire().unwrap().is_inherited(), "the second time it is not");
    until_held(&manager, 4, 4);
}

#[test]
fn a_killed_client_that_waited_takes_nothing() {
    let manager = Manager::start().unwrap();
    let (lock, queue) = (manager.lock().unwrap(), manager.queue::<u32>(5).unwrap());
    let ready = manager.counter(0).unwrap();
    let guard = lock.acquire().unwrap();
    let waiters: Vec<Process<()>> = (0..4)
        .map(|_| {
            let wait = |(lock, ready): (Lock, Counter)| {
                ready.add(1).unwrap();
                drop(lock.acquire().unwrap());
            };
            Process::spawn(wait, (lock.clone(), ready.clone())).unwrap()
        })
        .collect();
    ready.wait_for(4).unwrap();
    waiters.iter().for_each(Process::kill);
    waiters.iter().for_each(|one| drop(one.join()));
    // Of a death that it has not heard of yet the manager knows nothing, and would give the lock to the dead.
    until_held(&manager, 3, 3);
    drop(guard);
    assert!(!lock.acquire().unwrap().is_inherited());
    queue.send(1).unwrap();
    assert_eq!(queue.recv().unwrap(), 1);
    until_held(&manager, 3, 3);
}

#[test]
fn a_killed_party_breaks_its_barrier() {
    let manager = Manager::start().unwrap();
    let barrier = manager.barrier(3).unwrap();
    let victim = Process::spawn(|barrier: Barrier| barrier.wait(), barrier.clone()).unwrap();
    until("the victim waits", || barrier.waiting().unwrap() == 1);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait());
        until("both wait", || barrier.waiting().unwrap() == 2);
        victim.kill();
        assert!(matches!(other.join().unwrap(), Err(CallError::BrokenBarrier)));
    });
}

#[test]
fn a_client_killed_in_the_middle_of_a_call_leaves_a_whole_value() {
    let manager = Manager::start().unwrap();
    let pair = manager.create(|pair: (u64, u64)| pair, (0, 0)).unwrap();
    let push = |pair: Proxy<(u64, u64)>| -> () {
        loop {
            let _answer = pair.post(|pair, ()| (pair.0 += 1, pair.1 += 1).0, ()).unwrap();
        }
    };
    for _ in 0..20 {
        let before = pair.get().unwrap().0;
        let victim: Process<()> = Process::spawn(push, pair.clone()).unwrap();
        until("it calls", || pair.get().unwrap().0 > before);
        victim.kill();
        let (one, two) = pair.get().unwrap();
        assert_eq!(one, two);
    }
    until_held(&manager, 1, 1);
}

#[test]
fn killed_clients_leave_no_references() {
    let manager = Manager::start().unwrap();
    let (list, ready) = (manager.list::<u8>().unwrap(), manager.counter(0).unwrap());
    let mut started = 0;
    for _ in 0..5 {
        let victims: Vec<Process<()>> = (0..8)
            .map(|_| {
                let hold = |(list, ready): (List<u8>, Counter)| {
                    let _more = (list.clone(), list);
                    be_killed(&ready);
                };
                Process::spawn(hold, (list.clone(), ready.clone())).unwrap()
            })
            .collect();
        started += 8;
        ready.wait_for(started).unwrap();
        victims.iter().for_each(Process::kill);
    }
    until_held(&manager, 2, 2);
}
