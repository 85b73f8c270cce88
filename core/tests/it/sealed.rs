//! Sealed links: what is posted arrives as it was or not at all, whatever happens to the bytes on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use procession_core::codec::{self, Descriptor};
use procession_core::os::poll::poll;
use procession_core::{ContentHash, Control, Function, LinkError, SealError, SealedControl, SealedHandshake, TryRecv};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const KEY: [u8; 32] = [7; 32];
/// The length of each message of the key exchange.
const EXCHANGE: usize = 48;
/// Against a test that hangs.
const GUARD: Duration = Duration::from_secs(60);

fn both(socket: impl Into<OwnedFd>) -> (OwnedFd, OwnedFd) {
    let socket = socket.into();
    (socket.try_clone().unwrap(), socket)
}

fn initiator(socket: impl Into<OwnedFd>, key: &[u8; 32]) -> SealedHandshake {
    let (read, write) = both(socket);
    SealedHandshake::initiator(read, write, key).unwrap()
}

fn responder(socket: impl Into<OwnedFd>, key: &[u8; 32]) -> SealedHandshake {
    let (read, write) = both(socket);
    SealedHandshake::responder(read, write, key).unwrap()
}

fn guard() -> Option<Instant> {
    Some(Instant::now() + GUARD)
}

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (here, listener.accept().unwrap().0)
}

/// Brings two handshakes to their end, with `carry` between their steps.
fn settle(
    mut here: SealedHandshake,
    mut there: SealedHandshake,
    mut carry: impl FnMut(),
) -> Result<(SealedControl, SealedControl), SealError> {
    let (mut one, mut other) = (None, None);
    let end = Instant::now() + GUARD;
    while Instant::now() < end {
        carry();
        if one.is_none() {
            one = here.advance()?;
        }
        carry();
        if other.is_none() {
            other = there.advance()?;
        }
        if let (Some(_), Some(_)) = (&one, &other) {
            return Ok((one.unwrap(), other.unwrap()));
        }
    }
    panic!("the handshake has no end");
}

/// A stranger in the middle of a connection, with both halves of it.
struct Middle {
    here: UnixStream,
    there: UnixStream,
}

impl Middle {
    /// Two ends that have agreed through the stranger, who has passed on what they said.
    fn of_a_link() -> (SealedControl, Middle, SealedControl) {
        let ((end, here), (other, there)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let middle = Middle { here, there };
        for half in [&middle.here, &middle.there] {
            half.set_nonblocking(true).unwrap();
        }
        let (one, other) = settle(initiator(end, &KEY), responder(other, &KEY), || middle.carry()).unwrap();
        (one, middle, other)
    }

    fn carry(&self) {
        for (mut from, mut to) in [(&self.here, &self.there), (&self.there, &self.here)] {
            to.write_all(&heard(&mut from)).unwrap();
        }
    }
}

/// All that is there to be read.
fn heard(from: &mut impl Read) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match from.read(&mut piece) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return bytes,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The sealed records in a stream of bytes, with their lengths before them.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((length, _)) = bytes.split_first_chunk() {
        let (record, rest) = bytes.split_at(2 + usize::from(u16::from_le_bytes(*length)));
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

/// All values that arrive, and how they end: `None` for an end that the sender has announced.
fn all(link: &mut SealedControl) -> (Vec<String>, Option<LinkError>) {
    let mut values = Vec::new();
    loop {
        match link.recv(guard()) {
            Ok(Some(value)) => values.push(value),
            Ok(None) => return (values, None),
            Err(error) => return (values, Some(error)),
        }
    }
}

/// What a stranger does to the bytes on their way.
#[derive(Clone, Debug)]
enum Tampering {
    Flip { at: Index, bit: u8 },
    Cut { at: Index },
    Insert { at: Index, bytes: Vec<u8> },
    DropRecord { at: Index },
    RepeatRecord { at: Index, behind: Index },
    SwapRecords { one: Index, other: Index },
    CutBehindRecord { at: Index },
    Reflect,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let index = any::<Index>;
    prop_oneof![
        (index(), 0..8_u8).prop_map(|(at, bit)| Tampering::Flip { at, bit }),
        index().prop_map(|at| Tampering::Cut { at }),
        (index(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Tampering::Insert { at, bytes }),
        index().prop_map(|at| Tampering::DropRecord { at }),
        (index(), index()).prop_map(|(at, behind)| Tampering::RepeatRecord { at, behind }),
        (index(), index()).prop_map(|(one, other)| Tampering::SwapRecords { one, other }),
        index().prop_map(|at| Tampering::CutBehindRecord { at }),
        Just(Tampering::Reflect),
    ]
}

impl Tampering {
    /// What arrives in place of what was sent.
    fn of(self, sent: &[u8]) -> Vec<u8> {
        let mut bytes = sent.to_vec();
        let mut records = records(sent);
        match self {
            Tampering::Flip { at, bit } => bytes[at.index(sent.len())] ^= 1 << bit,
            Tampering::Cut { at } => bytes.truncate(at.index(sent.len())),
            Tampering::Insert { at, bytes: more } => {
                let at = at.index(sent.len());
                bytes.splice(at..at, more);
            }
            Tampering::DropRecord { at } => drop(records.remove(at.index(records.len()))),
            Tampering::RepeatRecord { at, behind } => {
                let again = records[at.index(records.len())].clone();
                records.insert(behind.index(records.len()), again);
            }
            Tampering::SwapRecords { one, other } => {
                let len = records.len();
                records.swap(one.index(len), other.index(len));
            }
            Tampering::CutBehindRecord { at } => records.truncate(at.index(records.len())),
            Tampering::Reflect => {}
        }
        if bytes == sent { records.concat() } else { bytes }
    }
}

/// Values of every size that matters: records hold 65,519 bytes.
fn values() -> impl Strategy<Value = Vec<String>> {
    let size = prop_oneof![4 => 0..200_usize, 1 => 65_400..65_600_usize, 1 => 100_000..300_000_usize];
    vec((any::<char>(), size).prop_map(|(letter, size)| letter.to_string().repeat(size / letter.len_utf8())), 1..8)
}

/// Sends all values and ends the link; returns the bytes that a stranger in the middle sees.
fn sent_through(mut link: SealedControl, middle: &mut Middle, values: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        link.post(value).unwrap();
        while !link.flush().unwrap() {
            bytes.extend(heard(&mut middle.here));
        }
    }
    // Makes room for the end, which does not wait for any.
    bytes.extend(heard(&mut middle.here));
    drop(link);
    bytes.extend(heard(&mut middle.here));
    bytes
}

proptest! {
    /// However the bytes arrive, and however much room there is for them.
    #[test]
    fn sealed_values_arrive_as_they_were(values in values(), pieces in vec(1..5000_usize, 1..20), is_batched: bool) {
        let (mut here, mut middle, mut there) = Middle::of_a_link();
        for value in &values {
            if is_batched { here.enqueue(value).unwrap() } else { here.post(value).unwrap() }
        }
        let (mut got, mut on_the_way) = (Vec::new(), Vec::new());
        let mut pieces = pieces.iter().cycle();
        while got.len() < values.len() {
            here.flush().unwrap();
            on_the_way.extend(heard(&mut middle.here));
            let piece = on_the_way.len().min(*pieces.next().unwrap());
            middle.there.write_all(&on_the_way[..piece]).unwrap();
            on_the_way.drain(..piece);
            while let TryRecv::Value(value) = there.try_recv::<String>().unwrap() {
                got.push(value);
            }
        }
        prop_assert_eq!(got, values);
        prop_assert_eq!(here.kept(), 0);
    }

    /// What arrives is the beginning of what was sent, and then an error: never another value, and never an end as if that had been all.
    #[test]
    fn tampering_is_an_error_and_never_a_value(values in values(), tampering in tampering()) {
        let (here, mut middle, mut there) = Middle::of_a_link();
        let reflected = matches!(tampering, Tampering::Reflect).then(|| {
            // What the receiver has sealed itself, in place of what it should get.
            there.post(&values[0]).unwrap();
            heard(&mut middle.there)
        });
        let sent = sent_through(here, &mut middle, &values);
        let arrives = reflected.unwrap_or_else(|| tampering.of(&sent));
        let arrives_whole = arrives.starts_with(&sent);
        let Middle { there: mut writer, here: _open } = middle;
        writer.set_nonblocking(false).unwrap();
        // Its end follows, from a thread of its own because it may be more than the socket holds.
        let writing = std::thread::spawn(move || writer.write_all(&arrives));
        let (got, error) = all(&mut there);
        if arrives_whole {
            // Whatever stands behind the announced end changes nothing.
            prop_assert!(error.is_none() && got == values);
            return Ok(());
        }
        let error = error.expect("an error");
        prop_assert!(matches!(error, LinkError::Garbled(_) | LinkError::Disconnected), "{}", error);
        prop_assert!(got.len() <= values.len() && got == values[..got.len()]);
        // It stays one.
        prop_assert!(there.try_recv::<String>().is_err());
        drop(there);
        let _ = writing.join().unwrap();
    }

    /// Bytes of strangers end the handshake, or wait for more of them.
    #[test]
    fn garbage_never_becomes_a_sealed_link(bytes in vec(any::<u8>(), 0..200)) {
        for is_initiator in [false, true] {
            let (end, mut stranger) = UnixStream::pair().unwrap();
            let mut handshake = if is_initiator { initiator(end, &KEY) } else { responder(end, &KEY) };
            stranger.write_all(&bytes).unwrap();
            match handshake.advance() {
                Ok(link) => prop_assert!(link.is_none() && bytes.len() < EXCHANGE),
                Err(error) => prop_assert!(matches!(error, SealError::Key) && bytes.len() >= EXCHANGE),
            }
        }
    }

    /// Nothing that a stranger has changed in the handshake leads to a link on both sides.
    #[test]
    fn a_handshake_that_was_tampered_with_fails(at in any::<Index>(), bit in 0..8_u8, is_reply: bool) {
        let ((end, mut here), (other, mut there)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let (mut one, mut two) = (initiator(end, &KEY), responder(other, &KEY));
        let carry = |from: &mut UnixStream, to: &mut UnixStream, tamper: bool| {
            let mut message = [0; EXCHANGE];
            from.read_exact(&mut message).unwrap();
            if tamper {
                message[at.index(EXCHANGE)] ^= 1 << bit;
            }
            to.write_all(&message).unwrap();
        };
        carry(&mut here, &mut there, !is_reply);
        let first = two.advance();
        if is_reply {
            carry(&mut there, &mut here, true);
            prop_assert!(matches!(one.advance(), Err(SealError::Key)));
        } else {
            prop_assert!(matches!(first, Err(SealError::Key)));
        }
    }
}

#[test]
fn names_cross_and_descriptors_do_not() {
    let (mut here, mut there) = SealedControl::pair().unwrap();
    let file = || Descriptor::from(OwnedFd::from(File::open("/dev/null").unwrap()));
    let (_inner, end) = Control::pair().unwrap();
    for refused in [here.post(&file()), here.post(&(1, Some(file()))), here.post(&end)] {
        let error = refused.unwrap_err();
        assert!(matches!(error, LinkError::Unsendable(_)), "{error:?}");
        assert_eq!(error.to_string(), "a file or socket cannot travel to another host");
    }
    here.post(&(7_u8, Function::of(|n: u8| n + 1).unwrap())).unwrap();
    let (argument, function): (u8, Function) = there.recv(guard()).unwrap().unwrap();
    let result = function.call(codec::encode(&argument).unwrap(), None).unwrap();
    assert_eq!(codec::decode::<u8>(result).unwrap(), 8);
}

#[test]
fn what_only_looks_like_a_name_or_an_end_is_none() {
    let (mut here, mut there) = SealedControl::pair().unwrap();
    here.post(&(0_u32, 64_u64, 64_u64)).unwrap();
    assert!(there.recv::<(Function, u64, u64)>(guard()).unwrap_err().to_string().contains("name"));
    here.post(&0_u32).unwrap();
    assert!(there.recv::<Control>(guard()).unwrap_err().to_string().contains("control link"));
    here.post(&5_u8).unwrap();
    assert_eq!(there.recv::<u8>(guard()).unwrap(), Some(5), "the link goes on");
}

#[test]
fn two_pipes_and_two_descriptors_of_a_socket_do_the_same() {
    let ((from_there, to_here), (from_here, to_there)) = (io::pipe().unwrap(), io::pipe().unwrap());
    let pipes = settle(
        SealedHandshake::initiator(from_there.into(), to_there.into(), &KEY).unwrap(),
        SealedHandshake::responder(from_here.into(), to_here.into(), &KEY).unwrap(),
        || {},
    );
    let (here, there) = tcp();
    let socket = settle(initiator(here, &KEY), responder(there, &KEY), || {});
    for (mut here, mut there) in [pipes.unwrap(), socket.unwrap()] {
        assert_eq!(poll(&[here.pollable(), there.pollable()], Some(Instant::now())).unwrap(), [false, false]);
        // More than a pipe or socket holds, so that both sides wait for room and for values in turn.
        let large = "large".repeat(1 << 20);
        for link in [&mut here, &mut there] {
            link.post(&large).unwrap();
            assert!(!link.flush().unwrap(), "it cannot all be out");
        }
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let got = there.recv::<String>(guard()).unwrap();
                while !there.flush().unwrap() {
                    poll(&[there.pollable()], guard()).unwrap();
                }
                got
            });
            assert!(here.recv::<String>(guard()).unwrap().as_ref() == Some(&large));
            while !here.flush().unwrap() {
                poll(&[here.pollable()], guard()).unwrap();
            }
            assert!(other.join().unwrap().as_ref() == Some(&large));
        });
        assert_eq!(poll(&[here.pollable(), there.pollable()], Some(Instant::now())).unwrap(), [false, false]);
        let late = here.recv::<u8>(Some(Instant::now())).unwrap_err();
        assert!(matches!(late, LinkError::Io(error) if error.kind() == ErrorKind::TimedOut));
        there.post("the end").unwrap();
        drop(there);
        assert_eq!(here.recv::<String>(guard()).unwrap().as_deref(), Some("the end"));
        assert_eq!(here.recv::<String>(guard()).unwrap(), None);
    }
}

#[test]
fn a_post_without_a_reader_neither_waits_nor_loses_anything() {
    // Its room does not grow by itself, as that of TCP does.
    let (here, there) = UnixStream::pair().unwrap();
    let (mut here, mut there) = settle(initiator(here, &KEY), responder(there, &KEY), || {}).unwrap();
    let value = |number: u32| (number, "value".repeat(10_000));
    let mut posted = 0;
    // The first that does not fit, and as many again, which nobody makes room for.
    while here.flush().unwrap() {
        here.post(&value(posted)).unwrap();
        posted += 1;
    }
    let kept = here.kept();
    for number in posted..2 * posted {
        here.post(&value(number)).unwrap();
    }
    assert!(here.kept() >= kept + posted as usize * 50_000, "all of it is kept");
    for number in 0..2 * posted {
        here.flush().unwrap();
        assert!(there.recv::<(u32, String)>(guard()).unwrap() == Some(value(number)));
    }
    assert_eq!(here.kept(), 0);
}

#[test]
fn a_link_that_was_cut_has_no_end_but_an_error() {
    for is_mid_record in [false, true] {
        let (mut here, mut middle, mut there) = Middle::of_a_link();
        here.post("whole").unwrap();
        here.post("cut").unwrap();
        let bytes = heard(&mut middle.here);
        let whole = records(&bytes)[0].len();
        middle.there.write_all(&bytes[..whole + usize::from(is_mid_record)]).unwrap();
        drop(middle);
        assert_eq!(there.recv::<String>(guard()).unwrap().as_deref(), Some("whole"));
        for _ in 0..2 {
            assert!(matches!(there.recv::<String>(guard()), Err(LinkError::Disconnected)));
        }
        let lost = (0..3).map(|_| here.post("unread").and_then(|()| here.post("unread"))).last();
        assert!(matches!(lost, Some(Err(LinkError::Disconnected))), "{lost:?}");
        assert_eq!(here.kept(), 0, "what no side will read is given up");
    }
}

#[test]
fn last_words_are_read_although_nothing_can_be_sent_any_more() {
    let ((from_there, to_here), (from_here, to_there)) = (io::pipe().unwrap(), io::pipe().unwrap());
    let (mut here, mut there) = settle(
        SealedHandshake::initiator(from_there.into(), to_there.into(), &KEY).unwrap(),
        SealedHandshake::responder(from_here.into(), to_here.into(), &KEY).unwrap(),
        || {},
    )
    .unwrap();
    // Kept, because it is more than a pipe holds; then its reader goes.
    here.post(&"kept".repeat(1 << 18)).unwrap();
    there.post("last words").unwrap();
    drop(there);
    assert_eq!(here.recv::<String>(guard()).unwrap().as_deref(), Some("last words"));
    assert_eq!(here.recv::<String>(guard()).unwrap(), None);
    assert!(matches!(here.post("unread"), Err(LinkError::Disconnected)));
    assert_eq!(poll(&[here.pollable()], Some(Instant::now())).unwrap(), [true], "its end can be read again");
}

#[test]
fn another_key_is_noticed_by_both_sides() {
    let (here, there) = UnixStream::pair().unwrap();
    let (mut here, mut there) = (initiator(here, &KEY), responder(there, &[1; 32]));
    assert!(matches!(there.advance(), Err(SealError::Key)));
    drop(there);
    let error = here.advance().unwrap_err();
    assert!(matches!(error, SealError::Closed), "{error:?}");
    assert!(error.to_string().contains("another key"), "{error}");
    assert!(here.pollable().is_none(), "it is over");
    assert!(here.advance().is_err());
}

#[test]
fn half_a_handshake_and_silence_end_at_the_deadline() {
    let exchange = {
        let (here, mut there) = UnixStream::pair().unwrap();
        let _handshake = initiator(here, &KEY);
        let mut message = [0; EXCHANGE];
        there.read_exact(&mut message).unwrap();
        message
    };
    // Nothing, a part, all of a message that another side has made, and behind it the length of a record that never comes.
    let announced = [&exchange[..], &u16::MAX.to_le_bytes()].concat();
    for said in [&[][..], &exchange[..47], &exchange, &announced] {
        for is_over in [false, true] {
            let (end, mut stranger) = UnixStream::pair().unwrap();
            stranger.write_all(said).unwrap();
            if is_over {
                stranger.shutdown(std::net::Shutdown::Write).unwrap();
            }
            let (read, write) = both(end);
            let error = SealedControl::respond(read, write, &KEY, Some(Instant::now())).unwrap_err();
            let is_right =
                if is_over { matches!(error, SealError::Closed) } else { matches!(error, SealError::TimedOut) };
            assert!(is_right, "{error:?} after {} bytes", said.len());
        }
    }
}

#[test]
fn a_recorded_session_opens_nothing() {
    let (mut here, mut middle, there) = {
        let ((end, here), (other, there)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let middle = Middle { here, there };
        middle.here.set_nonblocking(true).unwrap();
        middle.there.set_nonblocking(true).unwrap();
        (initiator(end, &KEY), middle, responder(other, &KEY))
    };
    let mut there = there;
    let mut tape = Vec::new();
    let mut pass = |middle: &mut Middle| {
        let bytes = heard(&mut middle.here);
        middle.there.write_all(&bytes).unwrap();
        tape.extend(bytes);
        middle.here.write_all(&heard(&mut middle.there)).unwrap();
    };
    pass(&mut middle);
    assert!(there.advance().unwrap().is_none());
    pass(&mut middle);
    let mut link = here.advance().unwrap().expect("the other side has answered");
    link.post(&Function::of(|n: u8| n + 1).unwrap()).unwrap();
    pass(&mut middle);
    assert!(there.advance().unwrap().is_some());

    let (end, mut stranger) = UnixStream::pair().unwrap();
    stranger.write_all(&tape).unwrap();
    assert!(matches!(responder(end, &KEY).advance(), Err(SealError::Key)));
}

/// A process that runs a copy of this test, with one end of a link as its standard input.
struct Copy {
    path: PathBuf,
    child: Child,
}

impl Copy {
    fn start(name: &str, tail: &[u8]) -> (Copy, UnixStream) {
        let path = std::env::temp_dir().join(format!("procession-sealed-{name}-{}", std::process::id()));
        fs::copy("/proc/self/exe", &path).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(tail).unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        let mut command = Command::new(&path);
        command.args(["--exact", "sealed::is_the_other_host", "--nocapture"]).env("PROCESSION_TEST_OTHER_HOST", "1");
        command.stdin(OwnedFd::from(there)).stdout(Stdio::null()).stderr(Stdio::piped());
        (Copy { child: busy_retried(&mut command), path }, here)
    }

    fn end(self) -> String {
        let output = self.child.wait_with_output().unwrap();
        fs::remove_file(&self.path).unwrap();
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Starts a program that was just written. Another test's child may hold the writing descriptor for the moment between fork and exec.
fn busy_retried(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            child => return child.unwrap(),
        }
    }
}

/// Not a test but the other side of one: see [`Copy`].
#[test]
fn is_the_other_host() {
    if std::env::var_os("PROCESSION_TEST_OTHER_HOST").is_none() {
        return;
    }
    let (read, write) = both(io::stdin().as_fd().try_clone_to_owned().unwrap());
    match SealedControl::respond(read, write, &KEY, guard()) {
        Err(error) => eprintln!("refused: {error}"),
        Ok(mut link) => {
            let (function, argument): (Function, u8) = link.recv(guard()).unwrap().unwrap();
            let result = function.call(codec::encode(&argument).unwrap(), None).unwrap();
            link.post(&codec::decode::<u8>(result).unwrap()).unwrap();
            // Whatever follows, it is gone without a farewell.
            link.recv::<u8>(guard()).unwrap();
            std::process::abort();
        }
    }
}

fn hash_of(path: &Path) -> String {
    ContentHash::of(File::open(path).unwrap()).unwrap().to_string()
}

#[test]
fn an_equal_file_elsewhere_is_the_same_executable_and_its_death_is_no_end() {
    let (copy, socket) = Copy::start("equal", b"");
    let (read, write) = both(socket);
    let mut link = SealedControl::initiate(read, write, &KEY, guard()).unwrap();
    link.post(&(Function::of(|n: u8| n * 2).unwrap(), 21_u8)).unwrap();
    assert_eq!(link.recv::<u8>(guard()).unwrap(), Some(42));
    link.post(&0_u8).unwrap();
    assert!(matches!(link.recv::<u8>(guard()), Err(LinkError::Disconnected)));
    copy.end();
}

#[test]
fn another_executable_is_refused_by_both_sides_which_name_both() {
    // One byte behind its end: the build id stays the same, and so does all that is loaded.
    let (copy, socket) = Copy::start("other", b"x");
    let (own, other) = (hash_of(Path::new("/proc/self/exe")), hash_of(&copy.path));
    let (read, write) = both(socket);
    let error = SealedControl::initiate(read, write, &KEY, guard()).unwrap_err();
    assert!(
        matches!(&error, SealError::Executable { own: one, peer } if one.to_string() == own && peer.to_string() == other)
    );
    let said = copy.end();
    for text in [error.to_string(), said] {
        assert!(text.contains(&own) && text.contains(&other), "{text}");
    }
}
