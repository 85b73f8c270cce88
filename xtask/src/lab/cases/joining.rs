//! Agents that come by themselves, and strangers at the same door.

use super::case::Case;
use super::farm::{Farm, LEASE};
use crate::failure::Failure;
use crate::lab::cluster::Cluster;
use crate::lab::examples;
use crate::lab::host::Host;
use crate::lab::program::{GUARD, Program};
use crate::lab::tool;

pub(super) const CASES: &[Case] = &[
    Case { name: "join", is_short: false, run: join },
    Case { name: "join-wrong-key", is_short: false, run: wrong_key },
    Case { name: "join-strangers", is_short: false, run: strangers },
];

const PORT: u16 = 7000;

/// How many connections strangers hold, all of them silent.
const STRANGERS: u32 = 1000;

/// Agents come, one is killed with its host's work, another comes in its place.
fn join(cluster: &Cluster) -> Result<(), Failure> {
    let mut door = Door::open(cluster)?;
    let first = door.agent(cluster.host("h1")?, "key")?;
    let second = door.agent(cluster.host("h2")?, "key")?;
    door.farm.program.expect("built")?;
    door.farm.wait_for_hosts("h1,h2")?;
    door.farm.ask("tour map large", "tour right")?;
    door.farm.program.send("squares 1000 2000 5")?;
    door.farm.program.expect("ended 100")?;
    first.process()?.signal("KILL")?;
    door.farm.program.expect("right 1000")?;
    let third = door.agent(cluster.host("h3")?, "key")?;
    door.farm.wait_for_hosts("h2,h3")?;
    door.farm.end()?;
    [second, third].into_iter().try_for_each(|agent| agent.succeed().map(drop))
}

/// An agent with another key ends with an error, and neither the pool nor its other agents notice.
fn wrong_key(cluster: &Cluster) -> Result<(), Failure> {
    let mut door = Door::open(cluster)?;
    door.make_key(cluster, "other")?;
    let mut wrong = door.agent(cluster.host("h1")?, "other")?;
    let right = door.agent(cluster.host("h2")?, "key")?;
    if wrong.wait()?.success() {
        return Err(wrong.failure("succeeded with another key"));
    }
    door.farm.program.expect("built")?;
    door.farm.wait_for_hosts("h2")?;
    door.farm.end()?;
    right.succeed().map(drop)
}

/// Connections that say nothing do not keep an agent out.
fn strangers(cluster: &Cluster) -> Result<(), Failure> {
    let mut door = Door::open(cluster)?;
    let script = format!(
        "ulimit -n 4096; for i in $(seq {STRANGERS}); do exec {{fd}}<>/dev/tcp/h0/{PORT} || exit 1; done; echo there; read -r _"
    );
    let mut crowd = Program::start(cluster.host("h3")?, ["bash", "-c", &script])?;
    crowd.expect("there")?;
    let agent = door.agent(cluster.host("h1")?, "key")?;
    door.farm.program.expect("built")?;
    door.farm.wait_for_hosts("h1")?;
    door.farm.ask("squares 500 100 0", "right 500")?;
    door.farm.end()?;
    // Its connections may all have been closed, which it does not notice.
    drop(crowd);
    agent.succeed().map(drop)
}

/// A pool that waits for its first agent, and the key that they need.
struct Door {
    farm: Farm,
    folder: String,
}

impl Door {
    fn open(cluster: &Cluster) -> Result<Self, Failure> {
        let folder = cluster.folder.join("keys");
        // The folder is that of the test before this one, or is not there.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder)
            .map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
        let folder = folder.to_string_lossy().into_owned();
        make_key(cluster, &folder, "key")?;
        let farm = Farm::start_by(cluster, &[], &["listen", &format!("0.0.0.0:{PORT}={folder}/key"), LEASE])?;
        tool::wait_for("the driver listens", GUARD, || cluster.hosts[0].init()?.listens_at(PORT).then_some(()))?;
        Ok(Self { farm, folder })
    }

    fn make_key(&self, cluster: &Cluster, name: &str) -> Result<(), Failure> {
        make_key(cluster, &self.folder, name)
    }

    /// Starts an agent with the key of that name.
    fn agent(&self, host: &Host, key: &str) -> Result<Program, Failure> {
        let program = examples::build("farm")?.to_string_lossy().into_owned();
        let (join, key) = (format!("PROCESSION_JOIN=h0:{PORT}"), format!("PROCESSION_KEY_FILE={}/{key}", self.folder));
        Program::start(host, ["env", &join, &key, &program])
    }
}

fn make_key(cluster: &Cluster, folder: &str, name: &str) -> Result<(), Failure> {
    let program = examples::build("farm")?.to_string_lossy().into_owned();
    cluster.hosts[0].run([program.as_str(), "key", &format!("{folder}/{name}")]).map(drop)
}
