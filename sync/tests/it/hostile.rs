//! What arrives is believed only if it is what the receiver expects.

use std::sync::atomic::{AtomicU64, Ordering};

use procession_core::Mapping;
use procession_core::codec::{decode, encode};
use procession_sync::{Barrier, Condvar, Event, Lock, Mutex, ReentrantLock, RwLock, Semaphore, Shared, SharedMemory};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn refusal<T: DeserializeOwned>(sent: &impl Serialize) -> String {
    match decode::<T>(encode(sent).expect("a handle can be sent")) {
        Ok(_) => panic!("a {} was made of something else", std::any::type_name::<T>()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn one_kind_is_not_taken_for_another() {
    let lock = Mutex::new(7_u64).unwrap();
    let refusals = [
        refusal::<RwLock<u64>>(&lock),
        refusal::<ReentrantLock<u64>>(&lock),
        refusal::<Shared<u64>>(&lock),
        refusal::<Semaphore>(&lock),
        refusal::<Event>(&lock),
        refusal::<Barrier>(&lock),
        refusal::<Condvar>(&lock),
        refusal::<SharedMemory>(&lock),
    ];
    for text in refusals {
        assert!(text.contains("is not a"), "{text}");
    }
}

#[test]
fn other_data_is_refused() {
    let lock = Mutex::new(7_u64).unwrap();
    for text in [refusal::<Mutex<u32>>(&lock), refusal::<Lock>(&lock), refusal::<Mutex<[u8; 8]>>(&lock)] {
        assert!(text.contains("another type of data"), "{text}");
    }
    let row = Mutex::from_slice(&[1_u64, 2]).unwrap();
    let text = refusal::<Mutex<u64>>(&row);
    assert!(text.contains("does not have the size"), "{text}");
    let same: Mutex<[u64]> = decode(encode(&lock).unwrap()).unwrap();
    assert_eq!(*same.lock().unwrap(), [7], "one value is a row of one");
}

#[test]
fn memory_of_any_content_is_refused_or_harmless() {
    for len in [1, 39, 40, 4096, 70_000] {
        let text = refusal::<Mutex<u64>>(&Mapping::new(len).unwrap());
        assert!(text.contains("too small") || text.contains("is not a mutex"), "{text}");
    }
    // The header of a real one, with each of its bytes changed in turn.
    for position in 0..40 {
        let lock = Mutex::new(7_u64).unwrap();
        let mapping: Mapping = decode(encode(&lock).unwrap()).unwrap();
        mapping.bytes()[position].fetch_xor(0x81, Ordering::Relaxed);
        refusal::<Mutex<u64>>(&lock);
    }
}

#[test]
fn a_row_that_lies_about_its_length_is_refused() {
    let row = Shared::<[AtomicU64]>::from_fn(10, |_| AtomicU64::new(0)).unwrap();
    let mapping: Mapping = decode(encode(&row).unwrap()).unwrap();
    for count in [0, 9, 11, u64::MAX, u64::MAX / 8, 1 << 61] {
        for (at, byte) in count.to_le_bytes().into_iter().enumerate() {
            mapping.bytes()[32 + at].store(byte, Ordering::Relaxed);
        }
        refusal::<Shared<[AtomicU64]>>(&row);
    }
}

#[test]
fn a_word_that_names_nobody_does_not_keep_a_lock() {
    let lock = Mutex::new(7_u64).unwrap();
    let mapping: Mapping = decode(encode(&lock).unwrap()).unwrap();
    for byte in &mapping.bytes()[64..72] {
        byte.store(0xff, Ordering::Relaxed);
    }
    assert!(lock.lock().is_err(), "taken, with a warning");
}

#[test]
fn a_handle_cannot_be_written_anywhere_else() {
    let error = serde_json::to_string(&Lock::new(()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("message"), "{error}");
}
