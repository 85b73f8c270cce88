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

/// Bytes of the longest message of a handshake.
pub(super) const MAX_HANDSHAKE_BYTES: usize = 256;

/// Number of random bytes in a challenge.
pub(super) const CHALLENGE_BYTES: usize = 40;

const CHALLENGE: &[u8] = b"#CHALLENGE#";
const WELCOME: &[u8] = b"#WELCOME#";
const FAILURE: &[u8] = b"#FAILURE#";

/// The digest that our challenges name.
const OUR_DIGEST: Digest = Digest::Sha256;

/// Lengths of payloads of the older dialect, whatever their bytes are.
const LEGACY_LENGTHS: [usize; 2] = [16, 20];

/// Bytes of the shortest challenge that gets a response.
const MIN_CHALLENGE_BYTES: usize = 20;

/// The key that both sides must know.
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
pub(super) struct HandshakeState {
    secret: Arc<Secret>,
    side: Side,
    expected: Expected,
    /// The challenge of this side: the digest and random bytes.
    challenge: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Listener,
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Challenge,
    Response,
    Verdict,
}

/// What to do after a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this, if anything, and go on.
    Send(Vec<u8>),
    /// Send this, if anything: the handshake has succeeded.
    Done(Option<Vec<u8>>),
    /// Send this, if anything, and close.
    Fail(Option<Vec<u8>>, HandshakeFault),
}

/// Why a handshake failed, as far as its messages show.
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

impl HandshakeState {
    /// Makes the accepting side, and returns the message that it begins with.
    pub(super) fn listener(secret: Arc<Secret>, random: [u8; CHALLENGE_BYTES]) -> (HandshakeState, Vec<u8>) {
        let challenge = challenge(random);
        // The digest is named inside the challenge: Python 3.12 and newer take it from there.
        let opening = [CHALLENGE, &challenge].concat();
        (HandshakeState { secret, side: Side::Listener, expected: Expected::Response, challenge }, opening)
    }

    /// Makes the connecting side, which waits for the other to begin.
    pub(super) fn client(secret: Arc<Secret>, random: [u8; CHALLENGE_BYTES]) -> HandshakeState {
        HandshakeState { secret, side: Side::Client, expected: Expected::Challenge, challenge: challenge(random) }
    }

    /// Handles one message of the other side.
    pub(super) fn receive(&mut self, message: &[u8]) -> Step {
        // One state expects one kind of message: a peer cannot skip a step by sending another.
        match self.expected {
            Expected::Challenge => self.on_challenge(message),
            Expected::Verdict => self.on_verdict(message),
            Expected::Response => self.on_response(message),
        }
    }

    fn on_challenge(&mut self, message: &[u8]) -> Step {
        let Some(challenge) = message.strip_prefix(CHALLENGE) else {
            return Step::Fail(None, HandshakeFault::Malformed("a message that is no challenge, where one should be"));
        };
        match response(&self.secret, challenge) {
            Ok(response) => {
                self.expected = Expected::Verdict;
                Step::Send(response)
            }
            Err(fault) => Step::Fail(None, fault),
        }
    }

    fn on_verdict(&mut self, verdict: &[u8]) -> Step {
        match self.side {
            _ if verdict != WELCOME => Step::Fail(None, HandshakeFault::Rejected),
            Side::Listener => Step::Done(None),
            Side::Client => {
                self.expected = Expected::Response;
                Step::Send([CHALLENGE, &self.challenge].concat())
            }
        }
    }

    fn on_response(&mut self, response: &[u8]) -> Step {
        match verify(&self.secret, &self.challenge, response) {
            Err(fault) => Step::Fail(Some(FAILURE.to_vec()), fault),
            Ok(()) if self.side == Side::Client => Step::Done(Some(WELCOME.to_vec())),
            Ok(()) => {
                self.expected = Expected::Challenge;
                Step::Send(WELCOME.to_vec())
            }
        }
    }
}

fn challenge(random: [u8; CHALLENGE_BYTES]) -> Vec<u8> {
    labelled(OUR_DIGEST, &random)
}

fn labelled(digest: Digest, rest: &[u8]) -> Vec<u8> {
    [b"{", digest.name().as_bytes(), b"}", rest].concat()
}

/// Returns the digest that a payload names, `None` for a payload of the older dialect, and what follows the name.
fn parse(payload: &[u8], legacy: bool) -> Result<(Option<Digest>, &[u8]), HandshakeFault> {
    // By length alone, as Python does: random bytes may begin like the name of a digest.
    if LEGACY_LENGTHS.contains(&payload.len()) {
        return if legacy { Ok((None, payload)) } else { Err(HandshakeFault::Legacy) };
    }
    let unnamed = HandshakeFault::Malformed("a challenge or response that names no digest");
    let rest = payload.strip_prefix(b"{").ok_or(unnamed)?;
    let end = rest.iter().take(9).position(|&byte| byte == b'}').ok_or(unnamed)?;
    let digest =
        Digest::named(&rest[..end]).ok_or(HandshakeFault::Malformed("the name of a digest that is not allowed"))?;
    // Named MD5 is as weak as bare MD5, so both need the same permission.
    if digest == Digest::Md5 && !legacy {
        return Err(HandshakeFault::Legacy);
    }
    Ok((Some(digest), &rest[end + 1..]))
}

fn response(secret: &Secret, challenge: &[u8]) -> Result<Vec<u8>, HandshakeFault> {
    if challenge.len() < MIN_CHALLENGE_BYTES {
        return Err(HandshakeFault::Malformed("a challenge that is too short to be safe"));
    }
    // The whole question is hashed, the name of the digest included.
    match parse(challenge, secret.legacy)?.0 {
        None => Ok(Digest::Md5.mac(&secret.key, challenge)),
        Some(digest) => Ok(labelled(digest, &digest.mac(&secret.key, challenge))),
    }
}

fn verify(secret: &Secret, challenge: &[u8], response: &[u8]) -> Result<(), HandshakeFault> {
    let (digest, mac) = parse(response, secret.legacy)?;
    // The digest is that of the response, which may be stronger than the one that was asked for. Which are allowed,
    // `parse` has decided.
    let right = digest.unwrap_or(Digest::Md5).verify(&secret.key, challenge, mac);
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

    fn r40() -> [u8; CHALLENGE_BYTES] {
        std::array::from_fn(|n| n as u8)
    }

    /// Runs a handshake until one side is done. Returns the last step of the listener and of the client.
    fn talk(listener: &Arc<Secret>, client: &Arc<Secret>) -> (Option<Step>, Option<Step>) {
        let (mut listener, mut message) = HandshakeState::listener(listener.clone(), [1; CHALLENGE_BYTES]);
        let mut client = HandshakeState::client(client.clone(), [2; CHALLENGE_BYTES]);
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
    fn a_wrong_key_is_reported_to_both() {
        let (listener, client) = talk(&secret(b"swordfish", false), &secret(b"sawfish", false));
        assert_eq!(listener, Some(Step::Fail(Some(FAILURE.to_vec()), HandshakeFault::WrongKey)));
        assert_eq!(client, Some(Step::Fail(None, HandshakeFault::Rejected)));
    }

    #[test]
    fn the_opening_is_the_published_one() {
        let (_, opening) = HandshakeState::listener(secret(b"swordfish", false), r40());
        assert_eq!(opening[..19], *b"#CHALLENGE#{sha256}");
        assert_eq!(opening.len(), 0x3b);
    }

    #[test]
    fn bare_md5_needs_permission_on_both_sides() {
        let answer = |legacy, challenge: &[u8]| {
            HandshakeState::client(secret(b"swordfish", legacy), r40()).receive(&[CHALLENGE, challenge].concat())
        };
        let r20 = Vec::from_iter(0..20);
        assert_eq!(answer(false, &r20), Step::Fail(None, HandshakeFault::Legacy));
        assert_eq!(answer(true, &r20), Step::Send(Digest::Md5.mac(b"swordfish", &r20)));

        let challenge = labelled(Digest::Sha256, &r40());
        let bare = Digest::Md5.mac(b"swordfish", &challenge);
        let on_response = |legacy| HandshakeState::listener(secret(b"swordfish", legacy), r40()).0.receive(&bare);
        assert_eq!(on_response(false), Step::Fail(Some(FAILURE.to_vec()), HandshakeFault::Legacy));
        assert_eq!(on_response(true), Step::Send(WELCOME.to_vec()));
    }

    #[test]
    fn the_peer_may_choose_a_digest_but_not_md5() {
        for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha3_256, Digest::Sha3_384, Digest::Md5] {
            let response = labelled(digest, &digest.mac(b"k", &labelled(OUR_DIGEST, &r40())));
            let step = HandshakeState::listener(secret(b"k", false), r40()).0.receive(&response);
            assert_eq!(matches!(step, Step::Send(_)), digest != Digest::Md5, "{digest:?}");
            let step = HandshakeState::listener(secret(b"k", true), r40()).0.receive(&response);
            assert_eq!(step, Step::Send(WELCOME.to_vec()));
        }
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        let client = |message: &[u8]| HandshakeState::client(secret(b"k", true), r40()).receive(message);
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
        let listener = |message: &[u8]| HandshakeState::listener(secret(b"k", true), r40()).0.receive(message);
        let unwelcome: [&[u8]; 5] = [b"", b"{sha256}", b"{sha1}01234567890123456789", &[0; 16], b"{sha256"];
        for message in unwelcome {
            assert!(matches!(listener(message), Step::Fail(Some(_), _)), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_get_in_without_the_key(message in vec(any::<u8>(), 0..MAX_HANDSHAKE_BYTES), legacy in any::<bool>()) {
            let (mut listener, _) = HandshakeState::listener(secret(b"unguessable", legacy), r40());
            prop_assert!(matches!(listener.receive(&message), Step::Fail(Some(_), _)));
        }

        #[test]
        fn every_key_works(key in vec(any::<u8>(), 1..300), legacy in any::<bool>()) {
            let key = secret(&key, legacy);
            prop_assert!(matches!(talk(&key, &key), (Some(Step::Done(_)), Some(Step::Done(_)))));
        }
    }
}
