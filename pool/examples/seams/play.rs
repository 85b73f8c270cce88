//! Plays one cell, and says what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use procession_pool::{AsyncResult, Job, Pool, PoolError, TaskError};
use procession_sync::Event;

use crate::carried::{Carried, Input, Kept, Shared, Shown, Waking, argument, task};
use crate::deed::{at, for_ever, offer};
use crate::run::GUARD;
use crate::table::{Cell, Deed, Seam};

/// The time that a task, a start and an end have where they block.
const LIMIT: Duration = Duration::from_secs(1);

pub(crate) fn play(cell: Cell) -> String {
    let pool = match build(cell) {
        Ok(pool) => Arc::new(pool),
        Err(error) if error.panic().is_some() => return "no pool: it panicked".to_owned(),
        Err(error) if error.to_string().contains("was not ready within") => return "no pool: it was late".to_owned(),
        // It was asked to be no more than that.
        Err(_) if cell == (Seam::ShowError, Deed::Reenter) => return "value".to_owned(),
        Err(_) => return "no pool: its workers end".to_owned(),
    };
    offer(&pool);
    let outcome = catch_unwind(AssertUnwindSafe(|| call(&pool, cell)));
    if cell.1 == Deed::Terminate {
        // Whether it came before or after: nothing hangs.
        assert!(pool.apply(|n: u8| n, 1).is_err_and(|error| error.is_refused()), "a pool that was terminated");
        std::mem::forget(outcome);
        return "terminated".to_owned();
    }
    // Whatever it was, nobody else is hurt.
    let next = pool.map(|n: u64| n + 1, 0..100);
    assert!(next.is_ok_and(|values| values.into_iter().eq(1..101)), "the next job is not as it should be");
    let said = match outcome {
        Ok(Ok(())) => "value".to_owned(),
        Ok(Err(error)) => told(&error),
        Err(payload) => {
            // To drop it is another deed.
            std::mem::forget(payload);
            "the caller's panic".to_owned()
        }
    };
    said + end(&pool, cell)
}

fn build(cell: Cell) -> Result<Pool, PoolError> {
    let start_limit = if cell.1 == Deed::Block { LIMIT } else { GUARD };
    let mut builder = Pool::builder().workers(2).start_timeout(start_limit);
    builder = builder.initializer(|cell| at(Seam::Initializer, cell), cell);
    builder = match cell.0 {
        Seam::ShowError => builder.try_state(|cell| Err::<(), _>(Shown(cell)), cell),
        _ => builder.state(|cell| at(Seam::State, cell), cell),
    };
    let local = |cell| {
        at(Seam::LocalState, cell);
        Kept(cell)
    };
    builder.local_state(local, cell).finalizer(|cell| at(Seam::Finalizer, cell), cell).build()
}

fn call(pool: &Pool, cell: Cell) -> Result<(), TaskError> {
    let limit = if cell.1 == Deed::Block { LIMIT } else { Duration::MAX };
    let job: Job<'_, Carried, Carried> = pool.job(task).timeout(limit);
    let input = Input(cell, false);
    match cell.0 {
        Seam::NextOfImap | Seam::DecodeForImap => job.imap(input).try_for_each(|result| result.map(drop)),
        Seam::NextOfUnordered => job.imap_unordered(input).try_for_each(|result| result.map(drop)),
        Seam::NextOfAsync => job.map_async(input).get().map(drop),
        Seam::DecodeForFuture => wait_for(job.apply_async(argument(cell)), Waker::from(waking(cell))).map(drop),
        Seam::DecodeForCallback | Seam::Callback => heard(&job.apply_async(argument(cell)), cell),
        Seam::CallbackOfMap => heard(&job.map_async([argument(cell)]), cell),
        Seam::Waker => woken(pool, cell),
        Seam::EncodeContext | Seam::DecodeContext | Seam::DropContext => {
            let job = pool.job_with(&Shared::here(cell), |_: &Shared, (): ()| ());
            job.timeout(limit).map([()]).map(drop)
        }
        _ => job.map(input).map(drop),
    }
}

/// What a callback is told.
fn heard<R: 'static + serde::de::DeserializeOwned>(result: &AsyncResult<R>, cell: Cell) -> Result<(), TaskError> {
    let (tell, told) = mpsc::channel();
    let (over, is_over) = mpsc::channel::<()>();
    result.on_done(move |result| {
        let _over = over;
        tell.send(result.map(drop)).expect("somebody listens");
        at(Seam::Callback, cell);
        at(Seam::CallbackOfMap, cell);
    });
    let outcome = told.recv_timeout(GUARD).expect("the callback");
    if matches!(cell.0, Seam::Callback | Seam::CallbackOfMap) {
        wait_for_turn(cell.1, &is_over);
    }
    outcome
}

/// Waits until a deed in another thread is over, which drops the other end: this thread would else close the pool under it.
fn wait_for_turn(deed: Deed, is_over: &mpsc::Receiver<()>) {
    if deed.aborts() || deed == Deed::Exit {
        // It ends the program.
        for_ever();
    }
    if deed != Deed::Block {
        assert_eq!(is_over.recv_timeout(GUARD), Err(mpsc::RecvTimeoutError::Disconnected), "it has its turn");
    }
}

/// A task that ends only when a waker is registered.
fn woken(pool: &Pool, cell: Cell) -> Result<(), TaskError> {
    let gate = Event::new().expect("an event");
    let mut result = pool.apply_async(|gate: Event| gate.wait(), gate.clone());
    let (over, is_over) = mpsc::channel();
    let waker = Waker::from(Arc::new(Waking(cell, thread::current(), Some(over))));
    assert!(Pin::new(&mut result).poll(&mut Context::from_waker(&waker)).is_pending(), "it waits");
    gate.set();
    let outcome = wait_for(result, waker);
    wait_for_turn(cell.1, &is_over);
    outcome
}

fn waking(cell: Cell) -> Arc<Waking> {
    Arc::new(Waking(cell, thread::current(), None))
}

fn wait_for<R: serde::de::DeserializeOwned>(mut result: AsyncResult<R>, waker: Waker) -> Result<R, TaskError> {
    loop {
        match Pin::new(&mut result).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => thread::park(),
        }
    }
}

/// How the pool ends, which only what comes after all tasks changes.
fn end(pool: &Pool, (seam, deed): Cell) -> &'static str {
    pool.close();
    let limit = if deed == Deed::Block { LIMIT } else { GUARD };
    let has_ended = pool.join_timeout(limit);
    if !has_ended {
        pool.terminate();
        assert!(pool.join_timeout(GUARD), "a pool that was terminated ends");
    }
    if !matches!(seam, Seam::DropState | Seam::Finalizer) {
        // Where a worker has died of something else, its finalizer may be missing or not.
        return "";
    }
    match (has_ended, &pool.finalizer_errors()[..]) {
        (false, _) => ", and the end only when terminated",
        (true, []) => "",
        (true, [error, ..]) => match (error.to_string().starts_with("the state"), error.panic().is_some()) {
            (false, true) => ", and a finalizer that panicked",
            (false, false) => ", and a finalizer that was cut off",
            (true, true) => ", and a state that panicked",
            (true, false) => ", and a state that was cut off",
        },
    }
}

fn told(error: &TaskError) -> String {
    let index = error.index();
    match (error.panic(), error.exit_status()) {
        (Some(_), Some(status)) => format!("panic of task {index} and death with {}", brief(&status)),
        (Some(_), None) => format!("panic of task {index}"),
        (None, Some(status)) => format!("death of task {index} with {}", brief(&status)),
        _ if error.is_timeout() => format!("task {index} took too long"),
        _ if error.is_transport() && error.started() => format!("unreadable result of task {index}"),
        _ if error.is_transport() => format!("unreadable context of task {index}"),
        _ => error.to_string(),
    }
}

/// Without what differs from machine to machine.
fn brief(status: &impl ToString) -> String {
    status.to_string().split(',').next().unwrap_or_default().to_owned()
}
