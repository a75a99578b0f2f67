//! The live machine as the loop's world: observe's eyes, act's hands, the doors' ears, a steady tick.
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use act::{Act, Order};
use cycle::world::{Command, Deeds, Recheck, World, named_entities};
use observe::Observe;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vocab::Timestamp;
use vocab::action::{ActionState, Effect};
use vocab::budget::tick_s;
use vocab::capability::Capabilities;
use vocab::decision::Decision;
use vocab::probe::Probe;
use vocab::sample::Sample;

use crate::between::Between;
use crate::budget::Budget;
use crate::clock;
use crate::door::Doors;
use crate::history::Health;
use crate::keeper_lost::Parent;
use crate::shared::lock;
use crate::signals::Signals;

/// The live machine.
pub struct Live {
    /// Reads.
    pub observe: Observe,
    /// Changes; absent where nothing may be changed at all.
    pub act: Option<Arc<Mutex<Act>>>,
    /// What watches and acts between turns.
    pub between: Between,
    /// Asks and tells; absent in `record`.
    pub doors: Option<Arc<Doors>>,
    /// What is there.
    pub capabilities: Capabilities,
    /// Asked to end.
    pub signals: Signals,
    /// What the wall clock was at boot.
    pub clock: Timestamp,
    /// The keeper; without it the daemon ends.
    pub parent: Option<Parent>,
    /// When to stop by itself.
    pub until: Option<Instant>,
    /// What we may cost.
    pub budget: Budget,
    /// When the next tick is due.
    pub next: Instant,
    /// Effects of an earlier run that act settled when it was opened.
    pub settled: Vec<Effect>,
    /// How the history fares; absent in `record`.
    pub history: Option<Arc<Health>>,
    /// Runs models in the ONNX format; absent in `record`.
    #[cfg(feature = "onnx")]
    pub onnx: Option<crate::onnx_models::OnnxModels>,
}

impl Live {
    /// Sleeps until the next tick is due; false if asked to end. Counts the ticks that were missed.
    fn wait(&mut self) -> (bool, u32) {
        loop {
            let is_alone = self.parent.is_some_and(Parent::is_gone);
            if is_alone
                || self.signals.is_asked_to_end()
                || self.until.is_some_and(|until| Instant::now() >= until)
            {
                return (false, 0);
            }
            let left = self.next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let wait = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let signals = self.signals.fd();
            let mut fds = [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
            // Interrupted or not, the loop looks again.
            let _ = poll(&mut fds, Some(&wait));
        }
        let tick_s = tick_s(self.budget.level());
        let missed = u32::try_from(self.next.elapsed().as_secs()).unwrap_or(u32::MAX) / tick_s;
        self.next += Duration::from_secs(u64::from(tick_s) * (u64::from(missed) + 1));
        (true, missed)
    }
}

impl World for Live {
    fn look(&mut self, turn: u64, probes: &[Probe]) -> Option<Sample> {
        let (goes_on, missed) = self.wait();
        if !goes_on {
            return None;
        }
        let mut sample = self.observe.collect(clock::now(self.clock), turn, missed, probes);
        sample.collectors.extend(self.history.as_ref().map(|health| health.sample()));
        self.between.tell(&mut sample);
        #[cfg(feature = "onnx")]
        if let Some(onnx) = &mut self.onnx {
            sample.onnx = onnx.said(turn);
        }
        self.observe.shed(self.budget.shed_level(&sample));
        Some(sample)
    }

    #[cfg(feature = "onnx")]
    fn wish(&mut self, wishes: &vocab::onnx::OnnxWishes) {
        if let Some(onnx) = &self.onnx {
            onnx.wish(wishes);
        }
    }

    fn commands(&mut self) -> Vec<Command> {
        self.doors.as_ref().map(|doors| doors.take_commands()).unwrap_or_default()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn change(
        &mut self,
        now: Timestamp,
        orders: Vec<Order>,
        decisions: &[Decision],
        recheck: Recheck<'_>,
    ) -> Deeds {
        let mut deeds = Deeds { effects: std::mem::take(&mut self.settled), decisions: Vec::new() };
        deeds.extend(self.between.deeds(&orders, decisions));
        let mut standing = Vec::new();
        for order in orders {
            match self.refusal(now, &order, decisions, recheck) {
                Some(effect) => deeds.effects.push(effect),
                None => standing.push(order),
            }
        }
        if let Some(act) = &mut self.act {
            deeds.effects.extend(lock(act).run(now, standing));
        }
        deeds
    }
}

impl Live {
    /// Looks again at what a decision names; a refusal if it no longer stands.
    fn refusal(
        &mut self,
        now: Timestamp,
        order: &Order,
        decisions: &[Decision],
        recheck: Recheck<'_>,
    ) -> Option<Effect> {
        let Order::Apply(intent) = order else { return None };
        let decision = decisions.iter().find(|one| one.id == intent.decision_id)?;
        let fresh = self.observe.fresh(now, &named_entities(decision));
        let because = recheck(decision, &fresh).err()?;
        Some(Effect {
            action_id: intent.action_id,
            intent: intent.clone(),
            at: now,
            state: ActionState::Refused,
            before: None,
            after: None,
            because: Some(because),
            lease_until: None,
        })
    }
}
