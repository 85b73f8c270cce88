//! The deeds.

use std::hint::black_box;
use std::panic::{self, panic_any};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::{process, thread};

use procession_pool::Pool;

use crate::table::{Cell, Deed, Seam};

/// More than any machine has.
const TOO_MUCH: usize = 1 << 46;

/// The pool at hand, in the program that has made it.
static POOL: Mutex<Weak<Pool>> = Mutex::new(Weak::new());

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload was dropped");
    }
}

/// The pool that those who use the same pool are to use.
pub(crate) fn offer(pool: &Arc<Pool>) {
    *POOL.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(pool);
}

/// The deed, where it is the seam's turn.
pub(crate) fn at(here: Seam, (seam, deed): Cell) {
    if here != seam {
        return;
    }
    match deed {
        Deed::Panic => panic!("at {seam:?}"),
        Deed::Bomb => panic_any(Bomb),
        Deed::Abort => process::abort(),
        Deed::Starve => drop(black_box(Vec::<u8>::with_capacity(black_box(TOO_MUCH)))),
        Deed::Exit => process::exit(3),
        Deed::Block => for_ever(),
        Deed::Reenter => reenter(),
        Deed::Terminate => {
            if let Some(pool) = offered() {
                pool.terminate();
            }
        }
    }
}

/// The deed in a panic's hook, below which the library's own has its turn.
pub(crate) fn in_a_hook(cell: Cell) {
    if cell.0 != Seam::Hook {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        at(Seam::Hook, cell);
    }));
    match cell.1 {
        // Where the hook comes back, the panic would be the task's.
        Deed::Reenter => {
            let _caught = panic::catch_unwind(|| panic!("into the hook"));
            drop(panic::take_hook());
        }
        _ => panic!("into the hook"),
    }
}

pub(crate) fn for_ever() -> ! {
    loop {
        thread::park();
    }
}

fn offered() -> Option<Arc<Pool>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
}

/// Every kind of call, and a look.
fn reenter() {
    let pool = offered().unwrap_or_else(|| Arc::new(Pool::new(1).expect("a pool of its own")));
    assert_eq!(pool.apply(|n: u8| n + 1, 1).expect("a value"), 2);
    assert_eq!(pool.map(|n: u8| n + 1, 0..3).expect("values"), [1, 2, 3]);
    assert!(pool.imap(|n: u8| n, 0..3).all(|n| n.is_ok()), "an iterator");
    assert_eq!(pool.apply_async(|n: u8| n, 7).get().expect("a result"), 7);
    assert!(!format!("{pool:?} {:?}", pool.stats()).is_empty(), "a look");
}
