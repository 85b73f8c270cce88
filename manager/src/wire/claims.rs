//! [`Claims`]: words in memory that a client and its manager share, by which a call is taken back in an instant.
//!
//! A call with a limit has a word there. Both sides move it, each step by one compare-and-swap:
//!
//! | from | the manager | the client |
//! | --- | --- | --- |
//! | sent | must let it wait: *waiting*; runs it: *running* | gives it up: *withdrawn* |
//! | waiting | runs it: *running* | gives it up: *withdrawn* |
//! | running | its condition does not hold: *tried* | – |
//! | tried | runs it again: *running* | gives it up: *withdrawn* |
//! | withdrawn | never runs it | – |
//!
//! So a client that gives a call up knows at once that nothing was done and never will be, even while the manager is stopped. A
//! word holds the number of its call, so it can be used for the next one although the manager still has the last.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::wire::tuning::CLAIM_SLOTS;
use procession_sync::Shared;

/// Bits of a word that say how far its call is.
const STAGE_BITS: u32 = 3;

/// The words.
#[derive(Clone, Debug)]
pub(crate) struct Claims(Arc<Shared<[AtomicU64]>>);

/// The index of a call's word. 0 stands for no word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClaimSlot(pub(crate) u16);

/// The stage of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The manager has not looked at it.
    Sent,
    /// It waits for its turn.
    Waiting,
    Running,
    /// Its condition did not hold.
    Tried,
    /// Its method has returned, and the result comes later, if ever: it is not about to end.
    Promised,
    /// Given up: it never runs.
    Withdrawn,
}

impl Stage {
    /// Returns whether it is too late to take the call back.
    pub(crate) fn has_begun(self) -> bool {
        matches!(self, Stage::Running | Stage::Promised)
    }
}

/// The word of one call, as its manager sees it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    claims: Claims,
    slot: ClaimSlot,
    number: u64,
}

impl Claims {
    pub(crate) fn new() -> io::Result<Claims> {
        let words = Shared::<[AtomicU64]>::from_fn(usize::from(CLAIM_SLOTS), |_| AtomicU64::new(0));
        Ok(Claims(Arc::new(words.map_err(|error| io::Error::other(error.to_string()))?)))
    }

    /// Takes over what a client has sent; `None` if that is something else.
    pub(crate) fn adopt(words: Shared<[AtomicU64]>) -> Option<Claims> {
        // `word` indexes up to `CLAIM_SLOTS`. With fewer words a client could make the manager panic.
        (words.len() == usize::from(CLAIM_SLOTS)).then(|| Claims(Arc::new(words)))
    }

    /// To be sent to the manager.
    pub(crate) fn words(&self) -> &Shared<[AtomicU64]> {
        &self.0
    }

    /// Returns all places.
    pub(crate) fn slots() -> impl Iterator<Item = ClaimSlot> {
        // Word 0 holds the process id of the manager, and so slot 0 can stand for no word.
        (1..CLAIM_SLOTS).map(ClaimSlot)
    }

    /// Stores the process id of the manager, which is this process.
    pub(crate) fn store_manager_pid(&self) {
        // Pairs with the Acquire in `manager_pid`; the id is all that is published.
        self.0[0].store(u64::from(std::process::id()), Release);
    }

    /// Returns the process id of the manager, once it has stored it.
    pub(crate) fn manager_pid(&self) -> Option<u32> {
        // Pairs with the Release in `store_manager_pid`.
        u32::try_from(self.0[0].load(Acquire)).ok().filter(|id| *id != 0)
    }

    /// Records that the client is about to send a call.
    pub(crate) fn mark_sent(&self, slot: ClaimSlot, number: u64) {
        // Pairs with the Acquire in `stage`, and with `swap` in the manager: what is sent afterwards carries it over to there.
        self.word(slot).store(word(number, Stage::Sent), Release);
    }

    /// Takes a call back for its client, unless it runs. Returns how far it was.
    pub(crate) fn withdraw(&self, slot: ClaimSlot, number: u64) -> Stage {
        loop {
            let stage = self.stage(slot, number);
            // A swap that fails shows that the manager has moved the word, and its new stage decides.
            if stage.has_begun() || stage == Stage::Withdrawn || self.swap(slot, number, stage, Stage::Withdrawn) {
                return stage;
            }
        }
    }

    /// Returns the stage of a call. A call whose word is another call's by now was given up.
    pub(crate) fn stage(&self, slot: ClaimSlot, number: u64) -> Stage {
        // Pairs with `mark_sent` and `swap` of the other side. The outcome itself travels in a reply.
        let found = self.word(slot).load(Acquire);
        let all = [Stage::Sent, Stage::Waiting, Stage::Running, Stage::Tried, Stage::Promised];
        all.into_iter().find(|stage| found == word(number, *stage)).unwrap_or(Stage::Withdrawn)
    }

    /// Moves a call from one stage to another. Returns whether it was in the first.
    fn swap(&self, slot: ClaimSlot, number: u64, from: Stage, to: Stage) -> bool {
        // AcqRel: client and manager each see what the other has decided. Relaxed on failure, because the caller looks again
        // with the Acquire in `stage`, or has lost and does nothing.
        self.word(slot).compare_exchange(word(number, from), word(number, to), AcqRel, Relaxed).is_ok()
    }

    fn word(&self, slot: ClaimSlot) -> &AtomicU64 {
        // A place that another process has made up is some call's, and no worse.
        &self.0[usize::from(slot.0 % CLAIM_SLOTS)]
    }
}

impl Claim {
    /// Returns the word of a call, if it has one.
    pub(crate) fn of(claims: &Claims, slot: ClaimSlot, number: u64) -> Option<Claim> {
        (slot.0 != 0 && slot.0 < CLAIM_SLOTS).then(|| Claim { claims: claims.clone(), slot, number })
    }

    /// Records that the call waits for its turn.
    pub(crate) fn mark_waiting(&self) {
        let _given_up = self.claims.swap(self.slot, self.number, Stage::Sent, Stage::Waiting);
    }

    /// Marks the call as running, unless its client has taken it back. Returns whether it may run.
    pub(crate) fn try_begin(&self) -> bool {
        loop {
            let stage = self.claims.stage(self.slot, self.number);
            // A word that says *running* before its job has begun was forged, or sent twice: nothing is run for it.
            if stage.has_begun() || stage == Stage::Withdrawn {
                return false;
            }
            if self.claims.swap(self.slot, self.number, stage, Stage::Running) {
                return true;
            }
        }
    }

    /// Records that the result of the call comes later.
    pub(crate) fn mark_promised(&self) {
        let _only_running_calls_promise = self.claims.swap(self.slot, self.number, Stage::Running, Stage::Promised);
    }

    /// Records that the condition of the call did not hold.
    pub(crate) fn mark_tried(&self) {
        let _begun = self.claims.swap(self.slot, self.number, Stage::Running, Stage::Tried);
    }
}

/// Returns the value of the word of a call: its number above, its stage in the lowest [`STAGE_BITS`] bits.
fn word(number: u64, stage: Stage) -> u64 {
    // The 61 bits that are left suffice for more calls than a client can make.
    (number << STAGE_BITS) | stage as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> (Claims, ClaimSlot, Claim) {
        let (claims, slot) = (Claims::new().unwrap(), ClaimSlot(3));
        claims.mark_sent(slot, 7);
        let claim = Claim::of(&claims, slot, 7).unwrap();
        (claims, slot, claim)
    }

    #[test]
    fn what_was_withdrawn_never_runs() {
        let (claims, slot, claim) = one();
        assert_eq!(claims.withdraw(slot, 7), Stage::Sent);
        claim.mark_waiting();
        assert!(!claim.try_begin());
        claims.mark_sent(slot, 8);
        assert!(!claim.try_begin(), "the word is another call's by now");
        assert_eq!(claims.stage(slot, 8), Stage::Sent);
    }

    #[test]
    fn what_runs_cannot_be_withdrawn_until_its_condition_was_found_not_to_hold() {
        let (claims, slot, claim) = one();
        claim.mark_waiting();
        assert_eq!(claims.stage(slot, 7), Stage::Waiting);
        assert!(claim.try_begin());
        assert_eq!(claims.withdraw(slot, 7), Stage::Running);
        claim.mark_tried();
        assert_eq!(claims.withdraw(slot, 7), Stage::Tried);
        assert!(!claim.try_begin());
    }

    #[test]
    fn what_is_promised_is_neither_withdrawn_nor_run_again() {
        let (claims, slot, claim) = one();
        assert!(claim.try_begin());
        claim.mark_promised();
        assert_eq!(claims.withdraw(slot, 7), Stage::Promised);
        assert!(!claim.try_begin());
    }

    #[test]
    fn exactly_one_of_both_sides_wins() {
        for number in 1..2_000 {
            let (claims, slot) = (Claims::new().unwrap(), ClaimSlot(1));
            claims.mark_sent(slot, number);
            let claim = Claim::of(&claims, slot, number).unwrap();
            let runs = std::thread::spawn(move || claim.try_begin());
            let was = claims.withdraw(slot, number);
            assert_eq!(runs.join().unwrap(), was == Stage::Running);
            if number > 50 && cfg!(debug_assertions) {
                break;
            }
        }
    }

    #[test]
    fn a_place_that_was_made_up_is_no_panic() {
        let claims = Claims::new().unwrap();
        assert!(Claim::of(&claims, ClaimSlot(0), 1).is_none());
        assert!(Claim::of(&claims, ClaimSlot(u16::MAX), 1).is_none());
    }
}
