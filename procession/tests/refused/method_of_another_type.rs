//! A proxy takes functions of its own object's type.

// says: error[E0308]
// says: expected fn pointer `for<'a> fn(&'a mut u64, _) -> _`

use procession::manager::Manager;

fn shout(text: &mut String, mark: char) {
    text.push(mark);
}

fn main() {
    let manager = Manager::start().unwrap();
    let number = manager.create(|start: u64| start, 1).unwrap();
    number.call(shout, '!').unwrap();
}
