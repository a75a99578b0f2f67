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
use cycle::Deeds;
use decide::LoadedRule;
use decide::exhaustion::{self, Candidate, Exhaustion, Headroom, Score, Verdict};
use decide::reflex::{self, Ground};
use observe::{Domain, Holder, Limited, MemoryWatch, growth};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vocab::action::{ActionState, Effect, Intent};
use vocab::event::{Event, EventKind};
use vocab::rows::MemoryVictim;
use vocab::rule::{ActuatorKind, Mode, Reflex};
use vocab::{Entity, ProcessId, Timestamp, decision};

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
    rule: LoadedRule,
    reflex: Reflex,
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
    /// What was done, and the decisions behind it.
    pub deeds: Deeds,
}

impl Rescue {
    /// Starts the thread that follows `rule`, whose reflex is `reflex`.
    ///
    /// # Errors
    /// There is no thread to be had, or no /proc.
    pub fn start(
        (act, rule, reflex): (Arc<Mutex<Act>>, LoadedRule, Reflex),
        start_of_clock: Timestamp,
        numbers: Arc<Numbers>,
    ) -> std::io::Result<Arc<Self>> {
        let rescue = Arc::new(Self {
            act,
            rule,
            reflex,
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
        let may_ever = self.rule.rule.mode.is_none_or(|mode| mode == Mode::Heal);
        self.may_act.store(may && may_ever, Ordering::Relaxed);
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
    pub fn take_deeds(&self) -> Deeds {
        std::mem::take(&mut lock(&self.told).deeds)
    }
}

/// One domain under watch.
struct Watched {
    domain: Domain,
    limited: Option<Limited>,
    judge: Exhaustion,
    trigger: Option<StallTrigger>,
    next: Instant,
    /// How much earlier it may be looked at, where others are looked at anyway: one wake-up for many.
    early: Duration,
    holders: VecDeque<(Instant, Vec<Holder>)>,
    rests_until: Option<Instant>,
    /// Whom it would have made yield: an advice that stands is not repeated.
    advised: Option<ProcessId>,
}

impl Watched {
    fn is_due(&self) -> bool {
        self.next <= Instant::now() + self.early
    }
}

/// Who could yield, and in which order.
struct Weighed<'a> {
    candidates: Vec<(&'a Holder, Candidate)>,
    scores: Vec<Option<Score>>,
    order: Vec<usize>,
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
                if is_stalling || self.watched.get(index).is_some_and(Watched::is_due) {
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
        one.early = Duration::from_millis(wait_ms) / 4;
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
        close.sort_by_key(|one| std::cmp::Reverse(one.held_bytes.saturating_add(2 * grown(one))));
        close.truncate(CLOSE_LOOKS);
        let mut candidates = Vec::new();
        for holder in close {
            let Some((held_bytes, oom_score_adj)) = self.watch.closer(holder.id.pid) else { continue };
            candidates.push((holder, Candidate { held_bytes, grown_bytes: grown(holder), oom_score_adj }));
        }
        let scores = exhaustion::scores(&candidates.iter().map(|(_, one)| *one).collect::<Vec<_>>());
        let order = exhaustion::order(&scores);
        let weighed = Weighed { candidates, scores, order };
        let at = clock::now(self.rescue.start_of_clock);
        let mut told = Told::default();
        let may_act = self.rescue.may_act.load(Ordering::Relaxed);
        let chosen = if may_act {
            self.make_yield(&weighed, at, &mut told.deeds)
        } else {
            self.advise(&weighed, at, one.advised, &mut told.deeds)
        };
        let Weighed { candidates, scores, .. } = &weighed;
        for (place, ((holder, candidate), score)) in candidates.iter().zip(scores).enumerate() {
            let row = row(at, &one.domain.entity, holder, candidate, *score);
            told.victims.push(MemoryVictim { is_chosen: chosen == Some(place), ..row });
        }
        let chosen = chosen.and_then(|place| candidates.get(place));
        told.events.push(event(at, one, chosen, &told.deeds.effects, now));
        let advised = chosen.filter(|_| !may_act).map(|(holder, _)| holder.id);
        self.tell(told);
        if let Some(one) = self.watched.get_mut(index) {
            one.advised = advised;
        }
    }

    /// Says who would have to yield, unless that was the last thing said. Its place.
    fn advise(
        &self,
        weighed: &Weighed<'_>,
        at: Timestamp,
        advised: Option<ProcessId>,
        deeds: &mut Deeds,
    ) -> Option<usize> {
        let place = *weighed.order.first()?;
        let (holder, _) = weighed.candidates.get(place)?;
        if advised != Some(holder.id) {
            let verdict = decision::Verdict::Advise("the mode changes nothing".to_owned());
            let intent = self.intent(holder, self.rescue.reflex.action);
            deeds.decisions.push(self.decision(at, &intent, (0, weighed.others(0, &[])), verdict));
        }
        Some(place)
    }

    /// Freezes the first whom the guard lets us touch, then kills it once the intent is durable. Its place.
    fn make_yield(&self, weighed: &Weighed<'_>, at: Timestamp, deeds: &mut Deeds) -> Option<usize> {
        let mut act = lock(&self.rescue.act);
        let mut refused = Vec::new();
        for (nth, place) in weighed.order.iter().enumerate().take(TRIES) {
            let (holder, _) = weighed.candidates.get(*place)?;
            let freeze = self.intent(holder, self.rescue.reflex.action);
            let action_id = freeze.action_id;
            let effects = act.run(at, vec![Order::Apply(freeze.clone())]);
            let verdict = ruling(&effects, action_id, ActionState::Applied);
            let others = weighed.others(nth, &refused);
            deeds.decisions.push(self.decision(at, &freeze, (0, others), verdict.clone()));
            deeds.effects.extend(effects);
            if let decision::Verdict::Refused(because) = verdict {
                refused.push(format!("{}: {because}", Entity::Process(holder.id)));
                continue;
            }
            if self.rescue.reflex.then_kill {
                let kill = self.intent(holder, ActuatorKind::Kill);
                let because = "its process was killed for memory".to_owned();
                let orders = vec![Order::Apply(kill.clone()), Order::Undo { action_id, because }];
                let effects = act.run(at, orders);
                let verdict = ruling(&effects, kill.action_id, ActionState::Final);
                let others =
                    vec![reflex::passed_over(kill.kind, "leave it frozen: its memory stays".to_owned())];
                deeds.decisions.push(self.decision(at, &kill, (1, others), verdict));
                deeds.effects.extend(effects);
            }
            return Some(*place);
        }
        None
    }

    fn decision(
        &self,
        at: Timestamp,
        intent: &Intent,
        (step, others): (u32, Vec<decision::Candidate>),
        verdict: decision::Verdict,
    ) -> decision::Decision {
        let process = intent.process.unwrap_or_default();
        reflex::decision(&self.rescue.rule, at, intent, Ground { step, process, others, verdict })
    }

    fn intent(&self, holder: &Holder, kind: ActuatorKind) -> Intent {
        let (action_id, decision_id) = self.rescue.numbers.next();
        Intent {
            action_id,
            decision_id,
            kind,
            target: Entity::Process(holder.id),
            process: Some(holder.id),
            amount: self.rescue.reflex.amount.filter(|_| kind == self.rescue.reflex.action),
            lease_s: self.rescue.reflex.lease_s,
            undo_on_death: true,
        }
    }

    fn tell(&self, new: Told) {
        let mut told = lock(&self.rescue.told);
        told.deeds.extend(new.deeds);
        if told.victims.len() < WAITING_MAX {
            told.victims.extend(new.victims);
            told.events.extend(new.events);
        }
    }
}

impl Weighed<'_> {
    /// What else was possible than the `nth` in order: who was `refused` before, and who has fewer points.
    fn others(&self, nth: usize, refused: &[String]) -> Vec<decision::Candidate> {
        let behind = self.order.iter().skip(nth + 1).filter_map(|place| {
            let ((holder, _), score) = (self.candidates.get(*place)?, self.scores.get(*place).copied()??);
            Some(format!("{}: {:.0} points", Entity::Process(holder.id), score.total()))
        });
        let all = refused.iter().cloned().chain(behind);
        all.map(|because| reflex::passed_over(ActuatorKind::Freeze, because)).collect()
    }
}

/// What act made of an order, as the word of a decision.
fn ruling(effects: &[Effect], action_id: u64, done: ActionState) -> decision::Verdict {
    let own = effects.iter().rfind(|one| one.action_id == action_id);
    match own {
        Some(one) if one.state == done => decision::Verdict::Act,
        Some(one) => decision::Verdict::Refused(one.because.clone().unwrap_or_default()),
        None => decision::Verdict::Refused("it was not answered".to_owned()),
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
        early: Duration::ZERO,
        holders: VecDeque::new(),
        rests_until: None,
        advised: None,
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
