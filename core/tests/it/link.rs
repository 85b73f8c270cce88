//! Links between two ends: what is sent arrives, with its descriptors, and what is no message is an error.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use procession_core::codec::{Descriptor, Message, decode, encode};
use procession_core::{Link, LinkError, SPILL, TryRecv};
use proptest::prelude::*;

/// Raises the limit on descriptors as far as it goes: these tests need a few thousand, and many systems start with 1024.
fn make_room() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

fn pipes(count: usize) -> (Vec<std::io::PipeReader>, Vec<Descriptor>) {
    (0..count)
        .map(|_| {
            let (reader, writer) = std::io::pipe().unwrap();
            (reader, Descriptor::from(OwnedFd::from(writer)))
        })
        .unzip()
}

#[test]
fn more_descriptors_than_one_piece_can_carry_arrive_in_order() {
    let (mut here, mut there) = Link::pair().unwrap();
    make_room();
    let (readers, writers) = pipes(600);
    here.send(encode(&writers).unwrap()).unwrap();
    drop(writers);
    let writers: Vec<Descriptor> = decode(there.recv(None).unwrap().unwrap()).unwrap();
    for (number, writer) in writers.into_iter().enumerate() {
        std::fs::File::from(OwnedFd::from(writer)).write_all(&(number as u64).to_le_bytes()).unwrap();
    }
    for (number, mut reader) in readers.into_iter().enumerate() {
        let mut told = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut told).unwrap();
        assert_eq!(told, (number as u64).to_le_bytes(), "pipe {number}");
    }
}

#[test]
fn a_message_of_too_many_descriptors_is_refused_and_the_link_goes_on() {
    let (mut here, mut there) = Link::pair().unwrap();
    make_room();
    let (_readers, writers) = pipes(1);
    let one: OwnedFd = writers.into_iter().next().unwrap().into();
    let many: Vec<OwnedFd> = (0..2500).map(|_| one.try_clone().unwrap()).collect();
    let refused = here.send(Message::new(vec![1], many));
    assert!(matches!(refused, Err(LinkError::TooManyDescriptors { count: 2500, .. })), "{refused:?}");
    here.send(encode(&5_u8).unwrap()).unwrap();
    assert_eq!(decode::<u8>(there.recv(None).unwrap().unwrap()).unwrap(), 5);
}

#[test]
fn two_ends_that_flood_each_other_do_not_wait_for_ever() {
    let (mut here, mut there) = Link::pair().unwrap();
    let flood = |link: &mut Link| (0..200).for_each(|_| link.send(Message::new(vec![7; SPILL], Vec::new())).unwrap());
    let other = std::thread::spawn(move || {
        flood(&mut there);
        (0..200).map(|_| there.recv(None).unwrap().unwrap().bytes().len()).sum::<usize>()
    });
    flood(&mut here);
    let got: usize = (0..200).map(|_| here.recv(None).unwrap().unwrap().bytes().len()).sum();
    assert_eq!((got, other.join().unwrap()), (200 * SPILL, 200 * SPILL));
}

#[test]
fn what_was_posted_without_room_is_sent_on_by_flush() {
    let (mut here, mut there) = Link::pair().unwrap();
    while here.flush().unwrap() {
        here.post(Message::new(vec![1; SPILL], Vec::new())).unwrap();
    }
    while !here.flush().unwrap() {
        assert!(matches!(there.try_recv().unwrap(), TryRecv::Value(_) | TryRecv::Empty));
    }
    drop(here);
    while let Some(message) = there.recv(None).unwrap() {
        assert_eq!(message.bytes().len(), SPILL);
    }
}

#[test]
fn a_deadline_is_kept_and_loses_nothing() {
    let (mut here, mut there) = Link::pair().unwrap();
    let late = there.recv(Some(Instant::now() + Duration::from_millis(5)));
    assert!(matches!(late, Err(LinkError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut));
    here.send(encode("still here").unwrap()).unwrap();
    assert_eq!(decode::<String>(there.recv(None).unwrap().unwrap()).unwrap(), "still here");
}

#[test]
fn a_peer_that_is_gone_is_an_error_to_the_sender_and_an_end_to_the_receiver() {
    let (mut here, there) = Link::pair().unwrap();
    drop(there);
    assert!(matches!(here.send(encode(&1_u8).unwrap()), Err(LinkError::Disconnected)));
    assert!(here.recv(None).unwrap().is_none());
}

/// Writes bytes with so many descriptors beside them, as no link would.
fn write_with(socket: &UnixStream, bytes: &[u8], count: usize) -> bool {
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    use std::os::fd::AsRawFd;
    let numbers = vec![socket.as_raw_fd(); count];
    let rights = [ControlMessage::ScmRights(&numbers)];
    let bytes = [std::io::IoSlice::new(bytes)];
    sendmsg::<()>(socket.as_raw_fd(), &bytes, &rights, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL, None).is_ok()
}

fn strange_link() -> (UnixStream, Link) {
    let (raw, socket) = UnixStream::pair().unwrap();
    // SAFETY: what these tests write to the other end is refused before any descriptor is taken for something.
    (raw, unsafe { Link::from_socket(OwnedFd::from(socket)) })
}

#[test]
fn descriptors_that_nothing_announces_are_refused_before_they_pile_up() {
    let header = procession_core::frame::FrameHeader::new(1000, 0).unwrap().encode();
    // Beside a frame that announces none, and goes on; and beside one whose header has not arrived.
    for begin in [&header[..], &header[..3]] {
        let (raw, mut link) = strange_link();
        assert!(write_with(&raw, begin, 1));
        let mut refused = link.try_recv().map(drop);
        for _ in 0..10 {
            refused = refused.and_then(|()| {
                write_with(&raw, b"x", 100);
                link.try_recv().map(drop)
            });
        }
        assert!(matches!(refused, Err(LinkError::Garbled(_))), "{refused:?}");
    }
    // Each announces one and brings two.
    let (raw, mut link) = strange_link();
    assert!(write_with(&raw, &procession_core::frame::FrameHeader::new(0, 1).unwrap().encode(), 2));
    assert!(matches!(link.try_recv(), Err(LinkError::Garbled(_))));
}

/// A descriptor that the kernel passes on to nobody; `None` where the machine has no such thing.
fn unpassable() -> Option<OwnedFd> {
    let mut settings = [0_u8; 120];
    // SAFETY: the kernel reads and writes 120 bytes there.
    let number = unsafe { nix::libc::syscall(nix::libc::SYS_io_uring_setup, 1, settings.as_mut_ptr()) };
    // SAFETY: the kernel has just made it, if it is one.
    (number >= 0).then(|| unsafe { std::os::fd::FromRawFd::from_raw_fd(number as i32) })
}

#[test]
fn what_the_kernel_does_not_pass_on_is_an_error_of_its_message_and_of_no_other() {
    make_room();
    let Some(ring) = unpassable() else { return };
    let (mut here, mut there) = Link::pair().unwrap();
    for before in [0, 300] {
        let (_readers, mut many) = pipes(before);
        many.push(Descriptor::from(ring.try_clone().unwrap()));
        let refused = here.send(encode(&many).unwrap());
        assert!(matches!(refused, Err(LinkError::Refused(_))), "{refused:?}");
        here.send(encode(&before).unwrap()).unwrap();
        assert_eq!(decode::<usize>(there.recv(None).unwrap().unwrap()).unwrap(), before, "the link goes on");
    }
}

proptest! {
    #[test]
    fn bytes_that_are_no_messages_never_panic_and_never_hang(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut raw, mut link) = strange_link();
        raw.write_all(&bytes).unwrap();
        drop(raw);
        // Either some frames and an end, or an error: both end.
        while let Ok(Some(_message)) = link.recv(None) {}
    }

    #[test]
    fn messages_of_any_size_arrive_as_they_were(sizes in proptest::collection::vec(0..3 * SPILL, 1..8)) {
        let (mut here, mut there) = Link::pair().unwrap();
        let wanted = sizes.clone();
        let reader = std::thread::spawn(move || {
            sizes.iter().map(|_| there.recv(None).unwrap().unwrap().bytes().to_vec()).collect::<Vec<_>>()
        });
        for (number, size) in wanted.iter().enumerate() {
            here.send(Message::new(vec![number as u8; *size], Vec::new())).unwrap();
        }
        let got = reader.join().unwrap();
        for (number, (bytes, size)) in got.iter().zip(&wanted).enumerate() {
            prop_assert_eq!(bytes, &vec![number as u8; *size]);
        }
    }
}
