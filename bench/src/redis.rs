//! A Redis server of our own over a Unix socket, as a peer for the manager: the few words of its protocol that are needed.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::group::Failure;

/// A server that keeps everything in memory. It ends when this is dropped.
#[derive(Debug)]
pub struct Redis {
    server: Child,
    socket: PathBuf,
}

/// A connection to it.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Redis {
    /// Starts one; `None` where the machine has none.
    ///
    /// # Errors
    ///
    /// It does not begin to listen.
    pub fn start() -> Result<Option<Redis>, Failure> {
        let socket = std::env::temp_dir().join(format!("procession-bench-redis-{}", std::process::id()));
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let server = match started {
            Ok(server) => server,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let redis = Redis { server, socket };
        let begun = Instant::now();
        while UnixStream::connect(&redis.socket).is_err() {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("redis-server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Some(redis))
    }

    /// Connects to it.
    ///
    /// # Errors
    ///
    /// The server is gone.
    pub fn client(&self) -> io::Result<Client> {
        let writer = UnixStream::connect(&self.socket)?;
        Ok(Client { reader: BufReader::new(writer.try_clone()?), writer })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ended = self.server.kill().and_then(|()| self.server.wait());
        let _gone = fs::remove_file(&self.socket);
    }
}

impl Client {
    /// Sets a field of the hash that stands for the dict.
    ///
    /// # Errors
    ///
    /// The connection, or an answer that is no number.
    pub fn set(&mut self, field: u32, value: u64) -> io::Result<()> {
        self.say(&["HSET", "dict", &field.to_string(), &value.to_string()])?;
        if self.line()?.starts_with(':') { Ok(()) } else { Err(io::Error::other("Redis did not set the field")) }
    }

    /// The value of a field.
    ///
    /// # Errors
    ///
    /// The connection, or an answer that is no value.
    pub fn get(&mut self, field: u32) -> io::Result<u64> {
        self.say(&["HGET", "dict", &field.to_string()])?;
        let header = self.line()?;
        let length: usize = header.trim_start_matches('$').parse().map_err(io::Error::other)?;
        let mut value = vec![0; length + 2];
        self.reader.read_exact(&mut value)?;
        String::from_utf8_lossy(&value).trim().parse().map_err(io::Error::other)
    }

    fn say(&mut self, words: &[&str]) -> io::Result<()> {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.writer.write_all(text.as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}
