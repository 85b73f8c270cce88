//! A Redis server of our own over a Unix socket, as a peer for the manager: the few words of its protocol that are needed.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::group::Failure;

/// A server that keeps everything in memory. It ends when this is dropped.
#[derive(Debug)]
pub struct Redis {
    server: Child,
    /// A folder of its own, where its socket is and nothing else.
    folder: PathBuf,
}

/// A connection to it.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    /// What is said next, and the last line that was heard: memory to re-use.
    words: Vec<u8>,
    line: String,
}

const SOCKET: &str = "redis.sock";

impl Redis {
    /// Starts one; `None` where the machine has none.
    ///
    /// # Errors
    ///
    /// It does not begin to listen.
    pub fn start() -> Result<Option<Redis>, Failure> {
        let folder = std::env::temp_dir().join(format!("procession-bench-redis-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        // No port, nothing kept on disk, and not a word: only what a dict needs.
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning"])
            .arg("--dir")
            .arg(&folder)
            .arg("--unixsocket")
            .arg(folder.join(SOCKET))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = match started {
            Ok(server) => server,
            Err(error) => {
                let _empty = fs::remove_dir_all(&folder);
                return if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error.into()) };
            }
        };
        let mut redis = Redis { server, folder };
        redis.wait_until_it_listens()?;
        Ok(Some(redis))
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            if let Some(status) = self.server.try_wait()? {
                return Err(format!("redis-server ended with {status} before it listened").into());
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("redis-server does not listen".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ended = self.server.kill().and_then(|()| self.server.wait());
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

impl Client {
    /// Connects to the server that listens there.
    ///
    /// # Errors
    ///
    /// The server is gone.
    pub fn connect(socket: &Path) -> io::Result<Client> {
        let writer = UnixStream::connect(socket)?;
        Ok(Client { reader: BufReader::new(writer.try_clone()?), writer, words: Vec::new(), line: String::new() })
    }

    /// Sets a field of the hash that stands for the dict.
    ///
    /// # Errors
    ///
    /// The connection, or an answer that is no number.
    pub fn set(&mut self, field: u32, value: u64) -> io::Result<()> {
        self.set_many([field], value)
    }

    /// Sets several fields, all of them on their way before the first answer is read.
    ///
    /// # Errors
    ///
    /// As [`set`](Client::set).
    pub fn set_many(&mut self, fields: impl IntoIterator<Item = u32>, value: u64) -> io::Result<()> {
        let value = value.to_string();
        let mut count = 0;
        for field in fields {
            self.say(&["HSET", "dict", &field.to_string(), &value])?;
            count += 1;
        }
        self.send()?;
        (0..count).try_for_each(|_| {
            let is_set = self.hear()?.starts_with(':');
            if is_set { Ok(()) } else { Err(io::Error::other("Redis did not set the field")) }
        })
    }

    /// The value of a field.
    ///
    /// # Errors
    ///
    /// The connection, or an answer that is no value.
    pub fn get(&mut self, field: u32) -> io::Result<u64> {
        self.say(&["HGET", "dict", &field.to_string()])?;
        self.send()?;
        let length: usize = self.hear()?.trim_start_matches('$').parse().map_err(io::Error::other)?;
        let mut value = vec![0; length + 2];
        self.reader.read_exact(&mut value)?;
        String::from_utf8_lossy(&value).trim().parse().map_err(io::Error::other)
    }

    /// How many fields there are.
    ///
    /// # Errors
    ///
    /// As [`set`](Client::set).
    pub fn len(&mut self) -> io::Result<usize> {
        self.say(&["HLEN", "dict"])?;
        self.send()?;
        self.hear()?.trim_start_matches(':').parse().map_err(io::Error::other)
    }

    fn say(&mut self, words: &[&str]) -> io::Result<()> {
        write!(self.words, "*{}\r\n", words.len())?;
        words.iter().try_for_each(|word| write!(self.words, "${}\r\n{word}\r\n", word.len()))
    }

    fn send(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.words)?;
        self.words.clear();
        Ok(())
    }

    fn hear(&mut self) -> io::Result<&str> {
        self.line.clear();
        match self.reader.read_line(&mut self.line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(self.line.trim_end()),
        }
    }
}
