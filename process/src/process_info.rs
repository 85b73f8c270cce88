//! The name of this process, its place in the family, and its parent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What a process knows of itself from its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProcessInfo {
    pub(crate) name: String,
    pub(crate) daemon: bool,
    /// The numbers of its ancestors among their siblings, its own last; empty for the first process.
    pub(crate) path: Vec<u64>,
    /// The process that started it: number and name.
    pub(crate) parent: Option<(u32, String)>,
}

static OWN: Mutex<Option<Arc<ProcessInfo>>> = Mutex::new(None);
static CHILDREN: AtomicU64 = AtomicU64::new(0);

/// Returns the information about this process. The first of a family is `MainProcess`.
pub(crate) fn own() -> Arc<ProcessInfo> {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    own.get_or_insert_with(|| {
        Arc::new(ProcessInfo { name: "MainProcess".to_owned(), daemon: false, path: Vec::new(), parent: None })
    })
    .clone()
}

/// Sets the information about this process.
pub(crate) fn set_own(info: &ProcessInfo) {
    // A copy counts its own children from 1. Relaxed: no thread of the program runs yet.
    CHILDREN.store(0, Ordering::Relaxed);
    *OWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(info.clone()));
}

impl ProcessInfo {
    /// Makes the information about a new child. Without a name it gets that of Python: `Process-1`, its own second child
    /// `Process-1:2`.
    pub(crate) fn of_next_child(name: Option<String>, daemon: bool) -> ProcessInfo {
        let me = own();
        let mut path = me.path.clone();
        path.push(CHILDREN.fetch_add(1, Ordering::Relaxed) + 1);
        let parent = Some((std::process::id(), me.name.clone()));
        ProcessInfo { name: name.unwrap_or_else(|| default_name(&path)), daemon, path, parent }
    }

    /// Returns the process as messages name it.
    pub(crate) fn describe(&self) -> String {
        format!("process `{}` (pid {})", self.name, std::process::id())
    }
}

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
