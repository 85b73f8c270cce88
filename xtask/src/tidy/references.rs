//! The rule about links in documents: each leads to a file that is there.

use super::problem::Problem;
use super::tree::{Document, Tree};

pub(super) fn references(tree: &Tree) -> Vec<Problem> {
    tree.documents.iter().flat_map(|document| dead(tree, document)).collect()
}

fn dead(tree: &Tree, document: &Document) -> Vec<Problem> {
    let lines = document.prose();
    let problems = lines.flat_map(|(number, text)| {
        let dead: Vec<_> = targets(&text).filter(|target| !leads_somewhere(tree, document, target)).collect();
        let literal = literal(&text).filter(|_| !document.is_rendered_by_rustdoc());
        let dead = dead.into_iter().map(|target| format!("`{target}` leads to no file"));
        let literal =
            literal.into_iter().map(|name| format!("`{name}` is a link for rustdoc only: write where it leads"));
        dead.chain(literal).map(|text| Problem::new(&document.path, number, text)).collect::<Vec<_>>()
    });
    problems.collect()
}

/// What stands between the brackets of `](…)`.
fn targets(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()).map(str::to_owned)
}

/// A link without a target, as rustdoc resolves it.
fn literal(text: &str) -> Option<String> {
    text.split("[`").skip(1).find_map(|rest| {
        let (name, after) = rest.split_once("`]")?;
        (!after.starts_with(['(', ':', '['])).then(|| name.to_owned())
    })
}

/// Pages of other sites and items of the crate are checked elsewhere.
fn leads_somewhere(tree: &Tree, document: &Document, target: &str) -> bool {
    if target.is_empty() || target.contains("://") || target.contains("::") || target.starts_with("mailto:") {
        return true;
    }
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let path = parts.join("/");
    document.is_rendered_by_rustdoc() && !target.contains('.') || tree.has(&path) || tree.has_folder(&path)
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<usize> {
        references(&sample([(path, text), ("core/src/lib.rs", "")])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn links_lead_to_files() {
        assert_eq!(broken("README.md", "[a](core/src/lib.rs) [b](core/)\n[c](core/gone.rs)\n"), [2]);
        assert_eq!(broken("core/A.md", "[a](src/lib.rs) [b](../core/src/lib.rs#x) [c](https://x.org/y)\n"), []);
    }

    #[test]
    fn links_of_rustdoc_are_for_its_pages() {
        assert_eq!(broken("core/A.md", "See [`Link`].\n"), [1]);
        assert_eq!(broken("core/A.md", "See [`Link`](https://x.org) and `Link`.\n"), []);
        assert_eq!(broken("procession/guide/a.md", "See [`Link`] and [it](crate::Link).\n"), []);
    }
}
