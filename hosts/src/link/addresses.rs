//! The addresses of this host at which agents may reach it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};

use super::invitation::MAX_ADDRESSES;

/// Returns this host's addresses, the likeliest first: the one from which it would itself speak to `host`.
///
/// A host that cannot be resolved, as a name that only a launcher knows, gets all addresses. The loopback address stands alone where there
/// is no other.
pub(crate) fn for_host(host: &str) -> Vec<IpAddr> {
    let mut addresses: Vec<_> = towards(host).into_iter().collect();
    // A file that is missing, as without IPv6, names no address.
    let v4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let own = own_v4(&v4).into_iter().map(IpAddr::V4).chain(own_v6(&v6).into_iter().map(IpAddr::V6));
    for address in own {
        if !address.is_loopback() && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// The address from which this host speaks to another one, as its routes have it. Nothing is sent.
fn towards(host: &str) -> Option<IpAddr> {
    // Any port does: only the route matters.
    let there = (host, 9).to_socket_addrs().ok()?.next()?;
    let any: IpAddr = if there.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(there).ok()?;
    socket.local_addr().ok().map(|here| here.ip()).filter(|here| !is_link_local(*here))
}

/// An address that means something only together with an interface cannot be sent.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The addresses in the kernel's table of routes: the lines before those that end with `/32 host LOCAL`.
fn own_v4(table: &str) -> Vec<Ipv4Addr> {
    let mut found: Vec<Ipv4Addr> = Vec::new();
    let mut last = None;
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            // The table has each address twice, in the main and in the local part.
            found.extend(last.take().filter(|address| !found.contains(address)));
        }
    }
    found
}

/// The addresses of global scope in the kernel's list, that are not being tried for duplicates.
fn own_v6(list: &str) -> Vec<Ipv6Addr> {
    const TENTATIVE_OR_FAILED: u32 = 0x48;
    let parsed = list.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let address = u128::from_str_radix(fields.next()?, 16).ok()?;
        let (scope, flags) = (fields.nth(2)?, u32::from_str_radix(fields.next()?, 16).ok()?);
        (scope == "00" && flags & TENTATIVE_OR_FAILED == 0).then_some(Ipv6Addr::from(address))
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.99.0.0/24 2 0 2\n        |-- 10.99.0.0\n           /24 link UNICAST\n        |-- 10.99.0.10\n           /32 host LOCAL\n        |-- 10.99.0.255\n           /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n        |-- 10.99.0.10\n           /32 host LOCAL\n";
    const INET6: &str = "00000000000000000000000000000001 01 80 10 80       lo\nfd000000000000000000000000000007 02 40 00 80     eth0\nfe80000000000000021122fffe334455 02 40 20 80     eth0\nfd000000000000000000000000000008 02 40 00 c0     eth0\n";

    #[test]
    fn the_kernels_tables_are_read() {
        assert_eq!(own_v4(TRIE), [Ipv4Addr::new(10, 99, 0, 10), Ipv4Addr::LOCALHOST]);
        assert_eq!(own_v6(INET6), ["fd00::7".parse::<Ipv6Addr>().unwrap()]);
    }

    #[test]
    fn each_address_is_this_hosts_own() {
        for host in ["localhost", "no-such-host.invalid"] {
            let addresses = for_host(host);
            assert!(!addresses.is_empty());
            for address in addresses {
                TcpListener::bind((address, 0)).unwrap_or_else(|error| panic!("{address}: {error}"));
            }
        }
        assert!(for_host("localhost")[0].is_loopback());
    }

    proptest! {
        #[test]
        fn no_table_panics(text in "[ |\\-/0-9a-f.\nLOCALhost]{0,200}") {
            let _addresses = (own_v4(&text), own_v6(&text));
        }
    }
}
