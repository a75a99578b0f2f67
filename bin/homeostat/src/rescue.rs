//! Memory that runs out is not left until the next tick: a thread looks as often as it must, and acts at once.
//!
//! What it judges by is pure (`decide::exhaustion`), what it reads is observe's, what it does is act's, under the same
//! guard and journal as any action. What it saw and did is part of the next sample.
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use act::{Act, Order};
use decide::exhaustion::{self, Candidate, Exhaustion, Headroom, Score, Verdict};
use observe::{Domain, Holder, Limited, MemoryWatch, growth};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vocab::action::{ActionState, Effect, Intent};
use vocab::event::{Event, EventKind};
use vocab::rows::MemoryVictim;
use vocab::rule::{ActuatorKind, Reflex};
use vocab::{Entity, Timestamp};

use crate::clock;
use crate::numbers::Numbers;
use crate::shared::lock;
use crate::stall_trigger::StallTrigger;

/// Candidates that are looked at closely.
const CLOSE_LOOKS: usize = 8;
/// Candidates that the guard may refuse before we give up.
const TRIES: usize = 4;
/// Time between two verdicts about one domain: the first must be given time to show. Unit: ms.
const COOL_DOWN: Duration = Duration::from_millis(1_500);
/// Time between two lists of holders while memory is tight, when it falls and when it does not.
const HOLDERS_FALLING: Duration = Duration::from_millis(250);
const HOLDERS_STILL: Duration = Duration::from_secs(5);
/// Rows and events that wait for the next tick.
const WAITING_MAX: usize = 64;

/// What the thread and the loop tell each other.
pub struct Rescue {
    act: Arc<Mutex<Act>>,
    rule: Reflex,
    /// Whether the rule lets us act in any mode.
    may_ever: bool,
    may_act: AtomicBool,
    numbers: Arc<Numbers>,
    limited: Mutex<Option<Vec<Limited>>>,
    told: Mutex<Told>,
    start_of_clock: Timestamp,
}

/// What happened since the last tick.
#[derive(Default)]
pub struct Told {
    /// Rows of `memory_victims`.
    pub victims: Vec<MemoryVictim>,
    /// Rows of `events`.
    pub events: Vec<Event>,
    /// What was done.
    pub effects: Vec<Effect>,
}

impl Rescue {
    /// Starts the thread that follows `rule`.
    ///
    /// # Errors
    /// There is no thread to be had, or no /proc.
    pub fn start(
        (act, rule, may_ever): (Arc<Mutex<Act>>, Reflex, bool),
        start_of_clock: Timestamp,
        numbers: Arc<Numbers>,
    ) -> std::io::Result<Arc<Self>> {
        let rescue = Arc::new(Self {
            act,
            rule,
            may_ever,
            may_act: AtomicBool::new(false),
            numbers,
            limited: Mutex::new(None),
            told: Mutex::default(),
            start_of_clock,
        });
        let watch = MemoryWatch::open().map_err(std::io::Error::other)?;
        let thread = std::thread::Builder::new().name("memory".to_owned()).stack_size(256 << 10);
        let shared = Arc::clone(&rescue);
        thread.spawn(move || {
            crate::urgency::take();
            Watcher::new(watch, shared).run();
        })?;
        Ok(rescue)
    }

    /// Whether it may act, or only say what it would do.
    pub fn set_may_act(&self, may: bool) {
        self.may_act.store(may && self.may_ever, Ordering::Relaxed);
    }

    /// The cgroups with a limit, when they were read.
    pub fn set_limited(&self, limited: Vec<Limited>) {
        *lock(&self.limited) = Some(limited);
    }

    /// What happened since the last call.
    pub fn take(&self) -> (Vec<MemoryVictim>, Vec<Event>) {
        let mut told = lock(&self.told);
        (std::mem::take(&mut told.victims), std::mem::take(&mut told.events))
    }

    /// What was done since the last call.
    pub fn take_effects(&self) -> Vec<Effect> {
        std::mem::take(&mut lock(&self.told).effects)
    }
}

/// One domain under watch.
struct Watched {
    domain: Domain,
    limited: Option<Limited>,
    judge: Exhaustion,
    trigger: Option<StallTrigger>,
    next: Instant,
    holders: VecDeque<(Instant, Vec<Holder>)>,
    rests_until: Option<Instant>,
}

struct Watcher {
    watch: MemoryWatch,
    rescue: Arc<Rescue>,
    watched: Vec<Watched>,
    began: Instant,
}

impl Watcher {
    fn new(watch: MemoryWatch, rescue: Arc<Rescue>) -> Self {
        let machine = watched(watch.machine(), None);
        Self { watch, rescue, watched: vec![machine], began: Instant::now() }
    }

    fn run(mut self) {
        loop {
            let news = lock(&self.rescue.limited).take();
            if let Some(limited) = news {
                self.follow(&limited);
            }
            let stalls = self.wait();
            for index in 0..self.watched.len() {
                let is_stalling = stalls.contains(&index);
                if is_stalling || self.watched.get(index).is_some_and(|one| one.next <= Instant::now()) {
                    self.look(index, is_stalling);
                }
            }
        }
    }

    /// Watches these cgroups, and no others.
    fn follow(&mut self, limited: &[Limited]) {
        self.watched.retain(|one| one.limited.as_ref().is_none_or(|old| limited.contains(old)));
        for new in limited {
            if !self.watched.iter().any(|one| one.limited.as_ref() == Some(new))
                && let Some(domain) = self.watch.cgroup(new)
            {
                self.watched.push(watched(domain, Some(new.clone())));
            }
        }
    }

    /// Sleeps until a domain is due or stalls; the indices of those that stall.
    fn wait(&self) -> Vec<usize> {
        let next = self.watched.iter().map(|one| one.next).min().unwrap_or_else(Instant::now);
        let left = next.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let with_trigger = self.watched.iter().enumerate();
        let (indices, triggers): (Vec<usize>, Vec<&StallTrigger>) =
            with_trigger.filter_map(|(index, one)| Some((index, one.trigger.as_ref()?))).unzip();
        let mut fds: Vec<PollFd<'_>> =
            triggers.iter().map(|one| PollFd::from_borrowed_fd(one.as_fd(), PollFlags::PRI)).collect();
        // Interrupted or not, whoever is due is looked at.
        let _ = poll(&mut fds, Some(&timeout));
        let fired = |fd: &PollFd<'_>| fd.revents().contains(PollFlags::PRI);
        indices.into_iter().zip(&fds).filter(|(_, fd)| fired(fd)).map(|(index, _)| index).collect()
    }

    fn look(&mut self, index: usize, is_stalling: bool) {
        let Some(one) = self.watched.get_mut(index) else { return };
        let now = Instant::now();
        let Some((available_bytes, total_bytes)) = self.watch.headroom(&one.domain) else {
            one.next = now + Duration::from_secs(1);
            return;
        };
        let at_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let before = one.judge.clone();
        let (verdict, wait_ms) = one.judge.see(Headroom { at_ns, available_bytes, total_bytes }, is_stalling);
        one.next = now + Duration::from_millis(wait_ms);
        let rests = one.rests_until.is_some_and(|until| now < until);
        match verdict {
            Verdict::Calm => one.holders.clear(),
            Verdict::Exhausted if !rests => {
                one.rests_until = Some(now + COOL_DOWN);
                self.decide(index, now);
            }
            Verdict::Tight | Verdict::Exhausted => {
                let every = if one.judge.falls_since(&before) { HOLDERS_FALLING } else { HOLDERS_STILL };
                if one.holders.back().is_none_or(|(at, _)| now.duration_since(*at) >= every) {
                    let holders = self.watch.holders(&one.domain);
                    one.holders.push_back((now, holders));
                    if one.holders.len() > 2 {
                        one.holders.pop_front();
                    }
                }
            }
        }
    }

    /// Finds who must yield, and makes it.
    fn decide(&mut self, index: usize, now: Instant) {
        let Some(one) = self.watched.get(index) else { return };
        let holders = self.watch.holders(&one.domain);
        let empty = Vec::new();
        let before = one.holders.front().map_or(&empty, |(_, holders)| holders);
        // Without an earlier list nobody is known to have grown.
        let grown = if before.is_empty() { growth(&holders, &holders) } else { growth(before, &holders) };
        let grown = |one: &Holder| grown.get(&one.id).copied().unwrap_or(0);
        let mut close = holders.iter().collect::<Vec<_>>();
        close.sort_by_key(|one| std::cmp::Reverse(one.rss_bytes.saturating_add(2 * grown(one))));
        close.truncate(CLOSE_LOOKS);
        let mut candidates = Vec::new();
        for holder in close {
            let Some((held_bytes, oom_score_adj)) = self.watch.closer(holder.id.pid) else { continue };
            candidates.push((holder, Candidate { held_bytes, grown_bytes: grown(holder), oom_score_adj }));
        }
        let scores = exhaustion::scores(&candidates.iter().map(|(_, one)| *one).collect::<Vec<_>>());
        let at = clock::now(self.rescue.start_of_clock);
        let mut told = Told::default();
        let order = exhaustion::order(&scores);
        let chosen = self.make_yield(&candidates, &order, at, &mut told);
        for (place, ((holder, candidate), score)) in candidates.iter().zip(&scores).enumerate() {
            let row = row(at, &one.domain.entity, holder, candidate, *score);
            told.victims.push(MemoryVictim { is_chosen: chosen == Some(place), ..row });
        }
        told.events.push(event(at, one, chosen.and_then(|place| candidates.get(place)), &told.effects, now));
        self.tell(told);
    }

    /// Freezes the first whom the guard lets us touch, then kills it once the intent is durable. Its place.
    fn make_yield(
        &self,
        candidates: &[(&Holder, Candidate)],
        order: &[usize],
        at: Timestamp,
        told: &mut Told,
    ) -> Option<usize> {
        if !self.rescue.may_act.load(Ordering::Relaxed) {
            return order.first().copied();
        }
        let mut act = lock(&self.rescue.act);
        for place in order.iter().take(TRIES) {
            let (holder, _) = candidates.get(*place)?;
            let freeze = self.intent(holder, self.rescue.rule.action);
            let number = freeze.action_id;
            let effects = act.run(at, vec![Order::Apply(freeze)]);
            let is_done = |effects: &[Effect], number: u64, state: ActionState| {
                effects.iter().any(|one| one.action_id == number && one.state == state)
            };
            let is_frozen = is_done(&effects, number, ActionState::Applied);
            told.effects.extend(effects);
            if !is_frozen {
                continue;
            }
            if !self.rescue.rule.then_kill {
                return Some(*place);
            }
            let kill = self.intent(holder, ActuatorKind::Kill);
            let because = "its process was killed for memory".to_owned();
            told.effects
                .extend(act.run(at, vec![Order::Apply(kill), Order::Undo { action_id: number, because }]));
            return Some(*place);
        }
        None
    }

    fn intent(&self, holder: &Holder, kind: ActuatorKind) -> Intent {
        Intent {
            action_id: self.rescue.numbers.next(),
            decision_id: 0,
            kind,
            target: Entity::Process(holder.id),
            process: Some(holder.id),
            amount: self.rescue.rule.amount.filter(|_| kind == self.rescue.rule.action),
            lease_s: self.rescue.rule.lease_s,
            undo_on_death: true,
        }
    }

    fn tell(&self, new: Told) {
        let mut told = lock(&self.rescue.told);
        told.effects.extend(new.effects);
        if told.victims.len() < WAITING_MAX {
            told.victims.extend(new.victims);
            told.events.extend(new.events);
        }
    }
}

fn watched(domain: Domain, limited: Option<Limited>) -> Watched {
    let trigger = domain.pressure.as_deref().and_then(|file| StallTrigger::arm(file).ok());
    Watched {
        domain,
        limited,
        judge: Exhaustion::default(),
        trigger,
        next: Instant::now(),
        holders: VecDeque::new(),
        rests_until: None,
    }
}

fn row(
    at: Timestamp,
    domain: &Entity,
    holder: &Holder,
    one: &Candidate,
    score: Option<Score>,
) -> MemoryVictim {
    MemoryVictim {
        at,
        domain: domain.clone(),
        pid: holder.id.pid,
        name: holder.name.clone(),
        held_bytes: one.held_bytes,
        grown_bytes: one.grown_bytes,
        oom_score_adj: i64::from(one.oom_score_adj),
        held_points: score.map(|one| one.held_points),
        growth_points: score.map(|one| one.growth_points),
        adjustment_points: score.map(|one| one.adjustment_points),
        score: score.map(|one| one.total()),
        is_chosen: false,
    }
}

fn event(
    at: Timestamp,
    one: &Watched,
    chosen: Option<&(&Holder, Candidate)>,
    effects: &[Effect],
    began: Instant,
) -> Event {
    let entity = &one.domain.entity;
    let took_ms = began.elapsed().as_secs_f64() * 1e3;
    let message = match chosen {
        None => format!("memory of {entity} runs out, and nobody there may be made to yield"),
        Some((holder, candidate)) => {
            let did = match effects.iter().rev().find(|one| one.state == ActionState::Final) {
                Some(_) => "was made to stand still and killed",
                None if effects.is_empty() => "would be killed in mode heal",
                None => "was made to stand still",
            };
            let (held, grown) = (candidate.held_bytes >> 20, candidate.grown_bytes >> 20);
            format!(
                "memory of {entity} runs out: {} ({}), which holds {held} MiB and grew by {grown} MiB, {did} after {took_ms:.1} ms",
                holder.name, holder.id.pid
            )
        }
    };
    Event { at, kind: EventKind::MemoryExhausted, entity: entity.clone(), level: Some(2), message }
}
