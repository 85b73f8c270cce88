//! Dead links in rendered documentation: what a reader clicks on and does not reach, and what he reads as `[Name]` in brackets.
//!
//! rustdoc warns of links that it cannot resolve while it reads the source. Some are lost later: pages that are not made because an
//! item is re-exported without being inlined, and links inside of such items.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::failure::Failure;

/// Checks all pages below a folder, of which there must be `least` or more.
pub(crate) fn check(root: &Path, least: usize) -> Result<(), Failure> {
    let pages = read(root)?;
    if pages.len() < least {
        return Err(Failure::new(format!("{} pages of documentation, there should be {least} at least", pages.len())));
    }
    let dead = dead_links(&pages);
    dead.iter().for_each(|link| eprintln!("{link}"));
    match dead.len() {
        0 => {
            println!("{} pages, every link leads somewhere", pages.len());
            Ok(())
        }
        count => Err(Failure::new(format!("{count} dead links in the documentation"))),
    }
}

/// The pages by their places below the root; the text of those that are not HTML does not matter.
type Pages = BTreeMap<PathBuf, String>;

fn read(root: &Path) -> Result<Pages, Failure> {
    let (mut pages, mut folders) = (Pages::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let fault = |error| Failure::new(format!("cannot read {}: {error}", folder.display()));
        for entry in fs::read_dir(&folder).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_page = path.extension().is_some_and(|extension| extension == "html");
            let text = if is_page { fs::read_to_string(&path).map_err(fault)? } else { String::new() };
            let place = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            pages.insert(place, text);
        }
    }
    Ok(pages)
}

fn dead_links(pages: &Pages) -> BTreeSet<String> {
    let written = pages.iter().filter(|(place, _)| !is_of_the_tool(place));
    written.flat_map(|(place, text)| dead_on(place, text, pages)).collect()
}

/// Pages that rustdoc makes of itself, and views of the source.
fn is_of_the_tool(place: &Path) -> bool {
    place.starts_with("src") || ["help.html", "settings.html"].iter().any(|name| place == Path::new(name))
}

fn dead_on<'a>(place: &'a Path, text: &'a str, pages: &'a Pages) -> impl Iterator<Item = String> + 'a {
    let dead = between(text, "href=\"", "\"").filter(move |link| !leads_somewhere(place, text, link, pages));
    // What rustdoc has not resolved stays as it was written.
    let literal = between(text, "[<code>", "</code>]").filter(|name| !name.contains('<'));
    dead.chain(literal).map(move |link| format!("{}: `{link}` leads nowhere", place.display()))
}

fn leads_somewhere(place: &Path, text: &str, link: &str, pages: &Pages) -> bool {
    // Other sites are not ours to check; the rest is rustdoc's own machinery (`all.html` of a crate that was inlined is not made).
    let is_elsewhere = ["http:", "https:", "data:", "mailto:"].iter().any(|scheme| link.starts_with(scheme));
    if is_elsewhere || link.contains("${") || link == "all.html" {
        return true;
    }
    let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
    let path = path.split('?').next().unwrap_or_default();
    // Views of the source have lines in place of identifiers.
    let fragment = if path.contains("src/") { "" } else { fragment };
    let target = if path.is_empty() { Some(text) } else { pages.get(&resolve(place, path)).map(String::as_str) };
    target.is_some_and(|page| fragment.is_empty() || page.is_empty() || has_id(page, fragment))
}

fn has_id(page: &str, id: &str) -> bool {
    page.contains(&format!("id=\"{id}\""))
}

/// Where a relative link on a page leads.
fn resolve(place: &Path, link: &str) -> PathBuf {
    let from = place.parent().unwrap_or(Path::new(""));
    from.join(link).components().fold(PathBuf::new(), |mut path, component| {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            other => path.push(other),
        }
        path
    })
}

/// The texts between two marks.
fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(texts: &[(&str, &str)]) -> Pages {
        texts.iter().map(|(place, text)| (PathBuf::from(place), (*text).to_owned())).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_let_through() {
        let good = pages(&[
            (
                "a/index.html",
                r##"<a href="../b/struct.B.html#method.new">B</a> <a href="#here"> <p id="here"> <a href="https://x.org/nothing">"##,
            ),
            (
                "b/struct.B.html",
                r#"<section id="method.new"> <a href="../a/index.html?search=x"> <link href="../static/x.css">"#,
            ),
            ("static/x.css", ""),
        ]);
        assert_eq!(dead_links(&good), BTreeSet::new());
    }

    #[test]
    fn links_that_lead_nowhere_are_named_with_their_page() {
        let bad = pages(&[(
            "a/index.html",
            r##"<a href="crate::channels::Client">c</a> <a href="#gone">g</a> [<code>process</code>] <a href="../b.html">b</a>"##,
        )]);
        let dead: Vec<String> = dead_links(&bad).into_iter().collect();
        assert_eq!(dead.len(), 4);
        for link in ["crate::channels::Client", "#gone", "process", "../b.html"] {
            let line = format!("a/index.html: `{link}` leads nowhere");
            assert!(dead.contains(&line), "{line}: {dead:?}");
        }
    }

    #[test]
    fn source_views_and_pages_of_the_tool_are_passed_over() {
        let text = r#"<a href="nowhere.html">"#;
        assert!(dead_links(&pages(&[("src/a.rs.html", text), ("help.html", text)])).is_empty());
    }
}
