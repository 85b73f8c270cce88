//! An argument that serde does not know cannot travel.

// says: error[E0277]
// says: `Secret: serde::Serialize` is not satisfied
// says: consider adding `#[derive(serde::Serialize)]` to your `Secret` type

use procession::Process;

struct Secret;

fn main() {
    let process = Process::spawn(|_: Secret| (), Secret);
}
