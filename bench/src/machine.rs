//! The machine: what its figures depend on, and how to keep all work on one of its cores.

use std::process::Command;
use std::{fs, io, thread};

use nix::sched::{self, CpuSet};
use nix::unistd::Pid;

use crate::python;

/// What a reader needs in order to compare figures of different machines.
pub fn facts() -> String {
    let cores = thread::available_parallelism().map_or(0, |cores| cores.get());
    let facts = [
        format!("- processor: {} ({cores} cores usable)", field("/proc/cpuinfo", "model name")),
        format!("- memory: {}, available: {}", memory("MemTotal"), memory("MemAvailable")),
        format!("- Linux {}", read("/proc/sys/kernel/osrelease")),
        format!("- load before the run: {}", read("/proc/loadavg")),
        format!("- transparent huge pages: {}", read("/sys/kernel/mm/transparent_hugepage/enabled")),
        format!("- {}", version("rustc")),
        format!("- {}", python::version().unwrap_or_else(|| "no CPython".into())),
    ];
    format!("## Machine\n\n{}\n", facts.join("\n"))
}

/// Restricts this process, and so its children, to the first core that it may use.
pub fn pin_to_one_core() -> io::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched::sched_getaffinity(this)?;
    let first = (0..CpuSet::count()).find(|core| allowed.is_set(*core).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(first.unwrap_or(0))?;
    Ok(sched::sched_setaffinity(this, &one)?)
}

/// How much memory could be had without swapping, in bytes.
pub fn available_memory() -> Option<u64> {
    let text = field("/proc/meminfo", "MemAvailable");
    let kibibytes: u64 = text.split(' ').next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn memory(name: &str) -> String {
    field("/proc/meminfo", name)
}

/// The value of the first `name: value` line of a file.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let value = fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned());
    value.unwrap_or_else(|| "unknown".into())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

fn version(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("{program}: unknown"))
}
