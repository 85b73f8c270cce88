//! Python's framing: where one message ends in a stream and the next begins. Pure, without I/O.
//!
//! A message is a big-endian 32-bit length and its bytes. Lengths above `i32::MAX` are written as -1 and a 64-bit length.

use std::io::IoSlice;
use std::mem;

use crate::tuning::MIN_GROWTH_BYTES;

/// Bytes of the short header, and of the long one: -1 and 64 bits more.
const SHORT_HEADER_BYTES: usize = 4;
const LONG_HEADER_BYTES: usize = 12;

/// Why a stream has no next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WireError {
    /// The message is longer than the limit. Nothing is lost: it can still be received with a higher limit.
    TooLong { len: u64, limit: usize },
    /// A negative length that means nothing.
    Malformed { length: i32 },
    /// The stream ended between two messages.
    Closed,
    /// The stream ended inside a message.
    Truncated,
}

/// A message on its way out: its header, its bytes, and how much of both was sent.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    header: [u8; LONG_HEADER_BYTES],
    header_len: usize,
    payload: &'a [u8],
    sent: usize,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Outgoing<'a> {
        let mut header = [0xff; LONG_HEADER_BYTES];
        let header_len = match i32::try_from(payload.len()) {
            Ok(len) => {
                header[..SHORT_HEADER_BYTES].copy_from_slice(&len.to_be_bytes());
                SHORT_HEADER_BYTES
            }
            // The first four bytes stay -1, which announces the long form.
            Err(_) => {
                header[SHORT_HEADER_BYTES..].copy_from_slice(&(payload.len() as u64).to_be_bytes());
                LONG_HEADER_BYTES
            }
        };
        Outgoing { header, header_len, payload, sent: 0 }
    }

    /// Returns what is left to send, in two pieces.
    pub(super) fn slices(&self) -> [IoSlice<'_>; 2] {
        let header = &self.header[self.sent.min(self.header_len)..self.header_len];
        let payload = &self.payload[self.sent.saturating_sub(self.header_len)..];
        [IoSlice::new(header), IoSlice::new(payload)]
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
    }

    pub(super) fn has_started(&self) -> bool {
        self.sent > 0
    }

    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.header_len + self.payload.len()
    }
}

/// Takes one message after the other from a stream, and never a byte more than the one at hand.
///
/// So the next reader of the descriptor finds the beginning of a message. Memory is taken as bytes arrive, never because of a header.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    header: [u8; LONG_HEADER_BYTES],
    /// Number of bytes of the header that have arrived.
    got: usize,
    body: Option<Body>,
    /// Memory for the next message.
    spare: Vec<u8>,
    failed: Option<WireError>,
}

#[derive(Debug)]
struct Body {
    len: u64,
    /// The first `filled` bytes have arrived, the others are free.
    bytes: Vec<u8>,
    filled: usize,
}

impl Decoder {
    /// Provides memory for the next message, if that has not started.
    pub(super) fn reuse(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Returns whether a message has started and is not complete.
    pub(super) fn has_started(&self) -> bool {
        self.got > 0 || self.failed.is_some()
    }

    /// Returns where the next bytes of the stream belong; `None` if the message is complete. Call [`filled`](Self::filled) with their
    /// number.
    pub(super) fn space(&mut self, limit: usize) -> Result<Option<&mut [u8]>, WireError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.body.is_none() {
            // A wrong length cannot be skipped: where the next message begins is unknown. So the error stays.
            match self.length().inspect_err(|&error| self.failed = Some(error))? {
                Some(len) => self.body = Some(Body { len, bytes: mem::take(&mut self.spare), filled: 0 }),
                None => {
                    let end = self.header_len();
                    return Ok(Some(&mut self.header[self.got..end]));
                }
            }
        }
        self.body.as_mut().map_or(Ok(None), |body| body.space(limit))
    }

    /// Takes in the first `count` bytes of the space that was offered last.
    pub(super) fn filled(&mut self, count: usize) {
        match &mut self.body {
            Some(body) => body.filled += count,
            None => self.got += count,
        }
    }

    /// Returns the message, after [`space`](Self::space) has returned `None`.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.got = 0;
        let Some(mut body) = self.body.take() else { return Vec::new() };
        // The buffer may have been lent, and longer than the message.
        body.bytes.truncate(body.filled);
        body.bytes
    }

    /// Ends the stream. Returns what that means, now and in later calls.
    pub(super) fn end(&mut self) -> WireError {
        let meaning = if self.got == 0 { WireError::Closed } else { WireError::Truncated };
        *self.failed.get_or_insert(meaning)
    }

    /// Returns the length of the header, as far as it is known.
    fn header_len(&self) -> usize {
        if self.got >= SHORT_HEADER_BYTES && self.header[..SHORT_HEADER_BYTES] == [0xff; SHORT_HEADER_BYTES] {
            LONG_HEADER_BYTES
        } else {
            SHORT_HEADER_BYTES
        }
    }

    /// Returns the length of the message, if its header is complete.
    fn length(&self) -> Result<Option<u64>, WireError> {
        if self.got < self.header_len() {
            return Ok(None);
        }
        let [a, b, c, d, long @ ..] = self.header;
        if self.got == LONG_HEADER_BYTES {
            return Ok(Some(u64::from_be_bytes(long)));
        }
        let length = i32::from_be_bytes([a, b, c, d]);
        u64::try_from(length).map(Some).map_err(|_| WireError::Malformed { length })
    }
}

impl Body {
    fn space(&mut self, limit: usize) -> Result<Option<&mut [u8]>, WireError> {
        let len = usize::try_from(self.len).ok().filter(|&len| len <= limit);
        let len = len.ok_or(WireError::TooLong { len: self.len, limit })?;
        if self.filled == len {
            return Ok(None);
        }
        if self.filled == self.bytes.len() {
            // Growing by what has arrived already keeps the cost of it below that of reading.
            let more = self.filled.max(MIN_GROWTH_BYTES).min(len - self.filled);
            self.bytes.resize(self.filled + more, 0);
        }
        let end = self.bytes.len().min(len);
        Ok(Some(&mut self.bytes[self.filled..end]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn written(payload: &[u8]) -> Vec<u8> {
        Outgoing::new(payload).slices().iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn long_form(payload: &[u8]) -> Vec<u8> {
        [&[0xff; SHORT_HEADER_BYTES], &(payload.len() as u64).to_be_bytes()[..], payload].concat()
    }

    /// Reads a whole stream through pieces of the given sizes, over and over: the messages, and why it ended.
    fn read(stream: &[u8], pieces: &[usize], limit: usize) -> (Vec<Vec<u8>>, WireError) {
        let (mut decoder, mut messages, mut at) = (Decoder::default(), Vec::new(), 0);
        let mut pieces = pieces.iter().cycle();
        loop {
            let count = match decoder.space(limit) {
                Err(error) => return (messages, error),
                Ok(None) => {
                    messages.push(decoder.take());
                    continue;
                }
                Ok(Some(space)) => {
                    assert!(!space.is_empty());
                    let count = space.len().min(*pieces.next().unwrap()).min(stream.len() - at);
                    space[..count].copy_from_slice(&stream[at..at + count]);
                    count
                }
            };
            if count == 0 {
                return (messages, decoder.end());
            }
            decoder.filled(count);
            at += count;
        }
    }

    proptest! {
        #[test]
        fn any_messages_arrive_through_any_fragmentation(
            messages in vec((vec(any::<u8>(), 0..300), any::<bool>()), 0..8),
            pieces in vec(1usize..40, 1..10),
        ) {
            let write = |(bytes, long): &(Vec<u8>, bool)| if *long { long_form(bytes) } else { written(bytes) };
            let stream: Vec<u8> = messages.iter().flat_map(write).collect();
            let (read, end) = read(&stream, &pieces, 300);
            prop_assert_eq!(read, messages.into_iter().map(|(bytes, _)| bytes).collect::<Vec<_>>());
            prop_assert_eq!(end, WireError::Closed);
        }

        #[test]
        fn a_cut_anywhere_inside_differs_from_an_end(
            payload in vec(any::<u8>(), 1..300), long in any::<bool>(), cut in any::<prop::sample::Index>(),
        ) {
            let stream = if long { long_form(&payload) } else { written(&payload) };
            let cut = 1 + cut.index(stream.len() - 1);
            prop_assert_eq!(read(&stream[..cut], &[7], 300), (vec![], WireError::Truncated));
        }

        #[test]
        fn garbage_ends_in_an_error_and_takes_no_memory(stream in vec(any::<u8>(), 0..2000), limit in 0usize..3000) {
            let (messages, _) = read(&stream, &[64], limit);
            let total: usize = messages.iter().map(|message| message.len() + SHORT_HEADER_BYTES).sum();
            prop_assert!(total <= stream.len());
            prop_assert!(messages.iter().all(|message| message.len() <= limit));
        }

        #[test]
        fn negative_lengths_are_refused(length in i32::MIN..-1) {
            let (_, error) = read(&length.to_be_bytes(), &[4], usize::MAX);
            prop_assert_eq!(error, WireError::Malformed { length });
        }

        #[test]
        fn sending_in_any_pieces_loses_nothing(payload in vec(any::<u8>(), 0..100), piece in 1usize..20) {
            let (mut outgoing, mut sent) = (Outgoing::new(&payload), Vec::<u8>::new());
            while !outgoing.is_sent() {
                let left: Vec<u8> = outgoing.slices().iter().flat_map(|slice| slice.to_vec()).collect();
                let count = piece.min(left.len());
                sent.extend(&left[..count]);
                outgoing.advance(count);
            }
            prop_assert_eq!(sent, written(&payload));
        }
    }

    #[test]
    fn the_published_vectors() {
        assert_eq!(written(b""), [0; 4]);
        assert_eq!(written(b"hi"), *b"\0\0\0\x02hi");
        assert_eq!(read(&long_form(b"hi"), &[100], 10), (vec![b"hi".to_vec()], WireError::Closed));
    }

    #[test]
    fn a_promise_of_exabytes_takes_no_memory() {
        let mut stream = vec![0xff; SHORT_HEADER_BYTES];
        stream.extend((1u64 << 63).to_be_bytes());
        assert_eq!(read(&stream, &[12], 1000).1, WireError::TooLong { len: 1 << 63, limit: 1000 });

        let mut decoder = Decoder::default();
        for byte in stream {
            decoder.space(usize::MAX).unwrap().unwrap()[0] = byte;
            decoder.filled(1);
        }
        assert_eq!(decoder.space(usize::MAX).unwrap().unwrap().len(), MIN_GROWTH_BYTES);
        assert!(decoder.body.unwrap().bytes.capacity() <= 2 * MIN_GROWTH_BYTES);
    }

    #[test]
    fn a_message_that_was_too_long_can_be_had_with_a_higher_limit() {
        let mut decoder = Decoder::default();
        decoder.space(0).unwrap().unwrap().copy_from_slice(&[0, 0, 0, 2]);
        decoder.filled(4);
        assert_eq!(decoder.space(1), Err(WireError::TooLong { len: 2, limit: 1 }));
        decoder.space(2).unwrap().unwrap().copy_from_slice(b"hi");
        decoder.filled(2);
        assert_eq!(decoder.space(2), Ok(None));
        assert_eq!(decoder.take(), b"hi");
    }

    #[test]
    fn a_lent_buffer_is_used_again_and_cut_to_length() {
        let mut decoder = Decoder::default();
        let buffer = vec![9; 100];
        let address = buffer.as_ptr();
        decoder.reuse(buffer);
        for byte in written(b"hi") {
            decoder.space(10).unwrap().unwrap()[0] = byte;
            decoder.filled(1);
        }
        assert_eq!(decoder.space(10), Ok(None));
        let message = decoder.take();
        assert_eq!((message.as_slice(), message.as_ptr()), (&b"hi"[..], address));
    }
}
