//! The name of this process, its place in the family, and its parent.
//!
//! A child gets it with its job, a copy before it is made. A process without a job makes its own at the first question.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use procession_core::os::mutex;

use serde::{Deserialize, Serialize};

/// What a process knows of itself from its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProcessInfo {
    pub(crate) name: String,
    /// Whether it ends with its parent. Its own children are daemons as well, unless their builder says otherwise.
    pub(crate) daemon: bool,
    /// The numbers of its ancestors among their siblings, its own last; empty for the first process.
    pub(crate) path: Vec<u64>,
    /// The process that started it: number and name.
    pub(crate) parent: Option<(u32, String)>,
}

/// `None` until a job or the first question sets it.
static OWN: Mutex<Option<Arc<ProcessInfo>>> = Mutex::new(None);
/// The number of children that this process has described, whether they could be started or not.
static CHILDREN: AtomicU64 = AtomicU64::new(0);

/// Returns the information about this process. The first of a family is `MainProcess`.
pub(crate) fn own() -> Arc<ProcessInfo> {
    let mut own = mutex::lock(&OWN);
    own.get_or_insert_with(|| {
        Arc::new(ProcessInfo { name: "MainProcess".to_owned(), daemon: false, path: Vec::new(), parent: None })
    })
    .clone()
}

/// Sets the information about this process.
pub(crate) fn set_own(info: &ProcessInfo) {
    // A copy counts its own children from 1. Relaxed: no thread of the program runs yet.
    CHILDREN.store(0, Ordering::Relaxed);
    *mutex::lock(&OWN) = Some(Arc::new(info.clone()));
}

impl ProcessInfo {
    /// Makes the information about a new child. Without a name it gets that of Python: `Process-1`, its own second child
    /// `Process-1:2`.
    pub(crate) fn of_next_child(name: Option<String>, daemon: bool) -> ProcessInfo {
        let me = own();
        let mut path = me.path.clone();
        // A start that fails has used its number up: default names are never given twice. Relaxed: the number is all there is.
        path.push(CHILDREN.fetch_add(1, Ordering::Relaxed) + 1);
        let parent = Some((std::process::id(), me.name.clone()));
        ProcessInfo { name: name.unwrap_or_else(|| default_name(&path)), daemon, path, parent }
    }

    /// Returns the process as messages name it.
    pub(crate) fn describe(&self) -> String {
        format!("process `{}` (pid {})", self.name, std::process::id())
    }
}

/// Returns the name of Python for a place in the family. The path is not empty: only the first process has an empty one.
fn default_name(path: &[u64]) -> String {
    let numbers: Vec<String> = path.iter().map(ToString::to_string).collect();
    format!("Process-{}", numbers.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_the_path() {
        assert_eq!(default_name(&[3]), "Process-3");
        assert_eq!(default_name(&[1, 2, 1]), "Process-1:2:1");
    }
}
