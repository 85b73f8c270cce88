//! [`Host`]: a machine of the lab, made of namespaces for processes, network, name, mounts, shared memory and clocks.
//!
//! Its first process reaps orphans and has no other work. When it dies, the kernel ends all others, as when a machine loses power.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::proc::{self, Process};
use super::tool;
use crate::failure::Failure;

/// How long a host may take to boot, to stop or to end. A guard against hanging: it takes a tenth of a second.
pub(super) const GUARD: Duration = Duration::from_secs(30);

/// The namespaces of a host, as options of `nsenter`.
const NAMESPACES: [&str; 6] = ["-m", "-u", "-i", "-n", "-p", "-T"];

/// What the first process of a host does. Its arguments: the folder of the lab, the host's name.
///
/// What programs look for in fixed places is mounted over it, in this host alone: names of hosts, the home of root, settings of ssh,
/// Slurm and Open MPI. `read` never ends, as the script itself holds the pipe open for writing.
const BOOT: &str = r#"
set -e
cd "$1"
echo "$2" > /proc/sys/kernel/hostname
for folder in /dev/shm /run home; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /run/sshd /run/munge
(cd etc; find . -type f) | while read -r file; do
    if [ -e "/etc/$file" ]; then
        mount --bind "etc/$file" "/etc/$file"
    elif [ -d "/etc/${file%/*}" ]; then
        mount -t tmpfs tmpfs "/etc/${file%/*}"
        cp "etc/${file%/*}/"* "/etc/${file%/*}/"
    fi
done
ip link set lo up
exec 3<> never
touch "$2/ready"
exec < /dev/null
read -r _ <&3
"#;

/// A host, on or off.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) name: String,
    /// The last number of its address, from which its name comes.
    pub(super) index: usize,
    /// The folder of the lab.
    lab: PathBuf,
}

impl Host {
    pub(super) fn new(lab: &Path, index: usize) -> Self {
        Self { name: format!("h{index}"), index, lab: lab.to_owned() }
    }

    pub(super) fn address(&self) -> String {
        address(self.index)
    }

    /// Where its files are, seen from everywhere.
    pub(super) fn folder(&self) -> PathBuf {
        self.lab.join(&self.name)
    }

    /// Turns it on, in the namespaces of the switch, so that it ends with the switch.
    ///
    /// It has no network before `connect` has put a cable in.
    pub(super) fn boot(&self, switch: Process) -> Result<(), Failure> {
        if self.init().is_some() {
            return Err(Failure::new(format!("{} is on already", self.name)));
        }
        let (ready, log) = (self.folder().join("ready"), self.folder().join("boot.log"));
        let trouble = |error: std::io::Error| Failure::new(format!("cannot boot {}: {error}", self.name));
        fs::create_dir_all(self.folder()).map_err(trouble)?;
        // It is missing at the first boot.
        let _ = fs::remove_file(&ready);
        let log_file = fs::File::create(&log).map_err(trouble)?;
        let mut command = Command::new("nsenter");
        command.args(["-t", &switch.id.to_string(), "-m", "-p", "--"]);
        command.args(self.unshare()).arg(BOOT).arg(&self.name).arg(&self.lab).arg(&self.name);
        command.stdin(Stdio::null()).stdout(log_file.try_clone().map_err(trouble)?).stderr(log_file);
        let mut child = command.spawn().map_err(trouble)?;
        let outer = Process::of(child.id());
        tool::wait_for(&format!("{} has booted", self.name), GUARD, || {
            let has_ended = !matches!(child.try_wait(), Ok(None));
            (has_ended || ready.exists()).then_some(())
        })?;
        // nsenter has one child, unshare, which has one child, the first process.
        let unshare = outer.into_iter().flat_map(Process::children);
        let init = unshare.flat_map(Process::children).next().filter(|_| ready.exists());
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let init = init.ok_or_else(|| Failure::new(format!("{} does not boot: {}", self.name, said().trim())))?;
        init.write(&self.init_file())
    }

    /// The command that makes its namespaces. Its clocks of uptime differ from those of all other hosts.
    fn unshare(&self) -> Vec<String> {
        let mut words = ["unshare", "--fork", "--kill-child", "--mount-proc", "--pid", "--net", "--uts", "--ipc"]
            .map(str::to_owned)
            .to_vec();
        let offset = (self.index * 1000).to_string();
        words.extend(["--time", "--monotonic", &offset, "--boottime", &offset, "bash", "-c"].map(str::to_owned));
        words
    }

    /// Its first process, while it is on.
    pub(super) fn init(&self) -> Option<Process> {
        Process::read(&self.init_file()).filter(|init| init.is_alive())
    }

    fn init_file(&self) -> PathBuf {
        self.folder().join("init")
    }

    fn running(&self) -> Result<Process, Failure> {
        self.init().ok_or_else(|| {
            Failure::new(format!("{} is off; turn it on with `cargo xtask lab boot {}`", self.name, self.name))
        })
    }

    /// A command that runs a program in it, in the same folder as here.
    pub(super) fn command<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Result<Command, Failure> {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.running()?.id.to_string()]).args(NAMESPACES);
        // Entering a namespace of mounts leads to its root.
        command.args(["--", "sh", "-c", r#"cd "$PWD_OUTSIDE" && unset PWD_OUTSIDE && exec "$@""#, "sh"]).args(words);
        command.env("PWD_OUTSIDE", std::env::current_dir().unwrap_or_else(|_| "/".into()));
        command.env("HOME", self.lab.join("home")).env_remove("SSH_AUTH_SOCK");
        // Open MPI refuses root without these two.
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        Ok(command)
    }

    /// Runs a program in it to its end and returns what it printed.
    pub(super) fn run<A: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = A>) -> Result<String, Failure> {
        tool::output(&mut self.command(words)?).map_err(|failure| Failure::new(format!("in {}: {failure}", self.name)))
    }

    /// Runs a program of the machine that sees only the network of the host.
    pub(super) fn run_in_network(&self, words: &[&str]) -> Result<String, Failure> {
        let id = self.running()?.id.to_string();
        tool::run("nsenter", ["-t", &id, "-n", "--"].iter().chain(words))
    }

    /// All its processes but the first one.
    pub(super) fn processes(&self) -> Vec<Process> {
        let Some((init, namespace)) = self.init().and_then(|init| Some((init, init.namespace("pid")?))) else {
            return Vec::new();
        };
        let of_host = |process: &Process| *process != init && process.namespace("pid").as_ref() == Some(&namespace);
        proc::all().into_iter().filter(|process| process.is_alive()).filter(of_host).collect()
    }

    /// Ends it at once: its kernel is gone for its processes, though not for its peers, which get the farewells of its sockets.
    pub(super) fn kill(&self) -> Result<(), Failure> {
        let init = self.running()?;
        init.signal("KILL")?;
        // The first process ends after all others.
        tool::wait_for(&format!("{} is off", self.name), GUARD, || init.is_reaped().then_some(()))
    }

    /// Stops all its processes, until no running one is found.
    pub(super) fn freeze(&self) -> Result<(), Failure> {
        self.signal_all("STOP", |process| !process.is_stopped())
    }

    /// Lets the stopped processes go on.
    pub(super) fn thaw(&self) -> Result<(), Failure> {
        self.signal_all("CONT", |process| process.is_stopped())
    }

    fn signal_all(&self, signal: &str, wants: impl Fn(&Process) -> bool) -> Result<(), Failure> {
        self.running()?;
        tool::wait_for(&format!("SIG{signal} has reached all of {}", self.name), GUARD, || {
            let left: Vec<_> = self.processes().into_iter().filter(&wants).collect();
            // One that ends meanwhile is not found the next time.
            left.iter().for_each(|process| drop(process.signal(signal)));
            left.is_empty().then_some(())
        })
    }
}

/// The address of a host of the lab.
pub(super) fn address(index: usize) -> String {
    format!("10.99.0.{}", 10 + index)
}
