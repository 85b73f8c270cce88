//! The server of a manager: a process that holds the objects and runs methods on them.
//!
//! One thread waits for all clients and runs their calls ([`crew`] says what happens when one takes long). What is decided is
//! decided by the [table](crate::table), which does no I/O; what is shared is [`State`]; what a client may say is in
//! [`wire`](crate::wire).

mod client_exit;
pub(crate) mod context;
pub(crate) mod in_process;
mod job;
mod leader;
mod local_client;
mod object_cell;
mod polling;
mod promise;
mod remote_client;
mod replies;
mod reply_queue;
mod requests;
mod stalled_clients;
mod state;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use procession_channels::Listener;
use procession_core::Control;
use procession_core::os::epoll::Epoll;
use procession_core::os::limits;
use procession_core::os::wake::Waker;

use crate::table::Holder;
use crate::wire::ids::{ManagerId, ObjectId};
use leader::LeaderFollowers;
pub(crate) use object_cell::Outcome;
pub(crate) use promise::Promise;
use remote_client::Schema;
use state::State;

/// The server.
pub(crate) struct Server {
    pub(crate) manager: ManagerId,
    /// The process that it is.
    process: u32,
    state: Mutex<State>,
    /// Rung when the server is to end.
    over: Condvar,
    threads: LeaderFollowers,
    epoll: Arc<Epoll>,
    waker: Waker,
}

/// The life of the server's process.
pub(crate) fn live(control: Control, manager: ManagerId) -> Result<(), String> {
    procession_process::ignore_interrupt();
    limits::raise_descriptors();
    let told = |error: io::Error| limits::explain(&error).unwrap_or_else(|| error.to_string());
    let server = Server::start(control, manager).map_err(told)?;
    let state = server.lock();
    let is_going_on = |state: &mut State| !state.is_over;
    drop(server.over.wait_while(state, is_going_on).unwrap_or_else(PoisonError::into_inner));
    Ok(())
}

impl Server {
    /// What the waker is called in the set of those that are waited for.
    const WAKER: u64 = 0;

    fn start(control: Control, manager: ManagerId) -> io::Result<Arc<Server>> {
        let (epoll, waker) = (Arc::new(Epoll::new()?), Waker::new()?);
        epoll.add(waker.pollable(), Server::WAKER)?;
        let state = Mutex::new(State::new(Arc::clone(&epoll)));
        let server = Arc::new(Server {
            manager,
            process: std::process::id(),
            state,
            over: Condvar::new(),
            threads: LeaderFollowers::default(),
            epoll,
            waker,
        });
        server.lock().add_client(control)?;
        in_process::register(&server);
        let leader = Arc::clone(&server);
        let lead = move || leader.lead();
        let started =
            server.spawn_follower().and_then(|()| std::thread::Builder::new().name("manager".to_owned()).spawn(lead));
        started.map_err(|error| io::Error::new(error.kind(), format!("cannot start a thread: {error}")))?;
        Ok(server)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets clients of other programs in, on a thread of its own: handshakes take as long as the clients like.
    fn attend(&self, listener: Listener, schema: Arc<Schema>) {
        let Some(server) = in_process::own(self.manager) else { return };
        let attend = move || {
            loop {
                match listener.accept() {
                    Ok(socket) => {
                        // One for which there is no descriptor left is not let in, and sees the end of its connection.
                        let _refused = server.lock().add_remote_client(socket, Arc::clone(&schema));
                    }
                    // Such as too many open files: the others should have time to close some.
                    Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
                }
            }
        };
        let _without_a_thread_nobody_is_let_in = std::thread::Builder::new().name("listener".to_owned()).spawn(attend);
    }

    /// Gives a reference back, and drops what nobody refers to any more.
    fn release<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        object: ObjectId,
        holder: Holder,
    ) -> MutexGuard<'a, State> {
        let released = state.table.release(object, holder);
        state.finish_release(released);
        self.drop_deferred(state, None)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("manager", &self.manager).finish_non_exhaustive()
    }
}
