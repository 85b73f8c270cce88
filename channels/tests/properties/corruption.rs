//! A process that writes into the memory of a pipe what it should not: the others get values or errors, and go on.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use procession_channels::{
    Item, JoinableReceiver, JoinableSender, PipeReceiver, PipeSender, RecvTimeoutError, SendTimeoutError, joinable,
    one_way, wait,
};
use procession_core::codec::{self, Descriptor};
use procession_process::Process;
use proptest::prelude::*;

use crate::support::{config, outcome, size, text};

/// What is written where.
type Damage = (u64, u64);

/// What the process gets that does damage and has it.
type Victim = (PipeReceiver<Vec<u8>>, PipeSender<Vec<u8>>, Vec<Damage>);

/// Where the header of a pipe, the table of its extents, and its first extents are.
const PLACES: [(u64, u64); 4] = [(0, 4096), (64 << 10, 4096), (16 << 20, 192 << 10), (0, 512)];

fn damage() -> impl Strategy<Value = Damage> {
    let place = prop_oneof![
        (Just(PLACES[0]), 0.0..1.0),
        // Where the ends of the first chain are.
        (Just(PLACES[3]), 0.0..1.0),
        (Just(PLACES[1]), 0.0..1.0),
        // Where the first records are.
        (Just((PLACES[2].0, 512)), 0.0..1.0),
        (Just(PLACES[2]), 0.0..1.0),
    ];
    let place = place.prop_map(|((start, len), part): ((u64, u64), f64)| start + (len as f64 * part) as u64 / 4 * 4);
    let word = prop_oneof![
        any::<u64>(),
        Just(0),
        Just(u64::MAX),
        0..1_u64 << 20,
        (16_u64 << 20)..(17 << 20),
        (0..64_u32).prop_map(|bit| 1 << bit),
    ];
    (place, word)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn damaged_memory_leads_to_errors_at_worst(
        sizes in prop::collection::vec(size(), 0..20),
        damages in prop::collection::vec(damage(), 1..8),
    ) {
        let (receiver, sender) = one_way::<Vec<u8>>().expect("a pipe");
        for (number, len) in sizes.iter().enumerate() {
            // What finds no room is not sent.
            let _full = sender.try_send_bytes(&text(0, number, *len));
        }
        let child = Process::spawn(use_both, (receiver, sender, damages)).expect("it starts");
        outcome(&child)?;
    }
}

/// The ends of a queue whose items are counted, and what is written to its memory.
type Counted = (JoinableSender<Letter>, JoinableReceiver<Letter>, Vec<Damage>);

/// A value that may carry a descriptor.
type Letter = (String, Option<Descriptor>);

fn letter(number: usize) -> Letter {
    let carries = number.is_multiple_of(3);
    let paper = carries.then(|| Descriptor::from(OwnedFd::from(std::io::pipe().expect("a pipe").0)));
    ("a".repeat(number % 7 * 5000), paper)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn damaged_counts_and_descriptors_lead_to_errors_at_worst(
        before in 0..20_usize,
        damages in prop::collection::vec(damage(), 1..8),
    ) {
        let (sender, receiver) = joinable::<Letter>(40).expect("a queue");
        (0..before).for_each(|number| sender.send(letter(number)).expect("there is room"));
        let held = (0..before / 3).map(|_| receiver.recv().expect("there is one"));
        held.for_each(|item| drop(Item::into_inner(item)));
        let child = Process::spawn(use_all, (sender, receiver, damages)).expect("it starts");
        outcome(&child)?;
    }
}

/// Does the damage, then does everything that one can do with a queue, whatever comes of it.
fn use_all((sender, receiver, damages): Counted) {
    const SHORT: Duration = Duration::from_millis(2);
    let memory = memory();
    for (place, word) in &damages {
        memory.write_all_at(&word.to_le_bytes(), *place).expect("the memory is there");
    }
    for number in 0..12 {
        let _full = sender.send_timeout(letter(number), SHORT);
        let _batch = sender.try_send(letter(number));
        let _empty = receiver.recv_timeout(SHORT).map(drop);
        let _nothing = receiver.try_recv().map(Item::into_inner);
        let _none = receiver.task_done();
        let _counted = sender.join_timeout(SHORT);
        wait(&[&receiver], SHORT).expect("it can be waited for");
        let _text = format!("{sender:?} {receiver:?}");
    }
    let _rest = receiver.try_iter().take(50).map(|item| item.map(drop)).filter(Result::is_err).count();
}

/// The memory of the pipe that this process was given, and which has no other. No safe code of the library gives it away.
fn memory() -> File {
    let is_memory = |number: &str| {
        let target = fs::read_link(format!("/proc/self/fd/{number}")).ok();
        target.is_some_and(|target| target.to_string_lossy().starts_with("/memfd:procession: channel"))
    };
    let mut numbers =
        fs::read_dir("/proc/self/fd").expect("it is there").filter_map(|one| one.ok()?.file_name().into_string().ok());
    let number = numbers.find(|number| is_memory(number)).expect("it has a channel");
    File::options().read(true).write(true).open(format!("/proc/self/fd/{number}")).expect("its own memory")
}

/// Does the damage, then receives and sends, whatever comes of it.
fn use_both((receiver, sender, damages): Victim) {
    let memory = memory();
    for (place, word) in &damages {
        memory.write_all_at(&word.to_le_bytes(), *place).expect("the memory is there");
    }
    // Those to whom it arrives damaged may refuse it at once.
    let parts = codec::encode(&receiver).expect("it can be sent").into_parts();
    let _refused = codec::decode_from::<PipeReceiver<Vec<u8>>>(&parts.0.into_vec(), parts.1);
    const SHORT: Duration = Duration::from_millis(2);
    for number in 0..25 {
        match receiver.recv_bytes_timeout(SHORT) {
            Ok(_) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Failed(_)) => {}
            Err(other) => panic!("the sender is there, and yet: {other}"),
        }
        match sender.send_bytes_timeout(&text(1, number, number * 2000), SHORT) {
            Ok(()) | Err(SendTimeoutError::Timeout(()) | SendTimeoutError::Failed((), _)) => {}
            Err(other) => panic!("the receiver is there, and yet: {other}"),
        }
    }
}

#[test]
fn the_memory_of_a_pipe_cannot_be_cut() {
    let _pipe = one_way::<Vec<u8>>().expect("a pipe");
    let memory = memory();
    let len = memory.metadata().expect("it is there").len();
    memory.set_len(len / 2).expect_err("it is sealed");
    assert_eq!(memory.metadata().expect("it is there").len(), len);
}
