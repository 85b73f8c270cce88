//! The files of `/etc` that the hosts find in place of the machine's own.

use std::path::Path;

use super::host;

pub(super) const SSH_PORT: u16 = 22;
pub(super) const CONTROLLER_PORT: u16 = 6817;
pub(super) const DAEMON_PORT: u16 = 6818;

/// The daemon of a node looks for groups of processes even where it is not to use them.
const CGROUP: &str = "CgroupPlugin=cgroup/v1\nCgroupAutomount=yes\n";

/// Open MPI starts each daemon from the driver's host by ssh, and no network but the lab's is tried.
const MPI: &str = "plm_rsh_agent = ssh\nplm_rsh_no_tree_spawn = 1\noob_tcp_if_include = e0\nbtl_tcp_if_include = e0\n";

/// The paths below `/etc` and the texts, for a driver's host and `count` others.
pub(super) fn files(folder: &Path, count: usize, users: &str) -> Vec<(&'static str, String)> {
    vec![
        ("hosts", hosts(count)),
        ("passwd", with_home(users, &folder.join("home"))),
        ("ssh/ssh_config", ssh_client(folder)),
        ("slurm/slurm.conf", slurm(folder, count)),
        ("slurm/cgroup.conf", CGROUP.into()),
        ("openmpi/openmpi-mca-params.conf", MPI.into()),
    ]
}

fn hosts(count: usize) -> String {
    let names = (0..=count).map(|index| format!("{} h{index}\n", host::address(index)));
    format!("127.0.0.1 localhost\n{}", names.collect::<String>())
}

/// The table of users, in which root has another home.
fn with_home(users: &str, home: &Path) -> String {
    let home = home.to_string_lossy();
    let lines = users.lines().map(|line| {
        let mut fields: Vec<_> = line.split(':').collect();
        if let [_, _, "0", _, _, place, _] = fields.as_mut_slice() {
            *place = &home;
        }
        fields.join(":") + "\n"
    });
    lines.collect()
}
/// For clients of ssh.
fn ssh_client(folder: &Path) -> String {
    let key = folder.join("ssh/id");
    format!(
        "Host *\n IdentityFile {}\n IdentitiesOnly yes\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n\
         GlobalKnownHostsFile /dev/null\n LogLevel ERROR\n BatchMode yes\n",
        key.display()
    )
}

/// For Slurm, in a cluster of `count` hosts beside the driver's.
fn slurm(folder: &Path, count: usize) -> String {
    let folder = folder.display();
    let nodes = (1..=count).map(|index| {
        let address = host::address(index);
        format!("NodeName=h{index} NodeAddr={address} NodeHostname=h{index} CPUs=2 RealMemory=500\n")
    });
    format!(
        "ClusterName=lab\nSlurmctldHost=h0({})\nSlurmctldPort={CONTROLLER_PORT}\nSlurmdPort={DAEMON_PORT}\n\
         SlurmUser=root\nSlurmdUser=root\nAuthType=auth/munge\nCryptoType=crypto/munge\nMpiDefault=none\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nJobAcctGatherType=jobacct_gather/none\n\
         AccountingStorageType=accounting_storage/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
         SchedulerType=sched/backfill\nReturnToService=2\nSlurmdTimeout=20\nSlurmctldTimeout=20\nKillWait=5\nInactiveLimit=0\n\
         SlurmctldPidFile=/run/slurmctld.pid\nSlurmdPidFile=/run/slurmd.pid\nSlurmdSpoolDir={folder}/%n/spool\n\
         StateSaveLocation={folder}/h0/state\nSlurmctldLogFile={folder}/h0/slurmctld.log\nSlurmdLogFile={folder}/%n/slurmd.log\n\
         {}PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8\n",
        host::address(0),
        nodes.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_gets_another_home() {
        let users = "root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000::/home/me:/bin/sh\n";
        let changed = with_home(users, Path::new("/l/home"));
        assert_eq!(changed, users.replace("/root:", "/l/home:"));
    }
}
