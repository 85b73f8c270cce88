//! The rule about names: the field's own terms, and none that this workspace once made up.

use proc_macro2::{TokenStream, TokenTree};

use super::problem::Problem;
use super::source::Source;
use super::text::parts;
use super::tokens::{is_word, line};
use super::tree::Tree;

/// Names that are not used in a crate, and what to call the thing.
///
/// A word in small letters is not to be a part of any name, one with a capital not a whole name; `=word` is a whole name in small letters.
struct Banned {
    folders: &'static [&'static str],
    names: &'static [(&'static str, &'static str)],
}

const ALL: &[&str] = &["core", "process", "sync", "channels", "pool", "manager", "hosts"];

const BANNED: &[Banned] = &[
    Banned {
        folders: ALL,
        names: &[
            ("patience", "timeout, backoff, or what is waited for and its unit"),
            ("GRACE", "what ends after it, and its unit"),
            ("SELDOM", "what happens once in that number"),
            ("SHORT", "the limit that it is, and its unit"),
            ("LONG", "the limit that it is, and its unit"),
            ("KEPT", "what is kept, and its unit"),
            ("vouch", "trusted"),
            ("vouched", "trusted"),
            ("voucher", "TrustedEntry"),
            ("vouchers", "trusted"),
            ("goods", "Ancillary"),
            ("lender", "BufferPool"),
            ("borrower", "BufferReader"),
            ("Given", "ApplyOn"),
            ("bell", "Doorbell, notify"),
            ("rung", "notified"),
            ("settle", "what it does: apply, reap, flush, compact, register, release"),
            ("culprit", "PoisonCause"),
            ("absolve", "clear_poison"),
            ("mend", "clear_poison"),
            ("fallen", "poisoned_by"),
            ("Told", "Serialized"),
            ("hear", "recv, receive"),
            ("heed", "handle"),
            ("obey", "handle_order"),
            ("tell", "send, report"),
            ("told", "notified"),
            ("=most", "max"),
            ("=least", "min"),
            ("=due", "deadline"),
        ],
    },
    Banned {
        folders: &["channels"],
        names: &[
            ("inlet", "RawReceiver"),
            ("outlet", "RawSender"),
            ("tally", "Outstanding"),
            ("Standing", "JoinState"),
            ("Ending", "Completion"),
            ("sweep", "recovery"),
            ("grip", "LockedEnd"),
            ("snag", "ChainError"),
            ("Fault", "ChannelError"),
            ("intend", "announce"),
            ("parcel", "fd_packet, Received"),
            ("Sink", "CopyTarget"),
            ("Room", "SliceTarget"),
            ("Lent", "ExtentRef"),
            ("Slices", "BackoffTimer"),
            ("nap", "sleep"),
            ("vain", "misses"),
            ("Door", "PendingHandshakes"),
            ("Manners", "HandshakeLimits"),
            ("Gate", "DeadlineMutex"),
            ("Place", "BoundSocket"),
            ("footprint", "SocketFile"),
            ("Talk", "Handshake"),
        ],
    },
    Banned { folders: &["sync"], names: &[("nap", "sleep"), ("vain", "misses")] },
    Banned {
        folders: &["pool"],
        names: &[
            ("desk", "JobBuffers"),
            ("desks", "JobBuffers"),
            ("parcel", "ResultBatch"),
            ("Values", "RawResults"),
            ("noted", "PendingOutcome"),
            ("Sink", "Mailbox"),
            ("ticket", "JobHandle"),
            ("entrust", "submit_detached"),
            ("Run", "JobFeed"),
            ("Plan", "JobSpec"),
            ("Terms", "JobOptions"),
            ("staffing", "PoolLimits"),
            ("=usual", "avg_duration"),
            ("eager", "streaming"),
            ("Work", "TaskFn"),
            ("works", "FunctionTable"),
            ("lesson", "registration"),
            ("Learn", "Register"),
            ("skill", "LoadedFn"),
            ("spoilt", "Failed"),
            ("Member", "WorkerHandle"),
            ("recruiter", "WorkerFactory"),
            ("recruit", "spawn_worker"),
            ("crew", "WorkerSet"),
            ("hands", "available"),
            ("lacking", "missing"),
            ("surplus", "excess"),
            ("stillborn", "failed_starts"),
            ("barren", "idle_exits"),
            ("fruit", "reset_idle_exits"),
            ("graves", "exited"),
            ("bury", "reap"),
            ("burial", "REAP_TIMEOUT"),
            ("epitaph", "exit_cause"),
            ("sentence", "StopReason"),
            ("condemn", "request_stop"),
            ("doomed", "Killed"),
            ("begun", "started"),
            ("unbegun", "unstarted"),
            ("goal", "chunk_size"),
            ("=ahead", "prefetch_depth"),
            ("recall", "revoke"),
            ("Line", "WorkerChannel"),
            ("Floor", "Locked"),
            ("patrol", "poll_mode"),
            ("Watch", "Poller"),
            ("Sign", "Readiness"),
            ("Speaks", "ControlReadable"),
            ("Writes", "StderrReadable"),
            ("Story", "Failure"),
            ("Badge", "WorkerInfo"),
            ("Death", "ExitInfo"),
            ("tending", "builder"),
            ("Pace", "DurationEstimate"),
            ("stirred", "last_progress"),
            ("=spent", "unreported"),
            ("News", "ReadyQueue"),
            ("messenger", "ReadyWaker"),
            ("arrivals", "Completions"),
        ],
    },
    Banned {
        folders: &["manager"],
        names: &[
            ("crew", "LeaderFollowers"),
            ("beat", "epoch"),
            ("hire", "spawn_follower"),
            ("Here", "Local"),
            ("far", "Remote"),
            ("near", "Local"),
            ("resident", "InProcess"),
            ("distant", "Remote"),
            ("mail", "PendingReplies"),
            ("letter", "ReplySlot"),
            ("inbox", "ReplyReader"),
            ("Way", "Transport"),
            ("Ask", "RequestHeader"),
            ("verdict", "ReplyStatus"),
            ("Which", "MethodRef"),
            ("depart", "on_client_exit"),
            ("departure", "exit_hook"),
            ("attentive", "has_exit_hook"),
            ("kinds", "objects"),
            ("face", "proxy_type!"),
            ("Line", "SharedRings"),
            ("Lines", "SharedRings"),
        ],
    },
    Banned { folders: &["process"], names: &[("Identity", "ProcessName")] },
];

pub(super) fn vocabulary(tree: &Tree) -> Vec<Problem> {
    let each = BANNED.iter().flat_map(|banned| banned.folders.iter().map(move |folder| (folder, banned.names)));
    let problems = each.flat_map(|(folder, names)| {
        let sources = tree.sources.iter().filter(|source| source.is_of(folder));
        sources.flat_map(|source| in_source(source, names))
    });
    problems.collect()
}

fn in_source(source: &Source, names: &[(&str, &str)]) -> Vec<Problem> {
    let mut found = Vec::new();
    identifiers(source.tokens.clone(), &mut found);
    found.extend(
        source.text.lines().zip(1..).flat_map(|(text, number)| quoted(text).map(move |name| (number, name.to_owned()))),
    );
    found.sort();
    found.dedup();
    let faults = found.iter().filter_map(|(number, name)| {
        let (banned, instead) = names.iter().find(|(banned, _)| is_meant(banned, name))?;
        let banned = banned.trim_start_matches('=');
        Some(source.problem(*number, format!("`{name}`: not \"{banned}\", but the field's term: {instead}")))
    });
    faults.collect()
}

/// Whether a banned word is the name, or a part of it.
fn is_meant(banned: &str, name: &str) -> bool {
    match banned.strip_prefix('=') {
        Some(whole) => whole == name,
        None if banned.starts_with(char::is_uppercase) => banned == name,
        None => parts(name).iter().any(|part| part == banned),
    }
}

fn identifiers(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    let mut is_former_name = false;
    for token in tokens {
        match &token {
            TokenTree::Group(group) => identifiers(group.stream(), found),
            // A public item may keep its former name beside its own: `pub use New as Old`.
            TokenTree::Ident(name) if !is_former_name => found.push((line(name.span()), name.to_string())),
            _ => {}
        }
        is_former_name = is_word(&token, "as");
    }
}

/// The names that a comment quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let comment = text.find("//").map_or("", |at| &text[at..]);
    let quotes = comment.split('`').skip(1).step_by(2);
    quotes.flat_map(|quote| quote.split(|letter: char| !letter.is_alphanumeric() && letter != '_'))
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<usize> {
        vocabulary(&sample([(path, text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn names_and_parts_of_names_are_found() {
        assert_eq!(broken("channels/src/a.rs", "struct Inlet;\nfn inlet_of() {}\nmod inlet;\n"), [1, 2, 3]);
        assert_eq!(broken("pool/src/a.rs", "struct Run;\nfn run() {}\nstruct RunTime;\n"), [1]);
        assert_eq!(broken("pool/src/a.rs", "fn f(most: u8) { at_most() }\n"), [1]);
        assert_eq!(broken("pool/src/a.rs", "/// See [`Desk`](crate::x).\nfn f() {}\n"), [1]);
    }

    #[test]
    fn names_of_other_crates_and_prose_are_let_through() {
        assert_eq!(broken("sync/src/a.rs", "struct Inlet;\n"), []);
        assert_eq!(broken("sync/src/a.rs", "pub use a::PoisonCause as Culprit;\n"), []);
        assert_eq!(broken("pool/src/a.rs", "// The desk is \"desk\".\nconst A: &str = \"desk\";\n"), []);
    }
}
