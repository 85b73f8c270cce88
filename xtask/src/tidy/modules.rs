//! [`Modules`]: the files of one crate as its modules, and which of them a path leads to.

use std::collections::{HashMap, HashSet};

use syn::{Expr, Item, Lit, Meta};

use super::paths::{Path, paths};
use super::published::named;
use super::source::Source;
use super::tokens::only_for_tests;
use super::tree::Tree;

/// How many re-exports are followed, so that two that name each other end the search.
const REEXPORTS: usize = 16;

/// The modules of a crate that lie in files of their own.
pub(super) struct Modules<'a> {
    files: Vec<Module<'a>>,
}

/// A file of a crate.
pub(super) struct Module<'a> {
    pub(super) source: &'a Source,
    /// The names from the root of the crate; the root itself has none.
    pub(super) path: Vec<String>,
    /// The paths that its code names.
    pub(super) names: Vec<Path>,
    /// The items that it defines.
    defined: HashSet<String>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The index of the file that defines it.
    pub(super) file: usize,
    /// Whether the path takes it from the root of the crate, and not from the module where it lives.
    pub(super) is_through_root: bool,
}

impl<'a> Modules<'a> {
    pub(super) fn of(tree: &'a Tree, folder: &str) -> Self {
        let sources: Vec<_> = tree.sources.iter().filter(|source| source.is_of(folder)).collect();
        let renamed = renamed(&sources);
        let files = sources.into_iter().map(|source| Module::of(source, &renamed));
        Self { files: files.collect() }
    }

    pub(super) fn files(&self) -> &[Module<'a>] {
        &self.files
    }

    /// The file that defines what a path leads to.
    pub(super) fn resolve(&self, path: &[String]) -> Option<Target> {
        self.follow(path, REEXPORTS)
    }

    fn follow(&self, path: &[String], left: usize) -> Option<Target> {
        let depth = (0..=path.len()).rev().find(|depth| self.find(&path[..*depth]).is_some())?;
        let file = self.find(&path[..depth])?;
        let Some(name) = path.get(depth).filter(|name| *name != "*") else {
            return Some(Target { file, is_through_root: false });
        };
        let module = &self.files[file];
        let real = (!module.defined.contains(name) && left > 0).then(|| self.reexported(module, name, left - 1));
        let file = real.flatten().map_or(file, |target| target.file);
        Some(Target { file, is_through_root: depth == 0 })
    }

    /// Where a name comes from that a module imports, perhaps with everything that another has.
    fn reexported(&self, module: &Module<'_>, name: &str, left: usize) -> Option<Target> {
        let mut imports = module.names.iter().filter(|path| path.alias.is_some());
        let by_name = imports.clone().find(|path| path.alias.as_deref() == Some(name));
        if let Some(path) = by_name {
            return self.follow(&path.segments, left);
        }
        imports.find_map(|path| {
            let (last, parent) = path.segments.split_last()?;
            let file = self.find(parent).filter(|_| last == "*")?;
            self.files[file].defined.contains(name).then_some(Target { file, is_through_root: false })
        })
    }

    fn find(&self, path: &[String]) -> Option<usize> {
        self.files.iter().position(|module| module.path == path)
    }
}

impl<'a> Module<'a> {
    fn of(source: &'a Source, renamed: &HashMap<String, String>) -> Self {
        let path = path_of(&source.path, renamed);
        let items = || source.syntax.items.iter();
        let children = items().filter_map(|item| match item {
            Item::Mod(module) if !only_for_tests(&module.attrs) => Some(module.ident.to_string()),
            _ => None,
        });
        let names = paths(source, &path, &children.collect());
        Self { source, path, names, defined: items().filter_map(defined).collect() }
    }
}

/// The name that an item defines. A module is found by its file.
fn defined(item: &Item) -> Option<String> {
    match item {
        Item::Macro(item) => item.ident.as_ref().map(ToString::to_string),
        Item::Mod(_) => None,
        _ => named(item)?.0.map(ToString::to_string),
    }
}

/// The module that a file holds: `core/src/a/b.rs` and `core/src/a/b/mod.rs` hold `a::b`.
fn path_of(file: &str, renamed: &HashMap<String, String>) -> Vec<String> {
    let file = renamed.get(file).map_or(file, String::as_str);
    let inside = file.split_once("/src/").map_or(file, |(_, inside)| inside);
    let mut path: Vec<_> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod" || path.len() == 1 && (last == "lib" || last == "main")) {
        path.pop();
    }
    path
}

/// The files that `#[path]` gives another name, and the paths that they would have by it.
fn renamed(sources: &[&Source]) -> HashMap<String, String> {
    let declared = sources.iter().flat_map(|source| source.syntax.items.iter().map(move |item| (source, item)));
    let renamed = declared.filter_map(|(source, item)| {
        let Item::Mod(module) = item else { return None };
        let file = module.attrs.iter().find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => string(&pair.value),
            _ => None,
        })?;
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Some((format!("{folder}/{file}"), format!("{folder}/{}.rs", module.ident)))
    });
    renamed.collect()
}

fn string(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    const FILES: [(&str, &str); 5] = [
        ("core/src/lib.rs", "mod a; mod c; pub use c::{C, D as E}; #[path = \"no_log.rs\"] mod log;"),
        ("core/src/a/mod.rs", "mod b; pub(crate) use b::*; struct Own;"),
        ("core/src/a/b.rs", "pub(crate) struct B;"),
        ("core/src/c.rs", "pub struct C; pub struct D;"),
        ("core/src/no_log.rs", "pub(crate) fn log() {}"),
    ];

    fn resolved(path: &str) -> (String, bool) {
        let tree = sample(FILES);
        let modules = Modules::of(&tree, "core");
        let path: Vec<_> = path.split("::").map(str::to_owned).collect();
        let target = modules.resolve(&path).unwrap();
        (modules.files()[target.file].source.path.clone(), target.is_through_root)
    }

    #[test]
    fn paths_lead_to_the_file_that_defines() {
        assert_eq!(resolved("c::C"), ("core/src/c.rs".into(), false));
        assert_eq!(resolved("a::b"), ("core/src/a/b.rs".into(), false));
        assert_eq!(resolved("a::Own"), ("core/src/a/mod.rs".into(), false));
        assert_eq!(resolved("log::log"), ("core/src/no_log.rs".into(), false));
    }

    #[test]
    fn reexports_are_followed() {
        assert_eq!(resolved("a::B"), ("core/src/a/b.rs".into(), false));
        assert_eq!(resolved("C"), ("core/src/c.rs".into(), true));
        assert_eq!(resolved("E"), ("core/src/c.rs".into(), true));
    }

    #[test]
    fn reexports_in_a_circle_end() {
        let files = [("core/src/a.rs", "pub use crate::b::X;"), ("core/src/b.rs", "pub use crate::a::X;")];
        let tree = sample(files);
        assert!(Modules::of(&tree, "core").resolve(&["a".into(), "X".into()]).is_some());
    }
}
