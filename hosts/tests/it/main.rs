//! Pools with hosts: agents that are started by a shell, by `ssh`, or by themselves. All hosts are this one.

mod command;
mod deaths;
mod listen;
mod secrets;
mod ssh;
mod sshd;
mod support;

procession_hosts::init_at_load!();
