//! Random histories: whatever happens, in whatever order it becomes known, every task ends exactly once.

use std::time::Duration;

use proptest::prelude::*;

use super::world::{Step, World};
use crate::model::options::PoolLimits;

/// The number of cases without `PROPTEST_CASES`.
const CASES: u32 = 500;

fn step() -> impl Strategy<Value = Step> {
    let which = 0..1000_usize;
    prop_oneof![
        2 => (0..12_usize).prop_map(|options| Step::Open { options }),
        6 => (which.clone(), 1..40_u64, prop_oneof![Just(8_usize), Just(1 << 19), Just(usize::MAX)])
            .prop_map(|(job, count, weight)| Step::Submit { job, count, weight }),
        1 => (0..12_usize).prop_map(|options| Step::Pin { options }),
        1 => which.clone().prop_map(|job| Step::Release { job }),
        1 => which.clone().prop_map(|job| Step::Cancel { job }),
        6 => which.clone().prop_map(|worker| Step::Ready { worker }),
        1 => which.clone().prop_map(|worker| Step::InitFailed { worker }),
        8 => (which.clone(), 1..4_usize).prop_map(|(worker, count)| Step::Start { worker, count }),
        20 => (which.clone(), 0..5_000_u64).prop_map(|(worker, micros)| Step::Complete { worker, micros }),
        4 => (which.clone(), any::<bool>()).prop_map(|(worker, may_repeat)| Step::Fail { worker, may_repeat }),
        1 => which.clone().prop_map(|worker| Step::CompleteTooMuch { worker }),
        4 => which.clone().prop_map(|worker| Step::Die { worker }),
        1 => which.clone().prop_map(|worker| Step::ExceedMemory { worker }),
        1 => which.clone().prop_map(|worker| Step::LoseChunk { worker }),
        2 => which.prop_map(|worker| Step::Clog { worker }),
        12 => (0..4_u64, 1..8_usize).prop_map(|(host, count)| Step::Deliver { host, count }),
        12 => (0..4_u64, 1..8_usize).prop_map(|(host, count)| Step::Hear { host, count }),
        1 => any::<bool>().prop_map(|refuse| Step::RefuseStarts { refuse }),
        1 => (1..5_usize).prop_map(|workers| Step::Resize { workers }),
        4 => (0..400_u64).prop_map(|millis| Step::Pass { millis }),
        2 => (0..4_u64).prop_map(|host| Step::LoseHost { host }),
        1 => Just(Step::Close).boxed(),
        1 => prop_oneof![Just(Step::Join), Just(Step::Drop), Just(Step::Terminate)],
    ]
}

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(CASES), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_task_ends_exactly_once(
        hosts in 1..4_usize, most in 1..5_usize, max_tasks in prop::option::of(1..20_u64), idle in prop::option::of(0..500_u64),
        start in prop::option::of(1..60_u64),
        steps in prop::collection::vec(step(), 0..150)
    ) {
        let idle_timeout = idle.map(Duration::from_millis);
        let start_timeout = start.map(Duration::from_secs);
        let min_workers = if idle.is_some() { 1 } else { most };
        let max_age = max_tasks.filter(|most| most % 2 == 0).map(Duration::from_secs);
        let mut world = World::on_hosts(PoolLimits { min_workers, max_tasks, idle_timeout, max_age, start_timeout, ..PoolLimits::fixed(most) }, hosts);
        for step in &steps {
            world.take(step);
        }
        world.run_out();
    }
}
