//! Proxies inside managed values, and methods that call proxies.

use procession_manager::{CallError, Dict, List, Manager, Proxy};
use procession_process::Process;

use crate::support::until_held;

#[test]
fn a_list_in_a_dict_is_one_list_under_both_names() {
    let manager = Manager::start().unwrap();
    let (dict, list) = (manager.dict::<String, List<u32>>().unwrap(), manager.list::<u32>().unwrap());
    dict.insert("numbers".to_owned(), list.clone()).unwrap();
    list.push(1).unwrap();
    let found = dict.get(&"numbers".to_owned()).unwrap().unwrap();
    found.push(2).unwrap();
    let add = |dict: Dict<String, List<u32>>| dict.get(&"numbers".to_owned())?.unwrap().push(3);
    Process::spawn(add, dict.clone()).unwrap().join().unwrap().unwrap();
    assert_eq!(list, vec![1, 2, 3]);
    assert_eq!(found.proxy(), list.proxy());
    drop((found, list));
    assert_eq!(dict.get(&"numbers".to_owned()).unwrap().unwrap(), vec![1, 2, 3], "the dict holds it");
    drop(dict);
    until_held(&manager, 0, 0);
}

#[test]
fn a_method_may_call_a_proxy_that_it_was_given() {
    let manager = Manager::start().unwrap();
    let (total, parts) = (manager.create(|n: u64| n, 0).unwrap(), manager.list::<u64>().unwrap());
    parts.extend(vec![1, 2, 3]).unwrap();
    let sum = |total: &mut u64, parts: List<u64>| *total = parts.iter().unwrap().sum();
    total.call(sum, parts.clone()).unwrap();
    assert_eq!(total.get().unwrap(), 6);
}

#[test]
fn a_method_that_calls_its_own_object_is_told_so() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|n: u64| n, 5).unwrap();
    let own = |_: &mut u64, me: Proxy<u64>| me.get();
    assert!(matches!(number.call(own, number.clone()).unwrap(), Err(CallError::Reentrant)));
    assert_eq!(number.get().unwrap(), 5);
}

#[test]
fn a_value_in_one_manager_may_hold_a_proxy_of_another() {
    let (one, two) = (Manager::start().unwrap(), Manager::start().unwrap());
    let (dict, list) = (one.dict::<u8, List<u8>>().unwrap(), two.list::<u8>().unwrap());
    dict.insert(0, list.clone()).unwrap();
    drop(list);
    dict.proxy().call(|dict, item| dict[&0].push(item), 7).unwrap().unwrap();
    assert_eq!(dict.get(&0).unwrap().unwrap(), vec![7]);
    dict.clear().unwrap();
    until_held(&two, 0, 0);
}

#[test]
fn a_ring_of_proxies_ends_with_its_manager() {
    let manager = Manager::start().unwrap();
    let list = manager.create(|list: Vec<Proxy<()>>| list, Vec::new()).unwrap();
    let unit = manager.create(|(): ()| (), ()).unwrap();
    list.call(|list, unit: Proxy<()>| list.push(unit), unit.clone()).unwrap();
    assert_eq!(list.get().unwrap(), [unit]);
    manager.shutdown().unwrap();
}
