//! Our own channels, as the groups `channels-…` measure them.

use std::sync::Arc;
use std::time::Instant;

use procession::Process;
use procession::channels::{self, Connection, PipeReceiver, PipeSender, Receiver, Sender};
use procession::sync::Barrier;

use crate::channels_course::{
    Small, Trip, add_up, amount, block, bytes, look_through, number, number_in, round_trips, small, stream, sum_below,
    trip, trip_bytes, wakes,
};
use crate::group::{Failure, Figure};
use crate::measure::expect;
use crate::options::Options;
use crate::pool_block::Block;

/// How many small messages may be queued.
const CAPACITY: usize = 1024;
const SMALL: usize = 5_000_000;
const TRIPS: usize = 200_000;
/// How many messages are sent or received at once by those who do.
const MANY: usize = 256;
/// Two senders and two receivers.
const PAIR: usize = 2;

/// Runs a receiver in a process, whose last argument takes its sums, and a course that gets the end from which the sums come.
macro_rules! beside {
    ($life:expr, ($($argument:expr),*), $course:expr) => {{
        let (sums, give) = channels::one_way::<u64>()?;
        let child = Process::spawn($life, ($($argument),*, give))?;
        let figure = $course(|| Ok(sums.recv()?))?;
        child.join()?;
        Ok(figure)
    }};
}

fn give(sums: &PipeSender<u64>, sum: u64) {
    sums.send(sum).expect("the sender wants the sum");
}

pub fn queue(options: Options) -> Result<Figure, Failure> {
    fn life((count, receiver, sums): (usize, Receiver<Small>, PipeSender<u64>)) {
        add_up(count, || number(receiver.recv().expect("it comes")), |sum| give(&sums, sum));
    }
    let ((sender, receiver), count) = (channels::queue(CAPACITY)?, options.part(SMALL));
    beside!(life, (count, receiver), |sum| {
        stream(count, |mut numbers| numbers.try_for_each(|n| Ok(sender.send(small(n))?)), sum)
    })
}

pub fn queue_many(options: Options) -> Result<Figure, Failure> {
    fn life((count, receiver, sums): (usize, Receiver<Small>, PipeSender<u64>)) {
        let mut some = Vec::new().into_iter();
        let next = || loop {
            match some.next() {
                Some(one) => return number(one),
                None => some = receiver.recv_many(MANY).expect("they come").into_iter(),
            }
        };
        add_up(count, next, |sum| give(&sums, sum));
    }
    let ((sender, receiver), count) = (channels::queue(CAPACITY)?, options.part(SMALL));
    beside!(life, (count, receiver), |sum| {
        stream(count, |numbers| Ok(sender.send_many(numbers.map(small)).map(drop)?), sum)
    })
}

pub fn one_way(options: Options) -> Result<Figure, Failure> {
    fn life((count, receiver, sums): (usize, PipeReceiver<Small>, PipeSender<u64>)) {
        add_up(count, || number(receiver.recv().expect("it comes")), |sum| give(&sums, sum));
    }
    let ((receiver, sender), count) = (channels::one_way()?, options.part(SMALL));
    beside!(life, (count, receiver), |sum| {
        stream(count, |mut numbers| numbers.try_for_each(|n| Ok(sender.send(small(n))?)), sum)
    })
}

pub fn one_way_bytes(options: Options) -> Result<Figure, Failure> {
    fn life((count, receiver, sums): (usize, PipeReceiver<()>, PipeSender<u64>)) {
        let mut room = [0; 16];
        let next = || {
            let len = receiver.recv_bytes_into(&mut room).expect("it comes");
            number_in(&room[..len])
        };
        add_up(count, next, |sum| give(&sums, sum));
    }
    let ((receiver, sender), count) = (channels::one_way()?, options.part(SMALL));
    beside!(life, (count, receiver), |sum| {
        stream(count, |mut numbers| numbers.try_for_each(|n| Ok(sender.send_bytes(&bytes(n))?)), sum)
    })
}

/// One of two senders: comes, and sends.
type SenderLife = fn((usize, Sender<Small>, Barrier));
/// One of two receivers: comes, and answers the sum and the number of all it got.
type ReceiverLife = fn((Receiver<Small>, Barrier)) -> (u64, u64);

pub fn pairs(options: Options) -> Result<Figure, Failure> {
    fn send((count, sender, start): (usize, Sender<Small>, Barrier)) {
        start.wait().expect("all come");
        (0..count as u64).for_each(|n| sender.send(small(n)).expect("a receiver"));
    }
    fn receive((receiver, start): (Receiver<Small>, Barrier)) -> (u64, u64) {
        start.wait().expect("all come");
        let numbers = receiver.iter().map(|item| number(item.expect("it is whole")));
        numbers.fold((0, 0), |(sum, count), n| (sum + n, count + 1))
    }
    in_pairs(options.part(SMALL) / PAIR, send, receive)
}

pub fn pairs_many(options: Options) -> Result<Figure, Failure> {
    fn send((count, sender, start): (usize, Sender<Small>, Barrier)) {
        start.wait().expect("all come");
        sender.send_many((0..count as u64).map(small)).expect("a receiver");
    }
    fn receive((receiver, start): (Receiver<Small>, Barrier)) -> (u64, u64) {
        start.wait().expect("all come");
        let mut totals = (0, 0);
        while let Ok(some) = receiver.recv_many(MANY) {
            totals = some.into_iter().fold(totals, |(sum, count), one| (sum + number(one), count + 1));
        }
        totals
    }
    in_pairs(options.part(SMALL) / PAIR, send, receive)
}

fn in_pairs(count: usize, send: SenderLife, receive: ReceiverLife) -> Result<Figure, Failure> {
    let ((sender, receiver), start) = (channels::queue(CAPACITY)?, Barrier::new(2 * PAIR as u32 + 1)?);
    let receivers = (0..PAIR).map(|_| Process::spawn(receive, (receiver.clone(), start.clone())));
    let receivers = receivers.collect::<Result<Vec<_>, _>>()?;
    let senders = (0..PAIR).map(|_| Process::spawn(send, (count, sender.clone(), start.clone())));
    let senders = senders.collect::<Result<Vec<_>, _>>()?;
    drop((sender, receiver));
    start.wait()?;
    let began = Instant::now();
    senders.into_iter().try_for_each(|child| child.join())?;
    let (mut sum, mut number) = (0, 0);
    for receiver in receivers {
        let got = receiver.join()?;
        (sum, number) = (sum + got.0, number + got.1);
    }
    let took = began.elapsed();
    expect((sum, number), (PAIR as u64 * sum_below(count as u64), (PAIR * count) as u64))?;
    Ok(Figure::Value((PAIR * count) as f64 / took.as_secs_f64() / 1e6))
}

pub fn large(size: usize, options: Options) -> Result<Figure, Failure> {
    fn life((count, receiver, sums): (usize, PipeReceiver<()>, PipeSender<u64>)) {
        let mut buffer = Vec::new();
        let next = || {
            receiver.recv_bytes_reusing(&mut buffer).expect("it comes");
            look_through(&buffer)
        };
        add_up(count, next, |sum| give(&sums, sum));
    }
    large_course(size, options, life)
}

pub fn large_in_place(size: usize, options: Options) -> Result<Figure, Failure> {
    fn life((count, receiver, sums): (usize, PipeReceiver<()>, PipeSender<u64>)) {
        let next = || look_through(&receiver.recv_in_place().expect("it comes"));
        add_up(count, next, |sum| give(&sums, sum));
    }
    large_course(size, options, life)
}

fn large_course(
    size: usize,
    options: Options,
    life: fn((usize, PipeReceiver<()>, PipeSender<u64>)),
) -> Result<Figure, Failure> {
    let ((receiver, sender), count) = (channels::one_way()?, amount(size, options));
    beside!(life, (count, receiver), |sum| {
        crate::channels_course::large(size, count, |block| Ok(sender.send_bytes(block)?), sum)
    })
}

/// Values that serde carries as bytes; each is allocated anew where it arrives.
pub fn large_queue(size: usize, options: Options) -> Result<Figure, Failure> {
    fn life((count, receiver, sums): (usize, Receiver<Block>, PipeSender<u64>)) {
        add_up(count, || look_through(&receiver.recv().expect("it comes").0), |sum| give(&sums, sum));
    }
    let ((sender, receiver), count) = (channels::queue(2)?, amount(size, options) / 4 + 1);
    let value = Block(Arc::new(block(size)));
    beside!(life, (count, receiver), |sum| {
        crate::channels_course::large(size, count, |_| Ok(sender.send(value.clone())?), sum)
    })
}

/// Values that serde carries number by number.
pub fn large_points(size: usize, options: Options) -> Result<Figure, Failure> {
    type Points = Vec<[f64; 2]>;
    fn life((count, receiver, sums): (usize, Receiver<Points>, PipeSender<u64>)) {
        // One of each page, as in blocks of bytes.
        let look_through = |points: Points| points.iter().step_by(256).map(|[x, _]| *x as u64).sum();
        add_up(count, || look_through(receiver.recv().expect("it comes")), |sum| give(&sums, sum));
    }
    let ((sender, receiver), count) = (channels::queue(2)?, amount(size, options) / 4 + 1);
    let value = vec![[1.0, 0.5]; size / size_of::<[f64; 2]>()];
    beside!(life, (count, receiver), |sum| {
        crate::channels_course::large(size, count, |_| Ok(sender.send(value.clone())?), sum)
    })
}

fn echo_bytes(there: Connection<(), ()>) {
    let mut room = [0; 64];
    while let Ok(len) = there.recv_bytes_into(&mut room) {
        there.send_bytes(&room[..len]).expect("it is wanted");
    }
}

/// There and back, the bytes of a number.
fn echoed_bytes(here: &Connection<(), ()>, n: u64) -> Result<(), Failure> {
    let mut room = [0; 64];
    here.send_bytes(&trip_bytes(n))?;
    let len = here.recv_bytes_into(&mut room)?;
    expect(&room[..len], &trip_bytes(n)[..])
}

pub fn round_trip_bytes(options: Options) -> Result<Figure, Failure> {
    let (here, there) = channels::pipe::<(), ()>()?;
    let child = Process::spawn(echo_bytes, there)?;
    let figure = round_trips(options.part(TRIPS), |n| echoed_bytes(&here, n))?;
    drop(here);
    child.join()?;
    Ok(figure)
}

pub fn round_trip(options: Options) -> Result<Figure, Failure> {
    fn echo(there: Connection<Trip, Trip>) {
        while let Ok(numbers) = there.recv() {
            there.send(numbers).expect("it is wanted");
        }
    }
    let (here, there) = channels::pipe::<Trip, Trip>()?;
    let child = Process::spawn(echo, there)?;
    let figure = round_trips(options.part(TRIPS), |n| {
        here.send(trip(n))?;
        expect(here.recv()?, trip(n))
    })?;
    drop(here);
    child.join()?;
    Ok(figure)
}

pub fn wake(options: Options) -> Result<Figure, Failure> {
    let (here, there) = channels::pipe::<(), ()>()?;
    let child = Process::spawn(echo_bytes, there)?;
    let figure = wakes(options, |n| echoed_bytes(&here, n))?;
    drop(here);
    child.join()?;
    Ok(figure)
}
