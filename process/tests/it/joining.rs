//! P07, P08, P11: waiting, by any number of threads, again, and with a timeout.

use std::thread;
use std::time::Duration;

use procession_process::{Child, JoinError, Process, Scope, SpawnError, scope};

use crate::support::{Gate, becomes_readable, is_readable, pass, quietly, waiting};

fn square(n: u64) -> u64 {
    n * n
}

const _: fn() = || {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Process<std::cell::Cell<u8>>>();
    shared::<Child>();
    shared::<Scope>();
    shared::<JoinError>();
    shared::<SpawnError>();
};

#[test]
fn p07_join_again_brings_the_value_again() {
    let process = Process::spawn(|n: usize| "x".repeat(n), 3).unwrap();
    for _ in 0..3 {
        assert_eq!(process.join().unwrap(), "xxx");
        assert_eq!(process.join_timeout(Duration::ZERO).unwrap().as_deref(), Some("xxx"));
        assert_eq!(process.exit_code(), Some(0));
    }
}

#[test]
fn p07_many_threads_join_one_process() {
    let gate = Gate::new();
    let process = Process::spawn(
        |side| {
            pass(side);
            7
        },
        gate.side(),
    )
    .unwrap();
    thread::scope(|scope| {
        let joiners: Vec<_> = (0..16).map(|_| scope.spawn(|| process.join())).collect();
        let watchers: Vec<_> = (0..4).map(|_| scope.spawn(|| process.child().wait())).collect();
        drop(gate);
        assert!(joiners.into_iter().all(|one| one.join().unwrap().unwrap() == 7));
        assert!(watchers.into_iter().all(|one| one.join().unwrap().unwrap().success()));
    });
}

#[test]
fn p07_timeouts_of_every_length() {
    let gate = Gate::new();
    let process = waiting(&gate);
    assert!(process.join_timeout(Duration::ZERO).unwrap().is_none());
    assert!(process.join_timeout(Duration::from_millis(5)).unwrap().is_none());
    assert!(process.child().wait_timeout(Duration::from_nanos(1)).unwrap().is_none());
    drop(gate);
    assert!(process.join_timeout(Duration::MAX).unwrap().is_some());
}

#[test]
fn p08_p09_alive_until_it_has_ended() {
    let gate = Gate::new();
    let process = waiting(&gate);
    assert!(process.is_alive() && process.child().is_alive());
    assert_eq!((process.exit_code(), process.exit_status()), (None, None));
    drop(gate);
    process.join().unwrap();
    assert!(!process.is_alive() && !process.child().is_alive());
}

#[test]
fn p11_the_sentinel_is_readable_once_the_process_has_ended() {
    let gate = Gate::new();
    let process = waiting(&gate);
    assert!(!is_readable(&process) && !is_readable(process.child()));
    drop(gate);
    assert!(becomes_readable(&process) && becomes_readable(process.child()));
    process.join().unwrap();
    assert!(is_readable(&process), "and stays so");
}

#[test]
fn failures_are_told_again_as_well() {
    let process = quietly(procession_process::StartMethod::Server, fail, ());
    let texts = [process.join().unwrap_err().to_string(), process.join().unwrap_err().to_string()];
    assert!(texts[0].contains("on purpose") && texts[0] == texts[1], "{texts:?}");
}

#[test]
fn p17_debug_shows_name_number_and_end() {
    let process = Process::builder().name("shown").spawn(square, 2).unwrap();
    process.join().unwrap();
    let text = format!("{process:?}");
    for part in ["shown", &process.id().to_string(), "exit code 0"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_scope_waits_for_all() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let value = scope(|s| {
        for _ in 0..3 {
            s.spawn(append, file.path().to_owned()).unwrap();
        }
        5
    });
    assert_eq!(value.unwrap(), 5);
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "xxx");
}

fn fail((): ()) {
    panic!("on purpose");
}

fn append(path: std::path::PathBuf) {
    use std::io::Write;
    std::fs::File::options().append(true).open(path).unwrap().write_all(b"x").unwrap();
}

#[test]
fn a_scope_tells_the_failures_that_nobody_saw() {
    let builder = || Process::builder().stderr(procession_process::Stdio::Null);
    let error = scope(|s| {
        s.spawn_as(builder().name("first"), fail, ()).unwrap();
        let second = s.spawn_as(builder().name("second"), fail, ()).unwrap();
        assert!(second.join().is_err());
        s.spawn(square, 3).unwrap();
    })
    .unwrap_err();
    let names: Vec<_> = error.failures().iter().map(JoinError::name).collect();
    assert_eq!(names, ["first"], "{error}");
}

#[test]
fn a_scope_whose_block_panics_waits_all_the_same() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let panic = procession_process::panics::catch(|| {
        scope(|s| {
            s.spawn(append, file.path().to_owned()).unwrap();
            panic!("the block")
        })
        .map(|(): ()| ())
    });
    assert_eq!(panic.unwrap_err().message(), "the block");
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "x");
}

#[test]
fn a_scope_whose_processes_fall_together_does_not_wait_for_those_that_wait_for_the_dead() {
    let gate = Gate::new();
    let error = scope(|s| {
        s.fall_together();
        let builder = Process::builder().stderr(procession_process::Stdio::Null);
        for rank in 0..2 {
            s.spawn_as(builder.clone().name(format!("waits {rank}")), pass, gate.side()).unwrap();
        }
        s.spawn_as(builder.name("fails"), fail, ()).unwrap();
        s.spawn(square, 3).unwrap();
    })
    .unwrap_err();
    let names: Vec<_> = error.failures().iter().map(JoinError::name).collect();
    assert_eq!(names, ["fails"], "{error}");
    drop(gate);
}

#[test]
fn a_builder_that_was_cloned_gives_each_process_what_it_describes() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let builder = Process::builder().stdout(procession_process::Stdio::Descriptor(writer.into()));
    let one = builder.clone().spawn(|()| println!("one"), ()).unwrap();
    one.join().unwrap();
    builder.spawn(|()| println!("two"), ()).unwrap().join().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert_eq!(text, "one\ntwo\n");
}
