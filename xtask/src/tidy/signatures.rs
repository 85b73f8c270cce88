//! The rule about public signatures: no type of nix or postcard, which are ours to change.

use std::collections::{HashMap, HashSet};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{ImplItem, Item, TraitItem, UseTree, Visibility};

use super::problem::Problem;
use super::source::Source;
use super::tokens::{line, only_for_tests};
use super::tree::Tree;

/// Crates whose types stay behind our own.
const FOREIGN: &[&str] = &["nix", "postcard"];

pub(super) fn signatures(tree: &Tree) -> Vec<Problem> {
    let sources = tree.sources.iter().filter(|source| !source.is_test() && !source.path.starts_with("bench/"));
    sources.flat_map(check).collect()
}

fn check(source: &Source) -> Vec<Problem> {
    let mut names = Names::default();
    names.visit_file(&source.syntax);
    let mut finder = Finder { source, names, problems: Vec::new() };
    finder.items(&source.syntax.items);
    finder.problems
}

/// What one file calls things.
#[derive(Default)]
struct Names {
    /// Local names of what was imported from a foreign crate, with its first word.
    imported: HashMap<String, &'static str>,
    /// Types that the file makes public.
    public: HashSet<String>,
}

impl Names {
    fn import(&mut self, tree: &UseTree, from: Option<&'static str>) {
        match tree {
            UseTree::Path(path) => self.import(&path.tree, from.or_else(|| foreign(&path.ident))),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.import(item, from)),
            UseTree::Name(name) => self.name(&name.ident, from.or_else(|| foreign(&name.ident))),
            UseTree::Rename(name) => self.name(&name.rename, from.or_else(|| foreign(&name.ident))),
            UseTree::Glob(_) => {}
        }
    }

    fn name(&mut self, ident: &syn::Ident, from: Option<&'static str>) {
        self.imported.extend(from.map(|from| (ident.to_string(), from)));
    }

    fn publish(&mut self, visibility: &Visibility, ident: &syn::Ident) {
        if is_public(visibility) {
            self.public.insert(ident.to_string());
        }
    }

    /// The foreign crate that a path leads to. `self::nix` and the like are our own modules.
    fn origin(&self, path: &syn::Path) -> Option<&'static str> {
        let first = &path.segments.first()?.ident;
        let imported = self.imported.get(&first.to_string()).copied();
        imported.or_else(|| if path.segments.len() > 1 { foreign(first) } else { None })
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, None);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.publish(&item.vis, &item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.publish(&item.vis, &item.ident);
    }
}

/// Goes through public items, and through the signatures of those.
struct Finder<'a> {
    source: &'a Source,
    names: Names,
    problems: Vec<Problem>,
}

impl Finder<'_> {
    fn items(&mut self, items: &[Item]) {
        items.iter().for_each(|item| self.item(item));
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Mod(item) if !only_for_tests(&item.attrs) => {
                item.content.iter().for_each(|(_, items)| self.items(items));
            }
            Item::Impl(item) => self.implementation(item),
            Item::Use(item) if is_public(&item.vis) => self.re_export(&item.tree),
            Item::Fn(item) if is_public(&item.vis) => self.visit_signature(&item.sig),
            Item::Struct(item) if is_public(&item.vis) => self.structure(item),
            Item::Enum(item) if is_public(&item.vis) => self.visit_item_enum(item),
            Item::Trait(item) if is_public(&item.vis) => self.interface(item),
            Item::Type(item) if is_public(&item.vis) => self.visit_item_type(item),
            Item::Const(item) if is_public(&item.vis) => self.visit_type(&item.ty),
            Item::Static(item) if is_public(&item.vis) => self.visit_type(&item.ty),
            _ => {}
        }
    }

    fn structure(&mut self, item: &syn::ItemStruct) {
        self.visit_generics(&item.generics);
        item.fields.iter().filter(|field| is_public(&field.vis)).for_each(|field| self.visit_type(&field.ty));
    }

    fn interface(&mut self, item: &syn::ItemTrait) {
        self.visit_generics(&item.generics);
        item.supertraits.iter().for_each(|bound| self.visit_type_param_bound(bound));
        for part in &item.items {
            match part {
                TraitItem::Fn(part) => self.visit_signature(&part.sig),
                TraitItem::Type(part) => self.visit_trait_item_type(part),
                TraitItem::Const(part) => self.visit_type(&part.ty),
                _ => {}
            }
        }
    }

    /// An implementation of a trait is as public as its type; an inherent one has its own words.
    fn implementation(&mut self, item: &syn::ItemImpl) {
        let Some(path) = trait_of(item) else {
            return item.items.iter().for_each(|part| self.inherent(part));
        };
        if self.is_public_type(&item.self_ty) {
            self.visit_path(path);
            for part in &item.items {
                if let ImplItem::Type(part) = part {
                    self.visit_type(&part.ty);
                }
            }
        }
    }

    fn inherent(&mut self, part: &ImplItem) {
        match part {
            ImplItem::Fn(part) if is_public(&part.vis) => self.visit_signature(&part.sig),
            ImplItem::Const(part) if is_public(&part.vis) => self.visit_type(&part.ty),
            _ => {}
        }
    }

    fn is_public_type(&self, ty: &syn::Type) -> bool {
        let syn::Type::Path(path) = ty else {
            return false;
        };
        path.path.segments.last().is_some_and(|last| self.names.public.contains(&last.ident.to_string()))
    }

    fn re_export(&mut self, tree: &UseTree) {
        let mut exported = Names::default();
        exported.import(tree, None);
        let origin = exported.imported.values().next().copied().or_else(|| glob(tree));
        self.report(origin, line(tree.span()));
    }

    fn report(&mut self, origin: Option<&'static str>, line: usize) {
        if let Some(origin) = origin {
            let text = format!("a type of {origin} is in a public signature: wrap it, or take and give a type of std");
            self.problems.push(self.source.problem(line, text));
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.report(self.names.origin(path), line(path.span()));
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

fn trait_of(item: &syn::ItemImpl) -> Option<&syn::Path> {
    item.trait_.as_ref().map(|(path, _)| path)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn foreign(ident: &syn::Ident) -> Option<&'static str> {
    FOREIGN.iter().find(|name| ident == *name).copied()
}

/// The foreign crate of `nix::…::*`.
fn glob(tree: &UseTree) -> Option<&'static str> {
    match tree {
        UseTree::Path(path) => foreign(&path.ident),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn broken(text: &str) -> usize {
        signatures(&sample([("core/src/a.rs", text)])).len()
    }

    #[test]
    fn our_own_types_pass() {
        assert_eq!(broken("use nix::unistd::Pid; pub fn id() -> u32 { Pid::this().as_raw() as u32 }"), 0);
        assert_eq!(broken("pub struct Child { pid: nix::unistd::Pid }"), 0);
        assert_eq!(broken("use nix::unistd::Pid; pub(crate) fn id() -> Pid { Pid::this() }"), 0);
        assert_eq!(
            broken("struct Inner; impl From<nix::Error> for Inner { fn from(_: nix::Error) -> Inner { Inner } }"),
            0
        );
        assert_eq!(broken("#[cfg(test)] mod tests { pub fn f(_: nix::Error) {} }"), 0);
    }

    #[test]
    fn foreign_types_in_functions_are_found() {
        assert_eq!(broken("pub fn id() -> nix::unistd::Pid { loop {} }"), 1);
        assert_eq!(broken("use nix::unistd::Pid; pub fn id() -> Option<Pid> { None }"), 1);
        assert_eq!(broken("use nix::unistd::Pid as Id; impl A { pub fn f(&self, id: Id) {} }"), 1);
        assert_eq!(broken("use nix::libc; pub fn f(id: libc::pid_t) {}"), 1);
        assert_eq!(broken("pub fn f<F: postcard::ser_flavors::Flavor>(flavor: F) {}"), 1);
        assert_eq!(broken("pub mod os { pub fn f(_: nix::Error) {} }"), 1);
    }

    #[test]
    fn foreign_types_in_types_are_found() {
        assert_eq!(broken("pub struct A { pub pid: nix::unistd::Pid }"), 1);
        assert_eq!(broken("pub enum E { System(#[from] nix::Error) }"), 1);
        assert_eq!(broken("pub type Id = nix::unistd::Pid;"), 1);
        assert_eq!(broken("pub trait T { type Id; fn id(&self) -> nix::unistd::Pid; }"), 1);
        assert_eq!(broken("pub use nix::unistd::Pid;"), 1);
        assert_eq!(broken("pub use nix::unistd::*;"), 1);
    }

    #[test]
    fn foreign_types_in_implementations_of_public_types_are_found() {
        assert_eq!(broken("pub struct E; impl From<nix::Error> for E { fn from(_: nix::Error) -> E { E } }"), 1);
        assert_eq!(broken("pub struct A; impl Deref for A { type Target = nix::unistd::Pid; }"), 1);
    }
}
