//! P19: a child has the descriptors that it was handed, and no others.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use procession_core::os::epoll::Epoll;
use procession_core::os::wake::Waker;
use procession_core::packet::Packet;
use procession_core::{Control, Mapping};
use procession_process::{Descriptor, Process, StartMethod, Stdio};

use crate::support::{Gate, alone, pass};

/// Where each descriptor of the calling process leads, but for the one that looks.
fn open_descriptors((): ()) -> Vec<(i32, String)> {
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    let target = |number: &i32| std::fs::read_link(Path::new("/proc/self/fd").join(number.to_string())).ok();
    let mut found: Vec<_> =
        numbers.iter().filter_map(|one| Some((*one, target(one)?.to_string_lossy().into_owned()))).collect();
    found.sort_unstable();
    found
}

fn check((method, daemon): (String, bool)) {
    let method = match method.as_str() {
        "server" => StartMethod::Server,
        "spawn" => StartMethod::Spawn,
        _ => StartMethod::Fork,
    };
    // Something that must not be inherited, at a number far from the others, and without the flag that exec obeys.
    let file = tempfile::tempfile().unwrap();
    let stray = nix::fcntl::fcntl(file.as_fd(), nix::fcntl::FcntlArg::F_DUPFD(50)).unwrap();
    assert!(stray >= 50 && file.as_raw_fd() < 50);
    let found =
        Process::builder().start_method(method).daemon(daemon).spawn(open_descriptors, ()).unwrap().join().unwrap();
    // The numbers of a copied process stay taken, by what can be neither read nor written.
    let found: Vec<_> = found.into_iter().filter(|(number, target)| *number < 3 || target != "/dev/null").collect();
    let beyond: Vec<&String> = found.iter().filter(|(number, _)| *number > 2).map(|(_, target)| target).collect();
    let sockets = beyond.iter().filter(|target| target.starts_with("socket:")).count();
    let pipes = beyond.iter().filter(|target| target.starts_with("pipe:")).count();
    assert_eq!(
        (sockets, pipes, beyond.len()),
        (1, usize::from(daemon), 1 + usize::from(daemon)),
        "{method:?}: {found:?}"
    );
    assert_eq!(found.len(), beyond.len() + 3, "{method:?}: {found:?}");
}

#[test]
fn p19_three_streams_the_link_and_for_daemons_the_lifeline() {
    for method in ["server", "spawn", "fork"] {
        for daemon in [false, true] {
            alone(check, (method.to_owned(), daemon));
        }
    }
}

#[test]
fn in_a_program_without_streams_nothing_of_ours_takes_their_numbers() {
    fn check(daemon: bool) {
        let gate = Gate::new();
        for number in [0, 1, 2] {
            nix::unistd::close(number).unwrap();
        }
        let free = |number: &i32| std::fs::read_link(format!("/proc/self/fd/{number}")).is_err();
        for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            let builder = Process::builder().start_method(method).daemon(daemon).stdout(Stdio::Piped);
            let child = builder.spawn(pass, gate.side()).unwrap();
            // What is printed here ends nobody, and is read by nobody.
            println!("hello");
            eprintln!("hello");
            assert!(child.is_alive() && [0, 1, 2].iter().all(free), "{method:?}");
            child.kill();
            child.child().wait().unwrap();
        }
        let (mut here, mut there) = Control::pair().unwrap();
        let (one, other) = Packet::pair().unwrap();
        let (_waker, _set) = (Waker::new().unwrap(), Epoll::new().unwrap());
        let _memory = Mapping::new(1).unwrap();
        // What arrives may be anything of anybody's.
        here.send(&gate.side()).unwrap();
        let _side = there.recv::<Descriptor>(None).unwrap().unwrap();
        let side = std::os::fd::OwnedFd::from(gate.side());
        one.post(b"!", &vec![side.as_fd().try_clone_to_owned().unwrap()].into()).unwrap();
        let _received = other.take(&mut [0]).unwrap();
        assert!([0, 1, 2].iter().all(free));
    }
    for daemon in [false, true] {
        alone(check, daemon);
    }
}
