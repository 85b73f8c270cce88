//! Who is blamed for what, and what was lost: real processes that die at each point of a task's way.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use procession_core::codec::Descriptor;
use procession_pool::{Pool, TaskError, WorkerState, state, with_state};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::agents::{DESCRIPTORS, skips};
use crate::support::{die_by, eventually, is_alive, pool, send_signal};

/// The process numbers of all workers, when all are ready and have nothing to do.
fn idle(pool: &Pool) -> Vec<u32> {
    let mut pids = Vec::new();
    eventually("workers that are ready", || {
        let workers = pool.stats().workers;
        pids =
            workers.iter().filter(|one| one.state == WorkerState::Ready && one.load == 0).map(|one| one.pid).collect();
        pids.len() == pool.workers() && pids.len() == workers.len()
    });
    pids
}

/// Kills all workers while they have nothing to do, and waits until they are dead, whether the pool has seen that or not.
fn kill_idle(pool: &Pool) {
    let pids = idle(pool);
    pids.iter().for_each(|pid| send_signal(*pid, "KILL"));
    pids.iter().for_each(|pid| eventually("its end", || !is_alive(*pid)));
}

fn handle() -> Descriptor {
    Descriptor::from(std::os::fd::OwnedFd::from(std::io::pipe().unwrap().0))
}

/// A function of its own for each number, so that no worker was taught it.
fn fresh<const N: u8>(n: u8) -> u8 {
    n.wrapping_add(N)
}

fn fresh_with_handle<const N: u8>((n, _): (u8, Descriptor)) -> u8 {
    n.wrapping_add(N)
}

#[test]
fn what_no_worker_had_begun_is_not_lost_whoever_dies_before() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(2);
    let known = |n: u8| n;
    let known_with_handle = |(n, _): (u8, Descriptor)| n;
    pool.map(known, 0..10).unwrap();
    pool.map(known_with_handle, (0..10).map(|n| (n, handle()))).unwrap();
    macro_rules! unknown {
        ($($n:literal)*) => { [$((fresh::<$n> as fn(u8) -> u8, fresh_with_handle::<$n> as fn((u8, Descriptor)) -> u8)),*] };
    }
    for (plain, with_handle) in unknown!(1 2 3 4 5 6 7 8) {
        for round in 0..4 {
            kill_idle(&pool);
            let lost = match round {
                0 => pool.apply(known, 1).err(),
                1 => pool.apply(known_with_handle, (1, handle())).err(),
                2 => pool.apply(plain, 1).err(),
                _ => pool.apply(with_handle, (1, handle())).err(),
            };
            assert!(lost.is_none(), "round {round}: {}", lost.unwrap());
        }
    }
}

#[test]
fn what_no_worker_had_begun_is_not_lost_after_a_resize_either() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    let task = |(n, _): (u8, Descriptor)| n;
    for workers in [3, 1, 2, 3, 1, 3, 2, 1] {
        pool.resize(workers).unwrap();
        kill_idle(&pool);
        let results = pool.job(task).collect_all((0..20).map(|n| (n, handle())));
        let lost: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert!(results.into_iter().map(Result::unwrap).eq(0..20));
    }
}

/// A context that cannot be taught, because its worker is gone before it arrives.
#[test]
fn a_context_for_a_dead_worker_is_taught_to_the_next_one() {
    if skips(DESCRIPTORS) {
        return;
    }
    let pool = pool(1);
    for _ in 0..10 {
        kill_idle(&pool);
        assert_eq!(pool.map_with(&handle(), |_: &Descriptor, n: u8| n, 0..5).unwrap(), [0, 1, 2, 3, 4]);
    }
}

/// Where a worker dies, said by its task's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Point {
    Nowhere,
    Decoding,
    Running,
    DroppingArgument,
    Encoding,
    DroppingResult,
}

/// An argument that kills whoever reads it, or drops what was read, if that is its point.
struct Argument {
    point: Point,
    was_read: bool,
}

impl Argument {
    fn new(point: Point) -> Argument {
        Argument { point, was_read: false }
    }
}

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.point.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Argument, D::Error> {
        let point = Point::deserialize(deserializer)?;
        if point == Point::Decoding {
            last_words("decoding");
        }
        Ok(Argument { point, was_read: true })
    }
}

impl Drop for Argument {
    fn drop(&mut self) {
        if self.was_read && self.point == Point::DroppingArgument {
            last_words("dropping the argument");
        }
    }
}

/// A result that kills its worker when it is written or dropped, and nobody else; of any length.
struct Outcome(Point, Vec<u8>);

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == Point::Encoding {
            last_words("encoding");
        }
        (Point::Nowhere, &self.1).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Outcome, D::Error> {
        <(Point, Vec<u8>)>::deserialize(deserializer).map(|(point, bytes)| Outcome(point, bytes))
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        // What was read says nowhere.
        if self.0 == Point::DroppingResult {
            last_words("dropping the result");
        }
    }
}

fn last_words(words: &str) {
    eprintln!("{words}");
    die_by("SEGV");
}

fn run((argument, length): (Argument, usize)) -> Outcome {
    let point = argument.point;
    if point == Point::Running {
        last_words("running");
    }
    drop(argument);
    Outcome(point, vec![1; length])
}

fn run_with(_: &u8, pair: (Argument, usize)) -> Outcome {
    run(pair)
}

/// All that is known of a loss is right, and it is that of one task.
fn assert_lost(error: &TaskError, index: u64, words: &str) {
    assert_eq!((error.index(), error.exit_status().unwrap().signal()), (index, Some(11)), "{error}");
    assert!(error.started() && error.is_death() && error.panic().is_none() && error.pid().is_some(), "{error}");
    assert_eq!(error.stderr(), format!("{words}\n"));
    assert!(error.to_string().ends_with(words), "{error}");
}

#[test]
fn a_death_at_each_point_of_a_task_costs_that_task_and_one_after_its_result_costs_nothing() {
    let points = [
        (Point::Decoding, "decoding"),
        (Point::Running, "running"),
        (Point::DroppingArgument, "dropping the argument"),
        (Point::Encoding, "encoding"),
        (Point::DroppingResult, ""),
    ];
    // A short result, a longer one, one that does not fit the ring at once, and one that is lent.
    for length in [1, 100, 60_000, 200_000] {
        for (point, words) in points {
            let pool = pool(1);
            let items = || (0..20).map(|n| (Argument::new(if n == 7 { point } else { Point::Nowhere }), length));
            for with_context in [false, true] {
                let results = match with_context {
                    false => pool.job(run).collect_all(items()),
                    true => pool.job_with(&1, run_with).collect_all(items()),
                };
                for (index, result) in results.into_iter().enumerate() {
                    match result {
                        Ok(outcome) => assert_eq!(outcome.1.len(), length),
                        Err(error) => {
                            assert!(index == 7 && !words.is_empty(), "{point:?}, {length} bytes: {error}");
                            assert_lost(&error, 7, words);
                        }
                    }
                }
            }
        }
    }
}

/// A result whose drop panics in its worker, if it is armed, and nowhere else.
#[derive(Serialize, Deserialize)]
struct Fuse {
    number: u8,
    #[serde(skip)]
    _armed: Armed,
}

#[derive(Default)]
struct Armed(bool);

impl Drop for Armed {
    fn drop(&mut self) {
        assert!(!self.0, "dropped while armed");
    }
}

#[test]
fn a_panic_in_the_drop_of_a_result_that_was_told_is_nobody_s_error() {
    let pool = pool(1);
    let results = pool.job(|n: u8| Fuse { number: n, _armed: Armed(n.is_multiple_of(3)) }).collect_all(0..100);
    for (index, result) in results.into_iter().enumerate() {
        assert_eq!(result.unwrap().number, index as u8);
    }
    assert_eq!(pool.stats().restarts, 0);
}

#[test]
fn a_panic_in_making_the_state_comes_out_of_build_in_its_own_words() {
    let parse = |text: String| text.parse::<u32>().expect("a number, please");
    let error = Pool::builder().workers(2).state(parse, "x".to_owned()).build().unwrap_err();
    assert!(error.panic().unwrap().message().starts_with("a number, please") && error.is_initializer());
    assert!(error.to_string().starts_with("the state could not be made in worker `PoolWorker-"), "{error}");
    let error = Pool::builder().workers(2).local_state(parse, "x".to_owned()).build().unwrap_err();
    assert!(error.panic().unwrap().message().starts_with("a number, please"), "{error}");
}

#[test]
fn an_error_in_making_the_state_comes_out_of_build_and_a_state_is_found() {
    let parse = |text: String| text.parse::<u32>();
    let error = Pool::builder().workers(2).try_state(parse, "x".to_owned()).build().unwrap_err();
    assert!(error.is_initializer() && error.to_string().contains("it returned an error: invalid digit"), "{error}");
    let error = Pool::builder().workers(2).try_local_state(parse, "x".to_owned()).build().unwrap_err();
    assert!(error.is_initializer() && error.to_string().contains("it returned an error: invalid digit"), "{error}");

    let builder = Pool::builder().workers(1).try_state(parse, "5".to_owned());
    let pool = builder.try_local_state(parse, "7".to_owned()).build().unwrap();
    let both = |n: u32| {
        let changed = with_state(|state: &mut u32| {
            *state += n;
            *state
        });
        (state::<u32>().copied(), changed, with_state(|_: &mut u8| ()))
    };
    assert_eq!(pool.map(both, [1, 10]).unwrap(), [(Some(5), Some(8), None), (Some(5), Some(18), None)]);
}

/// Tells of its drop in a file.
struct Witness(PathBuf);

impl Drop for Witness {
    fn drop(&mut self) {
        File::options().append(true).open(&self.0).unwrap().write_all(b"dropped\n").unwrap();
    }
}

fn lines(path: &Path) -> Vec<String> {
    BufReader::new(File::open(path).unwrap()).lines().map(Result::unwrap).collect()
}

#[test]
fn a_worker_s_local_state_is_changed_by_its_tasks_survives_their_panics_and_is_dropped_after_the_finalizer() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let finish = |path: PathBuf| {
        let count = with_state(|(count, _): &mut (u32, Witness)| *count);
        writeln!(File::options().append(true).open(path).unwrap(), "finished with {count:?}").unwrap();
    };
    let builder =
        Pool::builder().workers(1).local_state(|path: PathBuf| (0_u32, Witness(path)), file.path().to_owned());
    let pool = builder.finalizer(finish, file.path().to_owned()).build().unwrap();
    let count = |n: u32| {
        with_state(|(count, _): &mut (u32, Witness)| {
            *count += 1;
            assert_ne!(n, 3, "in the middle of a change");
            *count
        })
        .unwrap()
    };
    let results = pool.job(count).collect_all(0..6);
    let counts: Vec<_> = results.into_iter().map(Result::ok).collect();
    assert_eq!(counts, [Some(1), Some(2), Some(3), None, Some(5), Some(6)]);
    let again = |()| with_state(|_: &mut (u32, Witness)| with_state(|_: &mut (u32, Witness)| ()));
    let error = pool.apply(again, ()).unwrap_err();
    assert!(error.panic().unwrap().message().starts_with("`with_state` must not be called within"), "{error}");
    pool.join();
    assert_eq!(lines(file.path()), ["finished with Some(6)", "dropped"]);
    assert!(with_state(|_: &mut u8| ()).is_none() && state::<u8>().is_none(), "this process is no worker");
}

#[test]
fn an_allocation_that_fails_is_told_as_that() {
    let pool = pool(1);
    let error =
        pool.apply(|_: u8| -> () { std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; 12345]>()) }, 1);
    let error: TaskError = error.unwrap_err();
    assert!(error.is_out_of_memory() && error.is_death(), "{error}");
    assert!(error.to_string().contains("memory seems to have run out"), "{error}");
    assert!(error.to_string().ends_with("memory allocation of 12345 bytes failed"), "{error}");
    let error = pool.apply(|_: u8| -> () { std::process::abort() }, 1).unwrap_err();
    assert!(!error.is_out_of_memory(), "{error}");
}

#[test]
fn what_cannot_be_is_refused_when_the_pool_is_built() {
    let refused = |builder: procession_pool::PoolBuilder, text: &str| {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    let builder = || Pool::builder().workers(2);
    refused(
        builder().min_workers(5).idle_timeout(Duration::from_secs(1)),
        "at least 5 workers, and `workers` for at most 2",
    );
    refused(builder().min_workers(5), "at least 5 workers");
    refused(builder().min_workers(0), "at least one worker");
    refused(builder().niceness(1000), "no niceness 1000");
    refused(builder().niceness(-21), "no niceness -21");
    refused(builder().processors([0, 12345]), "processor 12345");
    refused(builder().processors([]), "names none");
    refused(builder().start_timeout(Duration::ZERO), "`start_timeout` is zero");
    refused(builder().max_memory_per_worker(0), "`max_memory_per_worker` is zero");
}

#[test]
fn a_task_with_no_time_at_all_never_begins() {
    let pool = pool(1);
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path().to_path_buf();
    let task = |path: PathBuf| std::fs::write(path, "begun").unwrap();
    let error = pool.job(task).timeout(Duration::ZERO).map([file.clone()]).unwrap_err();
    assert!(!error.started() && error.to_string().contains("its time limit is zero"), "{error}");
    let error = pool.job(task).timeout(Duration::ZERO).apply_async(file.clone()).get().unwrap_err();
    assert!(!error.started() && !file.exists() && pool.stats().restarts == 0, "{error}");
}

#[test]
fn limits_that_are_none_hold_nothing_up() {
    let limit = Duration::MAX;
    let builder =
        Pool::builder().workers(2).idle_timeout(limit).max_age(limit).kill_timeout(limit).start_timeout(limit);
    let pool = builder.build().unwrap();
    let job = || pool.job(|n: u8| n).timeout(limit).queue_timeout(limit);
    assert_eq!(job().map(0..50).unwrap().len(), 50);
    assert_eq!(job().apply_async(3).get_timeout(limit).unwrap(), Some(3));
    assert!(job().imap([1]).next_timeout(limit).unwrap().unwrap().is_ok());
    assert!(pool.join_timeout(limit));
}

#[test]
fn an_initializer_that_hangs_later_costs_its_worker_and_not_the_pool() {
    let directory = tempfile::tempdir().unwrap();
    let hang_without = |path: PathBuf| {
        // Two find their place, and the third one waits for what never comes.
        let free = (0..2).any(|n| std::fs::remove_file(path.join(n.to_string())).is_ok());
        if !free {
            std::thread::sleep(Duration::from_secs(3600));
        }
    };
    (0..2).for_each(|n| std::fs::write(directory.path().join(n.to_string()), "").unwrap());
    let builder = Pool::builder().workers(2).initializer(hang_without, directory.path().to_owned());
    let pool = builder.start_timeout(Duration::from_secs(2)).build().unwrap();
    let pids = idle(&pool);
    send_signal(pids[0], "KILL");
    eventually("a second try", || pool.stats().restarts >= 2);
    assert_eq!(pool.map(|n: u8| n, 0..10).unwrap().len(), 10);
}

#[test]
fn with_every_error_collected_what_cannot_be_sent_keeps_nothing_else_from_running() {
    use procession_pool::FailurePolicy;
    use std::os::unix::ffi::OsStringExt;

    let pool = pool(1);
    // serde carries only those paths that are UTF-8.
    let path = |good: bool| PathBuf::from(std::ffi::OsString::from_vec(vec![if good { b'x' } else { 0xff }]));
    let job = || pool.job(|_: PathBuf| ()).on_failure(FailurePolicy::CollectAll);
    let items = [true, true, false, true, false];
    let error = job().map_async(items.map(path)).get().unwrap_err();
    assert!(error.index() == 2 && error.is_transport() && !error.started(), "{error}");
    assert_eq!(pool.stats().done, 3);
    let error = job().map(items.map(path)).unwrap_err();
    assert_eq!((error.index(), pool.stats().done), (2, 6));
    assert_eq!(job().map_async([false, false].map(path)).get().unwrap_err().index(), 0);
    let error = pool.map_async(|_: PathBuf| (), items.map(path)).get().unwrap_err();
    assert_eq!((error.index(), pool.stats().done), (2, 6));
}
