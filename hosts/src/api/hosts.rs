//! [`Hosts`]: which hosts a pool has, and how they are reached.

use std::any::Any;
use std::error::Error;
use std::fmt::Display;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use procession_pool::hosts::{HostLauncher, HostSet};

use crate::api::environment;
use crate::api::error::HostsError;
use crate::api::init::require;
use crate::launch::launcher::{Launcher, Plan};
use crate::launch::listening::Listening;
use crate::launch::method::Method;
use crate::link::cancel::Cancel;
use crate::link::door::Door;
use crate::link::key_file;
use crate::spec::host_spec::HostSpec;
use crate::stage::executable::Executable;
use crate::tuning::{DEFAULT_LEASE, DEFAULT_MAX_HOSTS, LAUNCH_TIMEOUT};

/// The hosts of a pool. For [`PoolBuilder::hosts`](procession_pool::PoolBuilder::hosts).
///
/// ```no_run
/// use procession_hosts::Hosts;
/// use procession_pool::Pool;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     procession_hosts::init();
///     let pool = Pool::builder().hosts(Hosts::ssh(["node1", "node2:16"])).build()?;
///     assert_eq!(pool.map(|n: u64| n * n, 0..5)?, [0, 1, 4, 9, 16]);
///     Ok(())
/// }
/// ```
///
/// A host is written as `host`, `user@host`, or `host:workers`. Without a number it gets a worker for each of its processors. An IPv6
/// address stands in brackets where a number follows.
#[derive(Debug)]
#[must_use = "hosts do nothing until a pool has them"]
pub struct Hosts {
    /// An error is kept for the pool's `build`.
    source: Result<Source, HostsError>,
    executable: Executable,
    arguments: Vec<String>,
    is_tunnelled: bool,
    launch_timeout: Duration,
    local_workers: usize,
    lease: Duration,
    rejoin: bool,
}

/// Where the agents come from.
#[derive(Debug)]
enum Source {
    /// Without hosts until they are given, where the environment names none.
    Launched {
        method: Method,
        hosts: Result<Vec<HostSpec>, HostsError>,
    },
    Joining {
        door: Door,
        max_hosts: usize,
    },
}

impl Hosts {
    /// Reaches hosts by OpenSSH: one `ssh` for each, which must log in without a question.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::ssh(["node1", "me@node2:16", "[fd00::7]:4"]);
    /// # drop(hosts);
    /// ```
    pub fn ssh<S: AsRef<str>>(hosts: impl IntoIterator<Item = S>) -> Hosts {
        Hosts::launched(Method::Ssh, Ok(Vec::new())).on(hosts)
    }

    /// Takes the nodes of the present allocation of Slurm: one step of `srun` for each. A node gets a worker for each of its
    /// allocated processors.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::slurm();
    /// # drop(hosts);
    /// ```
    pub fn slurm() -> Hosts {
        Hosts::launched(Method::Slurm, environment::slurm(&|name| std::env::var_os(name)))
    }

    /// Starts agents by `mpiexec`, one launch for each host, so that the death of one host does not end the others. The hosts are those
    /// that [`from_env`](Hosts::from_env) finds, or are given by [`on`](Hosts::on). Agents never call `MPI_Init`.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::mpi().on(["node1", "node2:16"]);
    /// # drop(hosts);
    /// ```
    pub fn mpi() -> Hosts {
        Hosts::launched(Method::Mpi, environment::find(&|name| std::env::var_os(name)).map(|found| found.hosts))
    }

    /// Starts agents by a command line, which a shell reads, once for each host. The hosts are those that
    /// [`from_env`](Hosts::from_env) finds, or are given by [`on`](Hosts::on).
    ///
    /// `{host}` stands for the host, and `{agent}` for one word with a command line that a shell on the host must run. The standard input
    /// and output must lead there. In a template without `{host}` that is not given hosts, there is one host, called `command`.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let rsh = Hosts::command("rsh {host} {agent}").on(["node1", "node2"]);
    /// let containers = Hosts::command("docker exec -i {host} sh -c {agent}").on(["box1:2", "box2:2"]);
    /// let limited_here = Hosts::command("nice sh -c {agent}");
    /// # drop((rsh, containers, limited_here));
    /// ```
    pub fn command(template: impl Into<String>) -> Hosts {
        let template = template.into();
        let found = if template.contains("{host}") {
            environment::find(&|name| std::env::var_os(name)).map(|found| found.hosts)
        } else {
            Ok(vec![HostSpec { host: "command".to_owned(), workers: None }])
        };
        if !template.contains("{agent}") {
            return Hosts::new(Err(HostsError::NoAgent { template }));
        }
        Hosts::launched(Method::Command(template), found)
    }

    /// Waits for agents that come by themselves, as from containers: this program, started there with
    /// `PROCESSION_JOIN=driver:7000 PROCESSION_KEY_FILE=key`. They may come and go at any time. Building the pool waits for the first one.
    /// A free place counts as a worker that is starting, so [`broadcast`](procession_pool::Pool::broadcast) waits until all places are taken.
    ///
    /// The file has the key that both sides must know, and [`create_key_file`](crate::create_key_file) makes it. Options about
    /// launchers and the executable mean nothing here.
    ///
    /// ```
    /// use procession_hosts::{Hosts, create_key_file};
    ///
    /// let path = std::env::temp_dir().join(format!("procession-listen-{}", std::process::id()));
    /// create_key_file(&path)?;
    /// let hosts = Hosts::listen("127.0.0.1:0", &path);
    /// println!("PROCESSION_JOIN={} PROCESSION_KEY_FILE=…", hosts.address().expect("it listens"));
    /// # drop(hosts);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen(address: impl ToSocketAddrs + Display, key_file: impl AsRef<Path>) -> Hosts {
        let path = key_file.as_ref();
        let key = key_file::read(path).map_err(|source| HostsError::KeyFile { path: path.to_owned(), source });
        let door = key.and_then(|key| {
            let addresses = address.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let door = addresses.and_then(|addresses| Door::open(&addresses, key));
            door.map_err(|source| HostsError::Listen { address: address.to_string(), source })
        });
        Hosts::new(door.map(|door| Source::Joining { door, max_hosts: DEFAULT_MAX_HOSTS }))
    }

    /// Takes the hosts that the environment names: `PROCESSION_HOSTS` (`node1,node2:16`) by ssh, an allocation of Slurm by `srun`, the files of PBS
    /// (`PBS_NODEFILE`) and LSF (`LSB_DJOB_HOSTFILE`) by ssh. The first of them that is set counts.
    ///
    /// # Errors
    ///
    /// [`HostsError::NoList`] where none is set, and the other variants where the list cannot be read.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// match Hosts::from_env() {
    ///     Ok(hosts) => println!("many machines: {hosts:?}"),
    ///     Err(error) => println!("this machine alone: {error}"),
    /// }
    /// ```
    pub fn from_env() -> Result<Hosts, HostsError> {
        let found = environment::find(&|name| std::env::var_os(name))?;
        Ok(Hosts::launched(found.method, Ok(found.hosts)))
    }

    fn launched(method: Method, found: Result<Vec<HostSpec>, HostsError>) -> Hosts {
        Hosts::new(Ok(Source::Launched { method, hosts: found }))
    }

    fn new(source: Result<Source, HostsError>) -> Hosts {
        Hosts {
            source,
            executable: Executable::default(),
            arguments: Vec::new(),
            is_tunnelled: false,
            launch_timeout: LAUNCH_TIMEOUT,
            local_workers: 0,
            lease: DEFAULT_LEASE,
            rejoin: true,
        }
    }

    /// Uses these hosts in place of those that were found.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::mpi().on(["node1", "node2:16"]);
    /// # drop(hosts);
    /// ```
    pub fn on<S: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = S>) -> Hosts {
        let parsed: Result<Vec<_>, _> = hosts.into_iter().map(|host| HostSpec::parse(host.as_ref())).collect();
        // Agents that come by themselves have no names, and a fault of the method stays.
        if let Ok(Source::Launched { hosts, .. }) = &mut self.source {
            *hosts = parsed.map_err(HostsError::from);
        }
        self
    }

    /// Returns the address at which agents are awaited, if they come by themselves.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// assert_eq!(Hosts::ssh(["node1"]).address(), None);
    /// ```
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.source {
            Ok(Source::Joining { door, .. }) => door.address().ok(),
            _ => None,
        }
    }

    /// Sets how many agents that come by themselves the pool takes at the same time. The default is 32.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::listen("0.0.0.0:7000", "/etc/my-pool.key").max_hosts(8);
    /// # drop(hosts);
    /// ```
    pub fn max_hosts(mut self, count: usize) -> Hosts {
        if let Ok(Source::Joining { max_hosts, .. }) = &mut self.source {
            *max_hosts = count;
        }
        self
    }

    /// Adds workers on this host. The default is none.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::ssh(["node1"]).local(2);
    /// # drop(hosts);
    /// ```
    pub fn local(mut self, workers: usize) -> Hosts {
        self.local_workers = workers;
        self
    }

    /// Says where the hosts find this program's executable. The default is [`Executable::Stage`].
    ///
    /// ```
    /// use procession_hosts::{Executable, Hosts};
    ///
    /// let hosts = Hosts::ssh(["node1"]).executable(Executable::Same);
    /// # drop(hosts);
    /// ```
    pub fn executable(mut self, executable: Executable) -> Hosts {
        self.executable = executable;
        self
    }

    /// Adds an argument for the launcher, such as an option of `ssh`, `srun` or `mpiexec`. A command line finds them in `$@`.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::ssh(["node1"]).launcher_arg("-p").launcher_arg("2222");
    /// # drop(hosts);
    /// ```
    pub fn launcher_arg(mut self, argument: impl Into<String>) -> Hosts {
        self.arguments.push(argument.into());
        self
    }

    /// Has agents talk through the launcher, and open no connection of their own.
    ///
    /// Otherwise an agent tries for a second to connect to this host, and talks through the launcher only where that fails: a direct
    /// connection is several times faster.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::ssh(["behind-a-firewall"]).tunnelled();
    /// # drop(hosts);
    /// ```
    pub fn tunnelled(mut self) -> Hosts {
        self.is_tunnelled = true;
        self
    }

    /// Sets how long one attempt to start an agent may take, staging included. The default is a minute.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    /// use std::time::Duration;
    ///
    /// let hosts = Hosts::ssh(["far-away"]).launch_timeout(Duration::from_secs(300));
    /// # drop(hosts);
    /// ```
    pub fn launch_timeout(mut self, timeout: Duration) -> Hosts {
        self.launch_timeout = timeout;
        self
    }

    /// Sets how long an agent and the pool live without a sign from each other. The default is 10 seconds.
    ///
    /// A host that falls silent counts as lost after this time and a tenth of it. Its agent has ended all workers before, counted from its
    /// own clock.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    /// use std::time::Duration;
    ///
    /// let hosts = Hosts::ssh(["node1"]).lease(Duration::from_secs(3));
    /// # drop(hosts);
    /// ```
    pub fn lease(mut self, lease: Duration) -> Hosts {
        self.lease = lease;
        self
    }

    /// Says whether a host that was lost is used again when it returns. The default is yes.
    ///
    /// ```
    /// use procession_hosts::Hosts;
    ///
    /// let hosts = Hosts::ssh(["node1"]).rejoin(false);
    /// # drop(hosts);
    /// ```
    pub fn rejoin(mut self, rejoin: bool) -> Hosts {
        self.rejoin = rejoin;
        self
    }

    /// Returns the launchers, or why there are none.
    fn launchers(&mut self, cancel: Cancel) -> Result<Vec<Box<dyn HostLauncher>>, HostsError> {
        require()?;
        let source = std::mem::replace(&mut self.source, Err(HostsError::Empty))?;
        let launchers: Vec<Box<dyn HostLauncher>> = match source {
            Source::Launched { method, hosts } => {
                let plan = Arc::new(self.plan(method, cancel));
                let launcher = |spec| Box::new(Launcher { spec, plan: plan.clone() }) as Box<dyn HostLauncher>;
                hosts?.into_iter().map(launcher).collect()
            }
            Source::Joining { door, max_hosts } => {
                let door = Arc::new(Mutex::new(door));
                let listening = |number| {
                    let name = format!("agent-{number}");
                    Box::new(Listening { name, door: door.clone(), cancel: cancel.clone() }) as Box<dyn HostLauncher>
                };
                (1..=max_hosts).map(listening).collect()
            }
        };
        if launchers.is_empty() && self.local_workers == 0 { Err(HostsError::Empty) } else { Ok(launchers) }
    }

    fn plan(&mut self, method: Method, cancel: Cancel) -> Plan {
        Plan {
            method,
            executable: self.executable.clone(),
            arguments: std::mem::take(&mut self.arguments),
            is_tunnelled: self.is_tunnelled,
            timeout: self.launch_timeout,
            cancel,
        }
    }
}

impl From<Hosts> for HostSet {
    fn from(mut hosts: Hosts) -> HostSet {
        let made = Cancel::new().map_err(|error| format!("cannot make an event for its hosts: {error}"));
        let made = made.and_then(|(cancel, pool)| {
            let launchers = hosts.launchers(cancel).map_err(|error| error_text(&error))?;
            Ok((launchers, pool))
        });
        let (launchers, keep, error) = match made {
            Ok((launchers, pool)) => (launchers, Some(Box::new(pool) as Box<dyn Any + Send>), None),
            Err(error) => (Vec::new(), None, Some(error)),
        };
        let Hosts { local_workers, lease, rejoin, .. } = hosts;
        HostSet { launchers, local_workers, lease: Some(lease), rejoin, error, keep }
    }
}

/// An error with its causes, for a pool's own error.
fn error_text(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
