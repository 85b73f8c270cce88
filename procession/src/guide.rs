//! The guide to this library, chapter by chapter. The tests run every block of code in it.
//!
//! 1. [Coming from Python](coming_from_python): each name of `multiprocessing`, and its counterpart here.
//! 2. [Which one do I want?](choosing): pipe, queue, shared memory, manager.
//! 3. [Processes and start methods](processes)
//! 4. [Sharing data](sharing_data)
//! 5. [Pools in depth](pools)
//! 6. [Many machines](many_machines)
//! 7. [With tokio](with_tokio)
//! 8. [When things die](when_things_die)
//! 9. [Performance](performance)
//! 10. [Security](security)
//! 11. [Limits and platforms](limits)

#[doc = include_str!("../guide/from-python.md")]
// The search finds declined names here, with the reason.
#[doc(alias = "fileno")]
#[doc(alias = "closed")]
#[doc(alias = "readable")]
#[doc(alias = "writable")]
#[doc(alias = "deliver_challenge")]
#[doc(alias = "answer_challenge")]
#[doc(alias = "ProcessError")]
#[doc(alias = "TimeoutError")]
#[doc(alias = "set_executable")]
#[doc(alias = "set_forkserver_preload")]
#[doc(alias = "allow_connection_pickling")]
#[doc(alias = "reducer")]
#[doc(alias = "SUBDEBUG")]
#[doc(alias = "SUBWARNING")]
#[doc(alias = "multiprocessing.dummy")]
#[doc(alias = "ThreadPool")]
#[doc(alias = "InterpreterPoolExecutor")]
#[doc(alias = "authkey")]
#[doc(alias = "get_obj")]
#[doc(alias = "copy")]
#[doc(alias = "synchronized")]
#[doc(alias = "SharedMemoryManager")]
#[doc(alias = "resource_tracker")]
#[doc(alias = "XmlListener")]
#[doc(alias = "XmlClient")]
#[doc(alias = "ConnectionWrapper")]
#[doc(alias = "ForkingPickler")]
#[doc(alias = "join_thread")]
#[doc(alias = "cancel_join_thread")]
#[doc(alias = "MakeProxyType")]
#[doc(alias = "AutoProxy")]
#[doc(alias = "Token")]
#[doc(alias = "public_methods")]
#[doc(alias = "method_to_typeid")]
#[doc(alias = "exposed")]
#[doc(alias = "debug_info")]
#[doc(alias = "number_of_objects")]
#[doc(alias = "set_running_or_notify_cancel")]
#[doc(alias = "set_result")]
#[doc(alias = "set_exception")]
#[doc(alias = "InvalidStateError")]
pub mod coming_from_python {}

#[doc = include_str!("../guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("../guide/processes.md")]
pub mod processes {}

#[doc = include_str!("../guide/sharing.md")]
#[doc = include_str!("../guide/mandelbrot.md")]
#[doc = include_str!("../guide/sharing-2.md")]
pub mod sharing_data {}

#[doc = include_str!("../guide/pools.md")]
pub mod pools {}

#[doc = include_str!("../guide/many-machines.md")]
pub mod many_machines {}

#[doc = include_str!("../guide/tokio.md")]
pub mod with_tokio {}

#[doc = include_str!("../guide/death.md")]
pub mod when_things_die {}

#[doc = include_str!("../guide/performance.md")]
pub mod performance {}

#[doc = include_str!("../guide/security.md")]
pub mod security {}

#[doc = include_str!("../guide/limits.md")]
pub mod limits {}

/// The READMEs of the repository and of this crate. The tests run their code as well.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../README.md")]
    mod repository {}

    #[doc = include_str!("../README.md")]
    mod facade {}
}
