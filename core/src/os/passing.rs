//! Bytes through a Unix socket, with descriptors beside them (`SCM_RIGHTS`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;

use super::descriptors::above_standard_if_possible;

/// The kernel's limit on descriptors beside one piece (`SCM_MAX_FD`).
pub(crate) const MOST: usize = 253;

/// What the kernel may put beside a piece: the head of a control message, and the numbers. In words, which are aligned for both.
const ROOM: usize = (size_of::<libc::cmsghdr>() + MOST * size_of::<RawFd>()).next_multiple_of(64) / size_of::<u64>();

/// Where the kernel writes the numbers of descriptors.
#[derive(Debug)]
pub(crate) struct Room([u64; ROOM]);

/// What was read from a socket.
#[derive(Debug)]
pub(crate) struct Piece {
    /// How many bytes.
    pub(crate) count: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Whether there were more descriptors, which could not be opened here and are lost.
    pub(crate) is_cut: bool,
}

impl Room {
    pub(crate) const fn new() -> Room {
        Room([0; ROOM])
    }
}

/// Reads what is there into `bytes`, and what does not fit there into `more`, without waiting.
pub(crate) fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8], more: &mut [u8], room: &mut Room) -> io::Result<Piece> {
    let mut pieces = [bytes, more].map(|one| libc::iovec { iov_base: one.as_mut_ptr().cast(), iov_len: one.len() });
    let mut head = empty(&mut pieces);
    // Closed at exec from the first moment: another thread may start a program before a second call could say so.
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    let count = loop {
        // Set in each round, since the kernel writes the length that it has used into the same field.
        head.msg_control = room.0.as_mut_ptr().cast();
        head.msg_controllen = size_of_val(&room.0);
        // SAFETY: the head points to the two pieces, which point to what is borrowed for writing, and to `room`; all are as long as it says and live on.
        match super::refusal::check(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut head, flags) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let descriptors = beside(&head);
    Ok(Piece { count: count as usize, descriptors, is_cut: head.msg_flags & libc::MSG_CTRUNC != 0 })
}

/// Takes hold of all descriptors that the kernel has opened, whatever else it says: no other code ever would.
fn beside(head: &libc::msghdr) -> Vec<OwnedFd> {
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled in the head and the control messages that it points to.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(head) };
    // SAFETY: null at the end, else a control message inside the room, aligned as the room is.
    while let Some(header) = unsafe { message.as_ref() } {
        if (header.cmsg_level, header.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: the message is one that the kernel has written.
            let data = unsafe { libc::CMSG_DATA(message) }.cast::<RawFd>();
            // SAFETY: computes a number.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            // `cmsg_len` counts the header too.
            let count = header.cmsg_len.saturating_sub(before) / size_of::<RawFd>();
            // SAFETY: the message holds `count` numbers.
            let places = (0..count).map(|place| unsafe { data.add(place) });
            // SAFETY: the kernel has written a number there, which may not be aligned.
            let numbers = places.map(|place| unsafe { place.read_unaligned() });
            // SAFETY: the kernel has just made these descriptors for us; no other code owns them.
            let opened = numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) });
            descriptors.extend(opened.map(above_standard_if_possible));
        }
        // SAFETY: as for the first one.
        message = unsafe { libc::CMSG_NXTHDR(head, message) };
    }
    descriptors
}

fn empty(pieces: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: a head of zeros has no address, no pieces and no control messages.
    let mut head = unsafe { std::mem::zeroed::<libc::msghdr>() };
    head.msg_iov = pieces.as_mut_ptr();
    head.msg_iovlen = pieces.len() as _;
    head
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

    use super::*;

    fn send(socket: &UnixStream, count: usize) {
        let numbers = vec![socket.as_raw_fd(); count];
        let rights = [ControlMessage::ScmRights(&numbers)];
        sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(b"x")], &rights, MsgFlags::empty(), None).unwrap();
    }

    #[test]
    fn as_many_as_there_can_be_arrive() {
        let (here, there) = UnixStream::pair().unwrap();
        send(&here, MOST);
        let piece = receive(there.as_fd(), &mut [0; 8], &mut [], &mut Room::new()).unwrap();
        assert_eq!((piece.count, piece.descriptors.len(), piece.is_cut), (1, MOST, false));
        (&here).write_all(b"plain").unwrap();
        let piece = receive(there.as_fd(), &mut [0; 8], &mut [], &mut Room::new()).unwrap();
        assert_eq!((piece.count, piece.descriptors.len()), (5, 0));
    }
}
