//! The group `codec`: what it takes to write typed values as bytes, and to read them.

use std::hint::black_box;
use std::time::Instant;

use procession_core::codec::{append, decode_from};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::group::{Failure, Figure, Group, System};
use crate::measure::expect;
use crate::options::Options;

/// For each kind of list, both ways.
pub const GROUP: Group = Group {
    name: "codec",
    title: "lists of 100,000 values, written into a buffer and read from it",
    unit: "ns per value (lower is better)",
    systems: &[
        System { name: "procession, [f64; 2] written", measure: |options| written(&pairs(), options) },
        System { name: "procession, [f64; 2] read", measure: |options| read(&pairs(), options) },
        System { name: "procession, struct written", measure: |options| written(&points(), options) },
        System { name: "procession, struct read", measure: |options| read(&points(), options) },
        System { name: "procession, u64 written", measure: |options| written(&hashes(), options) },
        System { name: "procession, u64 read", measure: |options| read(&hashes(), options) },
        System { name: "procession, small u64 written", measure: |options| written(&counts(), options) },
        System { name: "procession, small u64 read", measure: |options| read(&counts(), options) },
        System { name: "procession, u8 written", measure: |options| written(&bytes(), options) },
        System { name: "procession, u8 read", measure: |options| read(&bytes(), options) },
    ],
};

const COUNT: usize = 100_000;
/// How often a list is written or read. The figure is that of the fastest time, which no other process has disturbed.
const TIMES: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

fn pairs() -> Vec<[f64; 2]> {
    (0..COUNT).map(|n| [n as f64, n as f64 / 2.0]).collect()
}

fn points() -> Vec<Point> {
    (0..COUNT).map(|n| Point { x: n as f64, y: n as f64 / 2.0 }).collect()
}

/// Numbers whose bits are all in use.
fn hashes() -> Vec<u64> {
    (0..COUNT as u64).map(|n| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
}

fn counts() -> Vec<u64> {
    (0..COUNT as u64).map(|n| n % 100).collect()
}

fn bytes() -> Vec<u8> {
    (0..COUNT).map(|n| n as u8).collect()
}

fn written<T: Serialize>(list: &Vec<T>, options: Options) -> Result<Figure, Failure> {
    let mut buffer = Vec::new();
    fastest(options, || {
        buffer.clear();
        append(black_box(list), &mut buffer)?;
        expect(black_box(&buffer).len() >= list.len(), true)
    })
}

fn read<T: Serialize + DeserializeOwned + PartialEq>(list: &Vec<T>, options: Options) -> Result<Figure, Failure> {
    let mut buffer = Vec::new();
    append(list, &mut buffer)?;
    expect(decode_from::<Vec<T>>(&buffer, Vec::new())? == *list, true)?;
    fastest(options, || {
        let found: Vec<T> = decode_from(black_box(&buffer), Vec::new())?;
        expect(black_box(&found).len(), list.len())
    })
}

fn fastest(options: Options, mut operation: impl FnMut() -> Result<(), Failure>) -> Result<Figure, Failure> {
    let mut fastest = f64::INFINITY;
    for _ in 0..options.part(TIMES).max(20) {
        let start = Instant::now();
        operation()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(Figure::Value(fastest * 1e9 / COUNT as f64))
}
