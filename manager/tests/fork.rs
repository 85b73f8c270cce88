//! Proxies in children that are forked, and proxies that such a child finds in its memory. Without the test harness, which has
//! threads, so that nothing could be forked.

use std::process::ExitCode;
use std::sync::OnceLock;

use procession_manager::{CallError, List, Manager};
use procession_process::{Process, StartMethod};

const TESTS: [(&str, fn()); 2] = [
    ("a_forked_child_has_a_connection_of_its_own", a_forked_child_has_a_connection_of_its_own),
    ("what_a_child_finds_in_its_memory_is_not_its_own", what_a_child_finds_in_its_memory_is_not_its_own),
];

/// Understands as much of the test harness's command line as test runners use: `--list`, `--ignored`, and names.
fn main() -> ExitCode {
    procession_process::init();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let says = |option: &str| words.iter().any(|word| word == option);
    let chosen = |name: &str| {
        let mut names = words.iter().filter(|word| !word.starts_with("--") && *word != "terse").peekable();
        names.peek().is_none() || names.any(|wanted| name.contains(wanted.as_str()))
    };
    for (name, test) in TESTS.into_iter().filter(|(name, _)| chosen(name) && !says("--ignored")) {
        if says("--list") {
            println!("{name}: test");
        } else {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn a_forked_child_has_a_connection_of_its_own() {
    let manager = Manager::start().unwrap();
    let list = manager.list::<u32>().unwrap();
    for n in 0..5 {
        let push = |(list, n): (List<u32>, u32)| list.push(n);
        let child = Process::builder().start_method(StartMethod::Fork).spawn(push, (list.clone(), n)).unwrap();
        child.join().unwrap().unwrap();
        list.push(n).unwrap();
    }
    assert_eq!(list.to_vec().unwrap(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
}

fn what_a_child_finds_in_its_memory_is_not_its_own() {
    static FOUND: OnceLock<List<u32>> = OnceLock::new();
    let manager = Manager::start().unwrap();
    let list = FOUND.get_or_init(|| manager.list::<u32>().unwrap());
    list.push(1).unwrap();
    let use_it = |()| FOUND.get().unwrap().push(2).unwrap_err();
    let child = Process::builder().start_method(StartMethod::Fork).spawn(use_it, ()).unwrap();
    assert_eq!(child.join().unwrap(), CallError::Forked);
    assert_eq!(list.to_vec().unwrap(), [1]);
}
