//! Where the kernel says no: system calls that a filter refuses, `/proc` and `/dev/null` that are not there. A start works all the
//! same, or is an error that names what is missing, before anything has run; and no child is left.

use std::io::{ErrorKind, Write};

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_process::{Process, SpawnError, StartMethod, Stdio, stop_server};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::support::{FOREVER, Gate, alone, children, is_root, pass};

const ALL: [StartMethod; 3] = [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork];

/// From now on the kernel refuses these calls to this thread and to all that come of it.
pub(crate) fn refuse(calls: &[i64], errno: i32) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let (others, these) = (SeccompAction::Allow, SeccompAction::Errno(errno.unsigned_abs()));
    let filter = SeccompFilter::new(rules, others, these, std::env::consts::ARCH.try_into().unwrap()).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// What a child that returns 7 comes to with each method, and how one ends that is killed.
fn start_all() -> Vec<Result<String, String>> {
    let start = |method| {
        let gate = Gate::new();
        let builder = || Process::builder().start_method(method).stderr(Stdio::Null);
        let text = |error: SpawnError| error.to_string();
        let value = builder().spawn(|()| 7, ()).map_err(text)?.join_timeout(FOREVER).unwrap().unwrap();
        let exited: Process<()> = builder().spawn(|()| std::process::exit(3), ()).map_err(text)?;
        exited.join().unwrap_err();
        let killed = builder().daemon(true).spawn(pass, gate.side()).map_err(text)?;
        killed.kill();
        killed.join().unwrap_err();
        Ok(format!("{value} {} {}", exited.exit_code().unwrap(), killed.exit_code().unwrap()))
    };
    ALL.map(start).into_iter().collect()
}

fn refused((call, errno, warm): (i64, i32, bool)) -> (Vec<Result<String, String>>, Vec<u32>) {
    if warm {
        alone(|()| (), ());
    }
    refuse(&[call], errno);
    let results = start_all();
    stop_server();
    (results, children())
}

/// Whether each method works, or must name the call.
fn check(call: i64, name: &str, works: [bool; 3]) {
    for (errno, warm) in [(libc::ENOSYS, false), (libc::EPERM, false), (libc::EPERM, true)] {
        let (results, left) = alone(refused, (call, errno, warm));
        for ((result, works), method) in results.iter().zip(works).zip(ALL) {
            match result {
                Ok(text) => assert!(works && text == "7 3 -9", "{name} {method:?}: {text}"),
                Err(text) => assert!(!works && text.contains(&format!("`{name}`")), "{name} {method:?}: {text}"),
            }
        }
        assert!(left.is_empty(), "{name}: a child is left: {left:?}");
    }
}

#[test]
fn where_pidfd_open_is_refused_children_come_with_their_descriptor_or_not_at_all() {
    check(libc::SYS_pidfd_open, "pidfd_open", [true, true, false]);
}

#[test]
fn where_pidfd_send_signal_is_refused_children_are_signalled_by_number() {
    check(libc::SYS_pidfd_send_signal, "pidfd_send_signal", [true; 3]);
}

#[test]
fn where_waitid_is_refused_children_are_waited_for_by_number() {
    check(libc::SYS_waitid, "waitid", [true; 3]);
}

#[test]
fn where_close_range_is_refused_descriptors_are_closed_one_by_one() {
    check(libc::SYS_close_range, "close_range", [true; 3]);
    fn stray((): ()) -> bool {
        // Without the flag that exec obeys.
        let file = nix::fcntl::fcntl(std::io::stderr(), nix::fcntl::FcntlArg::F_DUPFD(50)).unwrap();
        refuse(&[libc::SYS_close_range], libc::EPERM);
        let is_open = |number: i32| std::path::Path::new("/proc/self/fd").join(number.to_string()).exists();
        assert!(is_open(file));
        Process::builder().start_method(StartMethod::Spawn).spawn(is_open, file).unwrap().join().unwrap()
    }
    assert!(!alone(stray, ()));
}

#[test]
fn what_nothing_can_be_done_without_is_named() {
    check(libc::SYS_memfd_create, "memfd_create", [false, false, true]);
    check(libc::SYS_socketpair, "socketpair", [false; 3]);
    check(libc::SYS_getsockopt, "getsockopt", [false, false, true]);
    check(libc::SYS_execve, "execve", [false, false, true]);
}

#[test]
fn what_is_only_sometimes_needed_hinders_nobody() {
    for (call, name) in [
        (libc::SYS_clone3, "clone3"),
        (libc::SYS_eventfd2, "eventfd2"),
        (libc::SYS_epoll_create1, "epoll_create1"),
        (libc::SYS_prlimit64, "prlimit64"),
        (libc::SYS_fallocate, "fallocate"),
        (libc::SYS_sched_yield, "sched_yield"),
        (libc::SYS_kcmp, "kcmp"),
    ] {
        check(call, name, [true; 3]);
    }
}

#[test]
fn what_cannot_be_sent_is_told_as_such_and_at_once() {
    fn mute((): ()) -> (Vec<String>, Vec<u32>) {
        // As for a descriptor that the kernel lets nobody send.
        refuse(&[libc::SYS_sendmsg], libc::EINVAL);
        let begin = std::time::Instant::now();
        let errors = errors();
        assert!(begin.elapsed() < std::time::Duration::from_secs(25), "it waited for who had got nothing");
        (errors, children())
    }
    let (reader, writer) = procession_core::os::descriptors::pipe().unwrap();
    // It cannot say itself what it has found.
    let tell = |writer: procession_process::Descriptor| {
        let (errors, left) = mute(());
        let told = format!("{} {left:?}", errors.join("; "));
        std::fs::File::from(std::os::fd::OwnedFd::from(writer)).write_all(told.as_bytes()).unwrap();
    };
    let child = Process::spawn(tell, procession_process::Descriptor::from(std::os::fd::OwnedFd::from(writer))).unwrap();
    let told = std::io::read_to_string(reader).unwrap();
    child.child().wait().unwrap();
    assert_eq!(told.matches("Invalid argument").count(), 3, "{told}");
    assert!(!told.contains("died"), "it is no death: {told}");
    assert!(told.ends_with("[]"), "a child is left: {told}");
}

/// Covers a folder with an empty one, for this process and its children.
fn cover(folder: &str) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("none"), folder, Some("tmpfs"), MsFlags::empty(), none).unwrap();
}

fn errors() -> Vec<String> {
    start_all().into_iter().map(|result| result.unwrap_err()).collect()
}

#[test]
fn a_missing_proc_is_named() {
    fn without(warm: bool) {
        if warm {
            alone(|()| (), ());
        }
        cover("/proc");
        for text in errors() {
            assert!(text.contains("/proc is not mounted"), "{text}");
        }
    }
    if is_root("a_missing_proc_is_named") {
        alone(without, false);
        alone(without, true);
    }
}

#[test]
fn a_missing_null_device_hinders_only_who_wants_it() {
    fn without((): ()) {
        cover("/dev");
        for method in ALL {
            let read = |()| std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string());
            let child = Process::builder().start_method(method).spawn(read, ()).unwrap();
            assert_eq!(child.join().unwrap().as_deref(), Ok(""), "{method:?}");
            let error = Process::builder().start_method(method).stdout(Stdio::Null).spawn(|()| (), ()).unwrap_err();
            assert!(error.to_string().contains("cannot open /dev/null"), "{method:?}: {error}");
        }
    }
    if is_root("a_missing_null_device_hinders_only_who_wants_it") {
        alone(without, ());
    }
}

#[test]
fn a_limit_on_memory_is_named() {
    fn limited((): ()) -> Vec<String> {
        let (_, hard) = getrlimit(Resource::RLIMIT_AS).unwrap();
        // This process goes on with memory that it has: the pin keeps the C library from giving it back.
        let (spare, _pin) = (vec![vec![0_u8; 16 << 10]; 64], Box::new([0_u8; 64]));
        drop(spare);
        setrlimit(Resource::RLIMIT_AS, 3 << 20, hard).unwrap();
        let methods = [StartMethod::Server, StartMethod::Spawn];
        let start = |method| Process::builder().start_method(method).spawn(|()| 7, ());
        let results = methods.map(start);
        setrlimit(Resource::RLIMIT_AS, hard, hard).unwrap();
        results.into_iter().map(|result| result.err().map_or_else(String::new, |error| error.to_string())).collect()
    }
    for text in alone(limited, ()) {
        assert!(text.contains("RLIMIT_AS = 3145728"), "{text}");
    }
    let error = std::io::Error::from(ErrorKind::OutOfMemory);
    assert_eq!(procession_core::os::limits::explain(&error), None, "it has no number");
}
