//! The rule about examples: the page of a public item shows at once how it is used.
//!
//! It speaks of functions, types, traits, constants and macros, and of the methods and constants of types. Variants, fields and
//! what implements a trait are explained by what they belong to, and a module by what is in it.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::{Attribute, Ident, ImplItem, Item, ItemImpl, ItemMacro, Type};

use super::problem::Problem;
use super::published::{Published, is_hidden, is_shown, named};
use super::source::Source;
use super::tokens::{documentation, is_word, line, only_for_tests};
use super::tree::Tree;

/// The crates with public items, each of which has its example.
pub(super) const CRATES: &[&str] = &["core", "process", "sync", "channels", "pool", "manager", "hosts", "procession"];

/// What may stand after the three ticks of code that is Rust.
const RUST: &[&str] = &["", "rust", "no_run", "should_panic", "compile_fail"];

pub(super) fn examples(tree: &Tree) -> Vec<Problem> {
    CRATES.iter().flat_map(|folder| missing(tree, folder)).collect()
}

/// The public items of one crate whose documentation shows no code.
pub(super) fn missing(tree: &Tree, folder: &str) -> Vec<Problem> {
    let sources = format!("{folder}/src/");
    let published = Published::of(tree, folder);
    let sources = tree.sources.iter().filter(|source| source.path.starts_with(&sources) && !source.is_test());
    let mut problems = Vec::new();
    for source in sources {
        let mut finder = Finder { source, published: &published, problems: Vec::new() };
        finder.items(&source.syntax.items);
        problems.append(&mut finder.problems);
    }
    problems
}

/// Goes through the items of one file.
struct Finder<'a> {
    source: &'a Source,
    published: &'a Published,
    problems: Vec<Problem>,
}

impl Finder<'_> {
    fn items(&mut self, items: &[Item]) {
        items.iter().for_each(|item| self.item(item));
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Impl(item) => self.implementation(item),
            Item::Macro(item) => self.macro_(item),
            Item::Mod(item) if only_for_tests(&item.attrs) => {}
            Item::Mod(item) => item.content.iter().for_each(|(_, items)| self.items(items)),
            _ => self.named(item),
        }
    }

    fn named(&mut self, item: &Item) {
        if let Some((Some(name), visibility, attributes)) = named(item)
            && is_shown(visibility, attributes)
            && self.published.has(name)
        {
            self.demand(&name.to_string(), line(name.span()), attributes);
        }
    }

    fn implementation(&mut self, item: &ItemImpl) {
        let Some(ty) = type_of(item).filter(|ty| item.trait_.is_none() && self.published.has(ty)) else {
            return;
        };
        if is_hidden(&item.attrs) || only_for_tests(&item.attrs) {
            return;
        }
        for part in &item.items {
            let (visibility, attributes, name) = match part {
                ImplItem::Fn(part) => (&part.vis, &part.attrs, &part.sig.ident),
                ImplItem::Const(part) => (&part.vis, &part.attrs, &part.ident),
                _ => continue,
            };
            if is_shown(visibility, attributes) {
                self.demand(&format!("{ty}::{name}"), line(name.span()), attributes);
            }
        }
    }

    /// A macro that users call is an item; the others write items, which stand among their tokens.
    fn macro_(&mut self, item: &ItemMacro) {
        let exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
        match &item.ident {
            Some(name) if exported && !is_hidden(&item.attrs) => {
                self.demand(&format!("{name}!"), line(name.span()), &item.attrs);
            }
            Some(_) => self.written(&item.mac.tokens, true),
            None => self.written(&item.mac.tokens, false),
        }
    }

    /// Functions with documentation among tokens. The macro that is called may have its own word in place of `pub`.
    fn written(&mut self, tokens: &TokenStream, says_pub: bool) {
        let level: Vec<_> = tokens.clone().into_iter().collect();
        let mut rest = level.as_slice();
        while let Some((first, after)) = rest.split_first() {
            // Attributes after `$(…)*` follow those that the macro is given, whose example stands with the caller.
            let given =
                matches!(&level[..level.len() - rest.len()], [.., TokenTree::Punct(star)] if star.as_char() == '*');
            let (attributes, length) = attributes(rest);
            if let TokenTree::Group(group) = first {
                self.written(&group.stream(), says_pub);
            }
            rest = if length == 0 { after } else { &rest[length..] };
            if let Some(name) = function(rest, says_pub).filter(|_| length > 0 && !given && !is_hidden(&attributes)) {
                self.demand(&name.to_string(), line(name.span()), &attributes);
            }
        }
    }

    fn demand(&mut self, name: &str, line: usize, attributes: &[Attribute]) {
        if !shows_code(&documentation(attributes)) {
            let text = format!("the documentation of `{name}` needs an example: a few lines that run");
            self.problems.push(self.source.problem(line, text));
        }
    }
}

/// The name of the type that an implementation is of.
fn type_of(item: &ItemImpl) -> Option<&Ident> {
    match &*item.self_ty {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

/// The attributes that tokens begin with, and how many tokens those are.
fn attributes(tokens: &[TokenTree]) -> (Vec<Attribute>, usize) {
    let pairs = tokens.chunks_exact(2).take_while(|pair| is_attribute(pair));
    let length = 2 * pairs.count();
    let run: TokenStream = tokens[..length].iter().cloned().collect();
    // What is no attribute after all, as in the pattern of a macro, has no documentation.
    (Attribute::parse_outer.parse2(run).unwrap_or_default(), length)
}

fn is_attribute(pair: &[TokenTree]) -> bool {
    matches!(pair, [TokenTree::Punct(hash), TokenTree::Group(group)]
        if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket)
}

/// The name of the function that tokens begin with, when users can call it.
fn function(tokens: &[TokenTree], says_pub: bool) -> Option<&TokenTree> {
    match tokens {
        [visibility, word, rest @ ..] if is_word(word, "fn") => {
            let shown = is_word(visibility, "pub") || (!says_pub && matches!(visibility, TokenTree::Ident(_)));
            // In the body of a macro the name may be a parameter, `$name`.
            rest.iter().find(|token| matches!(token, TokenTree::Ident(_))).filter(|_| shown)
        }
        _ => None,
    }
}

/// Whether a text in Markdown holds a block of Rust.
fn shows_code(text: &str) -> bool {
    let mut open = false;
    for words in text.lines().filter_map(|line| line.trim().strip_prefix("```")) {
        if !open && words.split(',').all(|word| RUST.contains(&word.trim())) {
            return true;
        }
        open = !open;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    fn lacking(text: &str) -> Vec<String> {
        let problems = missing(&sample([("core/src/lib.rs", text)]), "core");
        problems.iter().map(|problem| problem.text.split('`').nth(1).unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn items_with_code_pass() {
        let code = "/// Says.\n///\n/// ```\n/// say();\n/// ```\n";
        assert!(lacking(&format!("{code}pub fn say() {{}}")).is_empty());
        assert!(lacking(&format!("{code}pub struct A; impl A {{ {code}pub fn b(&self) {{}} }}")).is_empty());
        assert!(lacking("#[doc = concat!(\"```\\n\", stringify!(a), \"\\n```\")] pub fn a() {}").is_empty());
        assert!(lacking("/// ```no_run\n/// a();\n/// ```\npub fn a() {}").is_empty());
    }

    #[test]
    fn items_without_code_are_found() {
        assert_eq!(lacking("pub fn a() {} pub const B: u8 = 0; pub trait C {} pub type D = u8;"), ["a", "B", "C", "D"]);
        assert_eq!(lacking("/// See [`b`].\npub enum A { B }"), ["A"]);
        assert_eq!(lacking("/// ```text\n/// a\n/// ```\npub fn a() {}"), ["a"]);
        assert_eq!(lacking("#[macro_export] macro_rules! a { () => {} }"), ["a!"]);
    }

    #[test]
    fn methods_of_published_types_are_found() {
        let implementation = "{ pub fn b(&self) {} pub const C: u8 = 0; fn d(&self) {} pub(crate) fn e(&self) {} }";
        let code = "/// ```\n/// ```\npub struct A;";
        assert_eq!(lacking(&format!("{code} impl A {implementation}")), ["A::b", "A::C"]);
        assert!(lacking(&format!("pub(crate) struct A; impl A {implementation}")).is_empty());
        assert!(lacking("/// ```\n/// ```\npub struct A; impl Drop for A { fn drop(&mut self) {} }").is_empty());
    }

    #[test]
    fn what_users_do_not_see_needs_none() {
        assert!(lacking("#[doc(hidden)] pub fn a() {} pub(crate) fn b() {} fn c() {}").is_empty());
        assert!(lacking("#[cfg(test)] mod tests { pub fn a() {} } mod private { pub struct B; }").is_empty());
        assert!(lacking("macro_rules! a { () => {} }").is_empty());
    }

    #[test]
    fn functions_that_macros_write_are_found() {
        assert_eq!(lacking("m! { impl A; /// Goes.\n/// Fast.\nshared fn a[]() -> u8 = f; }"), ["a"]);
        assert!(lacking("m! { /// ```\n/// ```\n shared fn a[]() -> u8 = f; fn b() {} }").is_empty());
        let written =
            "macro_rules! m { ($b:ident) => { impl A { /// Goes.\npub fn $b() {} /// Not here.\nfn c() {} } } }";
        assert_eq!(lacking(written), ["b"]);
        let given = "macro_rules! m { ($(#[$m:meta])*) => { impl A { $(#[$m])* #[doc = \"Fails.\"] pub fn b() {} } } }";
        assert!(lacking(given).is_empty());
    }
}
