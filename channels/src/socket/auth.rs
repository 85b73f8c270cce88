//! The handshake of Python's connections: both sides prove that they know the key. Pure, without I/O.
//!
//! | side | waits for | good: sends | and then | bad: sends |
//! | --- | --- | --- | --- | --- |
//! | listener | response | `#WELCOME#` | waits for a challenge | `#FAILURE#` |
//! | listener | challenge | response | waits for a verdict | |
//! | listener | verdict | | is done | |
//! | client | challenge | response | waits for a verdict | |
//! | client | verdict | challenge | waits for a response | |
//! | client | response | `#WELCOME#` | is done | `#FAILURE#` |
//!
//! The listener speaks first, with its challenge. There are two dialects. Python 3.12 and newer name the digest in
//! challenge and response; older ones speak bare HMAC-MD5, which is recognised by its length and refused unless it was
//! allowed.

use std::fmt;
use std::sync::Arc;

use super::digest::Digest;
use super::error::HandshakeError;

/// The longest message of a handshake, in bytes.
pub(super) const LONGEST: usize = 256;

/// How many random bytes a challenge carries.
pub(super) const RANDOM: usize = 40;

const CHALLENGE: &[u8] = b"#CHALLENGE#";
const WELCOME: &[u8] = b"#WELCOME#";
const FAILURE: &[u8] = b"#FAILURE#";

/// The digest that is asked for.
const ASKED: Digest = Digest::Sha256;

/// Payloads of these lengths are of the older dialect, whatever their bytes are.
const BARE: [usize; 2] = [16, 20];

/// The shortest payload of a challenge that is answered.
const SHORTEST_CHALLENGE: usize = 20;

/// What both sides must know, and what they make of it.
pub(super) struct Secret {
    pub(super) key: Vec<u8>,
    /// Whether peers may use MD5.
    pub(super) legacy: bool,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, legacy } = self;
        f.debug_struct("Secret").field("legacy", legacy).finish_non_exhaustive()
    }
}

/// One side of a handshake.
#[derive(Debug)]
pub(super) struct Handshake {
    secret: Arc<Secret>,
    side: Side,
    awaits: Awaits,
    /// What this side asks the other to prove itself with: the digest and random bytes.
    question: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Listener,
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    Challenge,
    Response,
    Verdict,
}

/// What to do after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this, if anything, and go on.
    Send(Vec<u8>),
    /// Send this, if anything: both sides know each other.
    Done(Option<Vec<u8>>),
    /// Send this, if anything, and part.
    Fail(Option<Vec<u8>>, HandshakeFault),
}

/// Why a handshake failed, as far as its messages tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandshakeFault {
    WrongKey,
    Rejected,
    Legacy,
    Malformed(&'static str),
}

impl From<HandshakeFault> for HandshakeError {
    fn from(fault: HandshakeFault) -> Self {
        match fault {
            HandshakeFault::WrongKey => HandshakeError::WrongKey,
            HandshakeFault::Rejected => HandshakeError::Rejected,
            HandshakeFault::Legacy => HandshakeError::Legacy,
            HandshakeFault::Malformed(what) => HandshakeError::Malformed { what },
        }
    }
}

impl Handshake {
    /// The accepting side, and the message that it begins with.
    pub(super) fn listener(secret: Arc<Secret>, random: [u8; RANDOM]) -> (Handshake, Vec<u8>) {
        let question = question(random);
        let opening = [CHALLENGE, &question].concat();
        (Handshake { secret, side: Side::Listener, awaits: Awaits::Response, question }, opening)
    }

    /// The connecting side, which waits for the other to begin.
    pub(super) fn client(secret: Arc<Secret>, random: [u8; RANDOM]) -> Handshake {
        Handshake { secret, side: Side::Client, awaits: Awaits::Challenge, question: question(random) }
    }

    /// Takes in one message of the other side.
    pub(super) fn receive(&mut self, message: &[u8]) -> Step {
        match self.awaits {
            Awaits::Challenge => self.answer(message),
            Awaits::Verdict => self.hear(message),
            Awaits::Response => self.judge(message),
        }
    }

    fn answer(&mut self, message: &[u8]) -> Step {
        let Some(question) = message.strip_prefix(CHALLENGE) else {
            return Step::Fail(None, HandshakeFault::Malformed("a message that is no challenge, where one should be"));
        };
        match response(&self.secret, question) {
            Ok(response) => {
                self.awaits = Awaits::Verdict;
                Step::Send(response)
            }
            Err(fault) => Step::Fail(None, fault),
        }
    }

    fn hear(&mut self, verdict: &[u8]) -> Step {
        match self.side {
            _ if verdict != WELCOME => Step::Fail(None, HandshakeFault::Rejected),
            Side::Listener => Step::Done(None),
            Side::Client => {
                self.awaits = Awaits::Response;
                Step::Send([CHALLENGE, &self.question].concat())
            }
        }
    }

    fn judge(&mut self, response: &[u8]) -> Step {
        match verify(&self.secret, &self.question, response) {
            Err(fault) => Step::Fail(Some(FAILURE.to_vec()), fault),
            Ok(()) if self.side == Side::Client => Step::Done(Some(WELCOME.to_vec())),
            Ok(()) => {
                self.awaits = Awaits::Challenge;
                Step::Send(WELCOME.to_vec())
            }
        }
    }
}

fn question(random: [u8; RANDOM]) -> Vec<u8> {
    labelled(ASKED, &random)
}

fn labelled(digest: Digest, rest: &[u8]) -> Vec<u8> {
    [b"{", digest.name().as_bytes(), b"}", rest].concat()
}

/// The digest that a payload names and what follows the name, or `None` for a payload of the older dialect.
fn parse(payload: &[u8], legacy: bool) -> Result<(Option<Digest>, &[u8]), HandshakeFault> {
    if BARE.contains(&payload.len()) {
        return if legacy { Ok((None, payload)) } else { Err(HandshakeFault::Legacy) };
    }
    let unnamed = HandshakeFault::Malformed("a challenge or response that names no digest");
    let rest = payload.strip_prefix(b"{").ok_or(unnamed)?;
    let end = rest.iter().take(9).position(|&byte| byte == b'}').ok_or(unnamed)?;
    let digest =
        Digest::named(&rest[..end]).ok_or(HandshakeFault::Malformed("the name of a digest that is not allowed"))?;
    if digest == Digest::Md5 && !legacy {
        return Err(HandshakeFault::Legacy);
    }
    Ok((Some(digest), &rest[end + 1..]))
}

fn response(secret: &Secret, question: &[u8]) -> Result<Vec<u8>, HandshakeFault> {
    if question.len() < SHORTEST_CHALLENGE {
        return Err(HandshakeFault::Malformed("a challenge that is too short to be safe"));
    }
    // The whole question is hashed, the name of the digest included.
    match parse(question, secret.legacy)?.0 {
        None => Ok(Digest::Md5.mac(&secret.key, question)),
        Some(digest) => Ok(labelled(digest, &digest.mac(&secret.key, question))),
    }
}

fn verify(secret: &Secret, question: &[u8], response: &[u8]) -> Result<(), HandshakeFault> {
    let (digest, mac) = parse(response, secret.legacy)?;
    let right = digest.unwrap_or(Digest::Md5).verify(&secret.key, question, mac);
    if right { Ok(()) } else { Err(HandshakeFault::WrongKey) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn secret(key: &[u8], legacy: bool) -> Arc<Secret> {
        Arc::new(Secret { key: key.to_vec(), legacy })
    }

    fn r40() -> [u8; RANDOM] {
        std::array::from_fn(|n| n as u8)
    }

    /// Lets two sides talk until one parts: what the listener and the client came to.
    fn talk(listener: &Arc<Secret>, client: &Arc<Secret>) -> (Option<Step>, Option<Step>) {
        let (mut listener, mut message) = Handshake::listener(listener.clone(), [1; RANDOM]);
        let mut client = Handshake::client(client.clone(), [2; RANDOM]);
        let mut ends = (None, None);
        for turn in 0..6 {
            let side = if turn % 2 == 0 { &mut client } else { &mut listener };
            let step = side.receive(&message);
            let next = match &step {
                Step::Send(bytes) => Some(bytes.clone()),
                Step::Done(bytes) | Step::Fail(bytes, _) => bytes.clone(),
            };
            if !matches!(step, Step::Send(_)) {
                *(if turn % 2 == 0 { &mut ends.1 } else { &mut ends.0 }) = Some(step);
            }
            let Some(next) = next else { break };
            message = next;
        }
        ends
    }

    #[test]
    fn the_right_key_lets_both_in() {
        let key = secret(b"swordfish", false);
        assert_eq!(talk(&key, &key), (Some(Step::Done(None)), Some(Step::Done(Some(WELCOME.to_vec())))));
    }

    #[test]
    fn a_wrong_key_is_told_to_both() {
        let (listener, client) = talk(&secret(b"swordfish", false), &secret(b"sawfish", false));
        assert_eq!(listener, Some(Step::Fail(Some(FAILURE.to_vec()), HandshakeFault::WrongKey)));
        assert_eq!(client, Some(Step::Fail(None, HandshakeFault::Rejected)));
    }

    #[test]
    fn the_opening_is_the_published_one() {
        let (_, opening) = Handshake::listener(secret(b"swordfish", false), r40());
        assert_eq!(opening[..19], *b"#CHALLENGE#{sha256}");
        assert_eq!(opening.len(), 0x3b);
    }

    #[test]
    fn bare_md5_needs_permission_on_both_sides() {
        let answer = |legacy, question: &[u8]| {
            Handshake::client(secret(b"swordfish", legacy), r40()).receive(&[CHALLENGE, question].concat())
        };
        let r20 = Vec::from_iter(0..20);
        assert_eq!(answer(false, &r20), Step::Fail(None, HandshakeFault::Legacy));
        assert_eq!(answer(true, &r20), Step::Send(Digest::Md5.mac(b"swordfish", &r20)));

        let question = labelled(Digest::Sha256, &r40());
        let bare = Digest::Md5.mac(b"swordfish", &question);
        let judge = |legacy| Handshake::listener(secret(b"swordfish", legacy), r40()).0.receive(&bare);
        assert_eq!(judge(false), Step::Fail(Some(FAILURE.to_vec()), HandshakeFault::Legacy));
        assert_eq!(judge(true), Step::Send(WELCOME.to_vec()));
    }

    #[test]
    fn the_peer_may_choose_a_digest_but_not_md5() {
        for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha3_256, Digest::Sha3_384, Digest::Md5] {
            let response = labelled(digest, &digest.mac(b"k", &labelled(ASKED, &r40())));
            let step = Handshake::listener(secret(b"k", false), r40()).0.receive(&response);
            assert_eq!(matches!(step, Step::Send(_)), digest != Digest::Md5, "{digest:?}");
            let step = Handshake::listener(secret(b"k", true), r40()).0.receive(&response);
            assert_eq!(step, Step::Send(WELCOME.to_vec()));
        }
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        let client = |message: &[u8]| Handshake::client(secret(b"k", true), r40()).receive(message);
        let unanswered: [&[u8]; 6] = [
            b"",
            b"#WELCOME#",
            b"#CHALLENGE#",
            b"#CHALLENGE#0123456789012345678",
            &[7; 256],
            b"#CHALLENGE#{sha1}012345678901234",
        ];
        for message in unanswered {
            assert!(matches!(client(message), Step::Fail(None, HandshakeFault::Malformed(_))), "{message:?}");
        }
        let listener = |message: &[u8]| Handshake::listener(secret(b"k", true), r40()).0.receive(message);
        let unwelcome: [&[u8]; 5] = [b"", b"{sha256}", b"{sha1}01234567890123456789", &[0; 16], b"{sha256"];
        for message in unwelcome {
            assert!(matches!(listener(message), Step::Fail(Some(_), _)), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_get_in_without_the_key(message in vec(any::<u8>(), 0..LONGEST), legacy in any::<bool>()) {
            let (mut listener, _) = Handshake::listener(secret(b"unguessable", legacy), r40());
            prop_assert!(matches!(listener.receive(&message), Step::Fail(Some(_), _)));
        }

        #[test]
        fn every_key_works(key in vec(any::<u8>(), 1..300), legacy in any::<bool>()) {
            let key = secret(&key, legacy);
            prop_assert!(matches!(talk(&key, &key), (Some(Step::Done(_)), Some(Step::Done(_)))));
        }
    }
}
