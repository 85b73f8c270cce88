//! A process that writes into the memory of a pipe what it should not: the others get values or errors, and go on.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use procession_channels::{PipeReceiver, PipeSender, RecvTimeoutError, SendTimeoutError, one_way};
use procession_core::codec;
use procession_process::Process;
use proptest::prelude::*;

use crate::support::{config, outcome, size, text};

/// What is written where.
type Damage = (u64, u64);

/// What the process gets that does damage and has it.
type Victim = (PipeReceiver<Vec<u8>>, PipeSender<Vec<u8>>, Vec<Damage>);

/// Where the header of a pipe, the table of its extents, and its first extents are.
const PLACES: [(u64, u64); 3] = [(0, 4096), (64 << 10, 4096), (16 << 20, 192 << 10)];

fn damage() -> impl Strategy<Value = Damage> {
    let place = prop_oneof![
        (Just(PLACES[0]), 0.0..1.0),
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

/// The memory of a pipe, as any process that has an end of it may open it.
fn memory(sender: &PipeSender<Vec<u8>>) -> File {
    let (_, descriptors) = codec::encode(sender).expect("it can be sent").into_parts();
    let first: OwnedFd = descriptors.into_iter().next().expect("the memory comes first");
    File::from(first)
}

/// Does the damage, then receives and sends, whatever comes of it.
fn use_both((receiver, sender, damages): Victim) {
    let memory = memory(&sender);
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
    let (_receiver, sender) = one_way::<Vec<u8>>().expect("a pipe");
    let memory = memory(&sender);
    let len = memory.metadata().expect("it is there").len();
    memory.set_len(len / 2).expect_err("it is sealed");
    assert_eq!(memory.metadata().expect("it is there").len(), len);
}
