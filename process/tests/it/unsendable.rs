//! Results that cannot be sent: the error says so, and why, whatever the kernel refused.

use std::os::fd::OwnedFd;

use nix::sys::resource::{Resource, setrlimit};
use procession_core::codec::Descriptor;
use procession_process::{Process, StartMethod};

use crate::support::{Block, METHODS, alone, quietly};

fn larger_than_a_file((): ()) -> Block {
    setrlimit(Resource::RLIMIT_FSIZE, 4096, 4096).unwrap();
    Block(vec![7; 400_000])
}

fn without_a_descriptor_left((): ()) -> Block {
    let result = Block(vec![7; 400_000]);
    setrlimit(Resource::RLIMIT_NOFILE, 3, 3).unwrap();
    result
}

/// More than one message can carry.
fn three_thousand((): ()) -> Vec<Descriptor> {
    let one = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    setrlimit(Resource::RLIMIT_NOFILE, 8000, 8000).unwrap();
    (0..3000).map(|_| Descriptor::from(one.try_clone().unwrap())).collect()
}

/// What is told of a process whose function returned in vain.
fn told<R>(process: &Process<R>) -> String
where
    R: serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let error = process.join().unwrap_err();
    assert!(error.is_transport() && !error.is_death(), "{error}");
    assert_eq!(error.exit_status().unwrap().code(), Some(1), "{error}");
    error.to_string()
}

fn sixty((): ()) -> Vec<Descriptor> {
    (0..60).map(|_| Descriptor::from(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()))).collect()
}

/// What a parent is told that has no room for the result of its child, and how many descriptors were left open by that.
fn without_room((): ()) -> (String, usize) {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let process = quietly(StartMethod::Server, sixty, ());
    // What it has sent may have been read by now, or not.
    let before = open();
    let limit = u64::try_from(before).unwrap() + 20;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.is_transport() && !error.is_death() && error.exit_status().unwrap().success(), "{error}");
    (error.to_string(), open().saturating_sub(before))
}

#[test]
fn a_result_for_which_its_receiver_has_no_room_is_told_as_such() {
    let (text, left) = alone(without_room, ());
    assert!(text.contains("the function returned") && text.contains("RLIMIT_NOFILE"), "{text}");
    assert_eq!(left, 0, "descriptors of it are open");
}

#[test]
fn a_result_that_cannot_be_sent_is_told_with_the_reason() {
    for method in METHODS {
        let file = told(&quietly(method, larger_than_a_file, ()));
        assert!(file.contains("RLIMIT_FSIZE") || file.contains("ulimit -f"), "{file}");
        let descriptors = told(&quietly(method, without_a_descriptor_left, ()));
        assert!(descriptors.contains("RLIMIT_NOFILE") || descriptors.contains("ulimit -n"), "{descriptors}");
        let many = told(&quietly(method, three_thousand, ()));
        assert!(many.contains("descriptors, not 3000"), "{many}");
    }
}
