//! OpenSSH in the lab: a server in each host, and a client that knows the way without a question.
//!
//! Keys and settings are the lab's own. Each host has a home of its own for root, so nothing of the user's is read or written.

use std::fs;
use std::path::Path;

use super::cluster::Cluster;
use super::host::{GUARD, Host};
use super::settings::SSH_PORT as PORT;
use super::tool;
use crate::failure::Failure;

/// Starts a server in each host that is on and has none.
pub(super) fn start(cluster: &Cluster) -> Result<(), Failure> {
    let server = tool::find("sshd").ok_or_else(|| Failure::skipped("there is no `sshd`; install openssh-server"))?;
    let folder = cluster.folder.join("ssh");
    make_keys(&folder)?;
    let is_on = |host: &&Host| host.init().is_some_and(|init| !init.listens_at(PORT));
    for host in cluster.hosts.iter().filter(is_on) {
        let settings = host.folder().join("sshd_config");
        write(&settings, &server_settings(&folder, host))?;
        host.run([server.as_os_str(), "-f".as_ref(), settings.as_os_str()])?;
    }
    cluster
        .hosts
        .iter()
        .filter_map(Host::init)
        .try_for_each(|init| tool::wait_for("a server of ssh listens", GUARD, || init.listens_at(PORT).then_some(())))
}

fn make_keys(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        return Ok(());
    }
    fs::create_dir(folder).map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    for name in ["id", "host"] {
        let file = folder.join(name);
        tool::run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", &file.to_string_lossy()])?;
    }
    let own = fs::copy(folder.join("id.pub"), folder.join("authorized_keys"));
    own.map(drop).map_err(|error| Failure::new(format!("cannot copy a key: {error}")))
}

fn server_settings(folder: &Path, host: &Host) -> String {
    let folder = folder.display();
    format!(
        "Port {PORT}\nListenAddress {}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n\
         PidFile /run/sshd.pid\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         StrictModes no\nUsePAM no\nUseDNS no\nMaxStartups 100\nPrintMotd no\nPrintLastLog no\n",
        host.address()
    )
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))
}
