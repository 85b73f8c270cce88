//! What all channels do when they are measured: the course of a stream, of a series of round trips, and of messages that
//! wake a sleeper. The channels come as closures.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::group::{Failure, Figure};
use crate::measure::{expect, median};
use crate::options::Options;

/// A small message: a number, and one that follows from it.
pub type Small = (u64, u64);
/// What goes there and back.
pub type Trip = [u64; 8];

const PAGE: usize = 4096;
/// Round trips are too short to be timed one by one.
const TRIPS: usize = 100;
/// After this time a waiting process has gone to sleep.
const NAP: Duration = Duration::from_millis(2);

pub fn small(n: u64) -> Small {
    (n, !n)
}

/// The number in a small message; one that makes every sum wrong if the message is not whole.
pub fn number((n, other): Small) -> u64 {
    if other == !n { n } else { u64::MAX / 2 }
}

/// The bytes of a small message.
pub fn bytes(n: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    bytes[8..].copy_from_slice(&(!n).to_le_bytes());
    bytes
}

/// The number in the bytes of a small message, as [`number`] answers it.
pub fn number_in(bytes: &[u8]) -> u64 {
    let Ok(bytes) = <[u8; 16]>::try_from(bytes) else { return u64::MAX / 2 };
    number((u64::from_le_bytes(half(&bytes, 0)), u64::from_le_bytes(half(&bytes, 8))))
}

fn half(bytes: &[u8; 16], at: usize) -> [u8; 8] {
    std::array::from_fn(|n| bytes[at + n])
}

/// How many messages the rounds of a stream have: the first one warms up. Few large ones would leave memory that the second round
/// touches for the first time.
pub fn rounds(count: usize) -> [usize; 2] {
    [count.div_ceil(10).max(8), count]
}

/// The side that receives: adds the numbers of each round and gives the sum back.
pub fn add_up(count: usize, mut recv: impl FnMut() -> u64, mut give: impl FnMut(u64)) {
    for count in rounds(count) {
        let sum = (0..count).fold(0_u64, |sum, _| sum.wrapping_add(recv()));
        give(sum);
    }
}

/// The side that sends `count` numbers and then wants their sum. The figure is in millions of messages a second.
pub fn stream(
    count: usize,
    mut send: impl FnMut(std::ops::Range<u64>) -> Result<(), Failure>,
    mut sum: impl FnMut() -> Result<u64, Failure>,
) -> Result<Figure, Failure> {
    let mut rate = 0.0;
    for count in rounds(count) {
        let (start, end) = (Instant::now(), count as u64);
        send(0..end)?;
        expect(sum()?, sum_below(end))?;
        rate = end as f64 / start.elapsed().as_secs_f64() / 1e6;
    }
    Ok(Figure::Value(rate))
}

/// 0 + 1 + … up to and without `end`.
pub fn sum_below(end: u64) -> u64 {
    end * end.saturating_sub(1) / 2
}

/// How many messages of that size make a stream.
pub fn amount(size: usize, options: Options) -> usize {
    options.part((4 << 30) / size).max(5)
}

/// A large message. What [`look_through`] finds in it is `size / PAGE`.
pub fn block(size: usize) -> Vec<u8> {
    vec![1; size]
}

/// Reads one byte of each page, so that no page is only carried.
pub fn look_through(block: &[u8]) -> u64 {
    block.iter().step_by(PAGE).map(|byte| u64::from(*byte)).sum()
}

/// Sends `count` large messages and then wants the sum of what was found in them. The figure is in GB/s.
pub fn large(
    size: usize,
    count: usize,
    mut send: impl FnMut(&[u8]) -> Result<(), Failure>,
    mut sum: impl FnMut() -> Result<u64, Failure>,
) -> Result<Figure, Failure> {
    let block = block(size);
    let mut rate = 0.0;
    for count in rounds(count) {
        let start = Instant::now();
        (0..count).try_for_each(|_| send(&block))?;
        expect(sum()?, (count * size / PAGE) as u64)?;
        rate = (count * size) as f64 / start.elapsed().as_secs_f64() / 1e9;
    }
    Ok(Figure::Value(rate))
}

/// What goes there the n-th time, and comes back.
pub fn trip(n: u64) -> Trip {
    std::array::from_fn(|at| n + at as u64)
}

/// As bytes. Put together eight at a time: one by one takes 0.1 µs, which would be a quarter of what is measured.
pub fn trip_bytes(n: u64) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (place, number) in bytes.chunks_exact_mut(8).zip(trip(n)) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// The median over groups of round trips of what one took, in microseconds. `there_and_back` checks what comes back.
pub fn round_trips(
    count: usize,
    mut there_and_back: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Figure, Failure> {
    let groups = count.div_ceil(TRIPS);
    (0..count as u64 / 10).try_for_each(&mut there_and_back)?;
    let mut times = Vec::with_capacity(groups);
    for _ in 0..groups {
        let start = Instant::now();
        (0..TRIPS as u64).try_for_each(&mut there_and_back)?;
        times.push(start.elapsed().as_secs_f64() * 1e6 / TRIPS as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(Figure::Value(median(&times)))
}

/// The median of what a round trip takes after everybody slept, in microseconds.
pub fn wakes(options: Options, mut there_and_back: impl FnMut(u64) -> Result<(), Failure>) -> Result<Figure, Failure> {
    let count = options.part(500) as u64;
    let mut times = Vec::new();
    for n in 0..count + 10 {
        sleep(NAP);
        let start = Instant::now();
        there_and_back(n)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mut times = times.split_off(10);
    times.sort_by(f64::total_cmp);
    Ok(Figure::Value(median(&times)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_have_their_numbers() {
        assert_eq!(number(small(7)), 7);
        assert_eq!(number_in(&bytes(7)), 7);
        assert_ne!(number((7, 7)), 7);
        assert_ne!(number_in(&[0; 16]), 0);
    }

    #[test]
    fn a_lost_message_is_no_figure() {
        let figure = stream(10, |_| Ok(()), || Ok(0));
        assert!(figure.is_err(), "1 + … + 9 is not 0, and of the first message alone nothing is measured");
    }

    #[test]
    fn blocks_are_looked_through() {
        assert_eq!(look_through(&block(3 * PAGE)), 3);
    }
}
