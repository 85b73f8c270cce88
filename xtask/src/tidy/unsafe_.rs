//! The rule about unsafe code: a few places may hold it, so that a reviewer knows where to look.

use super::problem::Problem;
use super::source::Source;
use super::tokens::is_word;
use super::tree::Tree;

/// Folders and files that may hold unsafe code. The clippy lints see to it that each block has its proof.
const ALLOWED: &[&str] = &[
    "core/",
    "sync/",
    "channels/src/memory/shared_memory.rs",
    // It forks as C libraries do.
    "pool/tests/forked.rs",
    // It chooses hosts for all its tests before the first of them runs.
    "pool/tests/it/agents.rs",
    "manager/tests/kernel.rs",
    // It makes devices that std cannot make.
    "xtask/examples/cable.rs",
    "bench/src/raw.rs",
    "bench/src/raw_channel.rs",
    "bench/src/raw_lock.rs",
    "bench/src/raw_pool.rs",
];

/// Files with an exported macro that puts an unsafe attribute into the crate that calls it. Their own crate forbids
/// unsafe code all the same, so nothing else in them can be unsafe.
const MACROS: &[&str] = &["process/src/start/init.rs", "hosts/src/api/init.rs"];

pub(super) fn unsafe_code(tree: &Tree) -> Vec<Problem> {
    let outside =
        tree.sources.iter().filter(|source| !is_allowed(&source.path) && !MACROS.contains(&source.path.as_str()));
    outside.flat_map(found).chain(tree.sources.iter().filter_map(not_forbidden)).collect()
}

fn is_allowed(path: &str) -> bool {
    ALLOWED.iter().any(|place| path == *place || place.ends_with('/') && path.starts_with(place))
}

fn found(source: &Source) -> Vec<Problem> {
    source.scan(|rest| {
        let text = "unsafe code outside core and sync: call a safe function of theirs, or add one there";
        is_word(&rest[0], "unsafe").then(|| text.into())
    })
}

/// A crate must say at its root that it has no unsafe code.
fn not_forbidden(source: &Source) -> Option<Problem> {
    let is_root = source.path.ends_with("/src/lib.rs") || source.path.ends_with("/src/main.rs");
    if !is_root || is_allowed(&source.path) {
        return None;
    }
    // `forbid` cannot be lifted for one file, so a crate with such a file denies instead.
    let folder = source.path.split('/').next().unwrap_or_default();
    let level = if has_exception(folder) { "deny" } else { "forbid" };
    let present = source.syntax.attrs.iter().any(|attribute| {
        let strict = attribute.path().is_ident("forbid") || attribute.path().is_ident(level);
        strict && attribute.parse_args::<syn::Path>().is_ok_and(|lint| lint.is_ident("unsafe_code"))
    });
    (!present).then(|| source.problem(1, format!("write `#![{level}(unsafe_code)]` below the header")))
}

fn has_exception(folder: &str) -> bool {
    // A test is a crate of its own, and says so at its own root.
    ALLOWED.iter().any(|place| place.strip_prefix(folder).is_some_and(|rest| rest.starts_with("/src")))
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(path: &str, text: &str) -> usize {
        unsafe_code(&sample([(path, text)])).len()
    }

    #[test]
    fn unsafe_code_stays_in_its_places() {
        let text = "fn f() { unsafe { g() } }";
        assert_eq!(broken("core/src/os/fork.rs", text), 0);
        assert_eq!(broken("channels/src/memory/shared_memory.rs", text), 0);
        assert_eq!(broken("channels/src/api/queue.rs", text), 1);
        assert_eq!(broken("process/src/start/init.rs", text), 0);
        assert_eq!(broken("process/src/lib.rs", "#![deny(unsafe_code)]"), 1);
        assert_eq!(broken("pool/tests/it/main.rs", text), 1);
        assert_eq!(broken("sync_more/src/a.rs", text), 1);
    }

    #[test]
    fn every_form_counts() {
        assert_eq!(broken("pool/src/a.rs", "unsafe fn f() {}"), 1);
        assert_eq!(broken("pool/src/a.rs", "unsafe impl Send for A {}"), 1);
        assert_eq!(broken("pool/src/a.rs", "#[unsafe(no_mangle)] fn f() {}"), 1);
        assert_eq!(broken("pool/src/a.rs", "macro_rules! m { () => { unsafe { g() } } }"), 1);
        assert_eq!(broken("pool/src/a.rs", "// unsafe\nconst A: &str = \"unsafe\";"), 0);
    }

    #[test]
    fn roots_forbid_it() {
        assert_eq!(broken("pool/src/lib.rs", "#![forbid(unsafe_code)]"), 0);
        assert_eq!(broken("pool/src/lib.rs", "#![deny(unsafe_code)]"), 1);
        assert_eq!(broken("pool/src/lib.rs", ""), 1);
        assert_eq!(broken("channels/src/lib.rs", "#![deny(unsafe_code)]"), 0);
        assert_eq!(broken("channels/src/lib.rs", ""), 1);
        assert_eq!(broken("core/src/lib.rs", ""), 0);
    }
}
