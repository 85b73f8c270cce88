//! [`SealedStream`]: frames through a connection, sealed on the way.

use std::io;

use super::cipher::{Cipher, MAX_RECORD_BYTES, TAG_BYTES};
use super::records::{self, LENGTH_BYTES, Records};
use crate::bytes::frame::{FrameDecoder, FrameHeader};
use crate::bytes::link::TryRecv;
use crate::bytes::link_error::LinkError;
use crate::bytes::outgoing::garbled;
use crate::os::duplex::Duplex;
use crate::os::identity::remembered_number;
use crate::os::poll::Pollable;
use crate::tuning::{MAX_KEPT_CAPACITY, MAX_SEALED_MESSAGE, RECORDS_PER_WRITE};

/// Frames in both directions.
///
/// The last record of a direction is empty: a stream that ends without it was cut off, by a death or by an attacker.
#[derive(Debug)]
pub(crate) struct SealedStream {
    duplex: Duplex,
    cipher: Cipher,
    /// A copy of this process would seal other records with the same keys and numbers, which would show both.
    owner: u32,
    incoming: Records,
    /// The content of the record that was opened last.
    opened: Vec<u8>,
    frames: FrameDecoder,
    /// Frames that are not sealed yet, from `unsealed` on.
    waiting: Vec<u8>,
    unsealed: usize,
    /// Sealed records on their way out, in `sent..sealed`.
    outgoing: Vec<u8>,
    sent: usize,
    sealed: usize,
    /// A write has failed: part of a record may be out, and nothing behind it would be understood.
    is_cut: bool,
    reading: Reading,
}

/// How far the incoming direction has come.
#[derive(Debug)]
enum Reading {
    Open,
    /// The other side has said that this is all.
    Ended,
    /// Something was altered, missing or added on the way.
    Altered,
}

impl SealedStream {
    pub(crate) fn new(duplex: Duplex, cipher: Cipher) -> SealedStream {
        SealedStream {
            duplex,
            cipher,
            owner: remembered_number(),
            incoming: Records::default(),
            opened: Vec::new(),
            frames: FrameDecoder::new(MAX_SEALED_MESSAGE),
            waiting: Vec::new(),
            unsealed: 0,
            outgoing: Vec::new(),
            sent: 0,
            sealed: 0,
            is_cut: false,
            reading: Reading::Open,
        }
    }

    /// Appends a frame to those that wait; `write` appends its payload. After an error nothing was appended.
    pub(crate) fn enqueue(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        if self.is_cut {
            return Err(LinkError::Disconnected);
        }
        let start = self.waiting.len();
        self.waiting.extend_from_slice(&[0; FrameHeader::SIZE]);
        let written = write(&mut self.waiting);
        let header = written.and_then(|()| header(self.waiting.len() - start - FrameHeader::SIZE));
        match header {
            Ok(header) => self.waiting[start..start + FrameHeader::SIZE].copy_from_slice(&header.encode()),
            Err(_) => self.waiting.truncate(start),
        }
        header.map(drop)
    }

    /// Seals and sends what waits, as much as there is room for. Returns whether all of it is out.
    pub(crate) fn flush(&mut self) -> Result<bool, LinkError> {
        loop {
            if !self.write_out()? {
                self.duplex.watch_room(true).map_err(LinkError::Io)?;
                return Ok(false);
            }
            if self.unsealed == self.waiting.len() {
                self.waiting.clear();
                self.waiting.shrink_to(MAX_KEPT_CAPACITY);
                self.unsealed = 0;
                self.duplex.watch_room(false).map_err(LinkError::Io)?;
                return Ok(true);
            }
            for _ in 0..RECORDS_PER_WRITE {
                match MAX_RECORD_BYTES.min(self.waiting.len() - self.unsealed) {
                    0 => break,
                    len => self.seal(len)?,
                }
            }
        }
    }

    /// Returns how many bytes [`flush`](Self::flush) has not sent yet.
    pub(crate) fn kept(&self) -> usize {
        self.waiting.len() - self.unsealed + self.sealed - self.sent
    }

    /// Takes the next payload, if all of it has arrived.
    pub(crate) fn try_recv(&mut self) -> Result<TryRecv<Vec<u8>>, LinkError> {
        loop {
            if let Some(frame) = self.frames.next().map_err(garbled)? {
                return Ok(TryRecv::Value(frame.payload));
            }
            match self.reading {
                Reading::Open => {}
                Reading::Ended => return self.frames.finish().map_err(garbled).map(|()| TryRecv::End),
                Reading::Altered => return Err(altered()),
            }
            if self.open_next()? {
                continue;
            }
            match self.duplex.read(self.incoming.space()) {
                Ok(None) => return Ok(TryRecv::Empty),
                // Every end that the other side wanted was announced by its empty record.
                Ok(Some(0)) => return Err(LinkError::Disconnected),
                Ok(Some(count)) => self.incoming.filled(count),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Ready when there may be something to receive, or room for what is kept.
    pub(crate) fn pollable(&self) -> Pollable<'_> {
        self.duplex.pollable(self.kept() > 0)
    }

    /// Opens the next record, if all of it has arrived. Returns whether it was there.
    fn open_next(&mut self) -> Result<bool, LinkError> {
        let Some(record) = self.incoming.next() else { return Ok(false) };
        if self.opened.len() < record.len() {
            self.opened.resize(record.len(), 0);
        }
        let Ok(len) = self.cipher.open(record, &mut self.opened) else {
            // Kept: an attacker who adds a record could otherwise have the next ones read as if it had never been there.
            self.reading = Reading::Altered;
            return Err(altered());
        };
        match len {
            0 => self.reading = Reading::Ended,
            len => self.frames.push(&self.opened[..len]),
        }
        Ok(true)
    }

    /// Seals the next `len` bytes that wait, behind the records that are not out yet.
    fn seal(&mut self, len: usize) -> Result<(), LinkError> {
        if self.owner != remembered_number() {
            return Err(LinkError::Unsendable(
                "a sealed link belongs to one process; its copies cannot send".to_owned(),
            ));
        }
        if self.sent == self.sealed {
            (self.sent, self.sealed) = (0, 0);
        }
        let end = self.sealed + LENGTH_BYTES + len + TAG_BYTES;
        if self.outgoing.len() < end {
            self.outgoing.resize(end, 0);
        }
        let content = &self.waiting[self.unsealed..self.unsealed + len];
        let (length, space) = self.outgoing[self.sealed..end].split_at_mut(LENGTH_BYTES);
        // It fails only after 2^64 records.
        let sealed = self.cipher.seal(content, space).map_err(|error| LinkError::Limit(error.to_string()))?;
        length.copy_from_slice(&records::length(sealed).unwrap_or_default());
        self.unsealed += len;
        self.sealed += LENGTH_BYTES + sealed;
        Ok(())
    }

    /// Writes what is sealed. Returns whether all of it is out.
    fn write_out(&mut self) -> Result<bool, LinkError> {
        while self.sent < self.sealed {
            match self.duplex.write(&self.outgoing[self.sent..self.sealed]) {
                Ok(Some(count)) => self.sent += count,
                Ok(None) => return Ok(false),
                Err(error) => return Err(self.cut(error)),
            }
        }
        Ok(true)
    }

    /// Gives up what is kept, which no other side will read.
    #[cold]
    fn cut(&mut self, error: io::Error) -> LinkError {
        self.is_cut = true;
        (self.waiting, self.outgoing) = (Vec::new(), Vec::new());
        (self.unsealed, self.sent, self.sealed) = (0, 0, 0);
        // Where it was watched it would be ready for ever. That it cannot be taken out is no news beside the failure.
        let _unwatched = self.duplex.watch_room(false);
        failed(error)
    }
}

impl Drop for SealedStream {
    /// Announces the end, where all that was posted is out and there is room. Else the other side finds the stream cut off, as it is.
    fn drop(&mut self) {
        if self.owner == remembered_number() && !self.is_cut && matches!(self.flush(), Ok(true)) && self.seal(0).is_ok()
        {
            let _best_effort = self.write_out();
        }
    }
}

fn header(len: usize) -> Result<FrameHeader, LinkError> {
    if len > MAX_SEALED_MESSAGE {
        let text =
            format!("a message of {len} bytes is longer than the {MAX_SEALED_MESSAGE} that a sealed link carries");
        return Err(LinkError::Unsendable(text));
    }
    FrameHeader::new(len, 0).map_err(garbled)
}

#[cold]
fn altered() -> LinkError {
    LinkError::Garbled("it was altered on its way, or another sender has joined in".to_owned())
}

fn failed(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            LinkError::Disconnected
        }
        // The kind of a deadline of the caller, which this is not.
        io::ErrorKind::TimedOut => LinkError::Io(io::Error::new(
            io::ErrorKind::HostUnreachable,
            "the machine at the other end has confirmed nothing for too long",
        )),
        _ => LinkError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::super::key_exchange::KeyExchange;
    use super::*;

    fn pair() -> (SealedStream, SealedStream) {
        let (here, there) = UnixStream::pair().expect("a pair");
        let duplex =
            |socket: UnixStream| Duplex::new(socket.try_clone().expect("a copy").into(), OwnedFd::from(socket));
        let (one, message) = KeyExchange::initiator(&[7; 32]).expect("a key");
        let other = KeyExchange::responder(&[7; 32]).expect("a key");
        let (there_cipher, reply) = other.receive(&message).expect("the same key");
        let (here_cipher, _) = one.receive(&reply.expect("a reply")).expect("the same key");
        let stream = |socket, cipher| SealedStream::new(duplex(socket).expect("a socket"), cipher);
        (stream(here, here_cipher), stream(there, there_cipher))
    }

    fn enqueue(stream: &mut SealedStream, payload: &[u8]) {
        let written = stream.enqueue(|buffer| {
            buffer.extend_from_slice(payload);
            Ok(())
        });
        written.expect("it can be written");
    }

    fn garbled_text(stream: &mut SealedStream) -> String {
        match stream.try_recv() {
            Err(LinkError::Garbled(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_neither_sent_nor_received() {
        assert!(matches!(header(MAX_SEALED_MESSAGE + 1), Err(LinkError::Unsendable(_))));
        let (mut here, mut there) = pair();
        // From a peer that knows the key and does not keep to the limit.
        let lie = FrameHeader::new(MAX_SEALED_MESSAGE + 1, 0).expect("a frame can say so");
        here.waiting.extend_from_slice(&lie.encode());
        here.flush().expect("there is room");
        for _ in 0..2 {
            assert!(garbled_text(&mut there).contains("longer than the limit"));
        }
    }

    #[test]
    fn a_frame_that_is_announced_and_does_not_come_takes_no_memory_and_is_no_end() {
        let (mut here, mut there) = pair();
        let promise = FrameHeader::new(MAX_SEALED_MESSAGE, 0).expect("within the limit");
        here.waiting.extend_from_slice(&promise.encode());
        here.waiting.extend_from_slice(&[7; 100]);
        here.flush().expect("there is room");
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").expect("it is mounted");
            text.split(' ').next().and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
        };
        let before = resident();
        assert!(matches!(there.try_recv(), Ok(TryRecv::Empty)));
        assert!(
            resident() < before + MAX_SEALED_MESSAGE / 2,
            "address space, that other tests use too, but not so much"
        );
        drop(here);
        assert!(garbled_text(&mut there).contains("in the middle"));
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let (mut here, mut there) = pair();
        here.enqueue(|buffer| {
            buffer.extend_from_slice(b"half");
            Err(LinkError::Unsendable("no".to_owned()))
        })
        .expect_err("it was refused");
        assert_eq!(here.kept(), 0);
        enqueue(&mut here, b"whole");
        assert!(here.flush().expect("there is room"));
        assert!(matches!(there.try_recv(), Ok(TryRecv::Value(bytes)) if bytes == b"whole"));
    }

    #[test]
    fn an_empty_frame_is_a_frame_and_no_end() {
        let (mut here, mut there) = pair();
        enqueue(&mut here, &[]);
        here.flush().expect("there is room");
        assert!(matches!(there.try_recv(), Ok(TryRecv::Value(bytes)) if bytes.is_empty()));
        assert!(matches!(there.try_recv(), Ok(TryRecv::Empty)));
        drop(here);
        assert!(matches!(there.try_recv(), Ok(TryRecv::End)));
    }

    #[test]
    fn memory_for_a_large_message_is_given_back() {
        let (mut here, mut there) = pair();
        enqueue(&mut here, &vec![7; 10 * MAX_KEPT_CAPACITY]);
        while !here.flush().expect("the other side is there") {
            assert!(matches!(there.try_recv(), Ok(TryRecv::Empty)));
        }
        assert!(here.waiting.capacity() <= MAX_KEPT_CAPACITY);
        assert!(matches!(there.try_recv(), Ok(TryRecv::Value(bytes)) if bytes.len() == 10 * MAX_KEPT_CAPACITY));
    }
}
