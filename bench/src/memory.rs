//! The group `memory-copy`: bytes into shared memory and out of it, beside a plain copy.

use std::time::Instant;

use procession::sync::SharedMemory;

use crate::group::{Failure, Figure, Group, System};
use crate::measure::expect;
use crate::options::Options;

/// The last row is the limit: a copy from one slice to another.
pub const GROUP: Group = Group {
    name: "memory-copy",
    title: "16 MiB copied, all memory touched before",
    unit: "GB/s (higher is better)",
    systems: &[
        System { name: "procession SharedMemory::write", measure: write },
        System { name: "procession SharedMemory::read", measure: read },
        System { name: "raw memcpy", measure: plain },
    ],
};

const LENGTH: usize = 16 << 20;
const TIMES: usize = 200;

/// The throughput of a copy that is repeated, after a first one that touches all memory.
fn throughput(options: Options, mut copy: impl FnMut()) -> Figure {
    let times = options.part(TIMES);
    copy();
    let start = Instant::now();
    (0..times).for_each(|_| copy());
    Figure::Value((LENGTH * times) as f64 / start.elapsed().as_secs_f64() / 1e9)
}

fn pattern() -> Vec<u8> {
    (0..=250).cycle().take(LENGTH).collect()
}

fn write(options: Options) -> Result<Figure, Failure> {
    let (memory, bytes) = (SharedMemory::new(LENGTH)?, pattern());
    let figure = throughput(options, || memory.write(0, &bytes));
    let mut last = [0; 2];
    memory.read(LENGTH - 2, &mut last);
    expect(&last[..], &bytes[LENGTH - 2..])?;
    Ok(figure)
}

fn read(options: Options) -> Result<Figure, Failure> {
    let (memory, bytes) = (SharedMemory::new(LENGTH)?, pattern());
    memory.write(0, &bytes);
    let mut into = vec![0; LENGTH];
    let figure = throughput(options, || memory.read(0, &mut into));
    expect(into == bytes, true)?;
    Ok(figure)
}

fn plain(options: Options) -> Result<Figure, Failure> {
    let (bytes, mut into) = (pattern(), vec![0; LENGTH]);
    let figure = throughput(options, || std::hint::black_box(&mut into).copy_from_slice(&bytes));
    expect(into == bytes, true)?;
    Ok(figure)
}
