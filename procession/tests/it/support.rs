//! How the tests get at the example and at what `sha256sum` says.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// The example `tree_digest`, built with the settings of this test program.
pub(crate) fn tree_digest() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // This program lies in the folder `deps` of the folder of its profile.
        let own = std::env::current_exe().expect("this program's path");
        let profile = own.parent().and_then(Path::parent).expect("a profile's folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", "tree_digest", "--manifest-path"]);
        build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        build.arg("--target-dir").arg(profile.parent().expect("a target folder"));
        if profile.file_name() == Some(OsStr::new("release")) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo").success(), "the example does not build");
        profile.join("examples/tree_digest")
    })
}

/// Runs the example in a folder.
pub(crate) fn run(folder: &Path, arguments: &[&OsStr]) -> Output {
    let mut command = Command::new(tree_digest());
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command.output().expect("the example runs")
}

/// The lines that `sha256sum` prints for these paths, or would print if it were here.
pub(crate) fn sha256sum(folder: &Path, mut paths: Vec<OsString>) -> Vec<u8> {
    paths.sort();
    let own: Vec<u8> = paths.iter().flat_map(|path| line(folder, path)).collect();
    if paths.is_empty() {
        return own;
    }
    match Command::new("sha256sum").current_dir(folder).arg("--").args(&paths).output() {
        Ok(output) => assert_eq!(lossy(&own), lossy(&output.stdout), "this test's own idea of sha256sum is wrong"),
        Err(error) => println!("not compared with sha256sum itself: {error}"),
    }
    own
}

/// Bytes as text, for messages of failed tests.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file that `find` finds, with the paths that it prints; `None` where there is no `find`.
pub(crate) fn find(folder: &Path, directory: &str) -> Option<Vec<OsString>> {
    let output = Command::new("find").current_dir(folder).args([directory, "-type", "f", "-print0"]).output();
    let output = output.inspect_err(|error| println!("not compared with find: {error}")).ok()?;
    let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Some(paths.map(|path| OsString::from_vec(path.to_vec())).collect())
}

fn line(folder: &Path, path: &OsStr) -> Vec<u8> {
    let digest = Sha256::digest(fs::read(folder.join(path)).expect("a readable file"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = path.as_bytes();
    let needs_escape = name.iter().any(|byte| b"\\\n\r".contains(byte));
    let mut line = if needs_escape { b"\\".to_vec() } else { Vec::new() };
    line.extend(hex.as_bytes());
    line.extend(b"  ");
    for byte in name {
        match byte {
            b'\\' => line.extend(b"\\\\"),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            other => line.push(*other),
        }
    }
    line.push(b'\n');
    line
}
