//! The socket of a channel can be waited for, but is shown to no program: what it read would be missing from the channel.

// says: error[E0277]
// says: the trait `AsFd` is not implemented for
// says: Receiver<u64>`

use std::os::fd::AsFd;

use procession::channels::queue;

fn steal(_: impl AsFd) {}

fn main() {
    let (_sender, receiver) = queue::<u64>(1).unwrap();
    steal(receiver);
}
