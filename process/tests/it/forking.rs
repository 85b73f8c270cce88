//! M14: the start method `Fork`, in a process with one thread; with several it is refused.

use std::sync::atomic::{AtomicU32, Ordering};

use procession_process::{Process, SpawnError, StartMethod, active_children, current, parent};

use crate::support::{alone, children};

static MEMORY: AtomicU32 = AtomicU32::new(0);

#[test]
fn with_several_threads_it_is_refused() {
    fn threaded((): ()) -> (bool, bool) {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || held.recv().is_err());
        let error = Process::builder().start_method(StartMethod::Fork).spawn(|()| (), ()).unwrap_err();
        let refused = matches!(error, SpawnError::Threads) && error.to_string().contains("StartMethod::Server");
        drop(release);
        assert!(other.join().unwrap());
        // With the other thread gone, it works.
        (refused, Process::builder().start_method(StartMethod::Fork).spawn(|()| 1, ()).unwrap().join().unwrap() == 1)
    }
    assert_eq!(alone(threaded, ()), (true, true));
}

#[test]
fn a_copy_has_the_memory_of_the_original_and_its_own_family() {
    fn original((): ()) {
        MEMORY.store(42, Ordering::Relaxed);
        let sibling = Process::spawn(|()| MEMORY.load(Ordering::Relaxed), ()).unwrap();
        let copy = Process::builder()
            .start_method(StartMethod::Fork)
            .spawn(
                |()| {
                    assert!(active_children().is_empty(), "the children of the original are not its own");
                    let below = alone(|()| current().name().to_owned(), ());
                    (MEMORY.load(Ordering::Relaxed), parent().unwrap().id(), current().name().to_owned(), below)
                },
                (),
            )
            .unwrap();
        let expected = (42, std::process::id(), copy.name().to_owned(), format!("{}:1", copy.name()));
        assert_eq!(copy.join().unwrap(), expected);
        assert_eq!(sibling.join().unwrap(), 0, "a child of the server starts fresh");
    }
    alone(original, ());
}

#[test]
fn ends_of_copies_are_told_as_those_of_others() {
    fn original((): ()) {
        let ends: [(fn(()), i32); 5] = [
            (|()| std::process::exit(0), 0),
            (|()| std::process::exit(256), 256),
            (|()| std::process::abort(), -6),
            (|()| panic!("in a copy"), 101),
            (|()| nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap(), -9),
        ];
        for (function, code) in ends {
            let builder = Process::builder().start_method(StartMethod::Fork).stderr(procession_process::Stdio::Null);
            let process = builder.spawn(function, ()).unwrap();
            let error = process.join().unwrap_err();
            assert_eq!(process.exit_code(), Some(code), "{error}");
            assert_eq!(error.panic().is_some(), code == 101, "{error}");
        }
        assert!(children().is_empty(), "a zombie stayed");
    }
    alone(original, ());
}

#[test]
fn copies_of_copies() {
    fn deeper(left: u32) -> u32 {
        if left == 0 {
            return 0;
        }
        1 + Process::builder().start_method(StartMethod::Fork).spawn(deeper, left - 1).unwrap().join().unwrap()
    }
    assert_eq!(alone(deeper, 4), 4);
}
