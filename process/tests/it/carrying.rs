//! What travels to a child and back: large values, and descriptors.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use procession_core::codec::Descriptor;
use procession_process::Process;

use crate::support::{Block, METHODS, becomes_readable};

const LARGE: usize = 5_000_000;

fn pattern(length: usize) -> Block {
    Block((0..length).map(|n| (n % 251) as u8).collect())
}

fn reversed(mut block: Block) -> Block {
    block.0.reverse();
    block
}

#[test]
fn five_megabytes_there_and_back() {
    for method in METHODS {
        let process = Process::builder().start_method(method).spawn(reversed, pattern(LARGE)).unwrap();
        let back = reversed(process.join().unwrap());
        assert!(back == pattern(LARGE));
    }
}

#[test]
fn sizes_around_every_boundary() {
    for size in [0, 1, 4095, 4096, 65_535, 65_536, 65_537, 212_992, 1 << 20] {
        let process = Process::spawn(reversed, pattern(size)).unwrap();
        assert!(reversed(process.join().unwrap()) == pattern(size), "{size} bytes");
    }
}

#[test]
fn a_large_result_that_nobody_joins_does_not_keep_the_child() {
    for method in METHODS {
        let process = Process::builder().start_method(method).spawn(pattern, LARGE).unwrap();
        assert!(becomes_readable(&process), "{method:?}: it still runs");
        assert!(process.join().unwrap() == pattern(LARGE));
        assert!(process.join().unwrap() == pattern(LARGE), "and again");
    }
}

#[test]
fn a_large_message_of_a_panic_arrives() {
    let fail: fn(usize) = |n| panic!("{}", "x".repeat(n));
    let error = crate::support::quietly(METHODS[0], fail, 1 << 20).join().unwrap_err();
    assert_eq!(error.panic().unwrap().message().len(), 1 << 20);
}

#[test]
fn a_socket_as_an_argument() {
    fn answer(socket: Descriptor) {
        let mut stream = UnixStream::from(OwnedFd::from(socket));
        let mut question = [0; 4];
        stream.read_exact(&mut question).unwrap();
        question.reverse();
        stream.write_all(&question).unwrap();
    }
    for method in METHODS {
        let (mut here, there) = UnixStream::pair().unwrap();
        let there = Descriptor::from(OwnedFd::from(there));
        let process = Process::builder().start_method(method).spawn(answer, there).unwrap();
        here.write_all(b"abcd").unwrap();
        let mut reply = String::new();
        // To the end: the parent keeps no copy of what it gave away, and the child's is closed with it.
        here.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "dcba");
        process.join().unwrap();
    }
}

#[test]
fn a_descriptor_as_a_result_outlives_its_maker() {
    fn open(text: String) -> Descriptor {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        Descriptor::from(OwnedFd::from(reader))
    }
    for method in METHODS {
        let process = Process::builder().start_method(method).spawn(open, "left behind".to_owned()).unwrap();
        let mut text = String::new();
        File::from(OwnedFd::from(process.join().unwrap())).read_to_string(&mut text).unwrap();
        assert_eq!(text, "left behind");
    }
}

#[test]
fn many_descriptors_at_once() {
    fn count(ends: Vec<Descriptor>) -> Vec<Descriptor> {
        ends
    }
    let ends = (0..40).map(|_| Descriptor::from(OwnedFd::from(File::open("/dev/null").unwrap()))).collect();
    assert_eq!(Process::spawn(count, ends).unwrap().join().unwrap().len(), 40);
}

#[test]
fn a_closed_reader_is_an_error_in_the_child_and_no_death() {
    // SIGPIPE is ignored in children, as in every Rust program.
    fn write(end: Descriptor) -> Option<i32> {
        File::from(OwnedFd::from(end)).write_all(b"x").err().and_then(|error| error.raw_os_error())
    }
    for method in METHODS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let end = Descriptor::from(OwnedFd::from(writer));
        let process = Process::builder().start_method(method).spawn(write, end).unwrap();
        assert_eq!(process.join().unwrap(), Some(nix::errno::Errno::EPIPE as i32), "{method:?}");
    }
}
