//! The twins for tasks of tokio.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use procession_channels::{
    Address, Client, Connection, Listener, RecvError, SendError, Sender, SocketConnection, SocketSendError, one_way,
    pipe, queue, unbounded,
};
use procession_process::Process;

const GUARD: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "current_thread")]
async fn values_from_another_process_arrive_in_order_while_tasks_wait() {
    let (sender, receiver) = queue(4).unwrap();
    let child = Process::spawn(count, sender).unwrap();
    for expected in 0..1_000 {
        assert_eq!(receiver.recv_async().await.unwrap(), expected);
    }
    assert!(matches!(receiver.recv_async().await, Err(RecvError::Disconnected)));
    child.join().unwrap();
}

fn count(sender: Sender<u32>) {
    (0..1_000).for_each(|n| sender.send(n).unwrap());
}

#[tokio::test(flavor = "current_thread")]
async fn a_full_queue_lets_other_tasks_run() {
    let (sender, receiver) = queue(1).unwrap();
    let sending = async {
        for n in 0..500_u32 {
            sender.send_async(n).await.unwrap();
        }
        drop(sender);
    };
    let receiving = async {
        let mut sum = 0;
        while let Ok(n) = receiver.recv_async().await {
            sum += n;
        }
        sum
    };
    assert_eq!(tokio::join!(sending, receiving).1, (0..500).sum());
}

#[tokio::test(flavor = "current_thread")]
async fn the_end_of_the_other_side_is_seen_while_waiting() {
    let (here, there) = pipe::<u8, u8>().unwrap();
    let child = Process::spawn(hold, there).unwrap();
    let waiting = here.recv_async();
    let killing = async { child.kill() };
    assert!(matches!(tokio::join!(waiting, killing).0, Err(RecvError::Disconnected)));
    child.join().unwrap_err();
    // Whoever ends closes one descriptor after the other, and so does the server that made the child.
    let begin = Instant::now();
    let refused = loop {
        match here.send_async(1).await {
            Ok(()) if begin.elapsed() < GUARD => tokio::task::yield_now().await,
            sent => break sent,
        }
    };
    assert!(matches!(refused, Err(SendError::Disconnected(1))), "{refused:?} after {:?}", begin.elapsed());
}

fn hold(_end: Connection<u8, u8>) {
    loop {
        std::thread::park();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_dropped_future_has_taken_nothing() {
    let (receiver, sender) = one_way().unwrap();
    for n in 0..50_u32 {
        let cancelled = tokio::time::timeout(Duration::ZERO, receiver.recv_async()).await;
        assert!(cancelled.is_err());
        sender.send(n).unwrap();
        assert_eq!(receiver.recv_async().await.unwrap(), n);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_one_receiver() {
    let (sender, receiver) = unbounded().unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let receiver = receiver.clone();
            tokio::spawn(async move { receiver.recv_async().await.unwrap() })
        })
        .collect();
    sender.send_many(0..20_u32).unwrap();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!(sum, (0..20).sum());
}

#[tokio::test(flavor = "current_thread")]
async fn messages_of_several_tasks_do_not_mix_on_a_socket() {
    let (here, there) = UnixStream::pair().unwrap();
    let (here, there) = (SocketConnection::from(here), SocketConnection::from(there));
    let message = |fill: u8| vec![fill; 1 << 20];
    let (first, second) = (message(1), message(2));
    let sending = async { tokio::join!(here.send_bytes_async(&first), here.send_bytes_async(&second)) };
    let receiving = async { [there.recv_bytes_async().await.unwrap(), there.recv_bytes_async().await.unwrap()] };
    let (sent, received) = tokio::join!(sending, receiving);
    sent.0.unwrap();
    sent.1.unwrap();
    assert_eq!(received, [message(1), message(2)]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_message_that_is_dropped_in_the_middle_is_cut_off() {
    let (here, _there) = UnixStream::pair().unwrap();
    let here = SocketConnection::from(here);
    let message = vec![0; 10 << 20];
    let sent = tokio::time::timeout(Duration::from_millis(1), here.send_bytes_async(&message)).await;
    assert!(sent.is_err(), "nobody reads");
    assert!(matches!(here.send_bytes_async(b"more").await, Err(SocketSendError::CutOff)));
}

#[tokio::test(flavor = "current_thread")]
async fn a_silent_stranger_keeps_nobody_waiting() {
    let listener = Listener::bind("127.0.0.1:0".parse::<Address>().unwrap(), "key").unwrap();
    let Address::Tcp(address) = listener.address().clone() else { panic!("not TCP") };
    let _stranger = std::net::TcpStream::connect(address).unwrap();
    let client = std::thread::spawn(move || Client::connect(address, "key").unwrap());
    let accepted = listener.accept_async().await.unwrap();
    client.join().unwrap().send(&"hello").unwrap();
    assert_eq!(accepted.recv_async::<String>().await.unwrap(), "hello");
}
