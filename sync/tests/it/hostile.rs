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

/// The memory of a handle. The library does not give it away; this way around it leads through `/proc`, for which no promise is made.
fn memory(sent: &impl Serialize) -> Mapping {
    let message = encode(sent).unwrap();
    let shown = format!("{:?}", message.descriptors());
    let number = shown.trim_end_matches("\"]").rsplit(' ').next().unwrap();
    let path = format!("/proc/self/fd/{number}");
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len() as usize;
    Mapping::from_descriptor(file.into(), len).unwrap()
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

/// What was sent as one type must not be looked at as another: a plain number never changes while it is borrowed, an atomic one does.
#[test]
fn data_of_another_type_of_the_same_size_is_refused() {
    use std::sync::atomic::{AtomicI64, AtomicU8};
    let number = Shared::new(AtomicU64::new(7)).unwrap();
    let bytes = Shared::<[AtomicU8]>::from_fn(8, |_| AtomicU8::new(0)).unwrap();
    let locks = (RwLock::new(AtomicU64::new(7)).unwrap(), Mutex::from_slice(&[7_u64, 8]).unwrap());
    let texts = [
        refusal::<Shared<u64>>(&number),
        refusal::<Shared<AtomicI64>>(&number),
        refusal::<Shared<[u64]>>(&number),
        refusal::<Shared<[u8]>>(&bytes),
        refusal::<RwLock<u64>>(&locks.0),
        refusal::<Mutex<[i64]>>(&locks.1),
        refusal::<Mutex<[f64]>>(&locks.1),
    ];
    for text in texts {
        assert!(text.contains("another type of data"), "{text}");
    }
}

/// Two types of one name are two types.
#[test]
fn types_of_the_same_name_are_told_apart() {
    fn first() -> (Shared<impl procession_sync::Plain>, String) {
        procession_sync::plain! { struct Same { value: u64 } }
        (Shared::new(Same { value: 7 }).unwrap(), std::any::type_name::<Same>().to_owned())
    }
    let (sent, name) = first();
    assert!(name.ends_with("Same"));
    assert!(refusal::<Shared<u64>>(&sent).contains("another type of data"));
}

/// Nothing that is inside a handle comes out of a message as anything else.
#[test]
fn the_memory_of_a_handle_is_not_given_away() {
    use procession_core::codec::Descriptor;
    let lock = Mutex::new(7_u64).unwrap();
    assert!(refusal::<(Descriptor, usize)>(&lock).contains("was sent as `sync mem`"));
    assert!(refusal::<Mapping>(&lock).contains("was sent as `sync mem`"));
    // And nothing of one's own is taken for it.
    let mine = memory(&lock);
    assert!(refusal::<Mutex<u64>>(&mine).contains("was sent as `mapping`"));
}

#[test]
fn memory_of_any_content_is_refused_or_harmless() {
    let text = refusal::<Mutex<u64>>(&Mapping::new(4096).unwrap());
    assert!(text.contains("cannot be received as `sync mem`"), "{text}");
    // The header of a real one, with each of its bytes changed in turn.
    for position in 0..48 {
        let lock = Mutex::new(7_u64).unwrap();
        let mapping = memory(&lock);
        mapping.bytes()[position].fetch_xor(0x81, Ordering::Relaxed);
        refusal::<Mutex<u64>>(&lock);
    }
}

#[test]
fn a_row_that_lies_about_its_length_is_refused() {
    let row = Shared::<[AtomicU64]>::from_fn(10, |_| AtomicU64::new(0)).unwrap();
    let mapping = memory(&row);
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
    let mapping = memory(&lock);
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
