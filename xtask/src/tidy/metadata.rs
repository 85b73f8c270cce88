//! The rule about manifests: what the root states once is inherited, and each crate introduces itself.

use toml::Value;

use super::problem::Problem;
use super::tree::{Crate, Tree};

/// What each package takes over from the root.
const SHARED: &[&str] = &["version", "edition", "rust-version", "license", "authors"];

/// What a package that will be published takes over besides.
const SHARED_PUBLISHED: &[&str] = &["keywords", "categories"];

pub(super) fn metadata(tree: &Tree) -> Vec<Problem> {
    let manifests = tree.crates.iter().flat_map(not_inherited);
    manifests.chain(tree.crates.iter().filter_map(|member| no_readme(tree, member))).collect()
}

fn not_inherited(member: &Crate) -> Vec<Problem> {
    let published = if is_published(member) { SHARED_PUBLISHED } else { &[] };
    let stated = SHARED.iter().chain(published).filter(|key| {
        let value = member.package().and_then(|package| package.get(**key));
        !value.is_some_and(inherits)
    });
    let mut problems: Vec<_> =
        stated.map(|key| member.problem(key, format!("write `{key}.workspace = true` in [package]"))).collect();
    if !member.manifest.get("lints").is_some_and(inherits) {
        problems.push(member.problem("[lints]", "write `workspace = true` in [lints]"));
    }
    problems
}

fn no_readme(tree: &Tree, member: &Crate) -> Option<Problem> {
    let missing = is_published(member) && !tree.has(&format!("{}/README.md", member.folder));
    missing.then(|| member.problem("readme", "a published crate introduces itself: write a README.md beside this file"))
}

fn is_published(member: &Crate) -> bool {
    member.package().and_then(|package| package.get("publish")) != Some(&Value::Boolean(false))
}

fn inherits(value: &Value) -> bool {
    value.get("workspace") == Some(&Value::Boolean(true))
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\nauthors.workspace = true\nkeywords.workspace = true\ncategories.workspace = true\n\
        [lints]\nworkspace = true\n";

    fn broken(manifest: &str) -> usize {
        metadata(&sample([("a/Cargo.toml", manifest), ("a/README.md", "")])).len()
    }

    #[test]
    fn inherited_metadata_passes() {
        assert_eq!(broken(GOOD), 0);
    }

    #[test]
    fn what_is_stated_again_or_missing_is_found() {
        assert_eq!(broken(&GOOD.replace("\nversion.workspace = true", "\nversion = \"1.0.0\"")), 1);
        assert_eq!(broken(&GOOD.replace("categories.workspace = true\n", "")), 1);
        assert_eq!(broken(&GOOD.replace("[lints]\nworkspace = true\n", "")), 1);
    }

    #[test]
    fn only_published_crates_need_words_for_the_registry_and_a_readme() {
        assert_eq!(metadata(&sample([("a/Cargo.toml", GOOD)])).len(), 1);
        let private = GOOD.replace("categories.workspace = true", "publish = false");
        assert!(metadata(&sample([("a/Cargo.toml", &private)])).is_empty());
    }
}
