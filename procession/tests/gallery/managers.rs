//! `manager_dict_list`, `manager_employee`.

use std::collections::BTreeSet;

use crate::support::run;

#[test]
fn the_printed_lists_grow_by_one_process_each() {
    let ran = run("manager_dict_list", &[]);
    let mut before = "[0, 1, 2, 3, 4]".to_owned();
    let mut pids = BTreeSet::new();
    for line in &ran.lines()[..10] {
        let added = line.strip_prefix(before.trim_end_matches(']')).unwrap_or_else(|| panic!("{line} after {before}"));
        pids.insert(added.strip_prefix(", ").unwrap().strip_suffix(']').unwrap().parse::<u32>().unwrap());
        before = (*line).to_owned();
    }
    assert_eq!(pids.len(), 10);
    assert_eq!(ran.lines()[10..], ["the dict has 10 entries, the list 15"]);
}

#[test]
fn the_pay_ends_at_two_thousand() {
    let ran = run("manager_employee", &[]);
    assert_eq!((ran.lines()[0], ran.lines()[11]), ("Tom: 1000", "Tom: 2000"));
    let raised: BTreeSet<u32> =
        ran.lines()[1..11].iter().map(|line| line.strip_prefix("raised to ").unwrap().parse().unwrap()).collect();
    assert_eq!(raised, (1100..=2000).step_by(100).collect(), "no raise is lost");
}
