//! Who searches the documentation for one of Python's names finds what it is here.
//!
//! Each name lands as the name of a public item or as an alias of one, in the crate that is said beside it. What was
//! declined lands in the guide, on the chapter that says why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of a crate, and the names of `multiprocessing` and `concurrent.futures` that must land in it.
const NAMES: &[(&str, &str)] = &[
    // Module level, contexts, start methods; logging.
    (
        "process",
        "cpu_count process_cpu_count active_children current_process parent_process freeze_support get_context \
         set_start_method get_start_method get_all_start_methods fork spawn forkserver get_logger log_to_stderr",
    ),
    // Process.
    ("process", "Process start run join is_alive name daemon pid ident exitcode sentinel terminate kill interrupt"),
    // Locks and shared values.
    (
        "sync",
        "Lock RLock acquire locked Semaphore BoundedSemaphore release get_value Condition wait wait_for notify \
         notify_all Event is_set set clear Barrier parties n_waiting broken abort reset BrokenBarrierError Value \
         Array RawValue RawArray SynchronizedArray get_lock SharedMemory shared_memory buf size unlink \
         ShareableList",
    ),
    // Pipes, connections, listeners, queues.
    (
        "channels",
        "Pipe Connection send recv send_bytes recv_bytes recv_bytes_into poll Listener accept address \
         last_accepted Client wait AuthenticationError EOFError BufferTooShort BrokenPipeError Queue SimpleQueue \
         JoinableQueue put put_nowait get get_nowait qsize empty full Full Empty task_done join",
    ),
    // Pool, and the executor of `concurrent.futures`.
    (
        "pool",
        "Pool processes initializer initargs maxtasksperchild context chunksize apply apply_async map map_async \
         starmap starmap_async imap imap_unordered callback error_callback close terminate join AsyncResult get \
         wait ready successful MaybeEncodingError RemoteTraceback ProcessPoolExecutor max_workers mp_context \
         max_tasks_per_child submit shutdown terminate_workers kill_workers BrokenProcessPool Future result \
         exception cancel cancelled running done add_done_callback as_completed FIRST_COMPLETED FIRST_EXCEPTION \
         ALL_COMPLETED CancelledError buffersize",
    ),
    // Managers.
    (
        "manager",
        "Manager SyncManager BaseManager start register connect get_server serve_forever shutdown join dict list \
         set Namespace Value Array Queue Lock RLock Semaphore BoundedSemaphore Condition Event Barrier Pool \
         PoolProxy BaseProxy _callmethod _getvalue RemoteError",
    ),
    // Descriptors in messages.
    ("core", "DupFd send_handle recv_handle"),
    // What was declined: see the chapter.
    (
        "procession",
        "fileno closed readable writable deliver_challenge answer_challenge ProcessError TimeoutError set_executable set_forkserver_preload \
         allow_connection_pickling reducer SUBDEBUG SUBWARNING dummy ThreadPool InterpreterPoolExecutor authkey \
         get_obj copy synchronized SharedMemoryManager resource_tracker XmlListener XmlClient ConnectionWrapper \
         ForkingPickler join_thread cancel_join_thread MakeProxyType AutoProxy Token debug_info number_of_objects \
         public_methods method_to_typeid exposed set_running_or_notify_cancel set_result set_exception \
         InvalidStateError",
    ),
];

#[test]
fn every_name_of_python_lands() {
    let mut lost = Vec::new();
    for (folder, names) in NAMES {
        let there = landings(&workspace().join(folder).join("src"));
        lost.extend(names.split_whitespace().filter(|name| !there.contains(*name)).map(|name| (folder, name)));
    }
    assert_eq!(lost, [], "these have neither an item nor a `#[doc(alias = \"…\")]`");
}

#[test]
fn every_name_stands_in_the_chapter() {
    let chapter = fs::read_to_string(workspace().join("procession/guide/from-python.md")).unwrap();
    let words: BTreeSet<&str> = chapter.split(|other: char| !is_part_of_a_name(other)).collect();
    let names = NAMES.iter().flat_map(|(_, names)| names.split_whitespace());
    let missing: Vec<_> = names.filter(|name| !words.contains(*name)).collect();
    assert_eq!(missing, [""; 0], "the chapter *Coming from Python* does not mention these");
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn is_part_of_a_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The names of public items, and their aliases, under a folder.
fn landings(folder: &Path) -> BTreeSet<String> {
    let texts = sources(folder).into_iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().filter_map(landing).collect::<Vec<_>>()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let deeper = folders.iter().flat_map(|folder| sources(folder));
    files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).chain(deeper).collect()
}

/// What a line adds to the search: an alias, or the name of an item that begins there.
fn landing(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(alias) = line.strip_prefix("#[doc(alias = \"") {
        let alias = alias.strip_suffix("\")]")?;
        return alias.rsplit('.').next().map(String::from);
    }
    let mut words =
        line.strip_prefix("pub ")?.split_whitespace().skip_while(|word| ["const", "unsafe", "async"].contains(word));
    let kind = words.next()?;
    let name: String = words.next()?.chars().take_while(|letter| is_part_of_a_name(*letter)).collect();
    ["fn", "struct", "enum", "trait", "type", "mod"].contains(&kind).then_some(name)
}

#[test]
fn aliases_and_items_are_read() {
    for (line, name) in [
        ("    #[doc(alias = \"exitcode\")]", Some("exitcode")),
        ("#[doc(alias = \"multiprocessing.Lock\")]", Some("Lock")),
        ("    pub const fn len(&self) -> usize {", Some("len")),
        ("pub struct Barrier<T> {", Some("Barrier")),
        ("pub(crate) fn hidden() {", None),
        ("pub use barrier::Barrier;", None),
    ] {
        assert_eq!(landing(line).as_deref(), name, "{line}");
    }
}
