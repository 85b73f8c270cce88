//! What rules ask of tokens and attributes: where they stand, what they say, whom they concern.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{Attribute, Expr, Lit, Meta};

/// Calls `see` with what follows each token on its level, that token included; `rest` is never empty.
pub(super) fn scan(tokens: TokenStream, see: &mut dyn FnMut(&[TokenTree])) {
    let level: Vec<_> = tokens.into_iter().collect();
    for (at, token) in level.iter().enumerate() {
        see(&level[at..]);
        if let TokenTree::Group(group) = token {
            scan(group.stream(), see);
        }
    }
}

pub(super) fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// The line on which a piece of source begins, counted from 1.
pub(super) fn line(span: Span) -> usize {
    span.start().line
}

/// Whether attributes leave an item out of anything but test builds.
pub(super) fn only_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let Meta::List(list) = &attribute.meta else {
            return false;
        };
        let mut words = Vec::new();
        scan(list.tokens.clone(), &mut |rest| words.push(rest[0].to_string()));
        words.iter().any(|word| word == "test") && !words.iter().any(|word| word == "not")
    })
}

/// The text of all comments and `doc` attributes together.
pub(super) fn documentation(attributes: &[Attribute]) -> String {
    let docs = attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let lines = docs.filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) => Some(text_of(&pair.value)),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The text of a literal, and what is known of a `concat!`.
fn text_of(value: &Expr) -> String {
    match value {
        Expr::Lit(literal) => string(literal.lit.clone()),
        Expr::Macro(call) => {
            let mut text = String::new();
            scan(call.mac.tokens.clone(), &mut |rest| {
                text.extend(syn::parse2(rest[0].clone().into()).map(string));
            });
            text
        }
        _ => String::new(),
    }
}

fn string(literal: Lit) -> String {
    match literal {
        Lit::Str(text) => text.value(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_for_tests_are_recognised() {
        let item: syn::ItemMod = syn::parse_str("#[cfg(all(test, unix))] mod tests {}").unwrap();
        assert!(only_for_tests(&item.attrs));
        let item: syn::ItemMod = syn::parse_str("#[cfg(not(test))] mod real {}").unwrap();
        assert!(!only_for_tests(&item.attrs));
    }
}
