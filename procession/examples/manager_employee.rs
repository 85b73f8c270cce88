//! Ten processes raise the pay of one employee, who lives in a manager.
//!
//! The custom type of the tutorials. There, a class must be registered and calls guarded by a lock; here a call is a
//! function that runs where the employee lives, and nobody else touches the employee meanwhile.
//!
//! ```text
//! cargo run --release --example manager_employee
//! ```

use std::error::Error;

use procession::Process;
use procession::manager::{Manager, Proxy};

struct Employee {
    name: String,
    pay: u64,
}

impl Employee {
    fn hire((name, pay): (String, u64)) -> Employee {
        Employee { name, pay }
    }

    fn increase(&mut self, by: u64) -> u64 {
        self.pay += by;
        self.pay
    }

    fn describe(&self, (): ()) -> String {
        format!("{}: {}", self.name, self.pay)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let manager = Manager::start()?;
    let employee = manager.create(Employee::hire, ("Tom".to_owned(), 1000))?;
    println!("{}", employee.read(Employee::describe, ())?);
    let processes: Vec<_> = (0..10).map(|_| Process::spawn(raise, employee.clone())).collect::<Result<_, _>>()?;
    for process in processes {
        println!("raised to {}", process.join()?);
    }
    println!("{}", employee.read(Employee::describe, ())?);
    Ok(())
}

fn raise(employee: Proxy<Employee>) -> u64 {
    employee.call(Employee::increase, 100).expect("the manager lives")
}
