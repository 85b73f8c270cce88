//! The packets in the socket beside a chain: descriptors of messages, and wake-ups.

use std::io;

use procession_core::codec::Handles;
use procession_core::packet::Packet;

/// First byte of a packet with descriptors; the number that its message names follows.
pub(crate) const FD_PACKET: u8 = 2;
/// First byte of a wake-up behind packets with descriptors; the number of the last of them follows. Where there were none, a wake-up is
/// a single byte.
const WAKEUP: u8 = 3;
/// Bytes of a packet with a number.
pub(crate) const NUMBERED_BYTES: usize = 9;

/// Sends the descriptors of a message.
pub(crate) fn send_fds(socket: &Packet, number: u64, descriptors: &Handles) -> io::Result<()> {
    socket.post(&numbered(FD_PACKET, number), descriptors)
}

/// Sends a wake-up behind the descriptors with this number; 0 if none were ever sent.
pub(crate) fn send_wakeup(socket: &Packet, last: u64) -> io::Result<()> {
    if last == 0 { socket.ring() } else { socket.post(&numbered(WAKEUP, last), &Handles::new()) }
}

/// Returns whether a packet may lie in front of the descriptors with this number, or is that packet.
pub(crate) fn is_before([kind, number @ ..]: [u8; NUMBERED_BYTES], wanted: u64) -> bool {
    let number = u64::from_le_bytes(number);
    if kind == FD_PACKET { number <= wanted } else { number < wanted }
}

/// Returns whether a packet is that of the descriptors with this number.
pub(crate) fn is_fd_packet([kind, number @ ..]: [u8; NUMBERED_BYTES], wanted: u64) -> bool {
    kind == FD_PACKET && u64::from_le_bytes(number) == wanted
}

fn numbered(kind: u8, number: u64) -> [u8; NUMBERED_BYTES] {
    let mut packet = [kind; NUMBERED_BYTES];
    packet[1..].copy_from_slice(&number.to_le_bytes());
    packet
}
