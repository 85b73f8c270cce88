//! [`LoadedFn`]: a function as a worker keeps it, and [`EncodedContext`] before its first task.

use std::any::Any;
use std::rc::Rc;

use procession_core::codec::Message;
use procession_core::{Function, Method};
use procession_process::panics;

use super::prepare::make_context;

/// A function as the worker keeps it.
pub(super) enum LoadedFn {
    Plain(Function),
    With {
        method: Method,
        context: Box<dyn Any + Send + Sync>,
    },
    /// The context could not be made, for this reason.
    Failed(String),
}

impl LoadedFn {
    /// Returns what stands for a function that this worker does not know. Its tasks fail.
    pub(super) fn unknown() -> Rc<LoadedFn> {
        Rc::new(LoadedFn::Failed("it is not known".to_owned()))
    }
}

/// The context of a job whose first task has not started here. It is decoded for that task: `Deserialize` is code of the user's, which
/// may block or end the worker, and the task's time limit and error are the place for that.
pub(super) struct EncodedContext {
    pub(super) make: Method,
    pub(super) context: Message,
    pub(super) method: Method,
}

impl EncodedContext {
    /// Decodes the context. If that fails, so does each task of the job, with the same text.
    pub(super) fn load(self) -> LoadedFn {
        let EncodedContext { make, context, method } = self;
        match panics::catch(|| make_context(make, context)) {
            Ok(Ok(context)) => LoadedFn::With { method, context },
            Ok(Err(text)) => LoadedFn::Failed(text),
            Err(panic) => LoadedFn::Failed(panic.to_string()),
        }
    }
}
