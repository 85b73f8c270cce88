//! `cargo xtask properties`: runs every property test of the workspace, each with as many cases as one asks for.
//!
//! The property tests are found in the sources: whatever stands inside `proptest! { … }`. What they run is then compared
//! with what was found, so that one which is not compiled in does not pass for one that holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fs, io};

use lexopt::{Arg, Parser};
use proc_macro2::{TokenStream, TokenTree};

use crate::command::Command;
use crate::failure::Failure;
use crate::number::number;
use crate::step;

pub(crate) const COMMAND: Command = Command {
    name: "properties",
    takes: "[--cases N]",
    about: "runs every property test, each with a number of cases",
    details: Some("  --cases N   how many cases each test tries; 256 when nothing is said\n"),
    run,
};

/// How many cases each test runs when nothing is said: what proptest takes by itself.
const CASES: u32 = 256;

/// The folders of a package that may hold tests.
const FOLDERS: &[&str] = &["src", "tests"];

fn run(arguments: Parser) -> Result<(), Failure> {
    let cases = parse(arguments)?;
    let found = find(&step::root())?;
    for (package, names) in &found {
        run_package(package, names, cases)?;
    }
    print!("{}", summary(&found, cases));
    Ok(())
}

fn parse(mut arguments: Parser) -> Result<u32, Failure> {
    let mut cases = CASES;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("cases") => cases = number(&mut arguments, "cases")?,
            other => return Err(other.unexpected().into()),
        }
    }
    if cases == 0 {
        return Err(Failure::usage("with no cases every property holds; ask for at least one"));
    }
    Ok(cases)
}

fn run_package(package: &str, names: &BTreeSet<String>, cases: u32) -> Result<(), Failure> {
    let test = ["test", "--locked", "--quiet", "--release", "--all-features", "--package", package, "--lib", "--tests"];
    let mut listing = step::cargo(test);
    listing.args(["--", "--list"]).args(names).stderr(Stdio::inherit());
    let output =
        listing.output().map_err(|error| Failure::new(format!("cannot list the tests of {package}: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("the tests of {package} cannot be listed")));
    }
    let missing = missing(names, &String::from_utf8_lossy(&output.stdout));
    if !missing.is_empty() {
        return Err(Failure::new(format!(
            "{package} has property tests that are not compiled: {}",
            missing.join(", ")
        )));
    }
    let mut cargo = step::cargo(test);
    cargo.arg("--").args(names).env("PROPTEST_CASES", cases.to_string());
    step::run(&mut cargo)
}

/// Those that a listing of tests does not have.
fn missing(names: &BTreeSet<String>, listing: &str) -> Vec<String> {
    let listed: BTreeSet<&str> = listing
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(|path| path.rsplit("::").next().unwrap_or(path))
        .collect();
    names.iter().filter(|name| !listed.contains(name.as_str())).cloned().collect()
}

fn summary(found: &BTreeMap<String, BTreeSet<String>>, cases: u32) -> String {
    let packages = found.iter().map(|(package, names)| {
        let names: String = names.iter().map(|name| format!("  {name}\n")).collect();
        format!("{package}: {} properties\n{names}", names.lines().count())
    });
    let count: usize = found.values().map(BTreeSet::len).sum();
    format!("{}all {count} properties hold, with {cases} cases each\n", packages.collect::<String>())
}

/// The names of the property tests of each package that has any.
fn find(root: &Path) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).map_err(|error| unreadable(root, &error))? {
        let folder = entry.map_err(|error| unreadable(root, &error))?.path();
        let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let Some(package) = package_name(&manifest) else { continue };
        let mut names = BTreeSet::new();
        for file in FOLDERS.iter().flat_map(|one| sources(&folder.join(one))) {
            let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
            names.extend(properties(&text).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?);
        }
        if !names.is_empty() {
            found.insert(package, names);
        }
    }
    Ok(found)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read {}: {error}", path.display()))
}

/// The name in a manifest, unless it belongs to a workspace of its own.
fn package_name(manifest: &str) -> Option<String> {
    let manifest: toml::Table = manifest.parse().ok()?;
    if manifest.contains_key("workspace") {
        return None;
    }
    manifest.get("package")?.get("name")?.as_str().map(str::to_owned)
}

/// The Rust files below a folder; none where there is no such folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| is_rust(path))
        .collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The names of the functions inside `proptest! { … }`.
fn properties(text: &str) -> Result<Vec<String>, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut names = Vec::new();
    gather(tokens, &mut names);
    Ok(names)
}

fn gather(tokens: TokenStream, names: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for window in tokens.windows(3) {
        if let [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Group(body)] = window
            && name == "proptest"
            && mark.as_char() == '!'
        {
            names.extend(functions(body.stream()));
        }
    }
    for token in tokens {
        if let TokenTree::Group(group) = token {
            gather(group.stream(), names);
        }
    }
}

/// The names after each `fn` that is not inside another's body.
fn functions(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let pairs = tokens.windows(2).filter_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(name)] if word == "fn" => Some(name.to_string()),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_of_the_macro_are_found_and_no_others() {
        let text = "
            fn helper() {}
            mod tests {
                proptest! {
                    #![proptest_config(config())]
                    #[test]
                    fn first(a in 0..5) { fn inner() {} }
                    #[test]
                    fn second(b: u8) {}
                }
                #[test]
                fn plain() { proptest!(|(x in 0..3)| { assert!(x < 3) }); }
            }
        ";
        assert_eq!(properties(text).unwrap(), ["first", "second"]);
    }

    #[test]
    fn those_that_are_not_listed_are_missing() {
        let names = ["first", "second"].map(str::to_owned).into();
        assert_eq!(missing(&names, "tests::first: test\n\n1 test, 0 benchmarks\n"), ["second"]);
    }

    #[test]
    fn the_budget_is_a_number_above_zero() {
        assert_eq!(parse(Parser::from_args(["--cases", "7"])).unwrap(), 7);
        assert_eq!(parse(Parser::from_args::<[&str; 0]>([])).unwrap(), CASES);
        assert!(parse(Parser::from_args(["--cases", "0"])).is_err());
    }

    #[test]
    fn this_workspace_has_some() {
        let found = find(&step::root()).unwrap();
        assert!(found["procession-core"].len() > 3, "{found:?}");
    }
}
