//! The examples by which Python's managers are known.

use std::collections::HashMap;

use procession_manager::{Dict, List, Manager, Proxy};
use procession_process::Process;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Employee {
    name: String,
    pay: u64,
}

impl Employee {
    fn hire((name, pay): (String, u64)) -> Employee {
        Employee { name, pay }
    }

    fn increase(&mut self, (): ()) {
        self.pay += 100;
    }

    fn pay(&self, (): ()) -> u64 {
        self.pay
    }
}

#[test]
fn ten_processes_raise_one_employees_pay() {
    let manager = Manager::start().unwrap();
    let tom = manager.create(Employee::hire, ("Tom".to_owned(), 1000)).unwrap();
    let raise = |tom: Proxy<Employee>| tom.call(Employee::increase, ());
    let processes: Vec<_> = (0..10).map(|_| Process::spawn(raise, tom.clone()).unwrap()).collect();
    processes.into_iter().for_each(|one| one.join().unwrap().unwrap());
    assert_eq!(tom.read(Employee::pay, ()).unwrap(), 2000);
    assert_eq!(tom.get().unwrap().name, "Tom");
}

#[test]
fn a_list_grows_by_one_line_for_each_process() {
    let manager = Manager::start().unwrap();
    let (dict, list) = (manager.dict::<u32, u32>().unwrap(), manager.list::<u32>().unwrap());
    let add = |(dict, list, n): (Dict<u32, u32>, List<u32>, u32)| {
        dict.insert(n, n * n).unwrap();
        list.push(n).unwrap();
        format!("{list:?}")
    };
    for n in 0..10 {
        let printed = Process::spawn(add, (dict.clone(), list.clone(), n)).unwrap().join().unwrap();
        let expected: Vec<u32> = (0..=n).collect();
        assert_eq!(printed, format!("{expected:?}"));
    }
    assert_eq!(dict, (0..10).map(|n| (n, n * n)).collect::<HashMap<_, _>>());
}

#[test]
fn eight_processes_count_without_a_miss() {
    const ROUNDS: u64 = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<String, u64>().unwrap();
    let count = |dict: Dict<String, u64>| {
        for _ in 0..ROUNDS {
            dict.proxy().call(|dict, key: String| *dict.entry(key).or_insert(0) += 1, "x".to_owned()).unwrap();
        }
    };
    let processes: Vec<_> = (0..8).map(|_| Process::spawn(count, dict.clone()).unwrap()).collect();
    processes.into_iter().for_each(|one| one.join().unwrap());
    assert_eq!(dict.get(&"x".to_owned()).unwrap(), Some(8 * ROUNDS));
}
