//! Users, and what a process gives up: children have what their parent has when they start.

use nix::unistd::{Gid, Uid, setresgid, setresuid};
use procession_process::{Process, StartMethod};

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
