//! Joinable queues between real processes.

use std::time::Duration;

use procession_channels::{Item, JoinError, JoinableReceiver, joinable};
use procession_process::Process;

const GUARD: Duration = Duration::from_secs(60);

fn work(receiver: JoinableReceiver<u32>) -> u32 {
    let mut count = 0;
    while let Ok(item) = receiver.recv() {
        count += 1;
        item.done();
    }
    count
}

#[test]
fn join_waits_for_all_workers() {
    let (sender, receiver) = joinable::<u32>(10).expect("a queue");
    let workers: Vec<_> = (0..3).map(|_| Process::spawn(work, receiver.clone()).expect("it starts")).collect();
    drop(receiver);
    for _ in 0..3 {
        sender.send_many(0..500).expect("somebody works");
        sender.join_timeout(GUARD).expect("all is done");
        assert_eq!(sender.unfinished(), 0);
    }
    drop(sender);
    assert_eq!(workers.into_iter().map(|worker| worker.join().expect("it ends")).sum::<u32>(), 1500);
}

#[test]
fn items_of_a_dead_process_are_told_once() {
    let (sender, receiver) = joinable::<u32>(10).expect("a queue");
    let (told, tell) = procession_channels::one_way::<u32>().expect("a pipe");
    let child = Process::spawn(
        |(receiver, tell): (JoinableReceiver<u32>, procession_channels::PipeSender<u32>)| {
            let items: Vec<_> = (0..3).map(|_| receiver.recv().expect("there are some")).collect();
            tell.send(items.len() as u32).expect("the parent listens");
            std::thread::park();
        },
        (receiver.clone(), tell),
    )
    .expect("it starts");
    sender.send_many(0..5).expect("there is room");
    assert_eq!(told.recv_timeout(GUARD).expect("it took three"), 3);
    assert!(matches!(sender.join_timeout(Duration::from_millis(1)), Err(JoinError::Timeout { unfinished: 5, .. })));
    let pid = child.id();
    child.kill();
    assert!(child.join().is_err());
    receiver.recv().expect("two are left").done();
    receiver.recv().expect("one is left").done();
    match sender.join_timeout(GUARD) {
        Err(JoinError::Lost { count: 3, pid: named, .. }) => assert_eq!(named, pid),
        other => panic!("{other:?}"),
    }
    sender.join_timeout(GUARD).expect("it was told");
}

#[test]
fn what_nobody_will_finish_is_told() {
    let (sender, receiver) = joinable::<u32>(10).expect("a queue");
    let child = Process::spawn(|receiver: JoinableReceiver<u32>| drop(receiver.recv()), receiver).expect("it starts");
    sender.send_many(0..4).expect("there is room");
    child.join().expect("it ends");
    assert!(matches!(sender.join(), Err(JoinError::Disconnected { unfinished: 3, .. })));
}

#[test]
fn panics_lose_items_and_values_taken_out_wait_for_task_done() {
    let (sender, receiver) = joinable::<u32>(10).expect("a queue");
    sender.send_many(0..2).expect("there is room");
    let worker = receiver.clone();
    let panicked = std::thread::spawn(move || {
        let _item = worker.recv().expect("there is one");
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    assert_eq!(Item::into_inner(receiver.recv().expect("there is one")), 1);
    assert_eq!(sender.unfinished(), 1);
    receiver.task_done().expect("one is held");
    assert!(receiver.task_done().is_err());
    let me = std::process::id();
    assert!(matches!(sender.join(), Err(JoinError::Lost { count: 1, pid, .. }) if pid == me));
}

#[test]
fn items_come_in_a_loop_and_each_is_finished_with_its_turn() {
    let (sender, receiver) = joinable::<u32>(10).expect("a queue");
    sender.send_many(0..6).expect("there is room");
    assert_eq!(receiver.try_iter().take(2).map(|item| *item.expect("a number")).sum::<u32>(), 1);
    assert_eq!(sender.unfinished(), 4);
    for item in &receiver {
        if *item.expect("a number") == 4 {
            break;
        }
    }
    assert_eq!(sender.unfinished(), 1);
    let text = format!("{sender:?}");
    assert!(text.contains("unfinished: 1") && text.contains("len: 1"), "{text}");
    drop(sender);
    assert_eq!(receiver.into_iter().count(), 1);
}
