//! [`Duplex`]: a stream of bytes in both directions, over one socket or over two descriptors, that never sleeps.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{read, write};

use super::epoll::Epoll;
use super::poll::{Pollable, nonblocking};

/// The two directions of a connection.
#[derive(Debug)]
pub(crate) struct Duplex {
    reader: End,
    /// `None`: `reader` is a socket for both directions.
    writer: Option<Writer>,
}

#[derive(Debug)]
struct End {
    fd: OwnedFd,
    is_socket: bool,
}

/// The writing end beside a reading end, and what both are waited for with.
#[derive(Debug)]
struct Writer {
    end: End,
    set: Epoll,
    is_watched: bool,
}

impl Duplex {
    /// Takes both directions, which may be two descriptors of one socket.
    ///
    /// Descriptors that are no sockets become non-blocking, also for other processes that hold the same open file.
    pub(crate) fn new(reader: OwnedFd, writer: OwnedFd) -> io::Result<Duplex> {
        let (from, to) = (fstat(&reader)?, fstat(&writer)?);
        let reader = End::new(reader, is_socket(&from))?;
        if reader.is_socket && is_socket(&to) && (from.st_dev, from.st_ino) == (to.st_dev, to.st_ino) {
            return Ok(Duplex { reader, writer: None });
        }
        let set = Epoll::new()?;
        set.add(Pollable::readable(reader.fd.as_fd()), 0)?;
        let end = End::new(writer, is_socket(&to))?;
        Ok(Duplex { reader, writer: Some(Writer { end, set, is_watched: false }) })
    }

    /// Reads what is there. Returns 0 at the end of the stream, and `None` where nothing is there yet.
    pub(crate) fn read(&self, space: &mut [u8]) -> io::Result<Option<usize>> {
        let End { fd, is_socket } = &self.reader;
        nonblocking(|| {
            Ok(if *is_socket { recv(fd.as_raw_fd(), space, MsgFlags::MSG_DONTWAIT) } else { read(fd, space) }?)
        })
    }

    /// Writes as much as there is room for. Returns `None` where there is none.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let End { fd, is_socket } = self.writer.as_ref().map_or(&self.reader, |writer| &writer.end);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        nonblocking(|| Ok(if *is_socket { send(fd.as_raw_fd(), bytes, flags) } else { write(fd, bytes) }?))
    }

    /// Says whether room to write is waited for from now on.
    pub(crate) fn watch_room(&mut self, is_wanted: bool) -> io::Result<()> {
        let Some(Writer { end, set, is_watched }) = &mut self.writer else { return Ok(()) };
        if *is_watched == is_wanted {
            return Ok(());
        }
        // Taken out and not only left without events: the kernel always reports a pipe without a reader, and the waiter would spin.
        let room = Pollable::readable(end.fd.as_fd()).writable_too(true);
        if is_wanted {
            set.add(room, 1)?
        } else {
            set.remove(room)?
        }
        *is_watched = is_wanted;
        Ok(())
    }

    /// Ready when there may be something to read, or room to write if that is `wanted`.
    ///
    /// The caller has passed the same to [`watch_room`](Self::watch_room).
    pub(crate) fn pollable(&self, wanted: bool) -> Pollable<'_> {
        match &self.writer {
            Some(writer) => Pollable::readable(writer.set.as_fd()),
            None => Pollable::readable(self.reader.fd.as_fd()).writable_too(wanted),
        }
    }
}

impl End {
    fn new(fd: OwnedFd, is_socket: bool) -> io::Result<End> {
        if is_socket {
            let stream = TcpStream::from(fd);
            // Only TCP knows this and holds small writes back. Other sockets refuse it, and need it not.
            let _not_tcp = stream.set_nodelay(true);
            return Ok(End { fd: stream.into(), is_socket });
        }
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(End { fd, is_socket })
    }
}

fn is_socket(about: &FileStat) -> bool {
    SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::super::poll::poll;
    use super::*;

    fn is_ready(one: &Duplex, wants_room: bool) -> bool {
        poll(&[one.pollable(wants_room)], Some(Instant::now())).expect("it can be waited for")[0]
    }

    #[test]
    fn two_descriptors_of_a_socket_are_one_and_two_pipes_are_two() {
        let (here, there) = UnixStream::pair().expect("a pair");
        let one = Duplex::new(here.try_clone().expect("a copy").into(), here.into()).expect("a socket");
        assert!(one.writer.is_none());
        drop(there);
        assert_eq!(one.read(&mut [0]).expect("an end"), Some(0));
        assert_eq!(one.write(b"x").expect_err("no reader").kind(), io::ErrorKind::BrokenPipe);

        let ((from, _writer), (reader, to)) = (io::pipe().expect("a pipe"), io::pipe().expect("a pipe"));
        let mut two = Duplex::new(from.into(), to.into()).expect("two pipes");
        assert!(!is_ready(&two, true));
        while two.write(&[0; 4096]).expect("there is a reader").is_some() {}
        two.watch_room(true).expect("it can be watched");
        assert!(!is_ready(&two, true));
        drop(reader);
        assert!(is_ready(&two, true), "the reader is gone, which a write will report");
        two.watch_room(false).expect("it is watched");
        assert!(!is_ready(&two, false));
    }

    #[test]
    fn files_are_refused() {
        let file = || std::fs::File::open("/proc/self/exe").expect("it exists").into();
        Duplex::new(file(), file()).expect_err("a file cannot be waited for");
    }
}
