//! The numbers that were chosen, each with its unit and what moves when it moves.

/// Above this size, in bytes, a message travels in a memory file and not through the socket.
///
/// ```
/// use procession_core::{Link, SPILL, codec};
///
/// let (mut here, mut there) = Link::pair()?;
/// let large = codec::encode(&vec![1_u8; 100 * SPILL])?;
/// here.send(large)?; // more than a socket holds, and nobody has read any of it
/// assert!(there.recv(None)?.expect("a message").bytes().len() > 100 * SPILL);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const SPILL: usize = 64 * 1024;
