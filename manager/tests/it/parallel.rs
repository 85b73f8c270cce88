//! Who runs beside whom, and who must not.

use std::sync::Barrier;

use procession_manager::{CallError, Manager, Proxy, Transaction};

/// In the manager: two calls that are in it at once pass; one alone would wait for ever.
static MEETING: Barrier = Barrier::new(2);

#[test]
fn calls_that_only_read_meet_in_one_object() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u32| n, 7).unwrap();
    let meet = |n: &u32, (): ()| {
        MEETING.wait();
        *n
    };
    let (one, two) = (number.post_read(meet, ()).unwrap(), number.post_read(meet, ()).unwrap());
    assert_eq!((one.wait().unwrap(), two.wait().unwrap()), (7, 7));
}

#[test]
fn calls_on_different_objects_meet() {
    let manager = Manager::start().unwrap();
    let (one, two) = (manager.create(|n: u32| n, 1).unwrap(), manager.create(|n: u32| n, 2).unwrap());
    let meet = |_: &mut u32, (): ()| {
        MEETING.wait();
    };
    let (first, second) = (one.post(meet, ()).unwrap(), two.post(meet, ()).unwrap());
    first.wait().unwrap();
    second.wait().unwrap();
}

#[test]
fn many_threads_share_one_connection() {
    let manager = Manager::start().unwrap();
    let list = manager.create(|list: Vec<u32>| list, vec![]).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let list = &list;
            scope.spawn(move || {
                for n in 0..100 {
                    let length = list.call(|list, n| (list.push(n), list.len()).1, thread * 1000 + n).unwrap();
                    assert_eq!(list.read(|list, at: usize| list[at], length - 1).unwrap(), thread * 1000 + n);
                }
            });
        }
    });
    assert_eq!(list.get().unwrap().len(), 800);
}

#[test]
fn transfers_in_opposite_directions_neither_block_nor_lose() {
    let manager = Manager::start().unwrap();
    let accounts: Vec<Proxy<i64>> = (0..4).map(|_| manager.create(|n: i64| n, 100).unwrap()).collect();
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let accounts = &accounts;
            scope.spawn(move || {
                for round in 0..100 {
                    let (from, to) = (thread, (thread + 1 + round % 3) % 4);
                    let transfer = |from: &mut i64, to: &mut i64, amount: i64| {
                        *from -= amount;
                        *to += amount;
                    };
                    accounts[from].call_both(&accounts[to], transfer, 5).unwrap();
                }
            });
        }
    });
    assert_eq!(accounts.iter().map(|one| one.get().unwrap()).sum::<i64>(), 400);
}

#[test]
fn nobody_sees_a_transaction_half_done() {
    let manager = Manager::start().unwrap();
    let (one, two) = (manager.create(|n: u32| n, 0).unwrap(), manager.create(|n: u32| n, 0).unwrap());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..200 {
                let mut both = Transaction::new();
                both.call(&one, |n, ()| *n += 1, ()).unwrap();
                both.call(&two, |n, ()| *n += 1, ()).unwrap();
                both.commit().unwrap();
            }
        });
        while !writer.is_finished() {
            let (a, b) = one.call_both(&two, |a, b, ()| (*a, *b), ()).unwrap();
            assert_eq!(a, b);
        }
    });
}

#[test]
fn a_transaction_ends_at_the_first_call_that_fails() {
    let manager = Manager::start().unwrap();
    let (one, two) = (manager.create(|n: u32| n, 0).unwrap(), manager.create(|n: u32| n, 0).unwrap());
    let mut both = Transaction::new();
    both.call(&one, |n, ()| *n += 1, ()).unwrap();
    both.call(&one, |n, by| *n /= by, 0).unwrap();
    both.call(&two, |n, ()| *n += 1, ()).unwrap();
    assert!(matches!(both.commit(), Err(CallError::Panicked(_))));
    one.clear_poison().unwrap();
    two.clear_poison().unwrap();
    assert_eq!((one.get().unwrap(), two.get().unwrap()), (1, 0));
    assert!(matches!(one.call_both(&one.clone(), |_, _, ()| (), ()), Err(CallError::Unknown(_))));
}
