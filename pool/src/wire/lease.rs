//! [`AgentLease`] and [`DriverLease`]: how both sides of a link conclude from silence that the other is lost, and never disagree.
//!
//! The agent sends numbered beats, which the driver acknowledges. The agent ends one lease after *its own* time of sending the newest
//! acknowledged beat. The driver declares the agent lost 1.1 leases after *its own* time of receiving that beat or a newer one. A beat
//! is received after it was sent, so the agent ends first, whatever the delays, the direction of a cut, or the offset between the clocks.
//! Only the rates of the clocks must agree to 10 %.
//!
//! Pure: a time is what the side's own clock shows, from any fixed point. The clock must go on while its host sleeps
//! (`CLOCK_BOOTTIME`), so that a host that was suspended finds its lease over when it wakes.

use std::collections::VecDeque;
use std::time::Duration;

/// Beats in one lease. A larger number notices a cut sooner within the lease and sends more; with a smaller one, few lost or late
/// acknowledgements end a healthy agent.
const BEATS_PER_LEASE: u32 = 5;

/// The agent's side: when it sends a beat, and until when it may live.
///
/// ```
/// use procession_pool::lease::AgentLease;
/// use std::time::Duration;
///
/// let (second, lease) = (Duration::from_secs(1), Duration::from_secs(10));
/// let mut agent = AgentLease::new(lease, 0 * second);
/// assert_eq!(agent.beat(2 * second), Some(1));
/// agent.acknowledge(1, 3 * second);
/// assert!(!agent.is_over(11 * second));
/// assert!(agent.is_over(12 * second), "one lease after beat 1 was sent");
/// ```
#[derive(Debug)]
pub struct AgentLease {
    lease: Duration,
    last_beat: u64,
    /// When the newest beat was sent.
    sent_at: Duration,
    /// The beats that wait for their acknowledgement, with the times of their sending. At most a lease's worth.
    pending: VecDeque<(u64, Duration)>,
    over_at: Duration,
}

/// The driver's side: when the agent counts as lost.
///
/// ```
/// use procession_pool::lease::DriverLease;
/// use std::time::Duration;
///
/// let (second, lease) = (Duration::from_secs(1), Duration::from_secs(10));
/// let mut driver = DriverLease::new(lease, 0 * second);
/// driver.receive(4 * second);
/// assert!(!driver.is_over(14 * second));
/// assert!(driver.is_over(15 * second), "1.1 leases after the beat was received");
/// ```
#[derive(Debug)]
pub struct DriverLease {
    lease: Duration,
    over_at: Duration,
}

impl AgentLease {
    /// Starts a lease, at the moment just before the agent's first frame is sent.
    #[must_use]
    pub fn new(lease: Duration, now: Duration) -> AgentLease {
        AgentLease { lease, last_beat: 0, sent_at: now, pending: VecDeque::new(), over_at: now.saturating_add(lease) }
    }

    /// Returns the number of the beat that is to be sent now, if one is.
    pub fn beat(&mut self, now: Duration) -> Option<u64> {
        if now < self.next_beat() || self.is_over(now) {
            return None;
        }
        self.last_beat += 1;
        self.sent_at = now;
        self.pending.push_back((self.last_beat, now));
        Some(self.last_beat)
    }

    /// Extends the lease when an acknowledgement has come. Other numbers than those of pending beats change nothing, and a lease that
    /// is over stays so.
    pub fn acknowledge(&mut self, beat: u64, now: Duration) {
        let Some(place) = self.pending.iter().position(|&(number, _)| number == beat) else { return };
        if self.is_over(now) {
            return;
        }
        // Beats are received in their order, so the older ones have been received as well.
        for (_, sent_at) in self.pending.drain(..=place) {
            self.over_at = self.over_at.max(sent_at.saturating_add(self.lease));
        }
    }

    /// Returns whether the agent must end now. It asks before it starts anything, above all after a long sleep.
    #[must_use]
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.over_at
    }

    /// Returns when [`beat`](AgentLease::beat) or [`is_over`](AgentLease::is_over) is to be called next.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.next_beat().min(self.over_at)
    }

    fn next_beat(&self) -> Duration {
        self.sent_at.saturating_add(self.lease / BEATS_PER_LEASE)
    }
}

impl DriverLease {
    /// Starts a lease, when the agent's first frame has been received.
    #[must_use]
    pub fn new(lease: Duration, now: Duration) -> DriverLease {
        let mut driver = DriverLease { lease, over_at: Duration::ZERO };
        driver.receive(now);
        driver
    }

    /// Extends the lease, when a beat has been received. The driver acknowledges each beat only after this.
    pub fn receive(&mut self, now: Duration) {
        self.over_at = self.over_at.max(now.saturating_add(self.lease).saturating_add(self.lease / 10));
    }

    /// Returns whether the agent is lost: by now it has ended, if its clock runs.
    #[must_use]
    pub fn is_over(&self, now: Duration) -> bool {
        now >= self.over_at
    }

    /// Returns when [`is_over`](DriverLease::is_over) is to be called next.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.over_at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    /// What the world does to the two sides for a while, in milliseconds of the true time.
    #[derive(Clone, Debug)]
    struct Phase {
        length: u64,
        delay_up: u64,
        delay_down: u64,
        cut_up: bool,
        cut_down: bool,
        agent_frozen: bool,
    }

    fn phases() -> impl Strategy<Value = Vec<Phase>> {
        let cut = || prop::bool::weighted(0.2);
        let delay = || prop_oneof![0_u64..50, 0_u64..20_000];
        let phase = (1_u64..15_000, delay(), delay(), cut(), cut(), prop::bool::weighted(0.1));
        prop::collection::vec(
            phase.prop_map(|(length, delay_up, delay_down, cut_up, cut_down, agent_frozen)| Phase {
                length,
                delay_up,
                delay_down,
                cut_up,
                cut_down,
                agent_frozen,
            }),
            1..12,
        )
    }

    /// The two sides, each with a clock of its own, and the frames on their way.
    struct World {
        agent: AgentLease,
        driver: DriverLease,
        /// Frames that travel, with the true time of their arrival. A link keeps their order.
        up: VecDeque<(u64, u64)>,
        down: VecDeque<(u64, u64)>,
        agent_offset: u64,
        driver_offset: u64,
        /// Of 1,000 true milliseconds.
        agent_rate: u64,
        driver_rate: u64,
        agent_over: Option<u64>,
        driver_over: Option<u64>,
    }

    fn clock(now: u64, rate: u64, offset: u64) -> Duration {
        Duration::from_micros(now * rate + offset * 1000)
    }

    fn post(way: &mut VecDeque<(u64, u64)>, number: u64, arrival: u64) {
        let arrival = way.back().map_or(arrival, |&(_, last)| arrival.max(last));
        way.push_back((number, arrival));
    }

    fn arrived(way: &mut VecDeque<(u64, u64)>, now: u64) -> Option<u64> {
        way.pop_front_if(|&mut (_, arrival)| arrival <= now).map(|(number, _)| number)
    }

    impl World {
        fn new(agent_rate: u64, driver_rate: u64, agent_offset: u64, driver_offset: u64, first_delay: u64) -> World {
            World {
                agent: AgentLease::new(LEASE, clock(0, agent_rate, agent_offset)),
                driver: DriverLease::new(LEASE, clock(first_delay, driver_rate, driver_offset)),
                up: VecDeque::new(),
                down: VecDeque::new(),
                agent_offset,
                driver_offset,
                agent_rate,
                driver_rate,
                agent_over: None,
                driver_over: None,
            }
        }

        fn step(&mut self, now: u64, phase: &Phase) {
            if !phase.agent_frozen && self.agent_over.is_none() {
                self.step_agent(now, phase);
            }
            let clock = clock(now, self.driver_rate, self.driver_offset);
            if self.driver_over.is_none() {
                while let Some(beat) = arrived(&mut self.up, now) {
                    self.driver.receive(clock);
                    if !phase.cut_down {
                        post(&mut self.down, beat, now + phase.delay_down);
                    }
                }
                if self.driver.is_over(clock) {
                    self.driver_over = Some(now);
                }
            }
        }

        fn step_agent(&mut self, now: u64, phase: &Phase) {
            let clock = clock(now, self.agent_rate, self.agent_offset);
            while let Some(beat) = arrived(&mut self.down, now) {
                self.agent.acknowledge(beat, clock);
            }
            if self.agent.is_over(clock) {
                self.agent_over = Some(now);
                return;
            }
            if let Some(beat) = self.agent.beat(clock) {
                assert!(self.agent.pending.len() <= BEATS_PER_LEASE as usize);
                if !phase.cut_up {
                    post(&mut self.up, beat, now + phase.delay_up);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_agent_ends_before_it_is_declared_lost(
            phases in phases(),
            agent_rate in 1000_u64..=1100, driver_rate in 1000_u64..=1100,
            agent_offset in 0_u64..1_000_000, driver_offset in 0_u64..1_000_000, first_delay in 0_u64..1000,
        ) {
            let mut world = World::new(agent_rate, driver_rate, agent_offset, driver_offset, first_delay);
            let mut now = 0;
            let mut thawed_at = 0;
            for phase in &phases {
                for _ in 0..phase.length {
                    now += 1;
                    world.step(now, phase);
                    if phase.agent_frozen {
                        thawed_at = now + 1;
                    }
                    // The agent ends in the millisecond of its deadline, or in the first one after it was frozen.
                    if world.driver_over.is_some_and(|at| at + 1 < now) && !phase.agent_frozen && now > thawed_at + 1 {
                        prop_assert!(world.agent_over.is_some(), "at {now} the agent lives, and was declared lost");
                    }
                }
            }
        }

        #[test]
        fn a_healthy_link_keeps_both(delay_up in 0_u64..2_000, delay_down in 0_u64..2_000, agent_rate in 1000_u64..=1100) {
            let phase = Phase { length: 60_000, delay_up, delay_down, cut_up: false, cut_down: false, agent_frozen: false };
            let mut world = World::new(agent_rate, 1000, 5, 7, delay_up);
            for now in 1..phase.length {
                world.step(now, &phase);
            }
            prop_assert_eq!((world.agent_over, world.driver_over), (None, None));
        }

        #[test]
        fn a_cut_in_any_direction_ends_both(up in any::<bool>(), down in any::<bool>(), healthy in 1_u64..20_000) {
            prop_assume!(up || down);
            let mut phase =
                Phase { length: healthy, delay_up: 1, delay_down: 1, cut_up: false, cut_down: false, agent_frozen: false };
            let mut world = World::new(1000, 1000, 0, 0, 1);
            (1..healthy).for_each(|now| world.step(now, &phase));
            (phase.cut_up, phase.cut_down) = (up, down);
            // The deaf agent ends first, which is silence to the driver.
            (healthy..healthy + 25_000).for_each(|now| world.step(now, &phase));
            prop_assert!(world.agent_over.unwrap() <= healthy + 10_000);
            prop_assert!(world.driver_over.unwrap() <= healthy + 22_000);
        }
    }

    #[test]
    fn a_late_acknowledgement_revives_nothing() {
        let second = Duration::from_secs(1);
        let mut agent = AgentLease::new(LEASE, Duration::ZERO);
        assert_eq!(agent.beat(9 * second), Some(1));
        assert!(agent.is_over(10 * second));
        agent.acknowledge(1, 10 * second);
        assert!(agent.is_over(10 * second));
        assert_eq!(agent.beat(11 * second), None, "it is over");
    }

    #[test]
    fn an_acknowledgement_of_what_was_never_sent_changes_nothing() {
        let mut agent = AgentLease::new(LEASE, Duration::ZERO);
        agent.acknowledge(7, Duration::from_secs(5));
        assert_eq!(agent.beat(Duration::from_secs(6)), Some(1));
        agent.acknowledge(2, Duration::from_secs(7));
        assert!(agent.is_over(LEASE));
    }
}
