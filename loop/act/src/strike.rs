//! A change within microseconds of an event. All that takes time is done before ([`Act::prepare`]) or after
//! ([`Act::look_again`]); in between ([`Act::strike`]) stand only the looks that cannot be old, the intent in the ring,
//! and one write.
//!
//! The guard judges every process of the target when it is prepared, a turn ago at most. The strike refuses if anybody
//! else is there by then, or a cgroup within. What it reads lies warm or is small, for a CPU that wakes has nothing in
//! its caches: of the ring one word, if nothing in it has changed. After it the guard looks in full, as after every change, and what it refuses is taken back.
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use vocab::Timestamp;
use vocab::action::{ActionState, Effect, Intent};

use crate::actuators::{self, Change};
use crate::boot_ns;
use crate::effects::{bare_effect, effect_of};
use crate::engine::Act;
use crate::record::Record;
use crate::ring::{End, Lock, Slot, Stage};
use crate::take_back::Ended;
use crate::trouble::Trouble;
use crate::turn::is_free;

/// Age from which what was prepared says nothing any more: a turn, and one that was missed.
const AGE_MAX: Duration = Duration::from_secs(3);
/// Links of the folder of a cgroup without others in it: its own name and `.`.
const LINKS_ALONE: u64 = 2;
/// Text of `cgroup.procs` that is read: as many processes as a pid has digits fit 1,000 times.
const PROCS_BYTES: usize = 8_192;

/// A change that can be made at once.
pub struct Prepared {
    /// What will stand in the ring, but for the numbers and the end of the lease.
    record: Record,
    value: String,
    members: BTreeSet<u32>,
    /// Changes of the ring when nothing in it stood in the way.
    free_at: Option<u64>,
    folder: File,
    procs: File,
    /// What `procs` says, and said.
    text: Box<[u8]>,
    said: Vec<u8>,
    file: File,
    since: Instant,
}

/// A change that was made and not yet looked at again: until then nobody else changes the machine.
pub struct Struck {
    slot: Slot,
    _lock: Lock,
}

impl Prepared {
    /// The change as it was asked for; its numbers are given when it is made.
    pub const fn intent(&self) -> &Intent {
        &self.record.intent
    }

    /// Whether nobody is in the cgroup, nor in one within, whom the guard has not judged.
    fn are_still(&mut self) -> Result<(), String> {
        let links = rustix::fs::fstat(&self.folder).map_err(|error| error.to_string())?.st_nlink;
        if links != LINKS_ALONE {
            return Err("it has cgroups within, too many to look at in so short a time".to_owned());
        }
        let length = self.procs.read_at(&mut self.text, 0).map_err(|error| error.to_string())?;
        let text = &self.text[..length];
        if text == self.said {
            return Ok(());
        }
        if length == PROCS_BYTES {
            return Err("too many processes to look at in so short a time".to_owned());
        }
        let lines = std::str::from_utf8(text).map_err(|error| error.to_string())?.lines();
        for pid in lines.filter_map(|line| line.parse::<u32>().ok()) {
            if !self.members.contains(&pid) {
                return Err(format!("process {pid} was not there when the guard looked"));
            }
        }
        text.clone_into(&mut self.said);
        Ok(())
    }
}

impl Act {
    /// Plans a change and has the guard judge everybody it touches. Changes nothing.
    ///
    /// # Errors
    /// Why it may not be made, or not so fast: only a cgroup that holds the target and nobody else can be changed by
    /// one write.
    pub fn prepare(&mut self, intent: Intent) -> Result<Prepared, String> {
        let (mut turn, _) = self.turn(Timestamp::default())?;
        turn.is_offered(&intent).map_err(Trouble::into_sentence)?;
        let change = actuators::plan(&intent, &mut turn.machine).map_err(Trouble::into_sentence)?;
        turn.guard.check(&change.step().touches(), &mut turn.machine)?;
        let Change::CgroupFile(one) = &change else {
            return Err("it has no cgroup of its own, so no single write changes it".to_owned());
        };
        let folder = Path::new(&one.cgroup.folder);
        let open = |name: &str, write: bool| {
            let opened = File::options().read(!write).write(write).open(folder.join(name));
            opened.map_err(|error| format!("{}/{name}: {error}", folder.display()))
        };
        let (folder, procs, file) = (open(".", false)?, open("cgroup.procs", false)?, open(&one.file, true)?);
        let members = one.cgroup.members()?.into_iter().collect();
        let value = one.new.clone();
        let free_at = Some(turn.ring.changes()).filter(|_| is_free(turn.ring, &intent, false).is_ok());
        let record = Record { intent, change, lease_until_ns: 0 };
        let (text, said) = (vec![0; PROCS_BYTES].into_boxed_slice(), Vec::new());
        let since = Instant::now();
        let mut prepared =
            Prepared { record, value, members, free_at, folder, procs, text, said, file, since };
        prepared.are_still()?;
        Ok(prepared)
    }

    /// Makes a prepared change under these numbers: that of the action, and that of the decision it follows.
    ///
    /// # Errors
    /// Why not: it is old, somebody else is there by now, another action stands, there were enough, or the machine
    /// refuses.
    pub fn strike(
        &mut self,
        prepared: &mut Prepared,
        (action_id, decision_id): (u64, u64),
        now: Timestamp,
    ) -> Result<Struck, String> {
        if prepared.since.elapsed() > AGE_MAX {
            return Err("what was known of it is too old".to_owned());
        }
        let intent = &mut prepared.record.intent;
        (intent.action_id, intent.decision_id) = (action_id, decision_id);
        let lease_ns = (intent.lease_s.max(0.0) * 1e9) as u64;
        prepared.record.lease_until_ns = boot_ns().saturating_add(lease_ns);
        let Self { ring, guard, .. } = self;
        let lock = ring.lock().map_err(|error| error.to_string())?;
        if prepared.free_at != Some(ring.changes()) {
            is_free(ring, &prepared.record.intent, false).map_err(Trouble::into_sentence)?;
        }
        prepared.are_still()?;
        guard.pace(now)?;
        let slot = ring.intend(&prepared.record).map_err(|error| error.to_string())?;
        if let Err(error) = prepared.file.write_all_at(prepared.value.as_bytes(), 0) {
            ring.set_stage(slot, Stage::Ended(End::Failed));
            return Err(error.to_string());
        }
        ring.set_stage(slot, Stage::Applied);
        Ok(Struck { slot, _lock: lock })
    }

    /// The guard's full look after a strike; takes back what it refuses. The effect to report.
    pub fn look_again(&mut self, prepared: &Prepared, struck: Struck, now: Timestamp) -> Effect {
        let Struck { slot, _lock } = struck;
        let record = prepared.record.clone();
        let intent = record.intent.clone();
        let (mut turn, _its_lock) = match self.turn(now) {
            Ok(turn) => turn,
            // The lease takes it back.
            Err(said) => return bare_effect(intent, now, ActionState::Applied, said),
        };
        // A systemd that manages the cgroup is told, as by the slow way.
        let told = record.change.step().apply(&mut turn.machine);
        let one = match told.and_then(|()| turn.is_still_allowed(&record.change)) {
            Ok(()) => Ended { record, stage: Stage::Applied, because: String::new() },
            Err(said) => turn.give_up(slot, record, End::Refused, format!("{said}; taken back")),
        };
        effect_of(one, now, boot_ns())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use vocab::Entity;
    use vocab::action::ActionState;
    use vocab::rule::ActuatorKind;

    use super::*;
    use crate::Ring;
    use crate::order::Order;
    use crate::testing::*;

    /// A victim alone in a cgroup of version 2; `None` where none can be made.
    fn room(victim: &Victim, name: &str) -> Option<std::path::PathBuf> {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let root = roots.iter().map(Path::new).find(|root| root.join("cgroup.procs").exists())?;
        let folder = root.join(format!("homeostat-strike-{name}-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        fs::write(folder.join("cgroup.procs"), victim.id.pid.to_string()).ok()?;
        folder.join("cgroup.freeze").exists().then_some(folder)
    }

    fn freeze(victim: &Victim) -> Intent {
        intent(7, ActuatorKind::Freeze, Entity::Process(victim.id))
    }

    fn leave(folder: &Path, victim: Victim) {
        let _ = fs::write(folder.join("cgroup.freeze"), "0");
        drop(victim);
        std::thread::sleep(Duration::from_millis(50));
        let _ = fs::remove_dir(folder);
    }

    #[test]
    fn a_strike_is_journalled_leased_and_taken_back() {
        let victim = Victim::new();
        let Some(folder) = room(&victim, "a") else { return println!("skipped: no cgroup may be made here") };
        let (mut act, _) = open(Ring::memfd().unwrap(), &FakeServices::default());
        let mut prepared = act.prepare(freeze(&victim)).unwrap();
        let struck = act.strike(&mut prepared, (9, 4), NOW).unwrap_or_else(|said| panic!("{said}"));
        assert_eq!(fs::read_to_string(folder.join("cgroup.freeze")).unwrap().trim(), "1");
        let effect = act.look_again(&prepared, struck, NOW);
        assert_eq!((effect.action_id, effect.intent.decision_id, effect.state), (9, 4, ActionState::Applied));
        assert!(act.strike(&mut prepared, (10, 5), NOW).is_err(), "one in flight a target");
        let undo = Order::Undo { action_id: 9, because: "enough".to_owned() };
        assert_eq!(act.run(NOW, vec![undo])[0].state, ActionState::Undone);
        assert_eq!(fs::read_to_string(folder.join("cgroup.freeze")).unwrap().trim(), "0");
        leave(&folder, victim);
    }

    #[test]
    fn whoever_the_guard_has_not_judged_is_not_struck() {
        let (victim, other) = (Victim::new(), Victim::new());
        let Some(folder) = room(&victim, "b") else { return println!("skipped: no cgroup may be made here") };
        let (mut act, _) = open(Ring::memfd().unwrap(), &FakeServices::default());
        let mut prepared = act.prepare(freeze(&victim)).unwrap();
        fs::write(folder.join("cgroup.procs"), other.id.pid.to_string()).unwrap();
        assert!(act.strike(&mut prepared, (9, 4), NOW).is_err());
        assert_eq!(fs::read_to_string(folder.join("cgroup.freeze")).unwrap().trim(), "0");
        drop(other);
        leave(&folder, victim);
    }

    #[test]
    fn the_guard_is_the_same() {
        let (victim, services) = (Victim::new(), FakeServices::default());
        let Some(folder) = room(&victim, "c") else { return println!("skipped: no cgroup may be made here") };
        for (mutant, may) in [(false, false), (true, true)] {
            let (mut act, _) = open(Ring::memfd().unwrap(), &services);
            act.set_mutant(Some(mutant));
            assert_eq!(act.prepare(freeze(&victim)).is_ok(), may);
        }
        // Judged right before, refused after: taken back.
        let (mut act, _) = open(Ring::memfd().unwrap(), &services);
        let mut prepared = act.prepare(freeze(&victim)).unwrap();
        let struck = act.strike(&mut prepared, (9, 4), NOW).unwrap_or_else(|said| panic!("{said}"));
        act.set_mutant(Some(false));
        assert_eq!(act.look_again(&prepared, struck, NOW).state, ActionState::Refused);
        assert_eq!(fs::read_to_string(folder.join("cgroup.freeze")).unwrap().trim(), "0");
        leave(&folder, victim);
    }
}
