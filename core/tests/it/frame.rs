//! Frames come out of a stream as they went in, however the stream is cut; and a damaged stream is noticed.

use procession_core::frame::{Frame, FrameDecoder, FrameError, FrameHeader};
use proptest::prelude::*;
use proptest::sample::Index;

const LIMIT: usize = 300_000;

fn frame() -> impl Strategy<Value = Frame> {
    let len = prop_oneof![4 => 0..100usize, 2 => 0..20_000usize, 1 => 60_000..200_000usize];
    (len, any::<u8>(), any::<u16>()).prop_map(|(len, seed, descriptors)| {
        let payload = (0..len).map(|place| (place as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        Frame { payload, descriptors }
    })
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    proptest::collection::vec(frame(), 0..8)
}

fn stream_of(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| [&header_of(frame)[..], &frame.payload].concat()).collect()
}

fn header_of(frame: &Frame) -> [u8; FrameHeader::SIZE] {
    FrameHeader::new(frame.payload.len(), frame.descriptors).unwrap().encode()
}

/// Takes out all frames that are complete.
fn drain(decoder: &mut FrameDecoder, frames: &mut Vec<Frame>) -> Result<(), FrameError> {
    while let Some(frame) = decoder.next()? {
        frames.push(frame);
    }
    Ok(())
}

/// All frames of a stream that arrives at once, and the error that ended it, if any.
fn decode(stream: &[u8]) -> (Vec<Frame>, Result<(), FrameError>) {
    let (mut decoder, mut frames) = (FrameDecoder::new(LIMIT), Vec::new());
    decoder.push(stream);
    let end = drain(&mut decoder, &mut frames).and_then(|()| decoder.finish());
    (frames, end)
}

/// Cuts a stream into pieces of the given lengths, over and over.
fn pieces<'a>(mut stream: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    lengths.iter().cycle().map_while(move |&length| {
        let (piece, rest) = stream.split_at(length.min(stream.len()));
        stream = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Streams of many frames take a while, so there are fewer of them than usual, unless one asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(64))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pushed_in_any_pieces_frames_come_out_equal(
        frames in frames(),
        lengths in proptest::collection::vec(prop_oneof![1..20usize, 1..100_000usize], 1..6),
    ) {
        let (mut decoder, mut out) = (FrameDecoder::new(LIMIT), Vec::new());
        for piece in pieces(&stream_of(&frames), &lengths) {
            decoder.push(piece);
            drain(&mut decoder, &mut out).unwrap();
        }
        prop_assert_eq!(decoder.finish(), Ok(()));
        prop_assert!(out == frames);
    }

    #[test]
    fn read_in_any_pieces_frames_come_out_equal(
        frames in frames(),
        lengths in proptest::collection::vec(prop_oneof![1..20usize, 1..100_000usize], 1..6),
        lazy in any::<bool>(),
    ) {
        let (mut decoder, mut out) = (FrameDecoder::new(LIMIT), Vec::new());
        for mut piece in pieces(&stream_of(&frames), &lengths) {
            while !piece.is_empty() {
                let space = decoder.space();
                let count = piece.len().min(space.len());
                space[..count].copy_from_slice(&piece[..count]);
                decoder.filled(count);
                piece = &piece[count..];
                if !lazy {
                    drain(&mut decoder, &mut out).unwrap();
                }
            }
        }
        drain(&mut decoder, &mut out).unwrap();
        prop_assert_eq!(decoder.finish(), Ok(()));
        prop_assert!(out == frames);
    }

    #[test]
    fn a_stream_that_ends_early_says_so_unless_it_ends_between_frames(frames in frames(), cut in any::<Index>()) {
        let stream = stream_of(&frames);
        let cut = cut.index(stream.len() + 1);
        let (out, end) = decode(&stream[..cut]);
        let whole = stream_of(&out).len();
        prop_assert!(frames.starts_with(&out));
        let expected = if whole == cut { Ok(()) } else { Err(FrameError::Truncated { unread: cut - whole }) };
        prop_assert_eq!(end, expected);
    }

    #[test]
    fn a_damaged_header_is_noticed_and_a_damaged_payload_spoils_no_other_frame(
        frames in proptest::collection::vec(frame(), 1..6),
        victim in any::<Index>(),
        place in any::<Index>(),
        change in 1..=u8::MAX,
        in_header in any::<bool>(),
    ) {
        let victim = victim.index(frames.len());
        let before = stream_of(&frames[..victim]).len();
        let in_header = in_header || frames[victim].payload.is_empty();
        let offset = match in_header {
            true => place.index(FrameHeader::SIZE),
            false => FrameHeader::SIZE + place.index(frames[victim].payload.len()),
        };
        let mut stream = stream_of(&frames);
        stream[before + offset] ^= change;
        let (out, end) = decode(&stream);
        prop_assert!(out[..victim] == frames[..victim]);
        if in_header {
            prop_assert_eq!((out.len(), end), (victim, Err(FrameError::BadHeader)));
        } else {
            prop_assert_eq!((out.len(), end), (frames.len(), Ok(())));
            prop_assert!(out[victim] != frames[victim]);
            prop_assert!(out[victim + 1..] == frames[victim + 1..]);
        }
    }

    #[test]
    fn after_an_error_nothing_is_believed_any_more(
        garbage in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let (mut decoder, mut out) = (FrameDecoder::new(LIMIT), Vec::new());
        decoder.push(&garbage);
        let first = drain(&mut decoder, &mut out);
        prop_assert!(stream_of(&out).len() <= garbage.len());
        decoder.push(&garbage);
        if first.is_err() {
            prop_assert_eq!(decoder.next().map(|_| ()), first);
            prop_assert_eq!(decoder.finish(), first);
        }
    }
}

#[test]
fn the_limit_is_inclusive_and_found_in_the_header() {
    let mut decoder = FrameDecoder::new(10);
    decoder.push(&FrameHeader::new(10, 0).unwrap().encode());
    decoder.push(&[0; 10]);
    assert_eq!(decoder.next().unwrap().unwrap().payload, [0; 10]);
    decoder.push(&FrameHeader::new(11, 0).unwrap().encode());
    assert_eq!(decoder.next(), Err(FrameError::TooLarge { len: 11, limit: 10 }));
    decoder.push(&[0; 11]);
    assert_eq!(decoder.next(), Err(FrameError::TooLarge { len: 11, limit: 10 }));
}

#[test]
fn zeros_and_ones_are_no_header() {
    for byte in [0x00, 0xff] {
        assert_eq!(FrameHeader::decode([byte; FrameHeader::SIZE]), Err(FrameError::BadHeader));
    }
}

#[test]
#[should_panic = "more bytes were filled in than there was space for"]
fn more_than_there_was_space_for_is_refused() {
    let mut decoder = FrameDecoder::new(10);
    let offered = decoder.space().len();
    decoder.filled(offered + 1);
}
