//! `cargo xtask lab`: hosts that are namespaces of this machine, with cables that can be cut.

mod cases;
mod cluster;
mod examples;
mod host;
mod link;
mod proc;
mod program;
mod settings;
mod slurm;
mod ssh;
mod tool;

use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use crate::command::Command;
use crate::failure::Failure;
use cluster::{Cluster, Lifetime};
use host::Host;

pub(crate) const COMMAND: Command = Command {
    name: "lab",
    takes: "VERB [ARGUMENT...]",
    about: "makes hosts out of namespaces, cuts their cables, and runs the tests that need hosts",
    details: Some(
        "\
  up [N]              makes the driver's host h0 and N others, 3 by default, with one network
  down                ends them all, and leaves nothing
  in HOST PROGRAM...  runs a program in a host
  test [NAME...]      runs the tests in hosts of their own: all, or those whose names contain a word; --short: the quick ones
  list                prints the processes of each host
  sshd                starts a server of ssh in each host; it serves `ssh h1` and `mpiexec -host h1` in any host
  slurm               starts Slurm: the controller in h0, a daemon in each other host

  kill HOST           takes its power away                  boot HOST   turns it on again
  cut HOST            pulls its cable out                   heal HOST   repairs its cable
  deaf HOST           drops what is sent to it              mute HOST   drops what it sends
  freeze HOST         stops all its processes               thaw HOST   lets them go on
  delay HOST MICROS   delays what it sends and receives, by 0 or more µs each

It needs root, and programs of the system. Where something is missing, it says so and exits with status 77.
",
    ),
    run,
};

/// How many hosts there are beside the driver's, unless it is said.
const HOSTS: usize = 3;

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let verb = word(&mut arguments, "a verb")?;
    match verb.as_str() {
        "up" => up(arguments),
        "in" => run_in(arguments),
        "delay" => {
            let (cluster, host) = host_of(&mut arguments)?;
            let micros = number(&word(&mut arguments, "a delay in µs")?)?;
            end_of(arguments)?;
            link::delay(cluster.switch, &host, micros)
        }
        "down" => end_of(arguments).and_then(|()| cluster::down(&folder())),
        "sshd" => end_of(arguments).and_then(|()| ssh::start(&Cluster::open(&folder())?)),
        "slurm" => end_of(arguments).and_then(|()| slurm::start(&Cluster::open(&folder())?)),
        "test" => cases::run(arguments),
        "list" => end_of(arguments).and_then(|()| list()),
        verb => {
            let act = act_of(verb)?;
            let (cluster, host) = host_of(&mut arguments)?;
            end_of(arguments)?;
            act(&cluster, &host)
        }
    }
}

/// Runs the tests that run at each change.
pub(crate) fn test() -> Result<(), Failure> {
    cases::run_short()
}

/// What a verb does to one host.
type Act = fn(&Cluster, &Host) -> Result<(), Failure>;

fn act_of(verb: &str) -> Result<Act, Failure> {
    Ok(match verb {
        "boot" => Cluster::boot,
        "kill" => |_, host| host.kill(),
        "freeze" => |_, host| host.freeze(),
        "thaw" => |_, host| host.thaw(),
        "cut" => |cluster, host| link::cut(cluster.switch, host),
        "heal" => |cluster, host| link::heal(cluster.switch, host),
        "deaf" => |_, host| link::deafen(host),
        "mute" => |cluster, host| link::mute(cluster.switch, host),
        _ => return Err(Failure::usage(format!("there is no verb `{verb}`"))),
    })
}

fn up(mut arguments: Parser) -> Result<(), Failure> {
    let count = arguments.next()?.map(value).transpose()?.map_or(Ok(HOSTS), |text| number(&text))?;
    end_of(arguments)?;
    let cluster = Cluster::up(&folder(), count, Lifetime::Detached)?;
    for host in &cluster.hosts {
        println!("{} {}", host.name, host.address());
    }
    Ok(())
}

fn run_in(mut arguments: Parser) -> Result<(), Failure> {
    let (_, host) = host_of(&mut arguments)?;
    let words: Vec<_> = arguments.raw_args()?.collect();
    if words.is_empty() {
        return Err(Failure::usage("say which program shall run"));
    }
    let status =
        host.command(&words)?.status().map_err(|error| Failure::new(format!("cannot run nsenter: {error}")))?;
    match status.code().map(u8::try_from) {
        Some(Ok(0)) => Ok(()),
        Some(Ok(code)) => Err(Failure::status(format!("the program ended with {status}"), code)),
        _ => Err(Failure::new(format!("the program ended with {status}"))),
    }
}

fn list() -> Result<(), Failure> {
    for host in &Cluster::open(&folder())?.hosts {
        println!("{} {} {}", host.name, host.address(), if host.init().is_some() { "on" } else { "off" });
        for process in host.processes() {
            println!("    {process}");
        }
    }
    Ok(())
}

fn folder() -> PathBuf {
    cluster::folder("lab")
}

fn host_of(arguments: &mut Parser) -> Result<(Cluster, Host), Failure> {
    let name = word(arguments, "a host")?;
    let cluster = Cluster::open(&folder())?;
    let host = cluster.host(&name)?.clone();
    Ok((cluster, host))
}

fn word(arguments: &mut Parser, what: &str) -> Result<String, Failure> {
    arguments.next()?.map_or_else(|| Err(Failure::usage(format!("{what} is missing"))), value)
}

fn value(argument: Arg<'_>) -> Result<String, Failure> {
    match argument {
        Arg::Value(text) => Ok(text.string()?),
        other => Err(other.unexpected().into()),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::usage(format!("`{text}` is not a number")))
}

fn end_of(mut arguments: Parser) -> Result<(), Failure> {
    arguments.next()?.map_or(Ok(()), |argument| Err(argument.unexpected().into()))
}
