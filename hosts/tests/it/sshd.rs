//! A real `sshd` on this host, with its own keys. Nothing of the user's `~/.ssh` is read or written.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use procession_hosts::Hosts;
use tempfile::TempDir;

use crate::support::GUARD;

/// A running server.
pub(crate) struct Sshd {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Sshd {
    /// Starts a server. `None`, and a line that says so, where OpenSSH is not installed.
    pub(crate) fn start() -> Option<Sshd> {
        let Some(program) = find("sshd").filter(|_| find("ssh").is_some() && find("ssh-keygen").is_some()) else {
            eprintln!("skipped: OpenSSH's server and client are not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        for name in ["host", "user"] {
            let path = folder.path().join(name);
            let status = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
            assert!(status.unwrap().success());
        }
        // Its server wants the folder, and root may make it.
        let _there = fs::create_dir("/run/sshd");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let place = folder.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nAuthorizedKeysFile {place}/user.pub\nPidFile none\n\
             StrictModes no\nUsePAM no\nMaxStartups 100\nSetEnv XDG_CACHE_HOME={place}/cache\n"
        );
        let path = folder.path().join("config");
        fs::write(&path, config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(path).stdin(Stdio::null()).stderr(log);
        let mut sshd = Sshd { child: command.spawn().unwrap(), folder, port };
        sshd.wait();
        Some(sshd)
    }

    /// Waits until it listens.
    fn wait(&mut self) {
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "sshd has ended: {}", log());
            assert!(started.elapsed() < GUARD, "sshd does not listen: {}", log());
            thread::yield_now();
        }
    }

    /// Hosts that are all this one.
    pub(crate) fn hosts(&self, names: &[&str]) -> Hosts {
        let place = self.folder.path().display();
        let words = [
            "-F".to_owned(),
            "none".to_owned(),
            "-p".to_owned(),
            self.port.to_string(),
            "-i".to_owned(),
            format!("{place}/user"),
            "-o".to_owned(),
            format!("UserKnownHostsFile={place}/known"),
            "-o".to_owned(),
            "StrictHostKeyChecking=no".to_owned(),
            "-o".to_owned(),
            "LogLevel=ERROR".to_owned(),
        ];
        words.into_iter().fold(Hosts::ssh(names), Hosts::launcher_arg)
    }

    /// Where executables are staged.
    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache/procession")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Servers lie in folders that PATH may not have.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| Path::new(path).is_file())
}
