//! What a child finds around itself: environment, directory, limits; as they are when it starts, not when the server did.

use std::env;
use std::ffi::OsString;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_core::start::set_variable;
use procession_process::{Process, SpawnError, StartMethod};

use crate::support::{METHODS, alone};

/// All three, for tests that run where there is one thread.
const ALL: [StartMethod; 3] = [StartMethod::Server, StartMethod::Spawn, StartMethod::Fork];

fn variable(name: String) -> Option<String> {
    env::var(name).ok()
}

#[test]
fn variables_are_set_and_removed() {
    for method in METHODS {
        let child = Process::builder()
            .start_method(method)
            .env("SET", "one")
            .env("SET", "two")
            .env("GONE", "x")
            .env_remove("GONE")
            .env_remove("PATH")
            .spawn(|()| ["SET", "GONE", "PATH"].map(|name| variable(name.into())), ())
            .unwrap();
        assert_eq!(child.join().unwrap(), [Some("two".to_owned()), None, None]);
    }
    assert!(env::var_os("SET").is_none() && env::var_os("PATH").is_some());
}

#[test]
fn a_variable_that_cannot_be_is_an_error() {
    for name in ["", "A=B", "A\0B"] {
        for method in METHODS {
            let error = Process::builder().start_method(method).env(name, "x").spawn(|()| (), ()).unwrap_err();
            assert!(
                matches!(&error, SpawnError::Refused(text) if text.contains("no variable can be named")),
                "{error}"
            );
        }
    }
}

#[test]
fn children_do_not_show_that_they_are_children() {
    for method in METHODS {
        let variables: Vec<String> = Process::builder()
            .start_method(method)
            .spawn(|()| env::vars().map(|(name, _)| name).filter(|name| name.starts_with("PROCESSION")).collect(), ())
            .unwrap()
            .join()
            .unwrap();
        assert!(
            variables.is_empty(),
            "programs that the child starts would take themselves for children: {variables:?}"
        );
    }
}

#[test]
fn a_directory_is_entered_and_a_missing_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    for method in METHODS {
        let inside =
            Process::builder().start_method(method).current_dir(&path).spawn(|()| env::current_dir().unwrap(), ());
        assert_eq!(inside.unwrap().join().unwrap(), path);
        let missing = path.join("missing");
        let error = Process::builder().start_method(method).current_dir(&missing).spawn(|()| (), ()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, SpawnError::Refused(_)), "{text}");
        assert!(text.contains(missing.to_str().unwrap()) && text.contains("No such file"), "{text}");
    }
}

#[test]
fn what_the_parent_changes_is_seen_by_later_children() {
    fn changing(folder: std::path::PathBuf) {
        // The server is there before anything changes.
        alone(|()| (), ());
        set_variable(&OsString::from("CHANGED"), Some(&OsString::from("yes"))).unwrap();
        set_variable(&OsString::from("PATH"), None).unwrap();
        env::set_current_dir(&folder).unwrap();
        setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 77, 99).unwrap();
        for method in ALL {
            let seen = Process::builder().start_method(method).spawn(look, ()).unwrap().join().unwrap();
            let expected = (Some("yes".to_owned()), None, folder.clone(), [(0, 0), (77, 99)]);
            assert_eq!(seen, expected, "{method:?}");
        }
        set_variable(&OsString::from("CHANGED"), None).unwrap();
        assert_eq!(alone(variable, "CHANGED".to_owned()), None);
    }
    type Seen = (Option<String>, Option<String>, std::path::PathBuf, [(u64, u64); 2]);
    fn look((): ()) -> Seen {
        let limits = [Resource::RLIMIT_CORE, Resource::RLIMIT_NOFILE].map(|one| getrlimit(one).unwrap());
        (variable("CHANGED".into()), variable("PATH".into()), env::current_dir().unwrap(), limits)
    }
    let folder = tempfile::tempdir().unwrap();
    alone(changing, folder.path().canonicalize().unwrap());
}

#[test]
fn a_directory_that_was_deleted_hinders_nobody() {
    fn lost((): ()) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        env::set_current_dir(folder.path()).unwrap();
        drop(folder);
        ALL.iter()
            .map(|method| Process::builder().start_method(*method).spawn(|()| 1, ()).unwrap().join().unwrap())
            .collect()
    }
    assert_eq!(alone(lost, ()), [1, 1, 1]);
}
