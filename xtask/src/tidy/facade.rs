//! The rule about the facade: it names what others wrote, and nothing lives in it.

use syn::Item;
use syn::spanned::Spanned;

use super::problem::Problem;
use super::source::Source;
use super::tokens::{line, only_for_tests};
use super::tree::Tree;

pub(super) fn facade(tree: &Tree) -> Vec<Problem> {
    let sources = tree.sources.iter().filter(|source| source.path.starts_with("procession/src/"));
    sources.flat_map(|source| code(source, &source.syntax.items)).collect()
}

fn code(source: &Source, items: &[Item]) -> Vec<Problem> {
    items.iter().flat_map(|item| code_in(source, item)).collect()
}

fn code_in(source: &Source, item: &Item) -> Vec<Problem> {
    match item {
        Item::Use(_) | Item::ExternCrate(_) => Vec::new(),
        Item::Mod(module) if only_for_tests(&module.attrs) => Vec::new(),
        Item::Mod(module) => module.content.iter().flat_map(|(_, items)| code(source, items)).collect(),
        _ => vec![
            source.problem(line(item.span()), "the facade holds no code: put this into the crate that it belongs to"),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(text: &str) -> usize {
        facade(&sample([("procession/src/lib.rs", text), ("core/src/lib.rs", "fn elsewhere() {}")])).len()
    }

    #[test]
    fn re_exports_pass() {
        assert_eq!(broken("pub use a::b; pub mod sync { pub use c::*; } #[cfg(test)] mod tests { fn t() {} }"), 0);
    }

    #[test]
    fn code_is_found_at_every_depth() {
        assert_eq!(broken("pub fn f() {}"), 1);
        assert_eq!(broken("pub mod sync { pub use c::*; pub struct Lock; }"), 1);
    }
}
