//! A row that several processes write to at once.

use procession_sync::{Event, Parts};

use crate::helpers::{child, kill_at, stay, value};

#[test]
fn each_process_fills_its_part() {
    fn fill((row, part): (Parts<u64>, usize)) {
        let mut mine = row.lock(part).unwrap();
        let first = mine.range().start as u64;
        mine.iter_mut().enumerate().for_each(|(at, value)| *value = (first + at as u64).pow(2));
    }
    let row = Parts::from_fn(1003, 7, |_| 0_u64).unwrap();
    let children: Vec<_> = (0..row.count()).map(|part| child(fill, (row.clone(), part))).collect();
    children.iter().for_each(value);
    assert!(row.lock_all().unwrap().iter().enumerate().all(|(at, value)| *value == (at as u64).pow(2)));
}

#[test]
fn a_dead_holder_costs_its_part_only() {
    fn hold((row, there): (Parts<u64>, Event)) {
        let mut mine = row.lock(1).unwrap();
        mine[0] = 5;
        stay(&there);
    }
    let row = Parts::from_slice(&[0_u64; 6], 3).unwrap();
    let pid = kill_at(hold, row.clone());
    assert!(row.lock(0).is_ok() && row.lock(2).is_ok());
    assert_eq!(row.lock(1).unwrap_err().get_ref()[0], 5);
    assert_eq!(row.poisoned_by(1).map(|culprit| culprit.pid()), Some(pid));
    assert!(row.lock_all().is_err());
    row.clear_poison(1);
    assert!(row.lock_all().is_ok());
}

#[test]
fn parts_make_up_the_row_whatever_its_length() {
    for len in [0, 1, 2, 254, 255, 256, 1000] {
        for count in [1, 2, 7, 254, 255] {
            let row = Parts::from_fn(len, count, |index| index).unwrap();
            let all: Vec<usize> = (0..count).flat_map(|part| row.lock(part).unwrap().to_vec()).collect();
            assert!(all.iter().copied().eq(0..len), "{len} in {count}");
        }
    }
    assert!(Parts::from_slice(&[1], 256).unwrap_err().to_string().contains("256 parts"));
}

#[test]
fn while_all_are_taken_none_is_free() {
    let row = Parts::from_slice(&[1, 2, 3], 2).unwrap();
    let all = row.lock_all().unwrap();
    assert!((0..2).all(|part| row.try_lock(part).is_err()));
    assert!(format!("{row:?}").contains(&format!("(1, <locked by process {}>)", std::process::id())));
    drop(all);
    let _second = row.try_lock(1).unwrap();
    assert!(row.try_lock(0).is_ok());
}
