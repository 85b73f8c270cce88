//! Tasks that do to their worker what no task should. Each costs itself at the most, and none hangs.

use std::time::Duration;

use procession_pool::{Pool, TaskError};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{Block, die_by, pool};

/// A value that can be carried or not, as its number says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moody(u8);

const CANNOT_LEAVE: u8 = 1;
const CANNOT_ARRIVE: u8 = 2;
const PANICS_LEAVING: u8 = 3;
const PANICS_ARRIVING: u8 = 4;

impl Serialize for Moody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            CANNOT_LEAVE => Err(S::Error::custom("too heavy to carry")),
            PANICS_LEAVING => panic!("dropped on the way out"),
            number => serializer.serialize_u8(number),
        }
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moody, D::Error> {
        match u8::deserialize(deserializer)? {
            CANNOT_ARRIVE => Err(D::Error::custom("nothing like that is wanted here")),
            PANICS_ARRIVING => panic!("dropped on the way in"),
            number => Ok(Moody(number)),
        }
    }
}

fn is_usable(pool: &Pool) {
    assert_eq!(pool.map(|n: u32| n + 1, 0..100).unwrap(), (1..=100).collect::<Vec<_>>());
}

/// The one error among many results, of which all others are right.
fn only_error(pool: &Pool, task: fn(u8) -> Moody) -> TaskError {
    let results: Vec<_> = pool.imap(task, 0..40).collect();
    let mut errors = Vec::new();
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(value) => assert_eq!((value, n == 7), (Moody(0), false)),
            Err(error) => errors.push(error),
        }
    }
    assert_eq!((errors.len(), errors[0].index()), (1, 7), "{errors:?}");
    errors.remove(0)
}

#[test]
fn a_result_that_cannot_be_encoded_is_an_error_of_its_task() {
    let pool = pool(2);
    let error = only_error(&pool, |n| Moody(if n == 7 { CANNOT_LEAVE } else { 0 }));
    assert!(error.is_transport() && error.started(), "{error}");
    assert!(error.to_string().contains("too heavy to carry"), "{error}");
    is_usable(&pool);
}

#[test]
fn a_result_that_cannot_be_decoded_is_an_error_of_its_task() {
    let pool = pool(2);
    let error = only_error(&pool, |n| Moody(if n == 7 { CANNOT_ARRIVE } else { 0 }));
    assert!(error.is_transport() && error.started(), "{error}");
    assert!(error.to_string().contains("nothing like that is wanted here"), "{error}");
    is_usable(&pool);
}

#[test]
fn a_result_that_panics_while_it_is_encoded_is_an_error_of_its_task() {
    let pool = pool(2);
    let error = only_error(&pool, |n| Moody(if n == 7 { PANICS_LEAVING } else { 0 }));
    assert_eq!(error.panic().unwrap().message(), "dropped on the way out");
    is_usable(&pool);
}

#[test]
fn arguments_that_cannot_be_carried_are_errors_of_their_tasks() {
    let pool = pool(2);
    let moods = [0, CANNOT_LEAVE, 0, CANNOT_ARRIVE, PANICS_ARRIVING, 0].map(Moody);
    let results: Vec<_> = pool.imap(|mood: Moody| mood.0, moods).collect();
    let texts: Vec<String> =
        results.iter().map(|result| result.as_ref().err().map(ToString::to_string).unwrap_or_default()).collect();
    assert!(texts[1].contains("too heavy to carry"), "{texts:?}");
    assert!(texts[3].contains("nothing like that is wanted here"), "{texts:?}");
    assert!(texts[4].contains("dropped on the way in"), "{texts:?}");
    assert!(results[1].as_ref().is_err_and(|error| error.is_transport() && !error.started()));
    assert!(results[3].as_ref().is_err_and(|error| error.is_transport() && !error.started()));
    assert!([0, 2, 5].into_iter().all(|at| matches!(results[at], Ok(0))), "{texts:?}");
    is_usable(&pool);
}

#[test]
fn an_argument_that_panics_on_its_way_out_is_the_caller_s_panic_and_the_pool_goes_on() {
    let pool = pool(2);
    let call = std::panic::AssertUnwindSafe(|| pool.map(|mood: Moody| mood.0, [Moody(PANICS_LEAVING)]));
    assert!(std::panic::catch_unwind(call).is_err(), "an argument was encoded without its panic");
    is_usable(&pool);
}

#[test]
fn a_result_that_panics_on_its_way_in_is_an_error_of_its_task_whoever_asks() {
    let pool = pool(2);
    let task = |n| Moody(if n == 7 { PANICS_ARRIVING } else { 0 });
    let (tell, told) = std::sync::mpsc::channel();
    pool.apply_async(task, 7).on_done(move |result| tell.send(result.map(drop)).unwrap());
    let of_callback = told.recv_timeout(crate::support::FOREVER).unwrap().unwrap_err();
    let of_one = pool.apply(task, 7).map(drop).unwrap_err();
    for error in [only_error(&pool, task), of_callback, of_one, pool.map_async(task, [7]).get().map(drop).unwrap_err()]
    {
        assert!(error.is_transport() && error.started(), "{error}");
        assert!(error.to_string().contains("it panicked: dropped on the way in"), "{error}");
    }
    assert_eq!(pool.imap(task, 0..20).filter(Result::is_err).count(), 1);
    assert_eq!(pool.imap_unordered(task, 0..20).filter(Result::is_err).count(), 1);
    is_usable(&pool);
}

#[test]
fn threads_that_tasks_leave_behind_keep_nobody() {
    let pool = pool(2);
    let task = |n: u32| {
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(3600)));
        n
    };
    assert_eq!(pool.map(task, 0..20).unwrap().len(), 20);
    is_usable(&pool);
    // And the pool ends, which the runner would notice if it did not.
    drop(pool);
}

#[test]
fn a_thread_that_panics_beside_a_task_is_no_error_of_it() {
    let pool = pool(1);
    let task = |n: u32| {
        let thread = std::thread::spawn(|| panic!("beside it"));
        assert!(thread.join().is_err());
        n
    };
    assert_eq!(pool.map(task, 0..3).unwrap(), [0, 1, 2]);
}

/// Closes everything that the process has open.
fn close_everything(from: i32) {
    (from..1024).for_each(|number| _ = nix::unistd::close(number));
}

#[test]
fn a_task_that_closes_all_descriptors_costs_itself() {
    let pool = pool(2);
    let task = |n: u32| {
        if n == 5 {
            close_everything(3);
        }
        n
    };
    let results: Vec<_> = pool.imap(task, 0..30).collect();
    // Whether its own result still leaves the worker is open; that nobody else is hurt is not.
    let hurt: Vec<u64> = results.iter().filter_map(|result| result.as_ref().err()).map(TaskError::index).collect();
    assert!(results.len() == 30 && hurt.len() <= 2 && hurt.iter().all(|index| *index >= 5), "{results:?}");
    is_usable(&pool);
}

#[test]
fn a_task_that_closes_the_standard_streams_hurts_nobody() {
    let pool = pool(1);
    let task = |n: u32| {
        (0..3).for_each(|number| _ = nix::unistd::close(number));
        println!("into nothing");
        n
    };
    assert_eq!(pool.map(task, 0..5).unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn very_long_panics_come_through() {
    let pool = pool(1);
    let length = 3 << 20;
    let task = |length: usize| -> u8 { panic!("{}", "o".repeat(length)) };
    let error = pool.map(task, [length]).unwrap_err();
    assert_eq!(error.panic().unwrap().message().len(), length);
    is_usable(&pool);
}

#[test]
fn a_worker_that_dies_over_a_large_argument_or_result_costs_one_item() {
    let pool = pool(2);
    let task = |(n, block): (u32, Block)| {
        if n == 3 {
            die_by("KILL");
        }
        block
    };
    let blocks = (0..8).map(|n| (n, Block(vec![n as u8; 3 << 20])));
    let results: Vec<_> = pool.imap(task, blocks).collect();
    for (n, result) in results.iter().enumerate() {
        match result {
            Ok(block) => assert!(block.0.len() == 3 << 20 && block.0.iter().all(|byte| *byte == n as u8)),
            Err(error) => assert_eq!((n, error.is_death()), (3, true), "{error}"),
        }
    }
    assert!(results[3].is_err());
    is_usable(&pool);
}

#[test]
fn aborts_in_the_middle_of_a_panic_are_deaths() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a second one");
        }
    }
    let task = |n: u32| {
        if n == 2 {
            let _bomb = Bomb;
            panic!("a first one");
        }
        n
    };
    let pool = pool(2);
    let results: Vec<_> = pool.imap(task, 0..10).collect();
    let deaths: Vec<u64> = results.iter().filter_map(|result| result.as_ref().err()).map(TaskError::index).collect();
    assert_eq!(deaths, [2]);
    assert_eq!(results[2].as_ref().unwrap_err().exit_status().unwrap().signal(), Some(6));
}
