//! The command lines of launchers: pure.

use crate::launch::method::Method;
use crate::spec::host_spec::HostSpec;
use crate::spec::quote::quote;

/// Seconds within which `ssh` must have connected. A larger value waits longer for a host that is off; a smaller one gives slow networks up.
const SSH_CONNECT: &str = "ConnectTimeout=15";
/// Seconds between two questions of `ssh` whether a silent host is still there, and how many stay unanswered before it ends. So none is left
/// over when a cable was cut. Larger values leave it longer; smaller ones end it in a short disturbance, with the link where that goes
/// through it.
const SSH_ALIVE: &str = "ServerAliveInterval=5";
const SSH_ALIVE_COUNT: &str = "ServerAliveCountMax=3";

/// Returns the program and its arguments, which run `script` on a host. `arguments` are those of the user, for the launcher.
pub(crate) fn command_line(method: &Method, spec: &HostSpec, arguments: &[String], script: &str) -> Vec<String> {
    let on_host = ["/bin/sh", "-c", script].map(str::to_owned);
    match method {
        // The words behind the host are joined by blanks there, and read by the login shell.
        Method::Ssh => {
            let remote = format!("exec /bin/sh -c {}", always_quoted(script));
            // The user's own options come first, because the first value of an option counts. No questions, because no one sees them, and
            // no terminal, which would change bytes.
            let own = ["-T", "-o", "BatchMode=yes", "-o", SSH_CONNECT, "-o", SSH_ALIVE, "-o", SSH_ALIVE_COUNT, "--"];
            let rest: Vec<_> = own.into_iter().chain([spec.host.as_str(), &remote]).collect();
            joined(&["ssh"], arguments, &rest)
        }
        Method::Slurm => {
            let mut options = vec!["srun", "--nodes=1", "--ntasks=1", "--nodelist", &spec.host];
            // The step has all of the node's share of the allocation, beside other steps, and no library of MPI.
            options.extend([
                "--overlap",
                "--mem=0",
                "--cpu-bind=none",
                "--mpi=none",
                "--kill-on-bad-exit=0",
                "--quiet",
            ]);
            let processors = spec.workers.map(|workers| format!("--cpus-per-task={workers}"));
            options.extend(processors.as_deref());
            joined(&options, arguments, &on_host)
        }
        Method::Mpi => joined(&["mpiexec", "-n", "1", "-host", &spec.host], arguments, &on_host),
        Method::Command(template) => {
            let line = format!("exec /bin/sh -c {}", always_quoted(script));
            let filled = template.replace("{host}", &quote(&spec.host)).replace("{agent}", &quote(&line));
            let mut words = vec!["/bin/sh".to_owned(), "-c".to_owned(), filled, "sh".to_owned()];
            // They are `$@` of the command line.
            words.extend_from_slice(arguments);
            words
        }
    }
}

/// Quotes also what this shell would take as it is: the login shell of another host may be of another kind.
fn always_quoted(text: &str) -> String {
    let quoted = quote(text);
    if quoted.starts_with('\'') { quoted } else { format!("'{text}'") }
}

fn joined(options: &[&str], arguments: &[String], rest: &[impl AsRef<str>]) -> Vec<String> {
    let options = options.iter().map(|&word| word.to_owned());
    options.chain(arguments.iter().cloned()).chain(rest.iter().map(|word| word.as_ref().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn line(method: &Method, host: &str) -> Vec<String> {
        command_line(method, &HostSpec::parse(host).unwrap(), &["--extra".to_owned()], "echo 'it is'")
    }

    #[test]
    fn each_launcher_gets_its_own_words() {
        let ssh = line(&Method::Ssh, "u@h:3");
        assert_eq!(ssh[..2], ["ssh", "--extra"]);
        assert_eq!(ssh[ssh.len() - 3..], ["--", "u@h", "exec /bin/sh -c 'echo '\\''it is'\\'''"]);
        let srun = line(&Method::Slurm, "n1:3");
        assert_eq!(srun[..5], ["srun", "--nodes=1", "--ntasks=1", "--nodelist", "n1"]);
        assert_eq!(srun[srun.len() - 5..], ["--cpus-per-task=3", "--extra", "/bin/sh", "-c", "echo 'it is'"]);
        let mpi = line(&Method::Mpi, "n1");
        assert_eq!(mpi[..6], ["mpiexec", "-n", "1", "-host", "n1", "--extra"]);
    }

    #[test]
    fn a_template_passes_the_agent_through_shells() {
        let template = "test \"$1\" = --extra && test {host} = n1 && sh -c {agent}";
        let words = line(&Method::Command(template.to_owned()), "n1");
        let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "it is\n");
    }
}
