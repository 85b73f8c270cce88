//! The hosts that a batch system or the user names in the environment.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use crate::api::error::HostsError;
use crate::launch::method::Method;
use crate::spec::host_spec::HostSpec;
use crate::spec::{node_file, slurm_nodes};

/// Where hosts were found, which says how they are reached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) method: Method,
    pub(crate) hosts: Vec<HostSpec>,
}

/// Looks for the hosts in the variables of an environment.
pub(crate) fn find(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Found, HostsError> {
    // The user's own word first, because a program may run in an allocation and yet use other hosts.
    if let Some(list) = text(variable, "PROCESSION_HOSTS")? {
        return found(Method::Ssh, HostSpec::parse_list(&list)?);
    }
    if text(variable, "SLURM_JOB_NODELIST")?.is_some() {
        return found(Method::Slurm, slurm(variable)?);
    }
    for name in ["PBS_NODEFILE", "LSB_DJOB_HOSTFILE"] {
        if let Some(path) = text(variable, name)? {
            let unreadable = |source| HostsError::Unreadable { variable: name, path: PathBuf::from(&path), source };
            let lines = fs::read_to_string(&path).map_err(unreadable)?;
            // Their nodes let the owner of the job in by ssh, or have `blaunch` for LSF.
            return found(Method::Ssh, node_file::parse(&lines)?);
        }
    }
    Err(HostsError::NoList)
}

/// Reads the nodes of the present allocation of Slurm, with their processors.
pub(crate) fn slurm(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<HostSpec>, HostsError> {
    let nodes = text(variable, "SLURM_JOB_NODELIST")?.ok_or(HostsError::NoList)?;
    let processors = text(variable, "SLURM_JOB_CPUS_PER_NODE")?;
    Ok(slurm_nodes::parse(&nodes, processors.as_deref())?)
}

fn found(method: Method, hosts: Vec<HostSpec>) -> Result<Found, HostsError> {
    if hosts.is_empty() { Err(HostsError::Empty) } else { Ok(Found { method, hosts }) }
}

fn text(variable: &dyn Fn(&str) -> Option<OsString>, name: &str) -> Result<Option<String>, HostsError> {
    let text = variable(name).map(OsString::into_string).transpose();
    text.map_err(|_| HostsError::Malformed(format!("the variable {name} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(set: &[(&str, &str)]) -> Result<Found, HostsError> {
        find(&|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    fn names(found: &Found) -> Vec<(&str, Option<usize>)> {
        found.hosts.iter().map(|spec| (spec.host.as_str(), spec.workers.map(usize::from))).collect()
    }

    #[test]
    fn the_users_word_comes_before_the_batch_systems() {
        let found = find_in(&[("SLURM_JOB_NODELIST", "n[1-2]"), ("PROCESSION_HOSTS", "a,b:2")]).unwrap();
        assert_eq!((&found.method, names(&found)), (&Method::Ssh, vec![("a", None), ("b", Some(2))]));
    }

    #[test]
    fn slurm_gives_nodes_and_processors() {
        let found = find_in(&[("SLURM_JOB_NODELIST", "n[1-2]"), ("SLURM_JOB_CPUS_PER_NODE", "4(x2)")]).unwrap();
        assert_eq!((&found.method, names(&found)), (&Method::Slurm, vec![("n1", Some(4)), ("n2", Some(4))]));
    }

    #[test]
    fn files_of_pbs_and_lsf_have_a_line_for_each_worker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes");
        fs::write(&path, "n1\nn1\nn2\n").unwrap();
        for name in ["PBS_NODEFILE", "LSB_DJOB_HOSTFILE"] {
            let found = find_in(&[(name, path.to_str().unwrap())]).unwrap();
            assert_eq!(names(&found), [("n1", Some(2)), ("n2", Some(1))]);
            let error = find_in(&[(name, "/no/such/file")]).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot read /no/such/file, to which {name} leads"));
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_an_error() {
        assert!(matches!(find_in(&[]), Err(HostsError::NoList)));
        assert!(matches!(find_in(&[("PROCESSION_HOSTS", " ")]), Err(HostsError::Empty)));
        assert!(matches!(find_in(&[("PROCESSION_HOSTS", "a:x")]), Err(HostsError::Malformed(_))));
        assert!(matches!(find_in(&[("SLURM_JOB_NODELIST", "n[")]), Err(HostsError::Malformed(_))));
    }
}
