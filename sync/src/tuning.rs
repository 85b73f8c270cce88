//! The numbers that were chosen and not derived, each with what another value would do.

use std::time::Duration;

/// The first sleep of a wait that has spun in vain. Shorter ones make a loaded machine wake up for nothing; longer ones delay the
/// notice of a death that comes early. Measured by the chaos program of `sync`.
pub(crate) const FIRST_SLEEP: Duration = Duration::from_millis(2);

/// The longest sleep of a wait for a lock holder, which is how late a death is noticed. A smaller value costs each sleeper more
/// wake-ups: 20 a second, some 0.1 % of a core, at this one.
pub(crate) const MAX_SLEEP_WITH_HOLDER: Duration = Duration::from_millis(50);

/// The longest sleep where no death is looked for. It only heals a wake-up that died with its sender, which is rare. A smaller value wakes
/// sleepers more often for nothing, a larger one heals later.
pub(crate) const MAX_SLEEP_WITHOUT_HOLDER: Duration = Duration::from_millis(400);

/// The longest sleep on a condition variable, for the same reason. A smaller value wakes sleepers more often for nothing, a larger one
/// heals a lost notification later.
pub(crate) const MAX_CONDVAR_SLEEP: Duration = Duration::from_millis(500);

/// Pauses before a thread sleeps on a lock. With [`MAX_SPIN_HINTS`] they make some 40 hints, 1 to 2 µs: what a short critical
/// section takes. More steal the core from others; fewer sleep, at 5 µs a sleep. Measured by `cargo xtask bench lock-pair`.
pub(crate) const SPIN_PAUSES: u32 = 6;

/// The most spin hints of one pause. A larger value makes the last pauses longer than a critical section, a smaller one shortens the spin.
pub(crate) const MAX_SPIN_HINTS: u32 = 16;

/// How long a call that only tries waits for a lock inside a primitive, which is held for less than a microsecond. A smaller value
/// takes a holder that lost its core for a moment for a stopped one; a larger one makes tries slow while a holder is stopped.
pub(crate) const INTERNAL_LOCK_TIMEOUT: Duration = Duration::from_millis(5);

/// How long a thread believes that another process lives. A smaller value asks the kernel (3 µs) more often when a try is repeated in a
/// tight loop; a larger one lets tries fail for longer after a death.
pub(crate) const LIVENESS_CACHE: Duration = Duration::from_millis(1);

/// Bytes up to which a copy is a loop of atomic bytes. A larger value copies slowly, a smaller one pays more often for the 20 ns that a
/// copying instruction takes to begin. Measured with copies of 16 to 128 bytes.
pub(crate) const MAX_BYTEWISE_COPY_LEN: usize = 47;

/// Lines that the record of a name may have before those of dead holders are dropped. At some 30 bytes each they are two pages to
/// read at each opening; fewer lines mean more rewriting.
pub(crate) const MAX_RECORD_HOLDERS: usize = 256;

/// How long to wait for the lock of a record, which is held for microseconds. A smaller value fails on a loaded machine, a larger one waits
/// longer for a stopped holder.
pub(crate) const RECORD_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between two tries to lock a record: as long as a few openings take. Shorter ones busy a core, longer ones are felt.
pub(crate) const RECORD_LOCK_PAUSE: Duration = Duration::from_micros(200);
