//! [`Scene`]: what the program and its pool's workers share while a cell is played, and the tasks that look at it.

use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, raise};
use procession_pool::{Pool, state};
use procession_sync::{Event, Shared};
use serde::{Deserialize, Serialize};

use crate::table::State;

/// What tasks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Script {
    /// They return.
    Return,
    /// They wait until they are let go, and return.
    Wait,
    /// They kill their worker.
    Die,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scene {
    script: Script,
    /// Whether a task has begun that does not return by itself.
    pub(crate) has_begun: Event,
    /// Whether those that wait may go on.
    pub(crate) gate: Event,
    /// How many tasks have run to their end.
    pub(crate) ran: Shared<AtomicU32>,
}

impl Scene {
    pub(crate) fn new(state: State) -> Scene {
        let script = match state {
            State::Idle | State::Queued => Script::Return,
            State::Running => Script::Wait,
            State::Dying => Script::Die,
        };
        let (has_begun, gate) = (Event::new().expect("an event"), Event::new().expect("an event"));
        Scene { script, has_begun, gate, ran: Shared::new(AtomicU32::new(0)).expect("shared memory") }
    }

    /// A pool of one worker that is in it.
    pub(crate) fn pool(&self) -> Pool {
        Pool::builder().workers(1).state(|scene: Scene| scene, self.clone()).build().expect("a pool")
    }
}

/// A task of the job at hand.
pub(crate) fn act(number: u32) -> u32 {
    let scene = state::<Scene>().expect("every worker has it");
    match scene.script {
        Script::Return => {}
        Script::Wait => wait(scene),
        Script::Die => {
            scene.has_begun.set();
            raise(Signal::SIGKILL).expect("a signal");
        }
    }
    scene.ran.fetch_add(1, Ordering::SeqCst);
    number
}

/// A task of another job, that keeps the worker from this one.
pub(crate) fn block(_: u32) {
    wait(state::<Scene>().expect("every worker has it"));
}

fn wait(scene: &Scene) {
    scene.has_begun.set();
    scene.gate.wait();
}
