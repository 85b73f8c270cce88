//! The groups `pool-…`: what a pool of two workers does with trivial tasks, with large ones, with heavy ones, and with none.
//!
//! Every result is checked. Pools are started and warmed before the clock runs.

use crate::group::{Failure, Figure, Group, System};
use crate::options::Options;
use crate::{pool_idle as idle, pool_ours as ours, pool_peers as peers, python, raw_pool as raw};

/// How many workers each pool has.
pub const WORKERS: usize = 2;

/// Trivial tasks that are scheduled one by one.
pub const SINGLE: Group = Group {
    name: "pool-single",
    title: "trivial tasks on 2 workers, chunk size 1",
    unit: "million tasks a second (higher is better)",
    systems: &[
        System { name: "procession map", measure: ours::single_map },
        System { name: "procession imap_unordered", measure: ours::single_unordered },
        System { name: "raw shared rings", measure: raw::single },
        System { name: "rayon spawn, in one process", measure: peers::rayon_spawn },
        System { name: "procspawn", measure: peers::procspawn_single },
        System { name: "CPython Pool.map", measure: |options| cpython("single", "pool", 100_000, options) },
        System {
            name: "CPython ProcessPoolExecutor",
            measure: |options| cpython("single", "futures", 10_000, options),
        },
        System { name: "loky", measure: |options| cpython("single", "loky", 10_000, options) },
        System { name: "mpire", measure: |options| cpython("single", "mpire", 10_000, options) },
    ],
};

/// Trivial tasks that travel as the pool sees fit.
pub const CHUNKED: Group = Group {
    name: "pool-chunked",
    title: "trivial tasks on 2 workers, automatic chunks",
    unit: "million tasks a second (higher is better)",
    systems: &[
        System { name: "procession map", measure: ours::chunked_map },
        System { name: "procession imap", measure: ours::chunked_imap },
        System { name: "rayon par_iter, in one process", measure: peers::rayon_map },
        System { name: "CPython Pool.map", measure: |options| cpython("chunked", "pool", 1_000_000, options) },
        System {
            name: "CPython ProcessPoolExecutor, chunks of 100",
            measure: |options| cpython("chunked", "futures", 100_000, options),
        },
        System { name: "loky, chunks of 100", measure: |options| cpython("chunked", "loky", 100_000, options) },
        System { name: "mpire", measure: |options| cpython("chunked", "mpire", 100_000, options) },
    ],
};

/// One task at a time, each awaited.
pub const APPLY: Group = Group {
    name: "pool-apply",
    title: "one trivial task on an idle pool of 2, and its result",
    unit: "µs (lower is better)",
    systems: &[
        System { name: "procession apply", measure: ours::apply },
        System { name: "raw shared rings", measure: raw::apply },
        System { name: "rayon install, in one process", measure: peers::rayon_install },
        System { name: "procspawn", measure: peers::procspawn_apply },
        System { name: "CPython Pool.apply", measure: |options| cpython("apply", "pool", 2000, options) },
        System { name: "CPython ProcessPoolExecutor", measure: |options| cpython("apply", "futures", 2000, options) },
        System { name: "loky", measure: |options| cpython("apply", "loky", 2000, options) },
        System { name: "mpire", measure: |options| cpython("apply", "mpire", 1000, options) },
    ],
};

/// Large arguments and results.
pub const LARGE: Group = Group {
    name: "pool-large",
    title: "tasks with 1 MiB in and 1 MiB out on 2 workers",
    unit: "GB/s, both directions together (higher is better)",
    systems: &[
        System { name: "procession imap_unordered", measure: ours::large },
        System { name: "raw shared slots", measure: raw::large },
        System { name: "procspawn", measure: peers::procspawn_large },
        System { name: "CPython Pool.imap_unordered", measure: |options| cpython("large", "pool", 200, options) },
        System { name: "CPython ProcessPoolExecutor", measure: |options| cpython("large", "futures", 200, options) },
        System { name: "loky", measure: |options| cpython("large", "loky", 200, options) },
        System { name: "mpire", measure: |options| cpython("large", "mpire", 200, options) },
    ],
};

/// Tasks that compute for about a millisecond.
pub const HEAVY: Group = Group {
    name: "pool-heavy",
    title: "tasks of about 1 ms of computing on 2 workers, against the same tasks one after the other",
    unit: "% of perfect scaling over the cores (higher is better)",
    systems: &[
        System { name: "procession map", measure: ours::heavy },
        System { name: "procession map, uneven tasks", measure: ours::heavy_uneven },
        System { name: "raw, two bare processes", measure: raw::heavy },
        System { name: "rayon par_iter, in one process", measure: peers::rayon_heavy },
        System { name: "CPython Pool.map", measure: |options| cpython("heavy", "pool", 400, options) },
    ],
};

/// What one task costs in small and in huge jobs.
pub const FLAT: Group = Group {
    name: "pool-flat",
    title: "cost of a trivial task by the size of the job, on 2 workers, automatic chunks",
    unit: "ns a task (lower is better)",
    systems: &[
        System { name: "procession map, 10,000,000 tasks", measure: |options| ours::flat(10_000_000, options) },
        System { name: "procession map, 1,000,000 tasks", measure: |options| ours::flat(1_000_000, options) },
        System { name: "procession map, 100,000 tasks", measure: |options| ours::flat(100_000, options) },
        System { name: "procession map, 10,000 tasks", measure: |options| ours::flat(10_000, options) },
        System { name: "procession map, 1,000 tasks", measure: |options| ours::flat(1_000, options) },
        System { name: "CPython Pool.map, 1,000,000 tasks", measure: |options| flat_cpython(1_000_000, options) },
        System { name: "CPython Pool.map, 1,000 tasks", measure: |options| flat_cpython(1_000, options) },
    ],
};

/// What an idle pool holds.
pub const MEMORY: Group = Group {
    name: "pool-memory",
    title: "memory of an idle pool of 2 that has worked, the calling program and all helpers included",
    unit: "MiB of proportional memory (lower is better)",
    systems: &[
        System { name: "procession", measure: |_| idle::ours(idle::memory) },
        System { name: "raw, two bare forks", measure: |_| idle::forks(idle::memory) },
        System { name: "procspawn", measure: |_| idle::procspawn(idle::memory) },
        System { name: "CPython Pool", measure: |options| cpython("memory", "pool", 1, options) },
        System { name: "CPython ProcessPoolExecutor", measure: |options| cpython("memory", "futures", 1, options) },
        System { name: "loky", measure: |options| cpython("memory", "loky", 1, options) },
    ],
};

/// What an idle pool does.
pub const IDLE: Group = Group {
    name: "pool-idle",
    title: "processor time of an idle pool of 2 that has worked, all its processes together",
    unit: "µs in each second (lower is better)",
    systems: &[
        System { name: "procession", measure: |_| idle::ours(idle::processor_time) },
        System { name: "procspawn", measure: |_| idle::procspawn(idle::processor_time) },
        System { name: "CPython Pool", measure: |options| cpython("idle", "pool", 1, options) },
        System { name: "CPython ProcessPoolExecutor", measure: |options| cpython("idle", "futures", 1, options) },
    ],
};

/// What a death costs.
pub const DEATH: Group = Group {
    name: "pool-death",
    title: "20 tasks of 0.2 s on 4 workers, SIGKILL inside the fifth: 19 values, 1 error, and the pool goes on",
    unit: "s (lower is better; 1.0 without the death)",
    systems: &[System { name: "procession imap", measure: ours::death }],
};

/// The task of most groups.
pub fn add_one(n: u64) -> u64 {
    n + 1
}

/// The sum of the results of [`add_one`] for all numbers below `count`.
pub fn sum_for(count: usize) -> u64 {
    let count = count as u64;
    count * (count + 1) / 2
}

/// The task of the group `pool-heavy`: about a microsecond of computing for each of `rounds`.
pub fn compute(rounds: u64) -> u64 {
    (0..rounds * 500).fold(rounds, |state, n| std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005) ^ n))
}

fn cpython(what: &str, library: &str, count: usize, options: Options) -> Result<Figure, Failure> {
    python::run("pool.py", &[what, library, &options.part(count).to_string()])
}

fn flat_cpython(count: usize, _: Options) -> Result<Figure, Failure> {
    python::run("pool.py", &["flat", "pool", &count.to_string()])
}
