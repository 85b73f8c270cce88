//! Operations of queues.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use procession_channels::{
    JoinError, JoinableReceiver, JoinableSender, Receiver, RecvTimeoutError, SendTimeoutError, Sender, TrySendError,
    joinable, queue, unbounded, wait,
};
use procession_core::codec::Descriptor;

use crate::stepper::{HANG, Operation};

/// The limit of a call that may have to wait for the stopped process.
const SHORT: Duration = Duration::from_millis(5);

type Ends = (Sender<String>, Receiver<String>);

/// Tries and waits with a limit, at both ends.
fn try_both((sender, receiver): &Ends) {
    assert!(matches!(sender.try_send("b".to_owned()), Ok(()) | Err(TrySendError::Full(_))));
    let sent = sender.send_timeout("b".repeat(20_000), SHORT);
    assert!(matches!(sent, Ok(()) | Err(SendTimeoutError::Timeout(_))), "{sent:?}");
    let _none = receiver.try_recv();
    let _none = receiver.recv_timeout(SHORT);
    wait(&[receiver], SHORT).expect("it can be waited for");
    let _text = format!("{} {sender:?} {receiver:?}", receiver.len());
}

/// Takes all that is there, and so makes room.
fn empty(receiver: &Receiver<String>) {
    while receiver.try_recv().is_ok() {}
}

/// Checks that one item goes in and comes out.
fn passes_one((sender, receiver): &Ends) {
    empty(receiver);
    sender.send_timeout("mine".to_owned(), HANG).expect("there is room");
    loop {
        if receiver.recv_timeout(HANG).expect("it was sent") == "mine" {
            return;
        }
    }
}

pub(crate) struct Send;

impl Operation for Send {
    type Ends = Ends;

    fn make() -> Ends {
        queue(3).expect("a queue")
    }

    fn before(ends: &Ends) {
        empty(&ends.1);
        // A receiver that is about to sleep has the sender wake it.
        let _none = wait(&[&ends.1], Duration::ZERO).expect("it can be waited for");
    }

    fn run((sender, _): &Ends) {
        let _full = sender.try_send("a".to_owned());
    }

    fn look(ends: &Ends) {
        try_both(ends);
    }

    fn after(ends: &Ends) {
        passes_one(ends);
    }
}

pub(crate) struct SendLarge;

impl Operation for SendLarge {
    type Ends = Ends;

    fn make() -> Ends {
        queue(3).expect("a queue")
    }

    fn before(ends: &Ends) {
        Send::before(ends);
    }

    fn run((sender, _): &Ends) {
        // Whole pages of text would be more steps, and no other ones.
        let _full = sender.try_send(String::from_utf8(vec![b'a'; 17_000]).unwrap_or_default());
    }

    fn look(ends: &Ends) {
        try_both(ends);
    }

    fn after(ends: &Ends) {
        passes_one(ends);
    }
}

pub(crate) struct SendDescriptor;

impl Operation for SendDescriptor {
    type Ends = (Sender<Option<Descriptor>>, Receiver<Option<Descriptor>>);

    fn make() -> Self::Ends {
        queue(3).expect("a queue")
    }

    fn before((_, receiver): &Self::Ends) {
        while receiver.try_recv().is_ok() {}
        let _none = wait(&[receiver], Duration::ZERO).expect("it can be waited for");
    }

    fn run((sender, _): &Self::Ends) {
        let file = File::open("/dev/null").map(|file| Descriptor::from(OwnedFd::from(file)));
        let _full = sender.try_send(file.ok());
    }

    fn look((sender, receiver): &Self::Ends) {
        let _full = sender.try_send(None);
        let _full = sender.send_timeout(None, SHORT);
        let _none = receiver.try_recv();
        let _none = receiver.recv_timeout(SHORT);
        wait(&[receiver], SHORT).expect("it can be waited for");
    }

    fn after((sender, receiver): &Self::Ends) {
        while receiver.try_recv().is_ok() {}
        sender.send_timeout(None, HANG).expect("there is room");
        assert!(receiver.recv_timeout(HANG).expect("it was sent").is_none());
    }
}

pub(crate) struct Recv;

impl Operation for Recv {
    type Ends = Ends;

    fn make() -> Ends {
        queue(3).expect("a queue")
    }

    fn before((sender, _): &Ends) {
        while sender.try_send("c".to_owned()).is_ok() {}
    }

    fn run((_, receiver): &Ends) {
        let _none = receiver.try_recv();
    }

    fn look(ends: &Ends) {
        try_both(ends);
    }

    fn after(ends: &Ends) {
        passes_one(ends);
    }
}

/// Receives from an empty queue, without a limit.
pub(crate) struct RecvSleeping;

impl Operation for RecvSleeping {
    type Ends = Ends;

    fn make() -> Ends {
        unbounded().expect("a queue")
    }

    fn before((_, receiver): &Ends) {
        empty(receiver);
    }

    fn run((_, receiver): &Ends) {
        receiver.recv().expect("the sender lives");
    }

    fn look((sender, receiver): &Ends) {
        let sent = sender.send_timeout("b".to_owned(), SHORT);
        assert!(matches!(sent, Ok(()) | Err(SendTimeoutError::Timeout(_))), "{sent:?}");
        let received = receiver.recv_timeout(SHORT);
        assert!(matches!(received, Ok(_) | Err(RecvTimeoutError::Timeout)), "{received:?}");
        wait(&[receiver], SHORT).expect("it can be waited for");
        // What the stopped process waits for comes while it is stopped, if it comes in time.
        let _in_time = sender.send_timeout("c".to_owned(), SHORT);
    }

    fn release((sender, _): &Ends) {
        sender.send("d".to_owned()).expect("there is no limit");
    }

    fn after(ends: &Ends) {
        passes_one(ends);
    }
}

/// Sends into a full queue, without a limit.
pub(crate) struct SendWaiting;

impl Operation for SendWaiting {
    type Ends = Ends;

    fn make() -> Ends {
        queue(1).expect("a queue")
    }

    fn before((sender, _): &Ends) {
        let _full = sender.try_send("c".to_owned());
    }

    fn run((sender, _): &Ends) {
        sender.send("a".to_owned()).expect("a receiver lives");
    }

    fn look(ends: &Ends) {
        let (_, receiver) = ends;
        let _none = receiver.recv_timeout(SHORT);
        try_both(ends);
    }

    fn release((_, receiver): &Ends) {
        empty(receiver);
    }

    fn after(ends: &Ends) {
        passes_one(ends);
    }
}

/// Waits for two queues at once.
pub(crate) struct WaitMany;

impl Operation for WaitMany {
    type Ends = (Ends, Ends);

    fn make() -> Self::Ends {
        (unbounded().expect("a queue"), unbounded().expect("a queue"))
    }

    fn before((one, other): &Self::Ends) {
        empty(&one.1);
        empty(&other.1);
    }

    fn run((one, other): &Self::Ends) {
        while wait(&[&one.1, &other.1], None).expect("it can be waited for").is_empty() {}
    }

    fn look((one, other): &Self::Ends) {
        try_both(one);
        let _in_time = other.0.send_timeout("c".to_owned(), SHORT);
    }

    fn release((_, other): &Self::Ends) {
        other.0.send("d".to_owned()).expect("there is no limit");
    }

    fn after((one, other): &Self::Ends) {
        passes_one(one);
        passes_one(other);
    }
}

/// Takes an item, and completes it.
pub(crate) struct TaskDone;

impl Operation for TaskDone {
    type Ends = (JoinableSender<u8>, JoinableReceiver<u8>);

    fn make() -> Self::Ends {
        joinable(3).expect("a queue")
    }

    fn before((sender, _): &Self::Ends) {
        let _full = sender.try_send(1);
    }

    fn run((_, receiver): &Self::Ends) {
        if let Ok(item) = receiver.try_recv() {
            item.done();
        }
    }

    fn look((sender, receiver): &Self::Ends) {
        let _full = sender.try_send(2);
        let joined = sender.join_timeout(SHORT);
        assert!(matches!(joined, Ok(()) | Err(JoinError::Timeout { .. })), "{joined:?}");
        drop(receiver.recv_timeout(SHORT));
        let _text = format!("{} {sender:?} {receiver:?}", sender.unfinished());
    }

    fn after((sender, receiver): &Self::Ends) {
        while receiver.recv_timeout(Duration::ZERO).is_ok() {}
        sender.join_timeout(HANG).expect("everything is done");
    }
}
