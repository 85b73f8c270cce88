//! A cable that takes time: carries the packets of two TAP devices to each other, each after a delay.
//!
//! `cable NEAR FAR MICROSECONDS` makes the two devices in its own network, prints `ready`, and goes on until it is killed.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::AsRawFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;

/// No Ethernet frame is larger, not even one that stands for several.
const FRAME_BYTES: usize = 1 << 16;

/// A frame and when it leaves the cable.
type Frame = (Instant, Vec<u8>);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [near, far, micros] = words.as_slice() else {
        return Err("usage: cable NEAR FAR MICROSECONDS".into());
    };
    let delay = Duration::from_micros(micros.parse()?);
    // Sleeps end 50 µs late by default; the threads inherit it.
    fs::write("/proc/self/timerslack_ns", "1")?;
    let (near, far) = (tap(near)?, tap(far)?);
    let ways = [carry(near.try_clone()?, far.try_clone()?, delay), carry(far, near, delay)];
    println!("ready");
    for way in ways {
        way.join().map_err(|_| "a thread has panicked")??;
    }
    Ok(())
}

/// Carries frames one way until a device is gone.
fn carry(from: File, to: File, delay: Duration) -> thread::JoinHandle<io::Result<()>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || take(from, delay, &sender));
    thread::spawn(move || give(to, &receiver))
}

fn take(mut from: File, delay: Duration, sender: &Sender<Frame>) -> io::Result<()> {
    let mut buffer = vec![0; FRAME_BYTES];
    loop {
        let length = from.read(&mut buffer)?;
        if sender.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
            return Ok(());
        }
    }
}

fn give(mut to: File, receiver: &Receiver<Frame>) -> io::Result<()> {
    for (leaves, frame) in receiver {
        thread::sleep(leaves.saturating_duration_since(Instant::now()));
        // A device that is down refuses it, as a cable that is not plugged in loses it.
        let _ = to.write(&frame);
    }
    Ok(())
}

/// Makes a TAP device, which lives as long as the file.
fn tap(name: &str) -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: an `ifreq` is plain data, for which zeros are a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    // The last byte stays zero and ends the name.
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::IFF_TAP as i16 | libc::IFF_NO_PI as i16;
    // SAFETY: the descriptor is open, and TUNSETIFF reads and writes one `ifreq`, which lives here.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(file) }
}
