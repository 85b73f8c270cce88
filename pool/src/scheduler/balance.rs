//! Who gets what: handing out tasks, taking them back for the idle, and letting workers go.

use std::time::Duration;

use crate::terms::FAREWELL;
use crate::wire::claim::MOST_HELD;

use super::{Action, JobId, Life, Phase, Scheduler, WorkerId};

/// How long a worker may take to leave that is busy with something that nobody waits for.
pub(super) const BUSY_GRACE: Duration = Duration::from_millis(100);
/// So much work that has not begun is worth being taken back for somebody who is idle.
const WORTH: Duration = Duration::from_micros(200);
/// A worker that has not been heard of for so long may be busy for long, whatever its tasks usually take.
const SILENCE: Duration = Duration::from_micros(500);

impl Scheduler {
    /// Gives waiting tasks to workers that have room, the idlest first.
    pub(super) fn assign(&mut self, now: Duration) {
        if self.turns.is_empty() {
            return;
        }
        for (load, worker) in self.crew.by_load(now) {
            self.fill(worker, load, now);
            if self.turns.is_empty() {
                return;
            }
        }
    }

    /// Sends a worker tasks of the jobs whose turn it is until it has enough.
    fn fill(&mut self, id: WorkerId, mut load: u64, now: Duration) {
        let hands = self.crew.hands();
        let mut allowance = self.allowance(id);
        while let Some(job_id) = self.turns.front()
            && allowance > 0
        {
            let Some(job) = self.jobs.get_mut(&job_id) else { return };
            // It is not to have more than its share of all that waits, and of no job more than its share of that. And it is sent more
            // when that is as much as it has, for each sending has its price.
            let goal = job.chunking.size(self.queued, hands);
            if load > job.chunking.ahead().min(goal / 2) {
                return;
            }
            let share = job.chunking.size(job.queued(), hands);
            let Some(waiting) = job.take((goal - load.min(goal)).min(share).min(allowance), hands) else { return };
            let unit = waiting.unit;
            self.queued -= waiting.tasks.count;
            self.times.wait.record(now.saturating_sub(waiting.since), waiting.tasks.count);
            self.turns.remove(job_id);
            if !job.is_idle() {
                self.turns.push_back(job_id);
            }
            load += waiting.tasks.count;
            allowance -= waiting.tasks.count;
            let tasks = waiting.tasks;
            if let Some(worker) = self.crew.get_mut(id) {
                worker.give(waiting, now);
            }
            self.actions.push_back(Action::Send { worker: id, tasks, unit });
        }
    }

    /// How many more tasks a worker may be sent before it is replaced.
    fn allowance(&mut self, id: WorkerId) -> u64 {
        let most = self.crew.staffing.max_tasks;
        let Some(worker) = self.crew.get_mut(id) else { return 0 };
        let room = MOST_HELD.saturating_sub(worker.load());
        most.map_or(room, |most| most.saturating_sub(worker.done + worker.load()).min(room))
    }

    /// Takes tasks back from a worker that is behind, when others have nothing to do and nothing waits.
    pub(super) fn balance(&mut self, now: Duration) {
        let idle = self.crew.idle(now);
        if idle == 0 || !self.turns.is_empty() {
            return;
        }
        let silent: Vec<_> = self.crew.silent().filter(|(_, at)| *at <= now).map(|(id, _)| id).collect();
        silent.into_iter().for_each(|id| self.recall_all(id));
        let behind = self.crew.iter().filter(|(_, worker)| !worker.is_recalling && worker.unbegun() > 0);
        let behind = behind.filter(|(_, worker)| worker.recall_after <= now).filter(|(_, worker)| {
            worker.stirred + SILENCE <= now || self.is_worth(worker.front().map(|task| task.job), worker.unbegun())
        });
        let most = behind.max_by_key(|(_, worker)| worker.unbegun());
        let Some((id, unbegun)) = most.map(|(id, worker)| (id, worker.unbegun())) else { return };
        self.recall(id, (unbegun * idle).div_ceil(idle + 1));
    }

    /// When a worker will have been silent for so long that the idle should be given its tasks.
    pub(super) fn next_balance(&self) -> Option<Duration> {
        let idle = self.crew.next_idle().filter(|_| self.turns.is_empty())?;
        let behind = self.crew.iter().filter(|(_, worker)| !worker.is_recalling && worker.unbegun() > 0);
        let behind = behind.map(|(_, worker)| (worker.stirred + SILENCE).max(worker.recall_after));
        behind.chain(self.crew.silent().map(|(_, at)| at)).min().map(|at| at.max(idle))
    }

    fn is_worth(&self, job: Option<JobId>, unbegun: u64) -> bool {
        let pace = job.and_then(|job| self.jobs.get(&job)).and_then(|job| job.chunking.usual());
        pace.is_none_or(|pace| pace.saturating_mul(u32::try_from(unbegun).unwrap_or(u32::MAX)) >= WORTH)
    }

    /// Asks a worker to give back tasks that it has not begun.
    fn recall(&mut self, id: WorkerId, count: u64) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        if count > 0 && !worker.is_recalling {
            worker.is_recalling = true;
            self.actions.push_back(Action::Recall { worker: id, count });
        }
    }

    /// The same of all that it has not begun.
    pub(super) fn recall_all(&mut self, id: WorkerId) {
        let count = self.crew.get_mut(id).map_or(0, |worker| worker.load());
        self.recall(id, count);
    }

    /// Lets a worker do what it has begun, and then go.
    pub(super) fn retire(&mut self, id: WorkerId) {
        let Some(worker) = self.crew.get_mut(id) else { return };
        if worker.is_ready() {
            worker.life = Life::Retiring;
            self.recall_all(id);
        }
    }

    /// Lets those go that have done their share, have become too old, or are too many.
    pub(super) fn retire_some(&mut self, now: Duration) {
        let staffing = self.crew.staffing;
        let used_up = self.crew.iter().filter(|(_, worker)| {
            let has_done_all = staffing.max_tasks.is_some_and(|most| worker.done + worker.load() >= most);
            // Age counts when a worker is in use, so that an idle pool is left in peace.
            let is_old =
                worker.has_answered && staffing.max_age.is_some_and(|age| worker.started.saturating_add(age) <= now);
            worker.is_ready() && (has_done_all || is_old)
        });
        let used_up: Vec<WorkerId> = used_up.map(|(id, _)| id).collect();
        for id in used_up {
            if let Some(worker) = self.crew.get_mut(id) {
                worker.life = Life::Retiring;
            }
        }
        // It has not come yet, so it has no leave to take.
        let until = now + FAREWELL;
        for id in self.crew.surplus(now) {
            let Some(worker) = self.crew.get_mut(id) else { continue };
            if worker.is_ready() {
                self.retire(id);
            } else {
                worker.life = Life::Leaving { until };
                self.actions.push_back(Action::Leave { worker: id });
            }
        }
    }

    /// Asks those to leave that have retired and done their work, when whoever replaces them is there.
    pub(super) fn let_go(&mut self, now: Duration) {
        let must_wait = self.is_working() && self.crew.is_expecting();
        let until = self.farewell(now);
        for (id, worker) in self.crew.iter_mut() {
            if worker.life == Life::Retiring && worker.load() == 0 && !worker.is_recalling && !must_wait {
                worker.life = Life::Leaving { until };
                self.actions.push_back(Action::Leave { worker: id });
            }
        }
    }

    pub(super) fn dismiss(&mut self, now: Duration) {
        let idle = self.farewell(now);
        for (id, worker) in self.crew.iter_mut() {
            let until = match worker.life {
                Life::Starting => now + FAREWELL,
                _ if worker.load() == 0 => idle,
                _ => now + BUSY_GRACE,
            };
            if matches!(worker.life, Life::Starting | Life::Ready | Life::Retiring) {
                worker.life = Life::Leaving { until };
                self.actions.push_back(Action::Leave { worker: id });
            }
        }
        self.phase = Phase::Ending(Scheduler::dismissal());
        // What they still hand over comes too late.
        self.end_all_jobs();
    }

    /// Asks those to leave who have nothing to do, and kills the others.
    pub(super) fn clear(&mut self, now: Duration) {
        for id in self.crew.ids() {
            let Some(worker) = self.crew.get_mut(id) else { continue };
            let until = now + if worker.life == Life::Starting { BUSY_GRACE } else { FAREWELL };
            match worker.life {
                Life::Leaving { until: before } => worker.life = Life::Leaving { until: until.min(before) },
                Life::Starting | Life::Ready | Life::Retiring if worker.load() == 0 => {
                    worker.life = Life::Leaving { until };
                    self.actions.push_back(Action::Leave { worker: id });
                }
                _ => self.kill(id),
            }
        }
    }
}
