//! What `tracing` hears of a pool: spans of tasks in the workers, events of workers in the pool's process.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use procession_pool::Pool;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

procession_process::init_at_load!();

/// A subscriber that keeps the events, and knows in which span a thread is.
struct Kept;

static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SPANS: LazyLock<Mutex<HashMap<u64, String>>> = LazyLock::new(Mutex::default);

thread_local!(static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) });

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("procession")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let (id, mut text) = (NEXT.fetch_add(1, Ordering::Relaxed), Text(attributes.metadata().name().to_owned()));
        attributes.record(&mut text);
        SPANS.lock().unwrap().insert(id, text.0);
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        EVENTS.lock().unwrap().push(text.0);
    }

    fn enter(&self, id: &Id) {
        INSIDE.with_borrow_mut(|inside| inside.push(id.into_u64()));
    }

    fn exit(&self, _: &Id) {
        INSIDE.with_borrow_mut(|inside| _ = inside.pop());
    }
}

/// The innermost span that this thread is in.
fn innermost(n: u64) -> (u64, Option<String>) {
    let id = INSIDE.with_borrow(|inside| inside.last().copied());
    (n, id.and_then(|id| SPANS.lock().unwrap().get(&id).cloned()))
}

fn subscribe(_: ()) -> Result<(), String> {
    tracing::subscriber::set_global_default(Kept).map_err(|error| error.to_string())
}

#[test]
fn tasks_are_spans_and_deaths_are_events() {
    subscribe(()).unwrap();
    let pool = Pool::builder().workers(2).initializer(subscribe, ()).build().unwrap();
    for (n, span) in pool.map(innermost, 0..50).unwrap() {
        assert_eq!(span.as_deref(), Some("task"), "task {n}");
    }
    let death = pool.map(|_: u64| -> u64 { std::process::abort() }, [0]).unwrap_err();
    let (name, pid) = (death.worker().unwrap(), death.pid().unwrap());
    let events = EVENTS.lock().unwrap();
    let starts = events.iter().filter(|event| event.contains("worker started")).count();
    assert!(starts >= 2, "{events:?}");
    let expected = format!("worker=\"{name}\" pid={pid} end=signal 6 (SIGABRT)");
    let is_it =
        |event: &&String| event.starts_with("WARN") && event.contains("worker died") && event.contains(&expected);
    assert!(events.iter().any(|event| is_it(&event)), "{expected} in {events:?}");
}
