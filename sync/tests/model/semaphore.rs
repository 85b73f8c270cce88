//! Permits: never one too many, none lost with its holder, and no lost wake-up.

use loom::sync::Arc;
use loom::thread;

use crate::explore::{finds, holds, process};
use crate::raw::semaphore::RawSemaphore;
use crate::raw::shim::{AtomicU32, Ordering, Seeded, die};

struct Room {
    door: RawSemaphore,
    inside: AtomicU32,
}

fn room() -> Arc<Room> {
    let room = Room { door: RawSemaphore::fresh(), inside: AtomicU32::new(0) };
    room.door.init(1, 1);
    Arc::new(room)
}

fn visit(room: &Room, number: u64) {
    assert!(room.door.acquire(process(number), None));
    assert_eq!(room.inside.fetch_add(1, Ordering::Relaxed), 0, "two are inside");
    room.inside.fetch_sub(1, Ordering::Relaxed);
    room.door.release_held(process(number));
}

fn one_at_a_time() {
    let room = room();
    let theirs = room.clone();
    let other = thread::spawn(move || visit(&theirs, 2));
    visit(&room, 1);
    other.join().unwrap();
    assert_eq!(room.door.available(process(1)), 1);
}

fn death_of_the_holder() {
    let room = room();
    let theirs = room.clone();
    let dying = thread::spawn(move || {
        assert!(theirs.door.acquire(process(2), None));
        die(process(2));
        theirs.door.wake_sleepers();
    });
    visit(&room, 1);
    dying.join().unwrap();
    assert_eq!(room.door.available(process(1)), 1, "the permit of the dead is back");
}

#[test]
fn no_permit_too_many_or_lost() {
    holds("semaphore, 2 processes for 1 permit", 2, one_at_a_time);
    finds(Seeded::NotifyWithoutWake, 2, one_at_a_time);
}

#[test]
fn the_permit_of_the_dead_comes_back() {
    holds("semaphore, a holder dies", 2, death_of_the_holder);
}
