//! Memory that several processes map: fixed, growing, a stream of bytes, a pool of buffers.

pub(crate) mod arena;
pub(crate) mod buffer_memory;
pub(crate) mod buffer_pool;
pub(crate) mod mapping;
pub(crate) mod ring;
mod role;
