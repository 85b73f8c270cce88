//! Live objects shared by many processes through proxies.
//!
//! This crate is where they will live; it holds nothing yet. Planned: a `Manager` process that holds values of any type,
//! `Proxy::call`, which runs a function on one of them there, and ready-made proxies for dictionaries, lists, queues and locks.
#![forbid(unsafe_code)]
