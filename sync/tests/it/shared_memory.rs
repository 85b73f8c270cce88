//! Bytes without and with a name (H01 to H09, P-17, P-18).

use std::sync::atomic::Ordering;

use procession_sync::{Event, Mutex, SharedMemory};

use crate::helpers::{child, kill_at, stay, value};

fn name(what: &str) -> String {
    format!("test-{what}-{}", std::process::id())
}

#[test]
fn others_open_it_by_name() {
    let name = name("open");
    let memory = SharedMemory::create(&name, 5).unwrap();
    assert!(SharedMemory::create(&name, 5).unwrap_err().is_taken());
    let write = |name: String| SharedMemory::open(&name).unwrap().write(0, b"hello");
    value(&child(write, name.clone()));
    let mut read = [0; 5];
    memory.read(0, &mut read);
    assert_eq!(&read, b"hello");
    SharedMemory::unlink(&name).unwrap();
    assert!(SharedMemory::open(&name).unwrap_err().is_not_found());
    assert_eq!(memory.bytes()[4].load(Ordering::Relaxed), b'o', "who has it keeps it");
}

#[test]
fn the_end_of_one_does_not_take_it_from_others_and_the_end_of_all_frees_the_name() {
    fn open((name, there): (String, Event)) {
        let _memory = SharedMemory::open(&name).unwrap();
        stay(&there);
    }
    fn create((name, there): (String, Event)) {
        let memory = SharedMemory::create(&name, 100).unwrap();
        memory.write(99, &[1]);
        stay(&there);
    }
    let name = name("end");
    kill_at(create, name.clone());
    assert!(SharedMemory::open(&name).unwrap_err().is_not_found(), "all are dead");

    let memory = SharedMemory::create(&name, 50).unwrap();
    assert_eq!((memory.len(), memory.bytes()[49].load(Ordering::Relaxed)), (50, 0), "a new one");
    kill_at(open, name.clone());
    assert_eq!(SharedMemory::open(&name).unwrap().len(), 50);
    SharedMemory::unlink(&name).unwrap();
}

#[test]
fn a_dropped_one_is_gone() {
    let name = name("drop");
    drop(SharedMemory::create(&name, 7).unwrap());
    // Its descriptor's number may belong to other shared memory by now.
    let _others: Vec<_> = (0..10).map(|_| SharedMemory::new(7).unwrap()).collect();
    assert!(SharedMemory::open(&name).unwrap_err().is_not_found());
    SharedMemory::unlink(&name).unwrap();
}

#[test]
fn names_that_are_none_are_refused() {
    for bad in ["", "a/b", "..\0", "new\nline", &"long".repeat(51)] {
        assert!(SharedMemory::create(bad, 1).unwrap_err().to_string().contains("cannot be a name"), "{bad:?}");
    }
}

#[test]
fn too_much_is_an_error_that_tells_the_sizes() {
    let error = SharedMemory::new(1 << 50).unwrap_err();
    assert!(error.is_out_of_memory());
    assert!(error.to_string().contains(&(1_u64 << 50).to_string()[..10]), "{error}");
    assert!(Mutex::<[u64]>::from_fn(usize::MAX, |_| 0).unwrap_err().is_out_of_memory());
}

#[test]
#[should_panic(expected = "3 bytes from 8 on are not inside 10 bytes of shared memory")]
fn reading_beyond_the_end_panics() {
    SharedMemory::new(10).unwrap().read(8, &mut [0; 3]);
}

/// Where the record of a name is kept.
fn record(name: &str) -> std::path::PathBuf {
    std::path::Path::new("/dev/shm").join(format!("procession.{name}"))
}

#[test]
fn a_link_under_the_name_is_not_followed() {
    let name = name("link");
    let victim = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(victim.path(), "precious").unwrap();
    std::os::unix::fs::symlink(victim.path(), record(&name)).unwrap();
    for error in [SharedMemory::create(&name, 5).unwrap_err(), SharedMemory::open(&name).unwrap_err()] {
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    assert_eq!(std::fs::read(victim.path()).unwrap(), b"precious");
    SharedMemory::unlink(&name).unwrap();
}

#[test]
fn half_a_line_costs_nobody_else_the_name() {
    let name = name("half");
    let memory = SharedMemory::create(&name, 5).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(record(&name)).unwrap();
    std::io::Write::write_all(&mut file, b"\n123456").unwrap();
    memory.write(0, &[9]);
    for _ in 0..3 {
        let mut read = [0];
        SharedMemory::open(&name).unwrap().read(0, &mut read);
        assert_eq!(read, [9]);
    }
    SharedMemory::unlink(&name).unwrap();
}

#[test]
fn a_thousand_openings_leave_a_short_record() {
    let name = name("often");
    let memory = SharedMemory::create(&name, 5).unwrap();
    for _ in 0..1000 {
        SharedMemory::open(&name).unwrap();
    }
    let len = std::fs::metadata(record(&name)).unwrap().len();
    assert!(len < 1000, "{len} bytes");
    assert!(SharedMemory::create(&name, 5).unwrap_err().is_taken());
    drop(memory);
    assert!(SharedMemory::open(&name).unwrap_err().is_not_found());
    SharedMemory::unlink(&name).unwrap();
}
