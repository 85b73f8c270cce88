//! The peers in Rust: a bare socketpair and ipc-channel between processes, crossbeam-channel inside one.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crossbeam_channel::bounded;
use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender};

use crate::channels_course::{
    Small, add_up, amount, bytes, large, look_through, number, number_in, round_trips, small, stream, sum_below,
    trip_bytes, wakes,
};
use crate::group::{Failure, Figure};
use crate::measure::expect;
use crate::options::Options;
use crate::raw_channel::Fork;

const CAPACITY: usize = 1024;
const SMALL: usize = 1_000_000;
const TRIPS: usize = 50_000;
const PAIR: usize = 2;

/// Two ends of a socket in two processes. The fork has one and ends when it has lived with it.
pub fn beside_socket(life: impl FnOnce(UnixStream)) -> Result<(UnixStream, Fork), Failure> {
    let (here, there) = UnixStream::pair()?;
    let mut here = Some(here);
    // The fork closes its copy of our end, or else it would never see the end of the stream.
    let child = Fork::of(|| {
        drop(here.take());
        life(there);
    })?;
    let here = here.ok_or("only the fork gives the end away")?;
    Ok((here, child))
}

pub fn read_number(socket: &mut UnixStream) -> Result<u64, Failure> {
    let mut number = [0; 8];
    socket.read_exact(&mut number)?;
    Ok(u64::from_le_bytes(number))
}

pub fn give(socket: &mut UnixStream, sum: u64) {
    socket.write_all(&sum.to_le_bytes()).expect("the sender wants the sum");
}

pub fn socket_stream(options: Options) -> Result<Figure, Failure> {
    let count = options.part(SMALL);
    let (here, child) = beside_socket(|there| {
        let (mut from, mut to) = (&there, there.try_clone().expect("a descriptor"));
        let next = || {
            let mut room = [0; 16];
            from.read_exact(&mut room).expect("it comes");
            number_in(&room)
        };
        add_up(count, next, |sum| give(&mut to, sum));
    })?;
    let (mut to, mut from) = (&here, here.try_clone()?);
    let send = |mut numbers: std::ops::Range<u64>| numbers.try_for_each(|n| Ok(to.write_all(&bytes(n))?));
    let figure = stream(count, send, || read_number(&mut from))?;
    child.join()?;
    Ok(figure)
}

pub fn socket_large(size: usize, options: Options) -> Result<Figure, Failure> {
    let count = amount(size, options) / 4 + 1;
    let (here, child) = beside_socket(|there| {
        let (mut from, mut to, mut room) = (&there, there.try_clone().expect("a descriptor"), vec![0; size]);
        let next = || {
            from.read_exact(&mut room).expect("it comes");
            look_through(&room)
        };
        add_up(count, next, |sum| give(&mut to, sum));
    })?;
    let (mut to, mut from) = (&here, here.try_clone()?);
    let figure = large(size, count, |block| Ok(to.write_all(block)?), || read_number(&mut from))?;
    child.join()?;
    Ok(figure)
}

/// Sends each message back, until the last sender is gone.
pub fn echo_socket(mut socket: UnixStream) {
    let mut room = [0; 64];
    while socket.read_exact(&mut room).is_ok() {
        socket.write_all(&room).expect("it is wanted");
    }
}

fn echoed_by_socket(socket: &mut UnixStream, n: u64) -> Result<(), Failure> {
    let mut room = [0; 64];
    socket.write_all(&trip_bytes(n))?;
    socket.read_exact(&mut room)?;
    expect(room, trip_bytes(n))
}

pub fn socket_round_trip(options: Options) -> Result<Figure, Failure> {
    let (mut here, child) = beside_socket(echo_socket)?;
    let figure = round_trips(options.part(TRIPS), |n| echoed_by_socket(&mut here, n))?;
    drop(here);
    child.join()?;
    Ok(figure)
}

pub fn socket_wake(options: Options) -> Result<Figure, Failure> {
    let (mut here, child) = beside_socket(echo_socket)?;
    let figure = wakes(options, |n| echoed_by_socket(&mut here, n))?;
    drop(here);
    child.join()?;
    Ok(figure)
}

pub fn ipc_stream(options: Options) -> Result<Figure, Failure> {
    let count = options.part(SMALL);
    let ((sender, receiver), (give, sums)) = (ipc::channel::<Small>()?, ipc::channel::<u64>()?);
    let child = Fork::of(move || {
        let next = || number(receiver.recv().expect("it comes"));
        add_up(count, next, |sum| give.send(sum).expect("the sender wants the sum"));
    })?;
    let send = |mut numbers: std::ops::Range<u64>| numbers.try_for_each(|n| Ok(sender.send(small(n))?));
    let figure = stream(count, send, || Ok(sums.recv()?))?;
    child.join()?;
    Ok(figure)
}

pub fn ipc_large(size: usize, options: Options) -> Result<Figure, Failure> {
    let count = amount(size, options) / 8 + 1;
    let ((sender, receiver), (give, sums)) = (ipc::bytes_channel()?, ipc::channel::<u64>()?);
    let child = Fork::of(move || {
        let next = || look_through(&receiver.recv().expect("it comes"));
        add_up(count, next, |sum| give.send(sum).expect("the sender wants the sum"));
    })?;
    let figure = large(size, count, |block| Ok(sender.send(block)?), || Ok(sums.recv()?))?;
    child.join()?;
    Ok(figure)
}

/// A process that sends back what comes, until it is killed.
fn ipc_echo() -> Result<(IpcBytesSender, IpcBytesReceiver, Fork), Failure> {
    let ((there, from), (to, back)) = (ipc::bytes_channel()?, ipc::bytes_channel()?);
    let child = Fork::of(move || {
        while let Ok(block) = from.recv() {
            to.send(&block).expect("it is wanted");
        }
    })?;
    Ok((there, back, child))
}

fn echoed_by_ipc(there: &IpcBytesSender, back: &IpcBytesReceiver, n: u64) -> Result<(), Failure> {
    there.send(&trip_bytes(n))?;
    expect(&back.recv()?[..], &trip_bytes(n)[..])
}

pub fn ipc_round_trip(options: Options) -> Result<Figure, Failure> {
    let (there, back, _child) = ipc_echo()?;
    round_trips(options.part(TRIPS), |n| echoed_by_ipc(&there, &back, n))
}

pub fn ipc_wake(options: Options) -> Result<Figure, Failure> {
    let (there, back, _child) = ipc_echo()?;
    wakes(options, |n| echoed_by_ipc(&there, &back, n))
}

pub fn crossbeam_stream(options: Options) -> Result<Figure, Failure> {
    let count = options.part(5 * SMALL);
    let ((sender, receiver), (give, sums)) = (bounded::<Small>(CAPACITY), bounded(1));
    thread::scope(|scope| {
        scope.spawn(move || {
            let next = || number(receiver.recv().expect("it comes"));
            add_up(count, next, |sum| give.send(sum).expect("the sender wants the sum"));
        });
        stream(count, |mut numbers| numbers.try_for_each(|n| Ok(sender.send(small(n))?)), || Ok(sums.recv()?))
    })
}

pub fn crossbeam_pairs(options: Options) -> Result<Figure, Failure> {
    let count = options.part(5 * SMALL) / PAIR;
    let ((sender, receiver), start) = (bounded::<Small>(CAPACITY), Barrier::new(2 * PAIR + 1));
    let (took, sum) = thread::scope(|scope| {
        let receive = |receiver: crossbeam_channel::Receiver<Small>| {
            start.wait();
            receiver.iter().map(number).sum::<u64>()
        };
        let send = |sender: crossbeam_channel::Sender<Small>| {
            start.wait();
            (0..count as u64).for_each(|n| sender.send(small(n)).expect("a receiver"));
        };
        let receivers: [_; PAIR] = std::array::from_fn(|_| {
            let receiver = receiver.clone();
            scope.spawn(move || receive(receiver))
        });
        for _ in 0..PAIR {
            let sender = sender.clone();
            scope.spawn(move || send(sender));
        }
        drop((sender, receiver));
        start.wait();
        let began = Instant::now();
        let sum = receivers.map(|receiver| receiver.join().expect("no panic")).iter().sum::<u64>();
        (began.elapsed(), sum)
    });
    expect(sum, PAIR as u64 * sum_below(count as u64))?;
    Ok(Figure::Value((PAIR * count) as f64 / took.as_secs_f64() / 1e6))
}

pub fn crossbeam_round_trip(options: Options) -> Result<Figure, Failure> {
    let ((there, from), (to, back)) = (bounded::<[u8; 64]>(1), bounded(1));
    thread::scope(|scope| {
        scope.spawn(move || from.iter().for_each(|block| to.send(block).expect("it is wanted")));
        let figure = round_trips(options.part(TRIPS), |n| {
            there.send(trip_bytes(n))?;
            expect(back.recv()?, trip_bytes(n))
        });
        drop(there);
        figure
    })
}
