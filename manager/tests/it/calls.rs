//! Calls, from one process and from many.

use procession_manager::{CallError, Dict, List, Manager, Proxy};
use procession_process::Process;

#[test]
fn a_dict_and_a_list_are_filled_by_ten_processes() {
    let manager = Manager::start().unwrap();
    let (dict, list) = (manager.dict::<u32, String>().unwrap(), manager.list::<u32>().unwrap());
    let fill = |(dict, list, n): (Dict<u32, String>, List<u32>, u32)| {
        dict.insert(n, n.to_string()).unwrap();
        list.push(n).unwrap();
    };
    let start = |n| Process::spawn(fill, (dict.clone(), list.clone(), n)).unwrap();
    let processes: Vec<_> = (0..10).map(start).collect();
    processes.into_iter().for_each(|one| one.join().unwrap());
    let mut found = list.to_vec().unwrap();
    found.sort_unstable();
    assert_eq!(found, (0..10).collect::<Vec<_>>());
    assert_eq!(dict.len().unwrap(), 10);
    assert_eq!(manager.stats().unwrap().references, 2);
}

#[test]
fn a_call_changes_the_value_in_one_step() {
    let manager = Manager::start().unwrap();
    let count = manager.create(|n: u64| n, 0).unwrap();
    let raise = |count: Proxy<u64>| {
        for _ in 0..1000 {
            count.call(|n, by| *n += by, 1).unwrap();
        }
    };
    let processes: Vec<_> = (0..4).map(|_| Process::spawn(raise, count.clone()).unwrap()).collect();
    processes.into_iter().for_each(|one| one.join().unwrap());
    assert_eq!(count.get().unwrap(), 4000);
}

#[test]
fn a_panic_poisons_its_object_only() {
    let manager = Manager::start().unwrap();
    let (bad, good) = (manager.list::<u8>().unwrap(), manager.list::<u8>().unwrap());
    let error = bad.proxy().call(|_, ()| -> () { panic!("spilled the milk") }, ()).unwrap_err();
    let panic = error.panic().unwrap();
    assert_eq!(panic.message(), "spilled the milk");
    assert!(panic.location().unwrap().contains("calls.rs"));
    assert!(panic.backtrace().contains("a_panic_poisons_its_object_only"));
    assert!(matches!(bad.push(1), Err(CallError::Poisoned(text)) if text.contains("spilled the milk")));
    good.push(1).unwrap();
    bad.proxy().clear_poison().unwrap();
    bad.push(1).unwrap();
}
