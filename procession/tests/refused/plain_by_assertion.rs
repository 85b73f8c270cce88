//! That any bytes are a value of a type is a promise, and making one by hand is unsafe.

// says: error[E0200]
// says: requires an `unsafe impl` declaration

use procession::sync::Plain;

#[derive(Clone, Copy)]
struct Flag(bool);

impl Plain for Flag {}

fn main() {}
