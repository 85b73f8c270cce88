//! The files that the rules look at: every Rust file and every manifest below the root.

use std::path::Path;
use std::{fs, io};

use toml::Table;

use super::problem::Problem;
use super::source::Source;

/// The folders of all crates, `bench` included.
pub(super) const FOLDERS: &[&str] =
    &["core", "process", "sync", "channels", "pool", "manager", "hosts", "procession", "xtask", "bench"];

/// Everything that the rules may ask about.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) crates: Vec<Crate>,
    pub(super) sources: Vec<Source>,
    pub(super) documents: Vec<Document>,
    /// Files that could not be parsed.
    pub(super) unreadable: Vec<Problem>,
    /// The paths of all files, for rules that demand that one exists.
    files: Vec<String>,
}

/// A member of the workspace.
#[derive(Debug)]
pub(super) struct Crate {
    /// Its folder, relative to the root.
    pub(super) folder: String,
    pub(super) manifest: Table,
    text: String,
}

/// A file of Markdown.
pub(super) struct Document {
    pub(super) path: String,
    text: String,
}

impl Tree {
    /// Reads everything below `root` but hidden folders and build output.
    pub(super) fn load(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        collect(root, root, &mut files)?;
        files.sort();
        Ok(Self::of(files))
    }

    /// Builds a tree from paths and contents.
    pub(super) fn of(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add(&path, &text);
            tree.files.push(path);
        }
        tree
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path)
    }

    pub(super) fn has_folder(&self, path: &str) -> bool {
        path.is_empty()
            || self.files.iter().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    fn add(&mut self, path: &str, text: &str) {
        if let Some(folder) = path.strip_suffix("/Cargo.toml") {
            match toml::from_str(text) {
                Ok(manifest) => self.add_crate(folder, manifest, text),
                Err(error) => self.unreadable.push(Problem::new(path, 1, format!("does not parse: {error}"))),
            }
        } else if path.ends_with(".md") {
            self.documents.push(Document { path: path.to_owned(), text: text.to_owned() });
        } else if path.ends_with(".rs") {
            match Source::parse(path, text) {
                Ok(source) => self.sources.push(source),
                Err(problem) => self.unreadable.push(problem),
            }
        }
    }

    /// A manifest with a workspace of its own is no member of ours.
    fn add_crate(&mut self, folder: &str, manifest: Table, text: &str) {
        if !manifest.contains_key("workspace") {
            self.crates.push(Crate { folder: folder.to_owned(), manifest, text: text.to_owned() });
        }
    }
}

impl Document {
    /// Whether it is a page of the guide, in which links lead to items.
    pub(super) fn is_rendered_by_rustdoc(&self) -> bool {
        self.path.starts_with("procession/guide/")
    }

    /// The lines outside of blocks of code, with their numbers.
    pub(super) fn prose(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        let mut in_code = false;
        self.text.lines().zip(1..).filter_map(move |(text, number)| {
            let is_fence = text.trim_start().starts_with("```");
            in_code ^= is_fence;
            (!in_code && !is_fence).then(|| (number, text.to_owned()))
        })
    }
}

impl Crate {
    pub(super) fn path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// The package that the manifest describes.
    pub(super) fn name(&self) -> &str {
        self.package().and_then(|package| package.get("name")).and_then(|name| name.as_str()).unwrap_or_default()
    }

    pub(super) fn package(&self) -> Option<&Table> {
        self.manifest.get("package")?.as_table()
    }

    /// A problem at the first line of the manifest that begins with `key`.
    pub(super) fn problem(&self, key: &str, text: impl Into<String>) -> Problem {
        let line = self.text.lines().position(|line| line.trim_start().starts_with(key));
        Problem::new(self.path(), line.map_or(1, |line| line + 1), text)
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            // What is not text is neither Rust nor a manifest.
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push((relative.to_string_lossy().into_owned(), text));
        }
    }
    Ok(())
}

/// A tree made of samples, for the tests of the rules.
#[cfg(test)]
pub(super) fn sample<const N: usize>(files: [(&str, &str); N]) -> Tree {
    let tree = Tree::of(files.map(|(path, text)| (path.to_owned(), text.to_owned())));
    assert!(tree.unreadable.is_empty(), "{:?}", tree.unreadable);
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_sources_are_found() {
        let package = "[package]\nname = \"procession-core\"\nversion.workspace = true\n";
        let tree = sample([("Cargo.toml", "[workspace]"), ("core/Cargo.toml", package), ("core/src/lib.rs", "")]);
        assert_eq!(tree.crates.iter().map(Crate::name).collect::<Vec<_>>(), ["procession-core"]);
        assert_eq!(tree.sources.len(), 1);
        assert_eq!(tree.crates[0].problem("version", "x").line, 3);
        assert!(tree.has("Cargo.toml") && !tree.has("README.md"));
    }

    #[test]
    fn a_workspace_of_its_own_is_no_member() {
        let tree = sample([("bench/Cargo.toml", "[workspace]\n[package]\nname = \"bench\"\n")]);
        assert!(tree.crates.is_empty());
    }

    #[test]
    fn broken_files_are_reported() {
        let tree = Tree::of([("a/Cargo.toml".into(), "[".into()), ("a/src/lib.rs".into(), "fn".into())]);
        assert_eq!(tree.unreadable.len(), 2);
    }
}
