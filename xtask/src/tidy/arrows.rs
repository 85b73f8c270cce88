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
    /// Other people's crates. A new one is a decision: it comes with a line here.
    others: &'static [&'static str],
}

const CORE: &str = "procession-core";
const PROCESS: &str = "procession-process";
const SYNC: &str = "procession-sync";
const CHANNELS: &str = "procession-channels";
const POOL: &str = "procession-pool";
const MANAGER: &str = "procession-manager";

const ARROWS: &[Arrows] = &[
    Arrows { package: CORE, ours: &[], others: &["nix", "postcard", "serde", "thiserror"] },
    Arrows { package: PROCESS, ours: &[CORE], others: &["log", "serde", "thiserror"] },
    Arrows { package: SYNC, ours: &[CORE], others: &["serde", "thiserror"] },
    // Sockets come from nix; the handshake of a listener needs digests, and random bytes that nobody can guess.
    Arrows {
        package: CHANNELS,
        ours: &[SYNC, CORE],
        others: &["getrandom", "hmac", "md-5", "nix", "serde", "sha2", "sha3", "thiserror", "tokio"],
    },
    Arrows { package: POOL, ours: &[PROCESS, CHANNELS, SYNC, CORE], others: &["serde", "thiserror", "tracing"] },
    // A pool is one of the things that a manager can hold, for those who ask for the feature.
    Arrows { package: MANAGER, ours: &[POOL, PROCESS, CHANNELS, SYNC, CORE], others: &["serde", "thiserror"] },
    Arrows { package: "procession", ours: &[PROCESS, SYNC, CHANNELS, POOL, MANAGER], others: &[] },
    Arrows { package: "xtask", ours: &[], others: &["lexopt", "proc-macro2", "syn", "toml"] },
];

pub(super) fn arrows(tree: &Tree) -> Vec<Problem> {
    tree.crates.iter().flat_map(forbidden).collect()
}

pub(super) fn postcard(tree: &Tree) -> Vec<Problem> {
    let others = tree.crates.iter().filter(|member| member.name() != CORE);
    let named = others.filter(|member| {
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        dependencies(&member.manifest, &kinds).iter().any(|name| name == "postcard")
    });
    let text = "only core knows how values are encoded: use procession_core::codec instead of postcard";
    named.map(|member| member.problem("postcard", text)).collect()
}

fn forbidden(member: &Crate) -> Vec<Problem> {
    let Some(allowed) = ARROWS.iter().find(|arrows| arrows.package == member.name()) else {
        return vec![member.problem("name", "a new package needs a line in the table of xtask/src/tidy/arrows.rs")];
    };
    let names = dependencies(&member.manifest, &["dependencies", "build-dependencies"]);
    let wrong = names.iter().filter(|name| {
        let name = name.as_str();
        !allowed.ours.contains(&name) && !allowed.others.contains(&name)
    });
    wrong.map(|name| member.problem(name, refusal(allowed, name))).collect()
}

fn refusal(allowed: &Arrows, name: &str) -> String {
    let package = allowed.package;
    if ARROWS.iter().any(|arrows| arrows.package == name) {
        let list = if allowed.ours.is_empty() { "none of our crates".into() } else { allowed.ours.join(", ") };
        return format!("{package} may depend on {list}, not on {name}: move what it needs to a lower floor");
    }
    format!(
        "{package} may not depend on {name}: do without, or add it to the table of xtask/src/tidy/arrows.rs with its reason"
    )
}

/// The packages in the given tables of a manifest, its target-specific tables included.
fn dependencies(manifest: &Table, kinds: &[&str]) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = [manifest].into_iter().chain(targets.filter_map(Value::as_table));
    let mut names = Vec::new();
    for table in tables {
        for kind in kinds {
            let entries = table.get(*kind).and_then(Value::as_table).into_iter().flatten();
            names.extend(entries.map(|(key, value)| package(key, value)));
        }
    }
    names
}

/// The package that an entry means, which may go by another name in the manifest.
fn package(key: &str, value: &Value) -> String {
    value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()
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
