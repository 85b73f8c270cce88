//! iceoryx2 between processes: publish and subscribe, with one of each. Only with the feature `iceoryx2`, which takes a minute
//! more to build.
//!
//! Receiving is polled, first spinning and then giving way, which keeps a core busy; there is no other way without its events.

use crate::group::{Failure, Figure};
use crate::options::Options;

pub use peer::{large, stream};

#[cfg(not(feature = "iceoryx2"))]
mod peer {
    use super::*;

    pub fn stream(_: Options) -> Result<Figure, Failure> {
        Ok(left_out())
    }

    pub fn large(_: usize, _: bool, _: Options) -> Result<Figure, Failure> {
        Ok(left_out())
    }

    fn left_out() -> Figure {
        Figure::Skipped("the benchmarks were built without their feature `iceoryx2`".into())
    }
}

#[cfg(feature = "iceoryx2")]
mod peer {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use iceoryx2::port::publisher::Publisher;
    use iceoryx2::port::subscriber::Subscriber;
    use iceoryx2::prelude::*;
    use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

    use super::*;
    use crate::channels_course::{
        add_up, amount, bytes, large as large_course, look_through, number_in, stream as stream_course,
    };
    use crate::channels_peers::{beside_socket, give, read_number};

    const SMALL: usize = 1_000_000;
    const CAPACITY: usize = 1024;
    /// How many large messages there is room for, as for the raw slots.
    const ROOMS: usize = 4;
    /// So often one looks before one gives way.
    const SPINS: u32 = 2_000;

    type Service = ipc::Service;
    type Topic = PortFactory<Service, [u8], ()>;

    fn topic(node: &Node<Service>, name: &str, capacity: usize) -> Result<Topic, Failure> {
        let builder = node.service_builder(&name.try_into()?).publish_subscribe::<[u8]>();
        let builder = builder.enable_safe_overflow(false).history_size(0).max_publishers(1).max_subscribers(1);
        Ok(builder.subscriber_max_buffer_size(capacity).open_or_create()?)
    }

    /// Hands the next message to a function, which answers what it found.
    fn receive<R>(subscriber: &Subscriber<Service, [u8], ()>, found: impl FnOnce(&[u8]) -> R) -> R {
        let mut looks = 0;
        loop {
            if let Some(sample) = subscriber.receive().expect("it can be received") {
                return found(sample.payload());
            }
            looks += 1;
            if looks < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }

    fn send(publisher: &Publisher<Service, [u8], ()>, block: &[u8]) -> Result<(), Failure> {
        // Sometimes it is not delivered, although the call promises to try until it is.
        while publisher.loan_slice_uninit(block.len())?.write_from_slice(block).send()? == 0 {}
        Ok(())
    }

    /// What both sides are, and a socket for all but the messages.
    fn between<R>(
        capacity: usize,
        largest: usize,
        life: impl FnOnce(Subscriber<Service, [u8], ()>, UnixStream),
        course: impl FnOnce(&Publisher<Service, [u8], ()>, UnixStream) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        set_log_level(LogLevel::Error);
        let name = format!("procession/bench/{}", std::process::id());
        let (mut here, child) = beside_socket(|mut there| {
            let node = NodeBuilder::new().create::<Service>().expect("a node");
            let topic = topic(&node, &name, capacity).expect("a topic");
            let subscriber = topic.subscriber_builder().create().expect("a subscriber");
            there.write_all(&[1]).expect("a reader");
            life(subscriber, there);
        })?;
        here.read_exact(&mut [0])?;
        let node = NodeBuilder::new().create::<Service>()?;
        let topic = topic(&node, &name, capacity)?;
        let publisher = topic.publisher_builder().initial_max_slice_len(largest);
        let publisher = publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?;
        let figure = course(&publisher, here)?;
        child.join()?;
        Ok(figure)
    }

    pub fn stream(options: Options) -> Result<Figure, Failure> {
        let count = options.part(SMALL);
        let life = |subscriber: Subscriber<Service, [u8], ()>, mut socket: UnixStream| {
            add_up(count, || receive(&subscriber, number_in), |sum| give(&mut socket, sum));
        };
        between(CAPACITY, 16, life, |publisher, mut socket| {
            let send = |mut numbers: std::ops::Range<u64>| numbers.try_for_each(|n| send(publisher, &bytes(n)));
            stream_course(count, send, || read_number(&mut socket))
        })
    }

    /// Copied in, and copied out or read in place.
    pub fn large(size: usize, in_place: bool, options: Options) -> Result<Figure, Failure> {
        let count = amount(size, options);
        let life = |subscriber: Subscriber<Service, [u8], ()>, mut socket: UnixStream| {
            let mut copy = vec![0; if in_place { 0 } else { size }];
            let found = |block: &[u8]| {
                if in_place {
                    return look_through(block);
                }
                copy.copy_from_slice(block);
                look_through(&copy)
            };
            let mut found = found;
            add_up(count, || receive(&subscriber, &mut found), |sum| give(&mut socket, sum));
        };
        between(ROOMS, size, life, |publisher, mut socket| {
            large_course(size, count, |block| send(publisher, block), || read_number(&mut socket))
        })
    }
}
