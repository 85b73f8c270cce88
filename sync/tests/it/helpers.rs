//! Starting children, killing them at a known point, and a bound for what must not hang.

use std::thread;
use std::time::Duration;

use procession_process::{Process, StartMethod};
use procession_sync::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Far above anything that works, for waits that a fault would make endless.
pub(crate) const GUARD: Duration = Duration::from_secs(60);

/// A child of the default kind.
pub(crate) fn child<A, R>(function: fn(A) -> R, argument: A) -> Process<R>
where
    A: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    Process::builder().start_method(StartMethod::Server).daemon(true).spawn(function, argument).expect("a child starts")
}

/// The child's value; the test fails when it does not end.
pub(crate) fn value<R: Serialize + DeserializeOwned + 'static>(child: &Process<R>) -> R {
    child.join_timeout(GUARD).expect("the child ends well").expect("the child ends")
}

/// Runs `function` in a child until it has set the event, and kills it there. The answer is its number.
pub(crate) fn kill_at<A>(function: fn((A, Event)), argument: A) -> u32
where
    A: Serialize + DeserializeOwned + 'static,
{
    let there = Event::new().expect("memory for an event");
    let victim = child(function, (argument, there.clone()));
    assert!(there.wait_timeout(GUARD), "the victim did not get there");
    let pid = victim.id();
    victim.kill();
    victim.join_timeout(GUARD).expect_err("it was killed");
    pid
}

/// Says that the point is reached, and stays there until killed.
pub(crate) fn stay(there: &Event) -> ! {
    there.set();
    loop {
        thread::park();
    }
}
