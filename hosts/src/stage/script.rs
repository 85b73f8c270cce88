//! The command line that a host's shell runs: it finds or stores the executable, and becomes the agent.
//!
//! It speaks with the driver in lines on its standard output, which begin with [`HEAD`]. It holds no line end, and no `!` before a letter:
//! so it passes in single quotes through any login shell.

use crate::spec::quote::quote;

/// The first word of each line from a host.
pub(crate) const HEAD: &str = "procession:";
/// The executable is there: the driver sends the invitation.
pub(crate) const HERE: &str = "here";
/// The executable is not there: the driver sends it.
pub(crate) const NEEDED: &str = "needed";
/// The agent talks through its standard streams from now on.
pub(crate) const STREAMS: &str = "streams";

/// Days after which a copy that was not used is removed, when another one is stored. A larger number fills the disks of developers, whose
/// builds all differ; a smaller one sends programs again that run once a month.
const UNUSED_DAYS: u32 = 30;

/// The variable that says to a program that it is an agent whose invitation comes on its standard input.
pub(crate) const AGENT: &str = procession_core::start::AGENT;

/// Returns the script that runs an executable that is there.
pub(crate) fn run(path: &str, directory: Option<&str>) -> String {
    format!("{}f={}; {}", enter(directory), quote(path), become_agent())
}

/// Returns the script that runs the executable with this hash, for which it asks where it is not there.
///
/// A copy gets its name when all of it is stored, so that one that was interrupted is never run. Its length is checked here, because a
/// stream may end early, and its content by the agent itself.
pub(crate) fn stage(hash: &str, bytes: u64, directory: Option<&str>) -> String {
    let size_of = |file: &str| format!("$({{ wc -c <\"{file}\"; }} 2>/dev/null | tr -d \" \")");
    let store = [
        format!("echo {HEAD} {NEEDED}"),
        "umask 077".to_owned(),
        "mkdir -p \"$d\" || exit 1".to_owned(),
        format!("find \"$d\" -type f -mtime +{UNUSED_DAYS} -exec rm -f {{}} + 2>/dev/null"),
        // After its end nothing of a copy stays, whatever has ended it.
        "t=$f.$$; c() { rm -f \"$t\"; }; trap c EXIT; trap \"exit 1\" HUP INT TERM".to_owned(),
        format!("head -c {bytes} >\"$t\" || exit 1"),
        format!(
            "if [ \"{}\" != {bytes} ]; then echo \"the copy of the executable is not complete\" >&2; exit 1; fi",
            size_of("$t")
        ),
        "chmod 700 \"$t\" && mv -f \"$t\" \"$f\" || exit 1".to_owned(),
        "trap - EXIT HUP INT TERM".to_owned(),
    ];
    format!(
        "{}d=\"${{XDG_CACHE_HOME:-$HOME/.cache}}/procession\"; f=\"$d/{hash}\"; if [ \"{}\" != {bytes} ]; then {}; else touch -c \"$f\"; fi; {}",
        enter(directory),
        size_of("$f"),
        store.join("; "),
        become_agent(),
    )
}

/// Goes to the directory of the driver where there is one of that name; else the launcher's choice stays.
fn enter(directory: Option<&str>) -> String {
    directory.map(|path| format!("cd {} 2>/dev/null; ", quote(path))).unwrap_or_default()
}

fn become_agent() -> String {
    format!("echo {HEAD} {HERE}; {AGENT}=1 exec \"$f\"")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A program that shows what it got.
    const PROGRAM: &str = "#!/bin/sh\necho \"agent $PROCESSION_AGENT in $PWD got $(cat)\"\n";

    fn start(script: &str, cache: &Path) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env("XDG_CACHE_HOME", cache);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn line(child: &mut Child) -> String {
        let mut line = String::new();
        // Unbuffered, so that nothing is lost between two calls.
        let mut output = BufReader::with_capacity(1, child.stdout.as_mut().unwrap());
        output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn files(cache: &Path) -> Vec<String> {
        let entries = fs::read_dir(cache.join("procession")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_executable_is_stored_once_and_then_found() {
        let folder = tempfile::tempdir().unwrap();
        let script = stage("abc", PROGRAM.len() as u64, Some("/"));
        assert!(!script.contains(['\n', '\\', '\'']) && script.replace("!=", "").find('!').is_none(), "{script}");
        for is_first in [true, false] {
            let mut child = start(&script, folder.path());
            if is_first {
                assert_eq!(line(&mut child), "procession: needed");
                child.stdin.as_mut().unwrap().write_all(PROGRAM.as_bytes()).unwrap();
            }
            assert_eq!(line(&mut child), "procession: here");
            child.stdin.take().unwrap().write_all(b"an invitation").unwrap();
            assert_eq!(line(&mut child), "agent 1 in / got an invitation");
            assert!(child.wait().unwrap().success());
            assert_eq!(files(folder.path()), ["abc"]);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path().join("procession")), 0o700);
        assert_eq!(mode(&folder.path().join("procession/abc")), 0o700);
    }

    #[test]
    fn a_copy_that_breaks_off_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(&stage("abc", 1000, None), folder.path());
        assert_eq!(line(&mut child), "procession: needed");
        child.stdin.take().unwrap().write_all(b"half of it").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        assert!(String::from_utf8(output.stderr).unwrap().contains("not complete"));
        assert!(files(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").unwrap();
        let mut child = start(&stage("abc", 10, None), &blocked);
        let mut text = String::new();
        child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert!(text.contains("mkdir"), "{text}");
    }

    #[test]
    fn a_path_with_any_characters_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's a \"program\" $HOME");
        fs::write(&path, PROGRAM).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        let mut child = start(&run(path.to_str().unwrap(), Some("/no such folder")), folder.path());
        drop(child.stdin.take());
        assert_eq!(line(&mut child), "procession: here");
        assert!(line(&mut child).starts_with("agent 1 in "));
        assert!(child.wait().unwrap().success());
    }
}
