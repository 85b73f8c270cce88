//! Arguments and results that need care: errors of other crates, paths of any bytes, types that describe themselves.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use procession_process::{AnyPath, Failure, Process, SelfDescribed};
use serde::{Deserialize, Serialize};

fn digits(path: PathBuf) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.trim().parse::<u64>()?)
}

#[test]
fn any_error_comes_home_by_the_question_mark() {
    let failure = Process::spawn(digits, "/no/such/file".into()).unwrap().join().unwrap().unwrap_err();
    assert_eq!((failure.io_kind(), failure.os_error()), (Some(ErrorKind::NotFound), Some(2)));
    let failure = Process::spawn(digits, "/proc/self/comm".into()).unwrap().join().unwrap().unwrap_err();
    assert_eq!(failure.to_string(), "invalid digit found in string");

    fn caller() -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Process::spawn(digits, "/no/such/file".into())?.join()??)
    }
    assert!(caller().unwrap_err().to_string().contains("os error 2"));
}

#[test]
fn a_path_of_any_bytes_is_an_argument_and_a_result() {
    let path = AnyPath::from(Path::new(OsStr::from_bytes(b"/tmp/caf\xe9")));
    let parent = Process::spawn(|path: AnyPath| AnyPath(path.join("x")), path.clone()).unwrap().join().unwrap();
    assert_eq!(parent.0, path.join("x"));
    let error = Process::spawn(|path: PathBuf| path.exists(), path.0).unwrap_err();
    assert!(error.to_string().contains("`AnyPath`"), "{error}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Answer {
    Number(u32),
    Text(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Level {
    Low,
    #[serde(skip)]
    _Hidden,
    Mid,
    High,
}

#[test]
fn types_whose_halves_differ_arrive_or_are_refused_with_the_way_out() {
    let double = |SelfDescribed(answer): SelfDescribed<Answer>| match answer {
        Answer::Number(n) => SelfDescribed(Answer::Text(n.to_string())),
        text => SelfDescribed(text),
    };
    let answer = Process::spawn(double, Answer::Number(7).into()).unwrap().join().unwrap();
    assert_eq!(answer.0, Answer::Text("7".into()));
    let error = Process::spawn(|_: Answer| (), Answer::Number(7)).unwrap().join().unwrap_err();
    assert!(error.to_string().contains("`SelfDescribed`"), "{error}");
    for (level, text) in [(Level::Low, "Low"), (Level::Mid, "Mid"), (Level::High, "High")] {
        assert_eq!(Process::spawn(|l: Level| format!("{l:?}"), level).unwrap().join().unwrap(), text);
    }
}
