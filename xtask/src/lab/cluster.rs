//! [`Cluster`]: the hosts of the lab and the switch between them.
//!
//! The switch is a namespace of its own, and the hosts are nested in it. So the end of its first process is the end of everything:
//! processes, interfaces, mounts. What is left then is one folder.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

use super::host::{GUARD, Host};
use super::link;
use super::proc::Process;
use super::settings;
use super::tool;
use crate::failure::Failure;
use crate::step;

/// What the first process of the switch does. Its argument: the folder of the lab.
///
/// It waits for a line, so that it ends by itself when its maker has died before it could note its number. The line `tied` makes it end
/// with its standard input, the line `detached` never.
const SWITCH: &str = r#"
read -r mode || exit 1
cd "$1"
ip link set lo up && ip link add br0 type bridge && ip link set br0 up || exit 1
exec 3<> never
touch ready
if [ "$mode" = tied ]; then read -r _; exit; fi
exec < /dev/null
read -r _ <&3
"#;

/// How many hosts an address has room for, and a person an overview of.
const MAX_HOSTS: usize = 64;

/// When a cluster ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// With `cargo xtask lab down`.
    Detached,
    /// With the process that has made it.
    Tied,
}

/// A cluster that is up.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) folder: PathBuf,
    /// The first process of the switch.
    pub(super) switch: Process,
    pub(super) hosts: Vec<Host>,
    /// The standard input of the switch; only where the cluster ends with this process.
    lifeline: Option<ChildStdin>,
}

impl Cluster {
    /// Makes a driver's host `h0` and `count` others.
    pub(super) fn up(folder: &Path, count: usize, lifetime: Lifetime) -> Result<Self, Failure> {
        check_programs()?;
        let _turn = turn()?;
        if count == 0 || count > MAX_HOSTS {
            return Err(Failure::usage(format!("a lab has 1 to {MAX_HOSTS} hosts, not {count}")));
        }
        if switch_of(folder).is_some() {
            return Err(Failure::new("the lab is up already; end it with `cargo xtask lab down`"));
        }
        remove(folder)?;
        write_files(folder, count)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", folder.display())))?;
        let made = Self::start(folder, count, lifetime);
        if made.is_err() {
            // The first failure is the one to report.
            let _ = end(folder);
        }
        made
    }

    fn start(folder: &Path, count: usize, lifetime: Lifetime) -> Result<Self, Failure> {
        let (switch, lifeline) = start_switch(folder, lifetime)?;
        let hosts = (0..=count).map(|index| Host::new(folder, index)).collect();
        let cluster = Self { folder: folder.to_owned(), switch, hosts, lifeline };
        cluster.hosts.iter().try_for_each(|host| cluster.boot(host))?;
        touch(&folder.join("complete"))?;
        Ok(cluster)
    }

    /// The cluster that another call has made.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let switch =
            switch_of(folder).ok_or_else(|| Failure::new("the lab is not up; make it with `cargo xtask lab up`"))?;
        if !folder.join("complete").exists() {
            return Err(Failure::new("the lab is up in parts; end it with `cargo xtask lab down`"));
        }
        let hosts = (0..).map(|index| Host::new(folder, index)).take_while(|host| host.folder().exists()).collect();
        Ok(Self { folder: folder.to_owned(), switch, hosts, lifeline: None })
    }

    /// Turns a host on and puts its cable in.
    pub(super) fn boot(&self, host: &Host) -> Result<(), Failure> {
        host.boot(self.switch)?;
        link::connect(self.switch, host)
    }

    pub(super) fn host(&self, name: &str) -> Result<&Host, Failure> {
        self.hosts.iter().find(|host| host.name == name).ok_or_else(|| {
            let names: Vec<_> = self.hosts.iter().map(|host| host.name.as_str()).collect();
            Failure::usage(format!("the lab has no host `{name}`; choose from {}", names.join(", ")))
        })
    }

    /// The hosts but the driver's.
    pub(super) fn workers(&self) -> &[Host] {
        &self.hosts[1..]
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.lifeline.take().is_some()
            && let Err(failure) = end(&self.folder)
        {
            eprintln!("error: {failure}");
        }
    }
}

/// Ends a cluster and removes its folder, whatever state it is in.
pub(super) fn down(folder: &Path) -> Result<(), Failure> {
    let _turn = turn()?;
    end(folder)
}

fn end(folder: &Path) -> Result<(), Failure> {
    if let Some(switch) = switch_of(folder) {
        switch.signal("KILL")?;
        // The kernel ends all processes of the namespace before it lets the first one be reaped.
        tool::wait_for("the switch and all hosts have ended", GUARD, || switch.is_reaped().then_some(()))?;
    }
    remove(folder)
}

/// Where the lab of this workspace lies. One of another name can be up at the same time.
pub(super) fn folder(name: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    step::target().hash(&mut hasher);
    env::temp_dir().join(format!("procession-{name}-{:016x}", hasher.finish()))
}

/// Held while a cluster is made or ended, so that two callers do it one after the other.
fn turn() -> Result<File, Failure> {
    let path = step::target().join("lab.lock");
    let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| Failure::new(format!("cannot lock {}: {error}", path.display())))
}

/// Starts the first process of the switch, notes which it is, and lets it go on.
fn start_switch(folder: &Path, lifetime: Lifetime) -> Result<(Process, Option<ChildStdin>), Failure> {
    let trouble = |error: io::Error| Failure::new(format!("cannot start the switch: {error}"));
    let log = File::create(folder.join("switch.log")).map_err(trouble)?;
    let mut command = Command::new("setsid");
    command.args([
        "unshare",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--pid",
        "--net",
        "bash",
        "-c",
        SWITCH,
        "switch",
    ]);
    command.arg(folder).stdin(Stdio::piped()).stdout(log.try_clone().map_err(trouble)?).stderr(log);
    let mut child = command.spawn().map_err(trouble)?;
    let mut lifeline = child.stdin.take();
    let outer = Process::of(child.id());
    let first = tool::wait_for("the switch has started", GUARD, || {
        let first = outer.into_iter().flat_map(Process::children).next();
        let mut has_ended = || !matches!(child.try_wait(), Ok(None));
        first.map(Some).or_else(|| has_ended().then_some(None))
    });
    let switch = first?.ok_or_else(|| no_switch(folder))?;
    switch.write(&folder.join("switch"))?;
    let mode: &[u8] = if lifetime == Lifetime::Tied { b"tied\n" } else { b"detached\n" };
    lifeline.as_mut().map_or(Ok(()), |pipe| pipe.write_all(mode)).map_err(trouble)?;
    tool::wait_for("the switch is ready", GUARD, || {
        (folder.join("ready").exists() || !switch.is_alive()).then_some(())
    })?;
    if !switch.is_alive() {
        return Err(no_switch(folder));
    }
    Ok((switch, lifeline.filter(|_| lifetime == Lifetime::Tied)))
}

fn no_switch(folder: &Path) -> Failure {
    let said = fs::read_to_string(folder.join("switch.log")).unwrap_or_default();
    Failure::skipped(format!("this machine makes no namespaces for us: {}", said.trim()))
}

/// The programs of the system that every lab takes.
const PROGRAMS: [&str; 8] = ["bash", "ip", "kill", "mkfifo", "nft", "nsenter", "setsid", "unshare"];

fn check_programs() -> Result<(), Failure> {
    PROGRAMS.iter().try_for_each(|program| {
        let found = tool::find(program).map(drop);
        found.ok_or_else(|| {
            Failure::skipped(format!("there is no `{program}`; install iproute2, nftables and util-linux"))
        })
    })
}

/// Writes what the hosts find in place of the machine's own files.
fn write_files(folder: &Path, count: usize) -> io::Result<()> {
    fs::create_dir_all(folder.join("home"))?;
    // So that other users cannot reach what runs as root.
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    for (path, text) in settings::files(folder, count, &fs::read_to_string("/etc/passwd")?) {
        let file = folder.join("etc").join(path);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, text)?;
    }
    let made = Command::new("mkfifo").arg(folder.join("never")).status()?;
    if made.success() { Ok(()) } else { Err(io::Error::other("mkfifo failed")) }
}

/// The switch of a cluster, while it is up.
fn switch_of(folder: &Path) -> Option<Process> {
    Process::read(&folder.join("switch")).filter(|switch| switch.is_alive())
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::new(format!("cannot remove {}: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

fn touch(file: &Path) -> Result<(), Failure> {
    fs::write(file, "").map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_is_not_there_can_be_ended_but_not_opened() {
        let folder = folder("never");
        assert!(Cluster::open(&folder).unwrap_err().to_string().contains("not up"));
        assert!(end(&folder).is_ok());
    }
}
