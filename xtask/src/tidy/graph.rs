//! Rules about the files of a crate: which of them may know which.

use std::collections::BTreeMap;

use super::modules::Modules;
use super::problem::Problem;
use super::rooms::{CRATES, Floor, floor};
use super::tree::{FOLDERS, Tree};

/// Which files of a crate name which others.
pub(super) struct Graph {
    folder: &'static str,
    /// The paths of the files, below `src`.
    files: Vec<String>,
    /// The line of the first mention, by the files that name and are named.
    arrows: BTreeMap<(usize, usize), usize>,
    /// Files and lines that take from the root what lives elsewhere.
    through_root: Vec<(usize, usize)>,
}

impl Graph {
    pub(super) fn of(tree: &Tree, folder: &'static str) -> Self {
        let modules = Modules::of(tree, folder);
        let files = modules.files().iter().map(|module| module.source.path.clone()).collect();
        let mut graph = Self { folder, files, arrows: BTreeMap::new(), through_root: Vec::new() };
        for (from, module) in modules.files().iter().enumerate() {
            for path in &module.names {
                let Some(target) = modules.resolve(&path.segments) else { continue };
                if target.file != from {
                    graph.arrows.entry((from, target.file)).or_insert(path.line);
                }
                if target.is_through_root && !module.path.is_empty() {
                    graph.through_root.push((from, path.line));
                }
            }
        }
        graph
    }

    /// The groups of files of which each knows each other, directly or by way of others.
    pub(super) fn circles(&self) -> Vec<Vec<&str>> {
        let files = 0..self.files.len();
        let reached: Vec<Vec<bool>> = files.clone().map(|from| self.reached(from)).collect();
        let together = |from: usize, to: &usize| reached[from][*to] && reached[*to][from];
        let members = files.clone().map(|from| (from, files.clone().filter(|to| together(from, to)).collect()));
        let circles =
            members.filter(|(from, circle): &(usize, Vec<_>)| circle.first() == Some(from) && circle.len() > 1);
        circles.map(|(_, circle)| circle.into_iter().map(|file| self.name(file)).collect()).collect()
    }

    /// For each file whether it can be reached over one arrow or more.
    fn reached(&self, from: usize) -> Vec<bool> {
        let mut reached = vec![false; self.files.len()];
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for (_, to) in self.arrows.range((file, 0)..(file + 1, 0)).map(|(arrow, _)| arrow) {
                if !reached[*to] {
                    reached[*to] = true;
                    open.push(*to);
                }
            }
        }
        reached
    }

    /// The arrows inside of the circles, each at its line.
    pub(super) fn circular(&self) -> Vec<Problem> {
        let circles = self.circles();
        let inside = self.arrows.iter().filter(|((from, to), _)| {
            circles.iter().any(|circle| circle.contains(&self.name(*from)) && circle.contains(&self.name(*to)))
        });
        inside
            .map(|((from, to), line)| self.problem(*from, *line, format!("is in a circle with {}", self.name(*to))))
            .collect()
    }

    /// The arrows that do not lead downwards, by the table of rooms.
    pub(super) fn upwards(&self) -> Vec<Problem> {
        let wrong = self.arrows.iter().filter(|((from, to), _)| {
            match (floor(self.folder, self.name(*from)), floor(self.folder, self.name(*to))) {
                (Some(from), Some(to)) => !leads_down(&from, &to),
                _ => false,
            }
        });
        wrong
            .map(|((from, to), line)| {
                self.problem(*from, *line, format!("knows {}, which is no room below it", self.name(*to)))
            })
            .collect()
    }

    /// The files that lie in no room of the table.
    pub(super) fn homeless(&self) -> Vec<Problem> {
        let has_rooms = CRATES.iter().any(|(folder, _)| *folder == self.folder);
        let files = (0..self.files.len()).filter(|file| has_rooms && floor(self.folder, self.name(*file)).is_none());
        files
            .map(|file| self.problem(file, 1, "lies in no room: see the table in xtask/src/tidy/rooms.rs".into()))
            .collect()
    }

    pub(super) fn through_root(&self) -> Vec<Problem> {
        let text = "takes something from the root of the crate: name the module where it lives";
        self.through_root.iter().map(|(file, line)| self.problem(*file, *line, text.into())).collect()
    }

    /// The path of a file below `src`.
    fn name(&self, file: usize) -> &str {
        self.files[file].split_once("/src/").map_or(&self.files[file], |(_, name)| name)
    }

    fn problem(&self, file: usize, line: usize, text: String) -> Problem {
        Problem::new(self.files[file].clone(), line, text)
    }
}

/// Rooms on one floor do not know each other.
fn leads_down(from: &Floor, to: &Floor) -> bool {
    from.room == to.room || from.level < to.level
}

pub(super) fn circles(tree: &Tree) -> Vec<Problem> {
    each(tree, Graph::circular)
}

pub(super) fn rooms(tree: &Tree) -> Vec<Problem> {
    each(tree, |graph| [graph.upwards(), graph.homeless()].concat())
}

pub(super) fn through_root(tree: &Tree) -> Vec<Problem> {
    each(tree, Graph::through_root)
}

fn each(tree: &Tree, find: impl Fn(&Graph) -> Vec<Problem>) -> Vec<Problem> {
    FOLDERS.iter().flat_map(|folder| find(&Graph::of(tree, folder))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::sample;
    use super::*;

    const LIB: (&str, &str) = ("sync/src/lib.rs", "mod a; mod b; mod raw; pub use a::A;");

    fn lines(problems: Vec<Problem>) -> Vec<String> {
        problems.iter().map(|problem| format!("{}:{}", problem.path, problem.line)).collect()
    }

    #[test]
    fn a_circle_is_found_and_a_chain_is_none() {
        let circle = [LIB, ("sync/src/a.rs", "use crate::b::B;\n"), ("sync/src/b.rs", "\nuse crate::a::A;\n")];
        let tree = sample(circle);
        assert_eq!(Graph::of(&tree, "sync").circles(), [["a.rs", "b.rs"]]);
        assert_eq!(lines(circles(&tree)), ["sync/src/a.rs:1", "sync/src/b.rs:2"]);
        let chain = [LIB, ("sync/src/a.rs", "use crate::b::B;\n"), ("sync/src/b.rs", "struct B;\n")];
        assert!(circles(&sample(chain)).is_empty());
    }

    #[test]
    fn arrows_between_rooms_lead_down() {
        let down = [LIB, ("sync/src/a.rs", "use crate::raw::word::W;"), ("sync/src/raw/word.rs", "struct W;")];
        assert!(rooms(&sample(down)).is_empty());
        let up = [LIB, ("sync/src/a.rs", "struct A;"), ("sync/src/raw/word.rs", "use crate::a::A;")];
        assert_eq!(lines(rooms(&sample(up))), ["sync/src/raw/word.rs:1"]);
    }

    #[test]
    fn imports_from_the_root_are_found() {
        let through = [LIB, ("sync/src/a.rs", "pub struct A;"), ("sync/src/b.rs", "use crate::A;")];
        assert_eq!(lines(super::through_root(&sample(through))), ["sync/src/b.rs:1"]);
        let direct = [LIB, ("sync/src/a.rs", "pub struct A;"), ("sync/src/b.rs", "use crate::a::A;")];
        assert!(super::through_root(&sample(direct)).is_empty());
    }
}
