//! What happens to messages whose receiver has few descriptors left. In a process of its own, because the limit is everybody's.

use std::os::fd::OwnedFd;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procession_core::codec::{Descriptor, Handles, decode, encode};
use procession_core::packet::{Packet, Received};
use procession_core::{Link, LinkError};

fn open() -> u64 {
    std::fs::read_dir("/proc/self/fd").unwrap().count() as u64
}

fn limit(most: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(hard), hard).unwrap();
}

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").unwrap().into()
}

/// One test, because all threads of a process share what it counts.
#[test]
fn descriptors_that_do_not_fit_are_closed_and_the_next_message_arrives() {
    let (mut here, mut there) = Link::pair().unwrap();
    let (packets, arriving) = Packet::pair().unwrap();
    for count in [60, 400] {
        let before = open();
        let many: Vec<Descriptor> = (0..count).map(|_| Descriptor::from(null())).collect();
        here.send(encode(&many).unwrap()).unwrap();
        here.send(encode(&(7_u8, Descriptor::from(null()))).unwrap()).unwrap();
        drop(many);
        limit(before + 30);
        let lost = there.recv(None).expect_err("there is no room for so many");
        assert!(matches!(&lost, LinkError::Limit(text) if text.contains("RLIMIT_NOFILE")), "{lost:?}");
        let (number, descriptor): (u8, Descriptor) = decode(there.recv(None).unwrap().unwrap()).unwrap();
        assert_eq!(number, 7, "the link is in step");
        drop(descriptor);
        assert_eq!(open(), before, "none is left open");
        limit(u64::MAX);
    }

    let before = open();
    packets.post(b"many", &Handles::from((0..60).map(|_| null()).collect::<Vec<_>>())).unwrap();
    packets.post(b"one", &Handles::from(vec![null()])).unwrap();
    limit(before + 30);
    let mut room = [0; 8];
    assert!(matches!(arriving.take(&mut room), Ok(Received::Bare(8, error)) if error.raw_os_error() == Some(24)));
    assert_eq!((open(), &room[..4]), (before, &b"many"[..]));
    assert!(matches!(arriving.take(&mut room), Ok(Received::Packet(3, handles)) if handles.len() == 1));
    limit(u64::MAX);
}
