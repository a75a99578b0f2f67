//! One life of the daemon, killed at each of its stops, and what must be true afterwards.
use std::fs;
use std::path::Path;

use act::ring::{Content, Stage};
use act::{Act, ActConfig, GuardConfig, Order, Ring, Scope, undo_all};
use vocab::Timestamp;
use vocab::action::Level;

use crate::scenarios::{FileJournal, FileServices, Scenario, Stands, Workbench};
use crate::tracer::{Ended, in_child, killed_at};
use crate::victim::Victim;

/// Who takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The daemon was killed; the next one starts.
    NextStart,
    /// The daemon was killed for good; the keeper takes back what has not proved itself.
    Keeper,
    /// The keeper is killed, too, while it does so; the next daemon starts.
    NextStartAfterBoth,
}

impl Recovery {
    pub const ALL: &[Self] = &[Self::NextStart, Self::Keeper, Self::NextStartAfterBoth];
}

/// Fewer kills than this would mean that the life did not happen.
const KILLS_MIN: u32 = 30;

/// More than this would mean that it never ends.
const STOPS_MAX: u32 = 20_000;

/// Everything about one round.
struct Round<'a> {
    bench: &'a Workbench,
    scenario: Scenario,
    victim: &'a Victim,
}

/// What was seen over all rounds, so that a test in which nothing happened fails.
#[derive(Default)]
struct Seen {
    kills: u32,
    /// Kills that left an intent whose change had been made: what recovery is for.
    unsettled: u32,
    prior: u32,
    new: u32,
}

/// Kills a life at every stop. `None` where the actuator is not offered here.
///
/// Where nothing changed since the stop before, what is left is what was left there; such a stop gets one of the
/// three recoveries, in turn, the others get all.
pub fn kill_everywhere(bench: &Workbench, scenario: Scenario) -> Result<Option<String>, String> {
    let name = scenario.kind().as_str();
    if !bench.capabilities.iter().any(|row| row.name == name && row.is_available) {
        return Ok(None);
    }
    let mut seen = Seen::default();
    let Some(mut victim) = Victim::new(scenario) else { return Ok(None) };
    let mut stop = 1;
    while stop < STOPS_MAX {
        let mut step = 1;
        for turn in 0..3 {
            let recovery = Recovery::ALL[(stop as usize + turn) % 3];
            // A signal that was sent may still be on its way: a victim of an earlier round is no witness.
            let was_journalled = bench.folder.join("journal").exists();
            for file in ["ring", "services", "journal"] {
                let _ = fs::remove_file(bench.folder.join(file));
            }
            if scenario == Scenario::Terminate && (was_journalled || !victim.is_alive()) {
                drop(victim);
                victim = Victim::new(scenario).ok_or("no new victim")?;
            }
            let round = Round { bench, scenario, victim: &victim };
            let ended = round.run(stop, recovery, &mut seen);
            match ended.map_err(|said| format!("killed at stop {stop}, then {recovery:?}: {said}"))? {
                Ended::Finished(code) => return finish(code, &seen).map(Some),
                Ended::Killed { is_quiet: true } => {
                    step = scenario.quiet_step();
                    break;
                }
                Ended::Killed { is_quiet: false } => {}
            }
        }
        stop += step;
    }
    Err("the life has no end".to_owned())
}

fn finish(code: i32, seen: &Seen) -> Result<String, String> {
    let Seen { unsettled, prior, new, kills } = seen;
    let report =
        format!("{kills} kills: {prior} left it as it was, {new} changed; {unsettled} needed recovery");
    if code != 0 {
        return Err(format!("the life that nobody killed failed with {code}; {report}"));
    }
    if *kills < KILLS_MIN || *unsettled == 0 || *prior == 0 || *new == 0 {
        return Err(format!("this proves nothing: {report}"));
    }
    Ok(report)
}

impl Round<'_> {
    fn run(&self, stop: u32, recovery: Recovery, seen: &mut Seen) -> Result<Ended, String> {
        let ring = self.file("ring");
        let ended = killed_at(stop, &ring, || self.live());
        seen.kills += 1;
        self.count(seen)?;
        self.check_journal()?;
        match recovery {
            Recovery::NextStart => self.must(|| self.start())?,
            Recovery::Keeper => self.must(|| self.keeper(Scope::OnDeath))?,
            Recovery::NextStartAfterBoth => {
                // Spread over the stops of the keeper's own work as the daemon's stop moves on.
                killed_at(stop * 7 % 97 + 1, &ring, || self.keeper(Scope::OnDeath));
                // And the next start does not get to its end the first time, either.
                killed_at(stop * 5 % 89 + 1, &ring, || self.start());
                self.must(|| self.start())?;
            }
        }
        self.check("after recovery")?;
        self.must(|| self.keeper(Scope::Everything))?;
        if self.stage()?.is_some() {
            return Err("it stands after all was taken back".to_owned());
        }
        self.check("after all was taken back")?;
        Ok(ended)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.bench.folder.join(name)
    }

    fn services(&self) -> FileServices {
        FileServices(self.file("services"))
    }

    fn act(&self) -> Act {
        let config = ActConfig {
            guard: GuardConfig::default(),
            capabilities: self.bench.capabilities.clone(),
            services: Box::new(self.services()),
            durable: Box::new(FileJournal(self.file("journal"))),
        };
        Act::open(open(&self.file("ring")), config, Timestamp::from_secs(1)).unwrap().0
    }

    /// Open, apply, hold, half released, applied again, released for a try, released: a whole life.
    fn live(&self) {
        let mut act = self.act();
        let ease = |level| Order::Ease { action_id: 1, level, because: "a test".to_owned() };
        let orders = [
            Order::Apply(self.scenario.intent(self.victim.id)),
            Order::Hold { action_id: 1, hold_max_s: 600.0 },
            ease(Level::Half),
            ease(Level::Whole),
            ease(Level::Off),
            Order::Release { action_id: 1, because: "a test".to_owned() },
        ];
        for order in orders {
            act.run(Timestamp::from_secs(2), vec![order]);
        }
    }

    fn start(&self) {
        drop(self.act());
    }

    fn keeper(&self, scope: Scope) {
        undo_all(&open(&self.file("ring")), scope, &mut self.services()).unwrap();
    }

    /// Does something in a process of its own, which must get to its end.
    fn must(&self, work: impl FnOnce()) -> Result<(), String> {
        let code = in_child(|| {
            work();
            0
        });
        if code == 0 { Ok(()) } else { Err(format!("recovery failed with {code}")) }
    }

    /// Where the one action stands; `None` if there is none, or it is over.
    fn stage(&self) -> Result<Option<Stage>, String> {
        let ring = open(&self.file("ring"));
        let mut stage = None;
        for (slot, content) in ring.slots() {
            match content {
                Content::Whole(Stage::Ended(_), _) => {}
                Content::Whole(found, _) if stage.is_none() => stage = Some(found),
                other => return Err(format!("{slot:?} holds {other:?}")),
            }
        }
        Ok(stage)
    }

    fn stands(&self, wanted: &Stands) -> Stands {
        self.victim.stands(self.scenario, &self.services(), wanted)
    }

    /// What the kill left, before anybody recovers.
    fn count(&self, seen: &mut Seen) -> Result<(), String> {
        if !self.file("ring").exists() {
            seen.prior += 1;
            return Ok(());
        }
        let stands = self.victim.stands_now(self.scenario, &self.services());
        let stage = self.stage()?;
        seen.prior += u32::from(stands == Stands::Prior);
        seen.new += u32::from(stands == Stands::New);
        let is_settled = matches!((stage, &stands), (None, Stands::Prior))
            || matches!((stage, &stands), (Some(Stage::Applied | Stage::Held { .. }), Stands::New));
        seen.unsettled += u32::from(!is_settled);
        Ok(())
    }

    /// What cannot be undone did not happen before the journal had it.
    fn check_journal(&self) -> Result<(), String> {
        let stands = || self.victim.stands_now(self.scenario, &self.services());
        let is_done = self.scenario.is_final() && stands() != Stands::Prior;
        if is_done && !self.file("journal").exists() {
            return Err("it was done before it was journalled".to_owned());
        }
        Ok(())
    }

    /// Ring and machine agree.
    fn check(&self, when: &str) -> Result<(), String> {
        let stage = self.stage()?;
        let wanted = if stage.is_none() { Stands::Prior } else { Stands::New };
        let stands = match self.scenario.is_final() {
            true => self.victim.stands_now(self.scenario, &self.services()),
            false => self.stands(&wanted),
        };
        let agrees = match (stage, &stands) {
            // What is final is over either way; which, the machine says.
            (None, Stands::New) => self.scenario.is_final(),
            (None, Stands::Prior) | (Some(Stage::Applied | Stage::Held { .. }), Stands::New) => true,
            _ => false,
        };
        if agrees { Ok(()) } else { Err(format!("{when} the ring says {stage:?}, the machine {stands:?}")) }
    }
}

fn open(path: &Path) -> Ring {
    Ring::open(path).unwrap()
}
