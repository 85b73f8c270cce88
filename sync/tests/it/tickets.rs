//! The ticket sale: ten buyers, five tickets in a file, one lock.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use procession_process::Process;
use procession_sync::Lock;

use crate::helpers::{GUARD, child, value};

const TICKETS: u32 = 5;
const BUYERS: usize = 10;

type Office = (Lock, PathBuf);

/// How many tickets are left, and who has bought one.
#[derive(serde::Serialize, serde::Deserialize)]
struct Sale {
    left: u32,
    buyers: Vec<u32>,
}

fn read(path: &Path) -> Sale {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn buy((lock, path): Office) -> bool {
    // A buyer that died left the file as it was before or after its purchase: it is replaced in one step.
    let _alone = lock.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sale = read(&path);
    let sold = sale.left > 0;
    if sold {
        sale.left -= 1;
        sale.buyers.push(std::process::id());
        // Long enough for others to come in between, if they could.
        std::thread::sleep(Duration::from_millis(1));
        let draft = path.with_extension("draft");
        fs::write(&draft, serde_json::to_vec(&sale).unwrap()).unwrap();
        fs::rename(&draft, &path).unwrap();
    }
    sold
}

fn open() -> (tempfile::TempDir, Office) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.json");
    fs::write(&path, format!(r#"{{"left": {TICKETS}, "buyers": []}}"#)).unwrap();
    (folder, (Lock::new(()).unwrap(), path))
}

#[test]
fn exactly_five_of_ten_succeed() {
    for _ in 0..10 {
        let (_folder, office) = open();
        let buyers: Vec<Process<bool>> = (0..BUYERS).map(|_| child(buy, office.clone())).collect();
        let sold = buyers.iter().map(value).filter(|sold| *sold).count();
        assert_eq!(sold, TICKETS as usize);
        assert_eq!(read(&office.1).left, 0);
    }
}

#[test]
fn also_when_buyers_are_killed() {
    for round in 0..20 {
        let (_folder, office) = open();
        let buyers: Vec<Process<bool>> = (0..BUYERS).map(|_| child(buy, office.clone())).collect();
        // Every second one is killed, each a little later than the one before.
        for (index, buyer) in buyers.iter().enumerate().skip(1).step_by(2) {
            std::thread::sleep(Duration::from_micros(round * 40 + index as u64 * 100));
            buyer.kill();
        }
        let happy: Vec<u32> = buyers
            .iter()
            .filter(|buyer| matches!(buyer.join_timeout(GUARD), Ok(Some(true))))
            .map(Process::id)
            .collect();
        // The rest of the tickets goes to those who come later: nobody keeps the lock.
        let late: Vec<Process<bool>> = (0..TICKETS).map(|_| child(buy, office.clone())).collect();
        let late = late.iter().map(value).filter(|sold| *sold).count();

        let sale = read(&office.1);
        assert_eq!((sale.left, sale.buyers.len()), (0, TICKETS as usize), "all are sold, none twice");
        assert!(happy.iter().all(|buyer| sale.buyers.contains(buyer)), "who was told so has a ticket");
        assert!(late <= TICKETS as usize);
    }
}
