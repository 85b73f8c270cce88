//! The rooms of each crate: the folders and files below `src`, from the top floor down to the ground.

/// The floors of a crate. A room may know the rooms on the floors below its own, and no other.
type Floors = &'static [&'static [&'static str]];

/// The crates whose files are sorted into rooms. A name is a folder, or a file that is a room of its own; `*` is every other file.
pub(super) const CRATES: &[(&str, Floors)] = &[
    ("core", &[&["code"], &["memory"], &["bytes"], &["os"], &["tuning"]]),
    ("sync", &[&["*"], &["raw"], &["tuning"]]),
    ("channels", &[&["asynchronous"], &["net"], &["api"], &["ends"], &["memory"], &["tuning"]]),
    (
        "pool",
        &[
            &["api"],
            &["caller"],
            &["dispatcher"],
            &["remote", "agent"],
            &["local"],
            &["scheduler"],
            &["worker"],
            &["wire"],
            &["model"],
        ],
    ),
    ("hosts", &[&["api"], &["launch"], &["agent"], &["stage"], &["link"], &["spec"], &["tuning"]]),
    ("manager", &[&["pool"], &["remote"], &["objects"], &["api"], &["client"], &["server"], &["table"], &["wire"]]),
];

/// Where a file lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Floor {
    /// Counted downwards.
    pub(super) level: usize,
    pub(super) room: &'static str,
}

/// Finds the room of a file by its path below `src`. The root of a crate stands above all rooms.
pub(super) fn floor(folder: &str, file: &str) -> Option<Floor> {
    let (_, floors) = CRATES.iter().find(|(name, _)| *name == folder)?;
    if file == "lib.rs" {
        return Some(Floor { level: 0, room: "lib.rs" });
    }
    let first = file.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    let find = |wanted: &str| {
        floors.iter().enumerate().find_map(|(level, rooms)| {
            let room = rooms.iter().find(|room| **room == wanted)?;
            Some(Floor { level: level + 1, room })
        })
    };
    find(first).or_else(|| find("*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_in_their_rooms() {
        assert_eq!(floor("pool", "wire/claim.rs"), Some(Floor { level: 8, room: "wire" }));
        assert_eq!(floor("sync", "mutex.rs"), Some(Floor { level: 1, room: "*" }));
        assert_eq!(floor("sync", "raw/mutex.rs"), Some(Floor { level: 2, room: "raw" }));
        assert_eq!(floor("pool", "lib.rs"), Some(Floor { level: 0, room: "lib.rs" }));
        assert_eq!(floor("pool", "attic.rs"), None);
    }
}
