//! P18: where the standard streams of a child lead.

use std::fs::File;
use std::io::{Read, Seek, Write};

use procession_process::{Process, Stdio};

use crate::support::METHODS;

fn echo((): ()) -> String {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    println!("out {text}");
    eprintln!("err {text}");
    text
}

#[test]
fn piped_streams_lead_to_the_parent() {
    for method in METHODS {
        let builder = Process::builder().start_method(method);
        let child = builder.stdin(Stdio::Piped).stdout(Stdio::Piped).stderr(Stdio::Piped).spawn(echo, ()).unwrap();
        let mut input = child.take_stdin().unwrap();
        input.write_all(b"hello").unwrap();
        drop(input);
        let (mut out, mut err) = (String::new(), String::new());
        child.take_stdout().unwrap().read_to_string(&mut out).unwrap();
        child.take_stderr().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("out hello\n", "err hello\n"));
        assert_eq!(child.join().unwrap(), "hello");
        assert!(child.take_stdin().is_none() && child.take_stdout().is_none() && child.take_stderr().is_none());
    }
}

#[test]
fn without_a_choice_there_is_no_input() {
    for method in METHODS {
        let builder = Process::builder().start_method(method);
        let child = builder.stdout(Stdio::Null).stderr(Stdio::Null).spawn(echo, ()).unwrap();
        assert_eq!(child.join().unwrap(), "");
        assert!(child.take_stdin().is_none() && child.take_stdout().is_none() && child.take_stderr().is_none());
    }
}

#[test]
fn inherited_streams_are_those_of_the_parent() {
    fn through((): ()) {
        let inner = Process::builder().stdin(Stdio::Inherit).stdout(Stdio::Inherit).stderr(Stdio::Inherit);
        assert_eq!(inner.spawn(echo, ()).unwrap().join().unwrap(), "deep");
    }
    let child =
        Process::builder().stdin(Stdio::Piped).stdout(Stdio::Piped).stderr(Stdio::Null).spawn(through, ()).unwrap();
    child.take_stdin().unwrap().write_all(b"deep").unwrap();
    let mut out = String::new();
    child.take_stdout().unwrap().read_to_string(&mut out).unwrap();
    child.join().unwrap();
    assert_eq!(out, "out deep\n");
}

#[test]
fn a_file_serves_as_a_stream() {
    let mut file = tempfile::tempfile().unwrap();
    let end: File = file.try_clone().unwrap();
    let child = Process::builder().stdout(Stdio::Descriptor(end.into())).stderr(Stdio::Null).spawn(echo, ()).unwrap();
    child.join().unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "out \n");
}

#[test]
fn what_was_printed_without_a_newline_is_not_lost() {
    for method in METHODS {
        let child = Process::builder()
            .start_method(method)
            .stdout(Stdio::Piped)
            .spawn(|()| std::io::stdout().write_all(b"no newline").unwrap(), ())
            .unwrap();
        let mut out = String::new();
        child.take_stdout().unwrap().read_to_string(&mut out).unwrap();
        child.join().unwrap();
        assert_eq!(out, "no newline", "{method:?}");
    }
}

#[test]
fn a_panic_is_printed_with_the_name_of_the_process() {
    let fail: fn(()) = |()| panic!("heard");
    let child = Process::builder().name("loud").stderr(Stdio::Piped).spawn(fail, ()).unwrap();
    let mut text = String::new();
    child.take_stderr().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.join().is_err());
    assert!(text.contains(&format!("process `loud` (pid {})", child.id())) && text.contains("heard"), "{text}");
}
