//! The packets in the socket beside a chain: descriptors of messages, and wake-ups.

use std::io;

use procession_core::codec::Handles;
use procession_core::packet::{Packet, Received};

use crate::memory::error::ChainError;

/// First byte of a packet with descriptors; the number that its message names follows.
const FD_PACKET: u8 = 2;
/// First byte of a wake-up behind packets with descriptors; the number of the last of them follows. Where there were none, a wake-up is
/// a single byte.
const WAKEUP: u8 = 3;
/// Bytes of a packet with a number.
const NUMBERED_BYTES: usize = 9;

/// Sends the descriptors of a message.
pub(crate) fn send_fds(socket: &Packet, number: u64, descriptors: &Handles) -> io::Result<()> {
    socket.post(&numbered(FD_PACKET, number), descriptors)
}

/// Sends a wake-up behind the descriptors with this number; 0 if none were ever sent.
pub(crate) fn send_wakeup(socket: &Packet, last: u64) -> io::Result<()> {
    if last == 0 { socket.ring() } else { socket.post(&numbered(WAKEUP, last), &Handles::new()) }
}

/// Takes the descriptors of a message out of the socket. The caller has the lock of the head.
#[cold]
pub(crate) fn recv_fds(socket: &Packet, number: u64) -> Result<Handles, ChainError> {
    let mut packet = [0; NUMBERED_BYTES];
    loop {
        // What lies behind them stays: the receiver that took them has died.
        let len = socket.peek(&mut packet);
        if len.is_none_or(|len| len == NUMBERED_BYTES && !is_before(packet, number)) {
            return Err(ChainError::LostDescriptors);
        }
        match socket.take(&mut packet) {
            Ok(Received::Packet(NUMBERED_BYTES, descriptors)) if is_fd_packet(packet, number) => {
                return Ok(descriptors);
            }
            Ok(Received::Bare(_, error)) if is_fd_packet(packet, number) => {
                return Err(ChainError::Unopened(error));
            }
            // A wake-up, behind which there is another one; or descriptors of a sender that died before it added the message.
            Ok(Received::Packet(..) | Received::Bare(..)) => {}
            Ok(Received::Nothing | Received::End) => return Err(ChainError::LostDescriptors),
            Err(error) => return Err(ChainError::Unopened(error)),
        }
    }
}

/// Takes a wake-up out of the socket, and descriptors in front of it, which a dead sender has left there. The caller has both locks,
/// and the queue is empty.
pub(crate) fn discard_wakeups(socket: &Packet) {
    // One is enough: more of them only wake a receiver once more.
    while socket.skip() == Some(FD_PACKET) {}
}

/// Returns whether a packet may lie in front of the descriptors with this number, or is that packet.
fn is_before([kind, number @ ..]: [u8; NUMBERED_BYTES], wanted: u64) -> bool {
    let number = u64::from_le_bytes(number);
    if kind == FD_PACKET { number <= wanted } else { number < wanted }
}

/// Returns whether a packet is that of the descriptors with this number.
fn is_fd_packet([kind, number @ ..]: [u8; NUMBERED_BYTES], wanted: u64) -> bool {
    // Kinds of packets share one sequence of numbers.
    kind == FD_PACKET && u64::from_le_bytes(number) == wanted
}

fn numbered(kind: u8, number: u64) -> [u8; NUMBERED_BYTES] {
    let mut packet = [kind; NUMBERED_BYTES];
    packet[1..].copy_from_slice(&number.to_le_bytes());
    packet
}
