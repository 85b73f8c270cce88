//! Users, and what a process gives up: children have what their parent has when they start.

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Pid, Uid, getpgid, getsid, setpgid, setresgid, setresuid, setsid};
use procession_core::os::signal::{Disposition, SIGHUP, set};
use procession_process::{Process, StartMethod};

use crate::refusals::refuse;
use crate::support::{alone, is_root};

const NOBODY: u32 = 65534;

fn start(method: StartMethod, daemon: bool) -> Result<u32, String> {
    let builder = Process::builder().start_method(method).daemon(daemon);
    let child = builder.spawn(|()| nix::unistd::geteuid().as_raw(), ()).map_err(|error| error.to_string())?;
    child.join().map_err(|error| error.to_string())
}

#[test]
fn a_process_that_gives_up_root_goes_on_starting_daemons() {
    fn give_up((): ()) {
        assert_eq!(start(StartMethod::Server, true), Ok(0));
        setresgid(Gid::from_raw(NOBODY), Gid::from_raw(NOBODY), Gid::from_raw(NOBODY)).unwrap();
        setresuid(Uid::from_raw(NOBODY), Uid::from_raw(NOBODY), Uid::from_raw(NOBODY)).unwrap();
        for method in [StartMethod::Server, StartMethod::Spawn] {
            assert_eq!(start(method, true), Ok(NOBODY), "{method:?}");
            assert_eq!(start(method, false), Ok(NOBODY), "{method:?}");
        }
    }
    if is_root("a_process_that_gives_up_root_goes_on_starting_daemons") {
        alone(give_up, ());
    }
}

#[test]
fn daemons_from_before_a_change_of_the_user_live_on() {
    fn change((): ()) {
        let gate = crate::support::Gate::new();
        let before = Process::builder().daemon(true).spawn(crate::support::pass, gate.side()).unwrap();
        setresuid(Uid::from_raw(NOBODY), Uid::from_raw(NOBODY), Uid::from_raw(NOBODY)).unwrap();
        assert_eq!(start(StartMethod::Server, true), Ok(NOBODY));
        assert!(before.is_alive());
        let refused = before.child().signal(9).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(nix::errno::Errno::EPERM as i32), "{refused}");
        drop(gate);
        before.join().unwrap();
    }
    if is_root("daemons_from_before_a_change_of_the_user_live_on") {
        alone(change, ());
    }
}

#[test]
fn a_process_that_may_not_kill_its_daemons_ends_and_they_with_it() {
    fn change((): ()) -> u32 {
        let daemon = Process::builder().daemon(true).spawn(|()| std::thread::park(), ()).unwrap();
        setresuid(Uid::from_raw(NOBODY), Uid::from_raw(NOBODY), Uid::from_raw(NOBODY)).unwrap();
        daemon.id()
    }
    if is_root("a_process_that_may_not_kill_its_daemons_ends_and_they_with_it") {
        let process = Process::spawn(change, ()).unwrap();
        let daemon = process.join_timeout(crate::support::FOREVER).unwrap().expect("it waits for what it cannot end");
        crate::support::eventually("the end of the daemon", || {
            // Its number may be a zombie's for a moment, until somebody has waited for an orphan.
            std::fs::read_to_string(format!("/proc/{daemon}/stat")).map_or(true, |stat| stat.contains(") Z"))
        });
    }
}

#[test]
fn daemons_of_a_change_of_the_user_begin_by_copying_too() {
    fn change((): ()) {
        setresgid(Gid::from_raw(NOBODY), Gid::from_raw(NOBODY), Gid::from_raw(NOBODY)).unwrap();
        setresuid(Uid::from_raw(NOBODY), Uid::from_raw(NOBODY), Uid::from_raw(NOBODY)).unwrap();
        assert_eq!(start(StartMethod::Fork, false), Ok(NOBODY));
        assert_eq!(start(StartMethod::Fork, true), Ok(NOBODY));
    }
    if is_root("daemons_of_a_change_of_the_user_begin_by_copying_too") {
        alone(change, ());
    }
}

#[test]
fn children_of_another_namespace_of_processes_start() {
    fn check((): ()) {
        alone(|()| (), ());
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        // The first of them must stay: without its first process a namespace has no others.
        for method in [StartMethod::Server, StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            assert_eq!(start(method, false), Ok(0), "{method:?}");
        }
    }
    if is_root("children_of_another_namespace_of_processes_start") {
        alone(check, ());
    }
}

/// What a process has given up, and what it belongs to, as its children find it.
fn look((): ()) -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let names = ["Groups:", "SigIgn:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp"];
    let told = status.lines().filter(|line| names.iter().any(|name| line.starts_with(name))).map(str::to_owned);
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let namespaces = ["cgroup", "ipc", "mnt", "net", "user", "uts"];
    let namespaces = namespaces.map(|one| std::fs::read_link(format!("/proc/self/ns/{one}")).unwrap());
    let others = [format!("{:?}", getpgid(None)), format!("{:?}", getsid(None)), limits, format!("{namespaces:?}")];
    told.chain(others).collect()
}

/// Does something to a process that has a server, and compares what its children find with what it finds.
fn after(change: fn()) {
    alone(|()| (), ());
    let before = look(());
    change();
    let now = look(());
    assert_ne!(before, now, "the change changes nothing");
    for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
        let child = Process::builder().start_method(method).spawn(look, ()).unwrap().join().unwrap();
        assert_eq!(child, now, "{method:?}");
    }
}

#[test]
fn what_anybody_can_give_up_children_do_not_have() {
    type Change = fn(());
    let changes: [(&str, Change); 7] = [
        ("no new privileges", |()| after(|| nix::sys::prctl::set_no_new_privs().unwrap())),
        ("a filter", |()| after(|| refuse(&[libc::SYS_kcmp], libc::EPERM))),
        ("a second filter", |()| {
            refuse(&[libc::SYS_kcmp], libc::EPERM);
            after(|| refuse(&[libc::SYS_mincore], libc::EPERM));
        }),
        ("a group of processes", |()| after(|| setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap())),
        ("a session", |()| {
            after(|| {
                setsid().unwrap();
            })
        }),
        ("an ignored signal", |()| {
            after(|| {
                set(SIGHUP, Disposition::Ignore).unwrap();
            })
        }),
        ("limits", |()| {
            after(|| {
                for one in
                    [Resource::RLIMIT_CPU, Resource::RLIMIT_DATA, Resource::RLIMIT_FSIZE, Resource::RLIMIT_MEMLOCK]
                {
                    let lower = (getrlimit(one).unwrap().1 - 1).min(1 << 30);
                    setrlimit(one, lower, lower).unwrap();
                }
                setrlimit(Resource::RLIMIT_NPROC, 5000, 5001).unwrap();
            });
        }),
    ];
    for (what, change) in changes {
        eprintln!("{what}");
        alone(change, ());
    }
}

#[test]
fn what_root_can_give_up_children_do_not_have() {
    type Change = fn(());
    let changes: [(&str, Change); 4] = [
        ("groups", |()| after(|| nix::unistd::setgroups(&[Gid::from_raw(7), Gid::from_raw(8)]).unwrap())),
        ("a network", |()| after(|| unshare(CloneFlags::CLONE_NEWNET).unwrap())),
        ("mounts", |()| after(|| unshare(CloneFlags::CLONE_NEWNS).unwrap())),
        ("a host name", |()| after(|| unshare(CloneFlags::CLONE_NEWUTS).unwrap())),
    ];
    if is_root("what_root_can_give_up_children_do_not_have") {
        for (what, change) in changes {
            eprintln!("{what}");
            alone(change, ());
        }
    }
}

#[test]
fn children_are_in_the_new_namespace_of_users() {
    fn check((): ()) {
        let look = |()| std::fs::read_link("/proc/self/ns/user").unwrap();
        let before = alone(look, ());
        unshare(CloneFlags::CLONE_NEWUSER).unwrap();
        let now = look(());
        assert_ne!(before, now);
        for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            assert_eq!(Process::builder().start_method(method).spawn(look, ()).unwrap().join().unwrap(), now);
        }
    }
    if is_root("children_are_in_the_new_namespace_of_users") {
        alone(check, ());
    }
}

#[test]
fn a_child_is_inside_the_new_root() {
    fn jailed((): ()) {
        alone(|()| (), ());
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let jail = tempfile::tempdir().unwrap();
        // The same files under another root, and one more.
        mount(Some("/"), jail.path(), none, MsFlags::MS_BIND | MsFlags::MS_REC, none).unwrap();
        mount(Some("none"), &jail.path().join("mnt"), Some("tmpfs"), MsFlags::empty(), none).unwrap();
        std::fs::write(jail.path().join("mnt/inside"), "").unwrap();
        nix::unistd::chroot(jail.path()).unwrap();
        std::env::set_current_dir("/").unwrap();
        let inside = |()| std::path::Path::new("/mnt/inside").exists();
        for method in [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork] {
            let child = Process::builder().start_method(method).spawn(inside, ()).unwrap();
            assert!(child.join().unwrap(), "{method:?}");
        }
    }
    if is_root("a_child_is_inside_the_new_root") {
        alone(jailed, ());
    }
}

#[test]
fn half_a_change_of_the_user_is_named() {
    fn act((): ()) {
        let (root, nobody) = (Uid::from_raw(0), Uid::from_raw(NOBODY));
        setresuid(root, nobody, root).unwrap();
        for method in [StartMethod::Server, StartMethod::Spawn] {
            let error = start(method, false).unwrap_err();
            assert!(error.contains("acts for another user") && error.contains("setresuid"), "{method:?}: {error}");
        }
    }
    if is_root("half_a_change_of_the_user_is_named") {
        alone(act, ());
    }
}
