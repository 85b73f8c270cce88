//! [`FrameReader`]: a socket to another program, read as far as there is something, and cut into frames.
//!
//! A frame is a big-endian 32-bit length and as many bytes, as `procession-channels` writes it. One system call brings whatever
//! has arrived, be it a part of a frame or hundreds of them.

use crate::wire::tuning::{MAX_FRAME_BYTES, MAX_READ_BYTES, MIN_READ_BYTES};
use std::io::{self, Read};
#[cfg(feature = "remote")]
use std::os::fd::OwnedFd;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use procession_core::os::poll::nonblocking;

/// The bytes of the length before each frame.
const HEADER: usize = 4;

/// The receiving half. The socket never makes anyone wait.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: UnixStream,
    /// The bytes that have arrived lie from `begin` to `end`.
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
    /// Whether the last look has taken all that there was.
    is_dry: bool,
    has_ended: bool,
}

impl FrameReader {
    #[cfg(feature = "remote")]
    /// Takes over a connected stream socket of any kind: only its descriptor is used.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<FrameReader> {
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(FrameReader { stream, bytes: Vec::new(), begin: 0, end: 0, is_dry: true, has_ended: false })
    }

    #[cfg(feature = "remote")]
    /// Returns the socket, to be written to.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Takes in what has arrived. Returns whether there was anything; the end of the stream is something too.
    pub(crate) fn pull(&mut self) -> io::Result<bool> {
        if self.begin > 0 {
            // Half a frame at most is moved: whole ones were cut off before.
            self.bytes.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        let room = self.end.clamp(MIN_READ_BYTES, MAX_READ_BYTES);
        if self.bytes.len() < self.end + room {
            self.bytes.resize(self.end + room, 0);
        // One large frame should not cost a connection that memory for ever.
        } else if self.end == 0 && self.bytes.len() > MAX_READ_BYTES {
            self.bytes = vec![0; MIN_READ_BYTES];
        }
        let Some(count) = nonblocking(|| self.stream.read(&mut self.bytes[self.end..]))? else { return Ok(false) };
        self.end += count;
        // A read that fills all the room may have left something behind.
        self.is_dry = self.end < self.bytes.len();
        // Remembered and not reported: frames that came before the end are handed out first.
        self.has_ended |= count == 0;
        Ok(true)
    }

    /// Returns the next frame. `None` for now; an error for ever.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(frame) = self.cut()? {
                return Ok(Some(frame));
            }
            if self.has_ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // The last read took all that there was: asking again would be a system call in vain.
            if std::mem::take(&mut self.is_dry) || !self.pull()? {
                return Ok(None);
            }
        }
    }

    /// Returns the next whole frame of what has arrived.
    fn cut(&mut self) -> io::Result<Option<Vec<u8>>> {
        let live = &self.bytes[self.begin..self.end];
        let Some((header, rest)) = live.split_first_chunk::<HEADER>() else { return Ok(None) };
        // Checked before the bytes are there: otherwise a peer could make this side collect them without an end.
        let length = usize::try_from(i32::from_be_bytes(*header)).ok().filter(|length| *length <= MAX_FRAME_BYTES);
        let length = length.ok_or_else(|| io::Error::other("a frame of impossible length"))?;
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.begin += HEADER + length;
        Ok(Some(frame))
    }
}

impl AsFd for FrameReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Makes a frame of these bytes; `None` if they are too many.
pub(crate) fn frame(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = i32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_FRAME_BYTES)?;
    let mut frame = Vec::with_capacity(HEADER + bytes.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    Some(frame)
}

#[cfg(all(test, feature = "remote"))]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn pair() -> (UnixStream, FrameReader) {
        let (here, there) = UnixStream::pair().unwrap();
        (here, FrameReader::new(there.into()).unwrap())
    }

    fn all(frames: &mut FrameReader) -> Vec<Vec<u8>> {
        // A look that finds nothing more may be needed after one that has taken all.
        let mut found = Vec::new();
        for _ in 0..2 {
            found.extend(std::iter::from_fn(|| frames.next().unwrap()));
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_come_as_they_were_sent_however_they_are_cut(
            sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10),
            pieces in prop::collection::vec(1..50_usize, 1..20),
        ) {
            let (mut here, mut frames) = pair();
            let stream: Vec<u8> = sent.iter().flat_map(|bytes| frame(bytes).unwrap()).collect();
            let (mut rest, mut found) = (&stream[..], Vec::new());
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*piece));
                here.write_all(now).unwrap();
                found.extend(all(&mut frames));
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, sent);
            drop(here);
            prop_assert!((0..2).any(|_| frames.next().is_err()));
        }
    }

    #[test]
    fn a_frame_that_does_not_fit_the_room_and_an_impossible_length() {
        let (mut here, mut frames) = pair();
        let large = vec![7; 3 * MAX_READ_BYTES];
        let bytes = frame(&large).unwrap();
        let writer = std::thread::spawn(move || {
            here.write_all(&bytes).unwrap();
            here
        });
        let found = loop {
            if let Some(found) = frames.next().unwrap() {
                break found;
            }
        };
        assert!(found == large);
        writer.join().unwrap().write_all(&[0xff; 4]).unwrap();
        assert!((0..2).any(|_| frames.next().is_err()), "a negative length");
        assert!(frame(&vec![0; MAX_FRAME_BYTES + 1]).is_none());
    }
}
