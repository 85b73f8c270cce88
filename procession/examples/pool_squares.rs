//! `apply` waits for each task, `apply_async` gives them out and waits later. And what `close` and `join` do.
//!
//! ```text
//! cargo run --release --example pool_squares
//! ```

use std::error::Error;

use procession::Pool;
use procession::sync::Event;

fn main() -> Result<(), Box<dyn Error>> {
    procession::init();
    let pool = Pool::new(3)?;

    for number in 0..5 {
        println!("main: wants the square of {number}");
        println!("main: has got {}", pool.apply(square, number)?);
    }

    let may_begin = Event::new()?;
    let results: Vec<_> = (5..10).map(|number| pool.apply_async(square_later, (number, may_begin.clone()))).collect();
    let ready = results.iter().filter(|result| result.is_ready()).count();
    println!("main: has given out {} tasks, {ready} are ready", results.len());
    may_begin.set();
    for result in &results {
        println!("main: has got {}", result.get()?);
    }

    pool.close();
    println!("main: after `close`: {}", pool.apply(square, 10).unwrap_err());
    // All workers have left when this returns. Dropping the pool would have done as well.
    pool.join();
    println!("main: {} workers are left", procession::process::active_children().len());
    Ok(())
}

fn square(number: u64) -> u64 {
    println!("worker: squares {number}");
    number * number
}

fn square_later((number, may_begin): (u64, Event)) -> u64 {
    may_begin.wait();
    number * number
}
