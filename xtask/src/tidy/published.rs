//! What a crate shows to its users: the names that can be reached from its root.

use std::collections::HashSet;

use syn::{Attribute, Ident, Item, UseName, UseRename, UseTree, Visibility};

use super::source::Source;
use super::tokens::only_for_tests;
use super::tree::Tree;

/// The names that one crate publishes. That a name means two things, one of them public, does not happen to things that
/// are called `pub`: the lint `unreachable_pub` takes care of that.
#[derive(Default)]
pub(super) struct Published {
    names: HashSet<String>,
}

impl Published {
    /// Follows the public modules of the crate in `folder`, and what they re-export.
    pub(super) fn of(tree: &Tree, folder: &str) -> Self {
        let mut published = Self::default();
        let mut modules = vec![Vec::new()];
        while let Some(module) = modules.pop() {
            if let Some(source) = tree.sources.iter().find(|source| is_file_of(source, folder, &module)) {
                published.module(&source.syntax.items, &module, &mut modules);
            }
        }
        published
    }

    pub(super) fn has(&self, name: &Ident) -> bool {
        self.names.contains(&name.to_string())
    }

    fn module(&mut self, items: &[Item], path: &[String], files: &mut Vec<Vec<String>>) {
        for item in items {
            let Some((name, visibility, attributes)) = named(item) else {
                continue;
            };
            if !is_shown(visibility, attributes) {
                continue;
            }
            match (item, name) {
                (Item::Use(item), _) => self.re_export(&item.tree, path, files),
                (Item::Mod(item), _) => {
                    self.names.insert(item.ident.to_string());
                    let inner = [path, &[item.ident.to_string()]].concat();
                    match &item.content {
                        Some((_, items)) => self.module(items, &inner, files),
                        None => files.push(inner),
                    }
                }
                (_, Some(name)) => drop(self.names.insert(name.to_string())),
                (_, None) => {}
            }
        }
    }

    /// The name that a thing has where it is defined, whatever it is called outside. It may be a module of its own.
    fn re_export(&mut self, tree: &UseTree, path: &[String], files: &mut Vec<Vec<String>>) {
        match tree {
            UseTree::Path(inner) => self.re_export(&inner.tree, &[path, &[inner.ident.to_string()]].concat(), files),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.re_export(item, path, files)),
            UseTree::Name(UseName { ident }) | UseTree::Rename(UseRename { ident, .. }) => {
                self.names.insert(ident.to_string());
                files.push([path, &[ident.to_string()]].concat());
            }
            UseTree::Glob(_) => {}
        }
    }
}

/// The name, visibility and attributes of an item that can be public. A `use` has many names.
pub(super) fn named(item: &Item) -> Option<(Option<&Ident>, &Visibility, &[Attribute])> {
    Some(match item {
        Item::Const(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Enum(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Fn(item) => (Some(&item.sig.ident), &item.vis, &item.attrs),
        Item::Mod(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Static(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Struct(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Trait(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Type(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Union(item) => (Some(&item.ident), &item.vis, &item.attrs),
        Item::Use(item) => (None, &item.vis, &item.attrs),
        _ => return None,
    })
}

/// Whether something is public, and the documentation speaks of it.
pub(super) fn is_shown(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !is_hidden(attributes) && !only_for_tests(attributes)
}

/// Whether attributes keep an item out of the documentation.
pub(super) fn is_hidden(attributes: &[Attribute]) -> bool {
    let mut docs = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    docs.any(|attribute| attribute.parse_args::<Ident>().is_ok_and(|word| word == "hidden"))
}

/// Whether a file holds the module with this path.
fn is_file_of(source: &Source, folder: &str, module: &[String]) -> bool {
    let Some(path) = source.path.strip_prefix(folder).and_then(|path| path.strip_prefix("/src/")) else {
        return false;
    };
    let module = module.join("/");
    match module.as_str() {
        "" => path == "lib.rs",
        _ => path == format!("{module}.rs") || path == format!("{module}/mod.rs"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn published<const N: usize>(files: [(&str, &str); N]) -> Vec<String> {
        let mut names: Vec<_> = Published::of(&sample(files), "core").names.into_iter().collect();
        names.sort();
        names
    }

    #[test]
    fn names_are_found_in_public_modules_and_re_exports() {
        let root = "pub mod os; mod link; pub use link::{Link, LinkError as Error}; pub use link::inner; pub const A: u8 = 0; struct B;";
        let os = "pub mod poll { pub fn wait() {} } mod exit; pub(crate) fn f() {}";
        let names = published([
            ("core/src/lib.rs", root),
            ("core/src/os/mod.rs", os),
            ("core/src/link.rs", "pub fn g() {}"),
            ("core/src/link/inner.rs", "pub fn h() {}"),
        ]);
        assert_eq!(names, ["A", "Link", "LinkError", "h", "inner", "os", "poll", "wait"]);
    }

    #[test]
    fn what_is_hidden_or_for_tests_is_not_published() {
        let root = "#[doc(hidden)] pub use a::B; #[doc(hidden)] pub struct C; #[cfg(test)] pub mod d { pub fn e() {} }";
        assert!(published([("core/src/lib.rs", root)]).is_empty());
    }

    #[test]
    fn other_crates_are_others() {
        assert!(published([("sync/src/lib.rs", "pub struct A;")]).is_empty());
    }
}
