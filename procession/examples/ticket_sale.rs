//! Ten customers and three tickets: all may look at once, but they buy one at a time.
//!
//! The ticket office of the tutorials. How many tickets are left stands in a JSON file. Without the lock between
//! reading and writing, everybody reads that there are three, and everybody gets one.
//!
//! ```text
//! cargo run --release --example ticket_sale -- [FILE] [--without-lock]
//! ```

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use procession::Process;
use procession::sync::{Barrier, Lock};
use serde::{Deserialize, Serialize};

const CUSTOMERS: u32 = 10;

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Office {
    count: u32,
}

/// Somebody who wants a ticket.
#[derive(Serialize, Deserialize)]
struct Customer {
    number: u32,
    file: PathBuf,
    counter: Option<Lock>,
    all_have_looked: Barrier,
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let (switches, files): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word == "--without-lock");
    let folder = tempfile::tempdir()?;
    let file = files.first().map_or_else(|| folder.path().join("tickets.json"), PathBuf::from);
    if !file.exists() {
        Office { count: 3 }.write(&file)?;
    }
    let counter = if switches.is_empty() { Some(Lock::new(())?) } else { None };
    let all_have_looked = Barrier::new(CUSTOMERS)?;
    let mut processes = Vec::new();
    for number in 0..CUSTOMERS {
        let (file, counter, all_have_looked) = (file.clone(), counter.clone(), all_have_looked.clone());
        let customer = Customer { number, file, counter, all_have_looked };
        processes.push(Process::spawn(Customer::visit, customer)?);
    }
    let mut sold = 0;
    for process in processes {
        sold += u32::from(process.join()??);
    }
    println!("{sold} tickets were sold, {} are left", Office::read(&file)?.count);
    Ok(())
}

impl Customer {
    /// Whether the visit was worth it.
    fn visit(self) -> Result<bool, String> {
        let number = self.number;
        let count = Office::read(&self.file).map_err(|error| error.to_string())?.count;
        println!("customer {number}: {count} tickets are left");
        self.all_have_looked.wait().map_err(|error| error.to_string())?;
        let bought = self.buy().map_err(|error| error.to_string())?;
        println!("customer {number}: {}", if bought { "has got a ticket" } else { "comes too late" });
        Ok(bought)
    }

    fn buy(&self) -> io::Result<bool> {
        let _turn = self.counter.as_ref().map(|lock| lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let mut office = Office::read(&self.file)?;
        if self.counter.is_none() {
            // The worst of luck: everybody has read before anybody writes.
            self.all_have_looked.wait().map_err(io::Error::other)?;
        }
        let Some(left) = office.count.checked_sub(1) else { return Ok(false) };
        office.count = left;
        office.write(&self.file)?;
        Ok(true)
    }
}

impl Office {
    fn read(file: &Path) -> io::Result<Office> {
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    }

    /// A reader sees the old text or the new one, never half of it: the new one takes the old one's place at once.
    fn write(&self, file: &Path) -> io::Result<()> {
        let draft = file.with_extension(format!("{}.draft", std::process::id()));
        fs::write(&draft, serde_json::to_vec(self)?)?;
        fs::rename(draft, file)
    }
}
