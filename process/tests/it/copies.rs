//! Copies of a process, by a bare `fork` or by the start method: what belongs to the original stays the original's.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::parent_id;
use std::path::PathBuf;
use std::sync::OnceLock;

use procession_core::os::signal::SIGKILL;
use procession_process::{Process, StartMethod, active_children};

use crate::support::{FOREVER, Gate, alone, in_a_copy, pass, waiting};

/// Starts a process by each method that a copy can use, and tells whose child it is.
fn start_some(daemon: bool) -> String {
    let mut told = Vec::new();
    for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
        let child = Process::builder().start_method(method).daemon(daemon).spawn(|()| parent_id(), ()).unwrap();
        let parent = child.join_timeout(FOREVER).unwrap().unwrap();
        let status = child.exit_status().unwrap();
        told.push(format!("{} {status}", parent == std::process::id()));
    }
    told.join(", ")
}

const ALL_WELL: &str = "true exit code 0, true exit code 0, true exit code 0";

#[test]
fn a_bare_copy_starts_children_of_its_own_and_so_does_the_original_then() {
    fn original(daemon: bool) {
        let before = start_some(daemon);
        let copy = in_a_copy(|| {
            let first = start_some(daemon);
            let below = in_a_copy(|| start_some(daemon));
            [first, below, active_children().len().to_string()].join("; ")
        });
        assert_eq!(copy, format!("{ALL_WELL}; {ALL_WELL}; 0"));
        assert_eq!((before.as_str(), start_some(daemon).as_str()), (ALL_WELL, ALL_WELL));
    }
    alone(original, false);
    alone(original, true);
}

#[test]
fn a_handle_in_a_bare_copy_waits_for_nobody_signals_nobody_and_takes_nothing_away() {
    fn original((): ()) {
        let gate = Gate::new();
        let ended = Process::spawn(|()| 7, ()).unwrap();
        ended.child().wait().unwrap();
        let running = waiting(&gate);
        let copy = in_a_copy(|| {
            assert_eq!(ended.join().unwrap(), 7, "what was known before is known");
            running.kill();
            running.terminate();
            let signalled = running.child().signal(SIGKILL).unwrap_err();
            let joined = running.join().unwrap_err();
            assert!(running.is_alive() && running.exit_status().is_none() && active_children().is_empty());
            format!("{signalled} / {joined}")
        });
        assert_eq!(copy.matches("the process that this one is a copy of").count(), 2, "{copy}");
        drop(gate);
        running.join().unwrap();
        assert_eq!(running.exit_code(), Some(0));
    }
    alone(original, ());
}

#[test]
fn a_handle_that_is_kept_beyond_a_fork_meets_no_stranger() {
    static KEPT: OnceLock<Process<()>> = OnceLock::new();
    fn copy((): ()) {
        let gate = Gate::new();
        // Several, so that one of them would have the number of what was kept.
        let strangers = [(); 8].map(|()| waiting(&gate));
        let kept = KEPT.get().unwrap();
        kept.kill();
        kept.child().wait().unwrap_err();
        kept.join().unwrap_err();
        drop(gate);
        for one in strangers {
            one.join().unwrap();
        }
    }
    fn original((): ()) {
        let gate = Gate::new();
        KEPT.set(waiting(&gate)).unwrap();
        Process::builder().start_method(StartMethod::Fork).spawn(copy, ()).unwrap().join().unwrap();
        drop(gate);
        KEPT.get().unwrap().join().unwrap();
    }
    alone(original, ());
}

#[test]
fn a_file_that_is_kept_beyond_a_fork_never_writes_into_another() {
    static LOG: OnceLock<File> = OnceLock::new();
    fn copy(folder: PathBuf) {
        let log = LOG.get().unwrap();
        let mut mine: Vec<File> = (0..8).map(|n| File::create(folder.join(n.to_string())).unwrap()).collect();
        assert!(mine.iter().all(|one| one.as_raw_fd() != log.as_raw_fd()));
        let error = (&*log).write_all(b"a line of the log").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EBADF as i32));
        mine.iter_mut().for_each(|one| one.write_all(b"mine").unwrap());
    }
    fn original(folder: PathBuf) {
        LOG.set(File::create(folder.join("log")).unwrap()).unwrap();
        Process::builder().start_method(StartMethod::Fork).spawn(copy, folder.clone()).unwrap().join().unwrap();
        for n in 0..8 {
            assert_eq!(std::fs::read_to_string(folder.join(n.to_string())).unwrap(), "mine");
        }
        assert_eq!(std::fs::read_to_string(folder.join("log")).unwrap(), "");
    }
    let folder = tempfile::tempdir().unwrap();
    alone(original, folder.path().to_owned());
}

#[test]
fn what_a_copy_inherited_can_be_dropped_there() {
    fn original((): ()) {
        let gate = Gate::new();
        let held = waiting(&gate);
        // The copy runs the destructors of what it is handed, and of this thread's values when it ends.
        let side = gate.side();
        Process::builder().start_method(StartMethod::Fork).spawn(|_side| (), side).unwrap().join().unwrap();
        let side = gate.side();
        let waits = Process::builder().start_method(StartMethod::Fork).spawn(pass, side).unwrap();
        drop(gate);
        waits.join().unwrap();
        held.join().unwrap();
    }
    alone(original, ());
}
