//! The groups `sealed-round-trip` and `sealed-stream`: a sealed link to another host, beside the bare socket, over TCP on one machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Instant;

use procession_core::SealedControl;
use procession_core::os::poll::poll;

use crate::group::{Failure, Figure, Group, System};
use crate::measure::{Repeat, expect, latency};
use crate::options::Options;

/// The last row is the limit: the same bytes, which any process on the way can read and change.
pub const ROUND_TRIP: Group = Group {
    name: "sealed-round-trip",
    title: "64 bytes over TCP to another thread and back",
    unit: "µs",
    systems: &[
        System { name: "procession SealedControl", measure: sealed_round_trip },
        System { name: "raw TCP", measure: raw_round_trip },
    ],
};

/// The limits are the cipher, about 1.3 GB/s for one thread, and the copies of the last row.
pub const STREAM: Group = Group {
    name: "sealed-stream",
    title: "messages of 64 KiB over TCP to another thread",
    unit: "GB/s (higher is better)",
    systems: &[
        System { name: "procession SealedControl", measure: sealed_stream },
        System { name: "raw TCP", measure: raw_stream },
    ],
};

const SMALL: usize = 64;
const LARGE: usize = 64 << 10;
const ROUND_TRIPS: usize = 20_000;
const MESSAGES: usize = 10_000;

fn connected() -> Result<(TcpStream, TcpStream), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let there = listener.accept()?.0;
    here.set_nodelay(true)?;
    there.set_nodelay(true)?;
    Ok((here, there))
}

/// Two ends of a sealed link.
fn sealed() -> Result<(SealedControl, SealedControl), Failure> {
    let (here, there) = connected()?;
    let both =
        |socket: TcpStream| -> Result<(OwnedFd, OwnedFd), Failure> { Ok((socket.try_clone()?.into(), socket.into())) };
    let ((read, write), (other_read, other_write)) = (both(here)?, both(there)?);
    let other = thread::spawn(move || SealedControl::respond(other_read, other_write, &[7; 32], None));
    let here = SealedControl::initiate(read, write, &[7; 32], None)?;
    Ok((here, other.join().map_err(|_| "the other side panicked")??))
}

fn sealed_round_trip(options: Options) -> Result<Figure, Failure> {
    let (mut here, mut there) = sealed()?;
    let echo = thread::spawn(move || {
        while let Ok(Some(text)) = there.recv::<String>(None) {
            there.post(&text).expect("the other side reads");
        }
    });
    let text = "x".repeat(SMALL - 1); // its length is a byte before it
    let figure = latency(Repeat::times(ROUND_TRIPS).under(options), || {
        here.post(&text)?;
        expect(here.recv::<String>(None)?.as_ref(), Some(&text))
    })?;
    drop(here);
    echo.join().map_err(|_| "the other side panicked")?;
    Ok(figure)
}

fn raw_round_trip(options: Options) -> Result<Figure, Failure> {
    let (mut here, mut there) = connected()?;
    let echo = thread::spawn(move || {
        let mut bytes = [0; SMALL];
        while there.read_exact(&mut bytes).is_ok() {
            there.write_all(&bytes).expect("the other side reads");
        }
    });
    let mut bytes = [0; SMALL];
    let figure = latency(Repeat::times(ROUND_TRIPS).under(options), || {
        here.write_all(&[7; SMALL])?;
        here.read_exact(&mut bytes)?;
        expect(bytes, [7; SMALL])
    })?;
    drop(here);
    echo.join().map_err(|_| "the other side panicked")?;
    Ok(figure)
}

fn rate(messages: usize, start: Instant) -> Figure {
    Figure::Value((messages * LARGE) as f64 / start.elapsed().as_secs_f64() / 1e9)
}

fn sealed_stream(options: Options) -> Result<Figure, Failure> {
    let (mut here, mut there) = sealed()?;
    let messages = options.part(MESSAGES);
    let reader = thread::spawn(move || {
        (0..messages).all(|_| there.recv::<String>(None).is_ok_and(|text| text.is_some_and(|text| text.len() == LARGE)))
    });
    let text = "x".repeat(LARGE);
    let start = Instant::now();
    for _ in 0..messages {
        here.post(&text)?;
        while !here.flush()? {
            poll(&[here.pollable()], None)?;
        }
    }
    let is_whole = reader.join().map_err(|_| "the reader panicked")?;
    let figure = rate(messages, start);
    expect(is_whole, true)?;
    Ok(figure)
}

fn raw_stream(options: Options) -> Result<Figure, Failure> {
    let (mut here, mut there) = connected()?;
    let messages = options.part(MESSAGES);
    let reader = thread::spawn(move || {
        let mut bytes = vec![0; LARGE];
        (0..messages).all(|_| there.read_exact(&mut bytes).is_ok())
    });
    let bytes = vec![7; LARGE];
    let start = Instant::now();
    for _ in 0..messages {
        here.write_all(&bytes)?;
    }
    let is_whole = reader.join().map_err(|_| "the reader panicked")?;
    let figure = rate(messages, start);
    expect(is_whole, true)?;
    Ok(figure)
}
