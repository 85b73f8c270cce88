//! Rules about dependencies: the arrows between our crates, and other people's crates that each may use.
//!
//! Dependencies of tests and examples are free.

use toml::{Table, Value};

use super::problem::Problem;
use super::tree::{Crate, Tree};

/// What the manifest of one package may name.
struct Arrows {
    package: &'static str,
    /// Our own crates that it may stand on.
    ours: &'static [&'static str],
    /// Those of our own crates that it may stand on only for users who ask for them with a feature.
    optional: &'static [&'static str],
    /// Other people's crates. A new one is a decision: it comes with a line here.
    others: &'static [&'static str],
}

/// A dependency that a manifest names.
struct Named {
    package: String,
    is_optional: bool,
}

impl Named {
    /// Reads an entry, whose package may go by another name in the manifest.
    fn of(key: &str, value: &Value) -> Named {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
        Named { package, is_optional: value.get("optional").and_then(Value::as_bool).unwrap_or(false) }
    }
}

const CORE: &str = "procession-core";
const PROCESS: &str = "procession-process";
const SYNC: &str = "procession-sync";
const CHANNELS: &str = "procession-channels";
const POOL: &str = "procession-pool";
const MANAGER: &str = "procession-manager";
const HOSTS: &str = "procession-hosts";

const ARROWS: &[Arrows] = &[
    // A control link to another host is sealed by the Noise protocol (snow), between processes that hash their executables (sha2). Both
    // come only with the feature `sealed`.
    Arrows {
        package: CORE,
        ours: &[],
        optional: &["sha2", "snow"],
        others: &["nix", "postcard", "serde", "thiserror"],
    },
    Arrows { package: PROCESS, ours: &[CORE], optional: &[], others: &["backtrace", "log", "serde", "thiserror"] },
    // The traits of bytemuck say what shared memory needs, and their derives check it.
    Arrows { package: SYNC, ours: &[CORE], optional: &["bytemuck"], others: &["serde", "thiserror"] },
    // Sockets come from nix; the handshake of a listener needs digests, and random bytes that no stranger can guess.
    Arrows {
        package: CHANNELS,
        ours: &[SYNC, CORE],
        optional: &[],
        others: &["hmac", "md-5", "nix", "serde", "sha2", "sha3", "thiserror", "tokio"],
    },
    Arrows {
        package: POOL,
        ours: &[PROCESS, CHANNELS, SYNC, CORE],
        optional: &[],
        others: &["serde", "thiserror", "tracing"],
    },
    // A pool is one of the things that a manager can hold.
    Arrows {
        package: MANAGER,
        ours: &[PROCESS, CHANNELS, SYNC, CORE],
        optional: &[POOL],
        others: &["serde", "thiserror"],
    },
    // It starts launchers with the standard library alone; sealing is core's.
    Arrows { package: HOSTS, ours: &[POOL, PROCESS, CORE], optional: &[], others: &["thiserror"] },
    Arrows {
        package: "procession",
        ours: &[PROCESS, SYNC, CHANNELS, POOL, MANAGER, HOSTS],
        optional: &[],
        others: &[],
    },
    Arrows { package: "xtask", ours: &[], optional: &[], others: &["lexopt", "proc-macro2", "syn", "toml"] },
];

pub(super) fn arrows(tree: &Tree) -> Vec<Problem> {
    tree.crates.iter().flat_map(forbidden).collect()
}

pub(super) fn postcard(tree: &Tree) -> Vec<Problem> {
    let others = tree.crates.iter().filter(|member| member.name() != CORE);
    let named = others.filter(|member| {
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        dependencies(&member.manifest, &kinds).iter().any(|named| named.package == "postcard")
    });
    let text = "only core knows how values are encoded: use procession_core::codec instead of postcard";
    named.map(|member| member.problem("postcard", text)).collect()
}

fn forbidden(member: &Crate) -> Vec<Problem> {
    let Some(allowed) = ARROWS.iter().find(|arrows| arrows.package == member.name()) else {
        return vec![member.problem("name", "a new package needs a line in the table of xtask/src/tidy/arrows.rs")];
    };
    let named = dependencies(&member.manifest, &["dependencies", "build-dependencies"]);
    let wrong = named.iter().filter(|named| !is_allowed(allowed, named));
    wrong.map(|named| member.problem(&named.package, refusal(allowed, &named.package))).collect()
}

fn is_allowed(allowed: &Arrows, named: &Named) -> bool {
    let package = named.package.as_str();
    let asked_for = named.is_optional && allowed.optional.contains(&package);
    asked_for || allowed.ours.contains(&package) || allowed.others.contains(&package)
}

fn refusal(allowed: &Arrows, name: &str) -> String {
    let package = allowed.package;
    if allowed.optional.contains(&name) {
        return format!("{package} may depend on {name} only with a feature: write `optional = true`");
    }
    if ARROWS.iter().any(|arrows| arrows.package == name) {
        let list = if allowed.ours.is_empty() { "none of our crates".into() } else { allowed.ours.join(", ") };
        return format!("{package} may depend on {list}, not on {name}: move what it needs to a lower floor");
    }
    format!(
        "{package} may not depend on {name}: do without, or add it to the table of xtask/src/tidy/arrows.rs with its reason"
    )
}

/// The entries of the given tables of a manifest, its target-specific tables included.
fn dependencies(manifest: &Table, kinds: &[&str]) -> Vec<Named> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = [manifest].into_iter().chain(targets.filter_map(Value::as_table));
    let mut names = Vec::new();
    for table in tables {
        for kind in kinds {
            let entries = table.get(*kind).and_then(Value::as_table).into_iter().flatten();
            names.extend(entries.map(|(key, value)| Named::of(key, value)));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(find: fn(&Tree) -> Vec<Problem>, name: &str, rest: &str) -> Vec<String> {
        let manifest = format!("[package]\nname = \"{name}\"\n{rest}\n");
        find(&sample([("x/Cargo.toml", &manifest)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn good_arrows_pass() {
        let rest = "[dependencies]\nprocession-core.workspace = true\nserde.workspace = true\n\
                    [dev-dependencies]\nprocession-process.workspace = true\ntempfile = \"3\"";
        assert!(broken(arrows, SYNC, rest).is_empty());
    }

    #[test]
    fn an_arrow_upwards_is_refused_with_its_line() {
        let problems = broken(arrows, SYNC, "[dependencies]\nprocession-process.workspace = true");
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].starts_with("x/Cargo.toml:4: procession-sync may depend on procession-core"),
            "{problems:?}"
        );
    }

    #[test]
    fn an_arrow_for_those_who_ask_for_it_is_optional() {
        let pool = |rest: &str| format!("[dependencies]\nprocession-pool = {{ workspace = true{rest} }}");
        assert!(broken(arrows, MANAGER, &pool(", optional = true")).is_empty());
        for rest in ["", ", optional = false"] {
            let problems = broken(arrows, MANAGER, &pool(rest));
            assert_eq!(problems.len(), 1);
            assert!(problems[0].contains("write `optional = true`"), "{problems:?}");
        }
        assert_eq!(broken(arrows, SYNC, &pool(", optional = true")).len(), 1);
    }

    #[test]
    fn strangers_are_refused_in_every_table_and_under_every_name() {
        assert_eq!(broken(arrows, POOL, "[dependencies]\nrayon = \"1\"").len(), 1);
        assert_eq!(broken(arrows, POOL, "[build-dependencies]\ncc = \"1\"").len(), 1);
        assert_eq!(broken(arrows, POOL, "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"").len(), 1);
        assert_eq!(broken(arrows, POOL, "[dependencies]\nserde = { package = \"cerde\", version = \"1\" }").len(), 1);
    }

    #[test]
    fn a_package_without_a_line_in_the_table_is_refused() {
        assert_eq!(broken(arrows, "procession-extra", "").len(), 1);
    }

    #[test]
    fn postcard_is_for_core_alone() {
        let rest = "[dev-dependencies]\npostcard.workspace = true";
        assert!(broken(postcard, CORE, rest).is_empty());
        assert_eq!(broken(postcard, POOL, rest).len(), 1);
    }
}
