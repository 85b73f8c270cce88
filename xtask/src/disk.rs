//! A reason why a build can fail that is not in the code: the disk that it writes to is full.

use std::path::Path;
use std::process::Command;

/// With less than this, in MiB, a build may well fail for want of room.
const LITTLE: u64 = 1024;

/// What to add to the failure of a build that writes to `folder`: nothing where there is room.
pub(crate) fn hint(folder: &Path) -> Option<String> {
    // The build may have failed to make the folder.
    let present = folder.ancestors().find(|one| one.exists())?;
    let table = Command::new("df").arg("-Pk").arg(present).output().ok()?.stdout;
    hint_for(folder, free(&String::from_utf8_lossy(&table))?)
}

fn hint_for(folder: &Path, free: u64) -> Option<String> {
    (free < LITTLE).then(|| format!("only {free} MiB are free where the build writes: {}", folder.display()))
}

/// How many MiB are free, as a table of `df -Pk` says.
fn free(table: &str) -> Option<u64> {
    let kibibytes: u64 = table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda         263940717 12084192    307200      14% /
";

    #[test]
    fn the_table_is_understood() {
        assert_eq!(free(TABLE), Some(300));
        assert_eq!(free("df: no such file\n"), None);
    }

    #[test]
    fn only_a_disk_that_is_nearly_full_is_worth_a_word() {
        let folder = Path::new("/home/me/target");
        let hint = hint_for(folder, 300).unwrap();
        assert_eq!(hint, "only 300 MiB are free where the build writes: /home/me/target");
        assert_eq!(hint_for(folder, LITTLE), None);
    }

    #[test]
    fn a_disk_can_be_asked_about_a_folder_that_is_not_there() {
        let root = crate::step::root();
        let table = Command::new("df").arg("-Pk").arg(&root).output().unwrap().stdout;
        assert!(free(&String::from_utf8_lossy(&table)).is_some());
        assert_eq!(hint(&root.join("nowhere/at/all")).is_some(), hint(&root).is_some());
    }
}
