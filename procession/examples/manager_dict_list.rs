//! Ten processes fill one dict and one list, which live in a manager.
//!
//! The manager of the tutorials: each process adds itself and prints the list, which grows by one from line to line.
//!
//! ```text
//! cargo run --release --example manager_dict_list
//! ```

use std::error::Error;

use procession::manager::{CallError, Dict, List, Manager};
use procession::sync::Lock;
use procession::{Process, process};

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let manager = Manager::start()?;
    let dict = manager.dict::<u32, u32>()?;
    let list = manager.list::<u32>()?;
    list.extend(vec![0, 1, 2, 3, 4])?;
    let screen = Lock::new(())?;
    let mut processes = Vec::new();
    for number in 0..10 {
        processes.push(Process::spawn(add, (dict.clone(), list.clone(), number, screen.clone()))?);
    }
    for process in processes {
        process.join()?;
    }
    println!("the dict has {} entries, the list {}", dict.len()?, list.len()?);
    Ok(())
}

fn add((dict, list, number, screen): (Dict<u32, u32>, List<u32>, u32, Lock)) {
    // So that the lines come in the order of what they say.
    let _guard = screen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let add = || -> Result<Vec<u32>, CallError> {
        let pid = process::current().id();
        dict.insert(number, pid)?;
        list.push(pid)?;
        list.to_vec()
    };
    println!("{:?}", add().expect("the manager lives"));
}
