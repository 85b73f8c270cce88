//! What a child finds around itself: environment, directory, limits; as they are when it starts, not when the server did.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;

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

/// Makes folders until the path of the innermost is longer than a path can be.
fn descend_below_any_path() {
    for _ in 0..20 {
        let name = "x".repeat(250);
        std::fs::create_dir(&name).unwrap();
        env::set_current_dir(&name).unwrap();
    }
}

fn a_relative_path_begins_there() {
    std::fs::create_dir("below").unwrap();
    let below = std::fs::metadata("below").unwrap();
    for method in ALL {
        let child =
            Process::builder().start_method(method).current_dir("below").spawn(place_of_working_directory, ()).unwrap();
        assert_eq!(child.join().unwrap(), (below.dev(), below.ino()), "{method:?}");
    }
}

fn place_of_working_directory((): ()) -> (u64, u64) {
    std::fs::metadata(".").map(|here| (here.dev(), here.ino())).unwrap()
}

#[test]
fn children_are_where_their_parent_is_and_not_where_its_path_leads() {
    fn check(top: std::path::PathBuf) {
        let here = || std::fs::metadata(".").map(|here| (here.dev(), here.ino())).unwrap();
        let work = top.join("work");
        std::fs::create_dir(&work).unwrap();
        env::set_current_dir(&work).unwrap();
        alone(|()| (), ());
        // Removed: the path leads nowhere.
        std::fs::remove_dir(&work).unwrap();
        assert_eq!(everywhere(), vec![here(); 3]);
        // Another of that name: the path leads elsewhere.
        std::fs::create_dir(&work).unwrap();
        assert_eq!(everywhere(), vec![here(); 3]);
        env::set_current_dir(&work).unwrap();
        assert_eq!(everywhere(), vec![here(); 3]);
        std::fs::remove_dir(&work).unwrap();
        std::fs::create_dir(&work).unwrap();
        assert_eq!(everywhere(), vec![here(); 3]);
        env::set_current_dir(&work).unwrap();
        descend_below_any_path();
        assert_eq!(everywhere(), vec![here(); 3]);
        a_relative_path_begins_there();
        env::set_current_dir("/").unwrap();
    }
    fn everywhere() -> Vec<(u64, u64)> {
        let start = |method| {
            Process::builder().start_method(method).spawn(place_of_working_directory, ()).unwrap().join().unwrap()
        };
        ALL.map(start).to_vec()
    }
    let folder = tempfile::tempdir().unwrap();
    alone(check, folder.path().canonicalize().unwrap());
}

#[test]
fn an_environment_is_taken_over_as_it_is() {
    fn check((): ()) {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        alone(|()| (), ());
        let odd = vec![pair("=C:", "C:\\x"), pair("TWICE", "first"), pair("A", ""), pair("TWICE", "second")];
        procession_core::start::set_environment(&odd).unwrap();
        assert_eq!(env::vars_os().collect::<Vec<_>>(), odd);
        for method in ALL {
            let seen = Process::builder().start_method(method).spawn(|()| env::vars_os().collect::<Vec<_>>(), ());
            assert_eq!(seen.unwrap().join().unwrap(), odd, "{method:?}");
            let first = Process::builder().start_method(method).spawn(variable, "TWICE".to_owned());
            assert_eq!(first.unwrap().join().unwrap().as_deref(), Some("first"), "{method:?}");
            let changed = Process::builder().start_method(method).env("TWICE", "third").spawn(variable, "TWICE".into());
            assert_eq!(changed.unwrap().join().unwrap().as_deref(), Some("third"), "{method:?}");
        }
    }
    alone(check, ());
}

#[test]
fn a_variable_that_is_too_large_is_named() {
    fn check((): ()) {
        set_variable(&OsString::from("LARGE"), Some(&OsString::from("x".repeat(200_000)))).unwrap();
        for method in METHODS {
            let error = Process::builder().start_method(method).spawn(|()| (), ()).unwrap_err().to_string();
            assert!(error.contains("`LARGE` has 200006 bytes"), "{method:?}: {error}");
        }
        // Beyond what is executed there is no such limit.
        set_variable(&OsString::from("LARGE"), None).unwrap();
        let large = Process::builder().env("LARGE", "x".repeat(200_000)).spawn(variable, "LARGE".to_owned()).unwrap();
        assert_eq!(large.join().unwrap().map(|text| text.len()), Some(200_000));
    }
    alone(check, ());
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
