//! Where the key of a link is, and where it is not.

use std::fs;
use std::os::unix::process::parent_id;

use procession_hosts::Executable;
use procession_pool::Pool;

use crate::support::here;

/// What the agent of this worker shows to other users: its arguments, and to its own user its environment.
fn shown(_: u64) -> String {
    let agent = parent_id();
    let texts = ["cmdline", "environ"].map(|name| fs::read(format!("/proc/{agent}/{name}")).unwrap());
    let own = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("\n");
    format!("{}\n{own}", String::from_utf8_lossy(&texts.concat()))
}

/// The longest run of hexadecimal digits.
fn longest_hex(text: &str) -> usize {
    text.split(|letter: char| !letter.is_ascii_hexdigit()).map(str::len).max().unwrap_or(0)
}

#[test]
fn the_key_is_in_no_argument_and_no_environment() {
    for is_tunnelled in [false, true] {
        let hosts = here(&["a:1"]).executable(Executable::Same);
        let hosts = if is_tunnelled { hosts.tunnelled() } else { hosts };
        let pool = Pool::builder().hosts(hosts).build().unwrap();
        let text = pool.apply(shown, 0).unwrap();
        assert!(longest_hex(&text) < 32, "{text}");
    }
}

#[test]
fn what_an_agent_starts_is_no_agent() {
    let pool = Pool::builder().hosts(here(&["a:1"])).build().unwrap();
    let names = pool.apply(|()| std::env::vars().map(|(name, _)| name).collect::<Vec<_>>(), ()).unwrap();
    assert!(!names.iter().any(|name| name == "PROCESSION_AGENT"), "{names:?}");
}
