//! What must not compile does not, and the compiler says why.
//!
//! Each file of `tests/refused` is given to the compiler. Its lines `// says: …` are what must be read in the answer. The rest of the
//! answer differs from one compiler to the next and is not looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_closure_that_captures() {
    refused("capturing_closure");
}

#[test]
fn an_argument_that_cannot_be_serialized() {
    refused("unserializable_argument");
}

#[test]
fn a_guard_sent_to_another_thread() {
    refused("guard_in_another_thread");
}

#[test]
fn a_mutex_over_data_with_pointers() {
    refused("pointers_in_shared_memory");
}

#[test]
fn a_queue_of_another_type_than_the_function_takes() {
    refused("handle_of_another_type");
}

#[test]
fn a_mutex_over_another_type_than_the_function_takes() {
    refused("data_of_another_type");
}

#[test]
fn the_socket_of_a_channel() {
    refused("socket_of_a_channel");
}

#[test]
fn a_guard_in_a_message() {
    refused("guard_in_a_message");
}

#[test]
fn a_promise_about_bytes_without_unsafe() {
    refused("plain_by_assertion");
}

#[test]
fn a_method_of_another_type_than_the_object() {
    refused("method_of_another_type");
}

#[test]
fn results_that_outlive_their_pool() {
    refused("results_without_their_pool");
}

#[test]
fn what_is_right_compiles() {
    let answer = compile(&case("right")).expect_err("it is right");
    assert_eq!(answer, "", "without a warning");
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused").join(name).with_extension("rs")
}

fn refused(name: &str) {
    let text = fs::read_to_string(case(name)).unwrap();
    let answer = compile(&case(name)).expect("it must not compile");
    let expected: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("// says: ")).collect();
    assert!(!expected.is_empty(), "{name} does not say what the compiler should");
    for phrase in expected {
        assert!(answer.contains(phrase), "no {phrase:?} in the answer:\n{answer}");
    }
}

/// What the compiler answers: the error, or, as an `Err`, what it prints although it is content.
fn compile(case: &Path) -> Result<String, String> {
    let (library, folder) = library();
    let scratch = tempfile::tempdir().unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args(["--edition", "2024", "--crate-type", "bin", "--emit", "metadata", "--out-dir"]).arg(scratch.path());
    rustc.arg("--extern").arg(format!("procession={}", library.display()));
    rustc.arg("-L").arg(format!("dependency={}", folder.display())).arg(case);
    let output = rustc.output().expect("rustc");
    let answer = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Err(answer) } else { Ok(answer) }
}

/// What the compiler knows of the library as it is now, and the folder of what it stands on. No case gets as far as code.
fn library() -> (PathBuf, PathBuf) {
    // This program lies in the folder `deps` of the folder of its profile.
    let own = std::env::current_exe().expect("this program's path");
    let folder = own.parent().expect("a folder");
    let profile = folder.parent().expect("a profile's folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--quiet", "--lib", "--message-format", "json", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    cargo.arg("--target-dir").arg(profile.parent().expect("a target folder"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).expect("JSON is text");
    let library = messages.lines().filter_map(rmeta).next_back().expect("cargo names what it has checked");
    (library, folder.to_owned())
}

/// The file of the facade, if this is the message about it.
fn rmeta(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["target"]["name"] != "procession" {
        return None;
    }
    let files = message["filenames"].as_array()?.iter().filter_map(|file| file.as_str());
    files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "rmeta"))
}
