//! [`Desk`]: the arguments and results of one job, while they are with the dispatcher.

use std::collections::VecDeque;
use std::sync::Arc;

use procession_core::Function;
use procession_core::codec::Message;

use crate::protocol::Answer;
use crate::sink::{Delivery, Sink};
use crate::task_error::{Badge, Kind, TaskError};

/// What a descriptor weighs, in bytes: they are scarcer than memory.
const DESCRIPTOR_WEIGHT: usize = 1 << 20;

/// One job's papers.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) function: Function,
    sink: Arc<Sink>,
    /// The index of the first of `tasks`.
    base: u64,
    /// Without the finished ones at the front.
    tasks: VecDeque<Option<Task>>,
    out: Vec<Delivery>,
}

/// A task that has not ended. Its argument is kept until then: the worker that has it may die before it begins.
#[derive(Debug)]
struct Task {
    argument: Message,
    answer: Option<(Answer, Badge)>,
}

/// What a message weighs while it waits.
pub(crate) fn weight(message: &Message) -> usize {
    message.bytes().len().saturating_add(message.descriptors().len().saturating_mul(DESCRIPTOR_WEIGHT))
}

impl Desk {
    pub(crate) fn new(function: Function, sink: Arc<Sink>) -> Desk {
        Desk { function, sink, base: 0, tasks: VecDeque::new(), out: Vec::new() }
    }

    /// Takes in a task. Indices grow, but some may be left out.
    pub(crate) fn put(&mut self, index: u64, argument: Message) {
        if self.tasks.is_empty() {
            self.base = index;
        }
        while self.base + (self.tasks.len() as u64) < index {
            self.tasks.push_back(None);
        }
        self.tasks.push_back(Some(Task { argument, answer: None }));
    }

    pub(crate) fn argument(&self, index: u64) -> Option<&Message> {
        self.tasks.get(self.place(index)?)?.as_ref().map(|task| &task.argument)
    }

    /// Notes a worker's answer until the scheduler has decided about it.
    pub(crate) fn note(&mut self, index: u64, answer: Answer, worker: Badge) {
        if let Some(Some(task)) = self.place(index).and_then(|place| self.tasks.get_mut(place)) {
            task.answer = Some((answer, worker));
        }
    }

    /// Ends a task with its worker's answer.
    pub(crate) fn finish_answered(&mut self, index: u64) {
        let Some(task) = self.take(index) else { return };
        let outcome = match task.answer {
            Some((answer, worker)) => outcome(index, answer, worker),
            None => Err(TaskError::new(index, None, Kind::Unreadable("its worker did not say it".to_owned()))),
        };
        self.out.push(Delivery { index, weight: weight(&task.argument), outcome });
    }

    /// Ends a task without an answer.
    pub(crate) fn finish_failed(&mut self, index: u64, worker: Option<Badge>, kind: Kind) {
        if let Some(task) = self.take(index) {
            let outcome = Err(TaskError::new(index, worker, kind));
            self.out.push(Delivery { index, weight: weight(&task.argument), outcome });
        }
    }

    /// Ends every task that is left.
    pub(crate) fn finish_all(&mut self, kind: impl Fn() -> Kind) {
        let end = self.base + self.tasks.len() as u64;
        (self.base..end).for_each(|index| self.finish_failed(index, None, kind()));
    }

    /// Hands over what has ended.
    pub(crate) fn deliver(&mut self, chunk_goal: usize) {
        self.sink.deliver(&mut self.out, chunk_goal);
    }

    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.base)?).ok()
    }

    fn take(&mut self, index: u64) -> Option<Task> {
        let place = self.place(index)?;
        let task = self.tasks.get_mut(place)?.take();
        while let Some(None) = self.tasks.front() {
            self.tasks.pop_front();
            self.base += 1;
        }
        task
    }
}

fn outcome(index: u64, answer: Answer, worker: Badge) -> Result<(Message, Badge), TaskError> {
    let kind = match answer {
        Answer::Returned(message) => return Ok((message, worker)),
        Answer::Panicked(panic) => Kind::Panicked(panic),
        Answer::BadArgument(text) => Kind::BadArgument(text),
        Answer::BadResult(text) => Kind::BadResult(text),
        Answer::Skipped => Kind::BadArgument("the worker does not know the function".to_owned()),
    };
    Err(TaskError::new(index, Some(worker), kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use procession_core::codec::encode;

    fn badge() -> Badge {
        Badge { name: "PoolWorker-1".into(), pid: 1 }
    }

    fn arrived(desk: &mut Desk) -> Vec<(u64, bool)> {
        desk.deliver(1);
        let mut taken = VecDeque::new();
        desk.sink.take(&mut taken);
        taken.iter().map(|delivery| (delivery.index, delivery.outcome.is_ok())).collect()
    }

    #[test]
    fn tasks_end_in_any_order_and_once() {
        let mut desk = Desk::new(Function::of(|n: u8| n).unwrap(), Arc::default());
        for index in [0, 1, 4, 5] {
            desk.put(index, encode(&index).unwrap());
        }
        assert!(desk.argument(2).is_none() && desk.argument(4).is_some() && desk.argument(6).is_none());
        desk.note(4, Answer::Returned(encode(&4).unwrap()), badge());
        desk.finish_answered(4);
        desk.finish_answered(4);
        desk.finish_failed(0, None, Kind::Closed);
        assert_eq!(arrived(&mut desk), [(4, true), (0, false)]);
        assert_eq!(desk.base, 1);
        desk.finish_all(|| Kind::Closed);
        assert_eq!(arrived(&mut desk), [(1, false), (5, false)]);
        assert!(desk.tasks.is_empty());
    }

    #[test]
    fn an_answer_without_words_is_an_error() {
        let mut desk = Desk::new(Function::of(|n: u8| n).unwrap(), Arc::default());
        desk.put(7, encode(&7).unwrap());
        desk.finish_answered(7);
        assert_eq!(arrived(&mut desk), [(7, false)]);
    }
}
