//! The example `tree_digest` against `sha256sum`, on trees of all kinds.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::{find, lossy, run, sha256sum};

/// Asserts that the example prints what `sha256sum` prints for `paths`, and nothing else.
fn assert_digests(folder: &Path, arguments: &[&str], paths: Vec<OsString>) {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let output = run(folder, &arguments);
    assert_eq!(lossy(&output.stderr), "");
    assert!(output.status.success());
    let expected = sha256sum(folder, paths);
    assert_eq!(lossy(&output.stdout), lossy(&expected));
    assert!(output.stdout == expected, "they differ in bytes that are no text");
}

fn os(paths: &[&str]) -> Vec<OsString> {
    paths.iter().map(OsString::from).collect()
}

#[test]
fn an_empty_tree_brings_no_lines() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("tree/deep/deeper")).unwrap();
    assert_digests(folder.path(), &["tree"], vec![]);
}

#[test]
fn odd_names_come_out_as_sha256sum_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let names: [&[u8]; 11] = [
        b"plain",
        b"with space",
        b"new\nline",
        b"back\\slash",
        b"carriage\rreturn",
        b"\\\n\r",
        b"\xff\xfe",
        b"-dash",
        b"*",
        b"tab\tand \x01",
        "umläut".as_bytes(),
    ];
    let mut paths = Vec::new();
    for name in names {
        fs::write(tree.join(OsStr::from_bytes(name)), name).unwrap();
        paths.push(OsString::from_vec([b"tree/", name].concat()));
    }
    assert_digests(folder.path(), &["tree"], paths);
}

#[test]
fn sorted_by_bytes_across_directories() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/x", "a.b", "a!", "B", "a/b/c", "ab"] {
        let path = folder.path().join("tree").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let paths = os(&["tree/B", "tree/a!", "tree/a.b", "tree/a/b/c", "tree/a/x", "tree/ab"]);
    assert_digests(folder.path(), &["tree"], paths.clone());
    assert_eq!(find(folder.path(), "tree").map(|mut found| (found.sort(), found).1), Some(paths));
}

#[test]
fn the_directory_is_printed_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tree")).unwrap();
    fs::write(folder.path().join("tree/file"), "text").unwrap();
    symlink("tree", folder.path().join("link")).unwrap();
    for (given, paths) in [
        ("tree", &["tree/file"][..]),
        ("tree/", &["tree/file"]),
        ("./tree//", &["./tree//file"]),
        (".", &["./tree/file"]),
        ("tree/file", &["tree/file"]),
        ("link", &[]),
        ("link/", &["link/file"]),
    ] {
        assert_digests(folder.path(), &[given], os(paths));
        if let Some(found) = find(folder.path(), given) {
            assert_eq!(found, os(paths), "find {given}");
        }
    }
    assert_digests(folder.path(), &[], os(&["./tree/file"]));
}

#[test]
fn links_are_not_followed_and_only_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("file"), "text").unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    symlink("circle", tree.join("circle")).unwrap();
    symlink(".", tree.join("here")).unwrap();
    symlink("file", tree.join("to-file")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    assert_digests(folder.path(), &["tree"], os(&["tree/file"]));
}

#[test]
fn many_small_files_and_any_number_of_workers() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for number in 0..1000 {
        let path = format!("tree/{}/{number}", number % 10);
        fs::create_dir_all(folder.path().join(&path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(&path), number.to_string()).unwrap();
        paths.push(OsString::from(path));
    }
    for workers in ["1", "2", "5"] {
        assert_digests(folder.path(), &["tree", "--workers", workers], paths.clone());
    }
}

#[test]
fn a_large_sparse_file_is_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tree")).unwrap();
    File::create(folder.path().join("tree/sparse")).unwrap().set_len(64 << 20).unwrap();
    assert_digests(folder.path(), &["tree"], os(&["tree/sparse"]));
}

#[test]
fn a_real_tree_is_as_find_and_sha256sum_say() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    if let Some(paths) = find(workspace, "core/src") {
        assert!(!paths.is_empty());
        assert_digests(workspace, &["core/src"], paths);
    }
}

#[test]
fn what_cannot_be_read_is_reported_and_the_rest_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("closed")).unwrap();
    fs::write(tree.join("file"), "text").unwrap();
    fs::write(tree.join("secret"), "text").unwrap();
    fs::set_permissions(tree.join("secret"), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(tree.join("closed"), Permissions::from_mode(0o000)).unwrap();
    let is_root = File::open(tree.join("secret")).is_ok();
    let output = run(folder.path(), &[OsStr::new("tree")]);
    fs::set_permissions(tree.join("closed"), Permissions::from_mode(0o700)).unwrap();
    if is_root {
        println!("not tested: everything can be read by this user");
        return;
    }
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, sha256sum(folder.path(), os(&["tree/file"])));
    let errors = lossy(&output.stderr);
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(errors.contains("tree_digest: tree/secret: Permission denied"), "{errors}");
    assert!(errors.contains("tree_digest: tree/closed: Permission denied"), "{errors}");
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[OsStr::new("nothing\nhere")]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert_eq!(lossy(&output.stderr), "tree_digest: nothing\\nhere: No such file or directory (os error 2)\n");
}

#[test]
fn the_command_line_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [&["--nonsense"][..], &["a", "b"], &["--workers"], &["--workers", "many"]] {
        let arguments: Vec<&OsStr> = wrong.iter().map(OsStr::new).collect();
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(lossy(&output.stderr).contains("usage: tree_digest"), "{wrong:?}");
    }
    let output = run(folder.path(), &["--workers", "0"].map(OsStr::new));
    assert_eq!(output.status.code(), Some(1));
    assert!(lossy(&output.stderr).contains("at least one worker"));
    let help = run(folder.path(), &[OsStr::new("--help")]);
    assert!(help.status.success() && lossy(&help.stdout).contains("usage: tree_digest"));
}
