//! M01 to M04, P02, P03: names, parents, children, and children of children.

use std::collections::HashSet;

use procession_process::{Process, StartMethod, active_children, cpu_count, current, parent};

use crate::support::{Gate, METHODS, alone, children, eventually, pass, waiting};

#[test]
fn m01_there_is_a_processor() {
    assert!(cpu_count() >= 1);
    let told = |text| Process::builder().env("PROCESSION_CPU_COUNT", text).spawn(|()| cpu_count(), ()).unwrap();
    assert_eq!(told("1").join().unwrap(), 1);
    for beyond in ["100000", "0", "many"] {
        assert_eq!(told(beyond).join().unwrap(), cpu_count(), "it is a bound, and {beyond} is none");
    }
}

#[test]
fn m02_active_children_are_those_that_run_and_the_others_are_reaped() {
    fn look((): ()) {
        let gate = Gate::new();
        let (stays, ends) = (waiting(&gate), Process::spawn(|()| (), ()).unwrap());
        let pid = ends.id();
        drop(ends);
        eventually("the end of one", || active_children().len() == 1);
        assert_eq!(active_children()[0].id(), stays.id());
        assert!(!children().contains(&pid), "a zombie stayed");
        drop(gate);
        eventually("the end of all", || active_children().is_empty());
        assert!(!children().contains(&stays.id()), "a zombie stayed");
        // The status was taken on the way, and is still there.
        assert_eq!(stays.exit_code(), Some(0));
    }
    alone(look, ());
}

#[test]
fn m03_m04_the_first_process_has_no_parent() {
    assert_eq!((current().name(), current().id()), ("MainProcess", std::process::id()));
    assert!(!current().is_daemon());
    assert!(parent().is_none());
}

#[test]
fn m03_m04_a_child_knows_itself_and_its_parent() {
    for method in METHODS {
        let process = Process::builder()
            .start_method(method)
            .name("known")
            .daemon(true)
            .spawn(
                |()| {
                    let (me, above) = (current(), parent().unwrap());
                    assert!(above.is_alive());
                    assert!(!above.join_timeout(std::time::Duration::ZERO).unwrap());
                    ((me.name().to_owned(), me.id(), me.is_daemon()), (above.name().to_owned(), above.id()))
                },
                (),
            )
            .unwrap();
        let (me, above) = process.join().unwrap();
        assert_eq!(me, ("known".to_owned(), process.id(), true));
        assert_eq!(above, ("MainProcess".to_owned(), std::process::id()));
        assert!(process.is_daemon() && process.name() == "known");
    }
}

#[test]
fn p02_default_names_are_unique_and_show_the_path() {
    let names: Vec<_> = (0..8).map(|_| Process::spawn(|()| (), ()).unwrap().name().to_owned()).collect();
    assert!(names.iter().all(|name| name.starts_with("Process-")), "{names:?}");
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 8, "{names:?}");
    let (own, below) =
        alone(|()| (current().name().to_owned(), [(); 2].map(|()| alone(|()| current().name().to_owned(), ()))), ());
    assert_eq!(below, [format!("{own}:1"), format!("{own}:2")]);
}

#[test]
fn p02_any_text_is_a_name() {
    for name in ["", "a\0b", "a name with spaces, and longer than what the kernel shows", "\u{1F980}\n"] {
        let process = Process::builder().name(name).spawn(|()| current().name().to_owned(), ()).unwrap();
        assert_eq!(process.join().unwrap(), name);
    }
}

#[test]
fn p03_daemons_pass_it_on_unless_told_otherwise() {
    fn flags((): ()) -> (bool, bool) {
        let below =
            |builder: procession_process::Builder| builder.spawn(|()| current().is_daemon(), ()).unwrap().join();
        (below(Process::builder()).unwrap(), below(Process::builder().daemon(false)).unwrap())
    }
    assert_eq!(alone(flags, ()), (false, false));
    let daemon = Process::builder().daemon(true).spawn(flags, ()).unwrap();
    assert_eq!(daemon.join().unwrap(), (true, false));
}

fn depth((left, method): (u32, bool)) -> Vec<String> {
    let mut names = vec![current().name().to_owned()];
    if left > 0 {
        let start = if method { StartMethod::Spawn } else { StartMethod::Server };
        let below = Process::builder().start_method(start).spawn(depth, (left - 1, !method)).unwrap();
        names.extend(below.join().unwrap());
    }
    names
}

#[test]
fn p04_children_of_children_of_children() {
    for first in [true, false] {
        let names = alone(depth, (3, first));
        assert_eq!(names.len(), 4);
        assert!(names.windows(2).all(|pair| pair[1] == format!("{}:1", pair[0])), "{names:?}");
    }
}

#[test]
fn a_child_is_a_child_of_the_one_that_asked() {
    for method in METHODS {
        let above = Process::builder().start_method(method).spawn(|()| std::os::unix::process::parent_id(), ());
        assert_eq!(above.unwrap().join().unwrap(), std::process::id());
    }
}

#[test]
fn the_kernel_shows_the_name_that_was_chosen() {
    let gate = Gate::new();
    let process = Process::builder().name("visible").spawn(pass, gate.side()).unwrap();
    let comm = std::fs::read_to_string(format!("/proc/{}/comm", process.id())).unwrap();
    drop(gate);
    assert_eq!(comm, "visible\n");
    process.join().unwrap();
}

#[test]
fn threads_start_processes_at_the_same_time() {
    let values: Vec<u64> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..8_u64)
            .map(|n| scope.spawn(move || (0..10).map(|m| alone(|(n, m): (u64, u64)| n * 10 + m, (n, m))).collect()))
            .collect();
        starters.into_iter().flat_map(|one: std::thread::ScopedJoinHandle<'_, Vec<u64>>| one.join().unwrap()).collect()
    });
    assert_eq!(values, (0..80).collect::<Vec<_>>());
}
