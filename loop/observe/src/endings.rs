//! How young processes end, where no program in the kernel tells: asked of a descriptor of each that was seen alive.
//!
//! Whoever lived for less than a tick may never have been seen, and when one ended is known to a tick only.
use std::collections::BTreeMap;

use kernfs::Watched;
use vocab::kernel::{Happened, KernelEvent};
use vocab::{ProcessId, Timestamp};

use crate::kernel_events::Clocks;
use crate::ledger::Report;
use crate::tracked::Tracked;

/// Processes that are watched at the same time at most.
const WATCHED_MAX: usize = 128;
/// Age from which nobody asks how a process ended: half a minute is no crash loop. Unit: s.
const YOUNG_S: f64 = 30.0;

/// The young processes.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    watched: BTreeMap<ProcessId, (Watched, KernelEvent)>,
    /// The kernel does not tell.
    is_refused: bool,
}

impl Endings {
    /// Watches the young among the processes of this tick.
    pub(crate) fn watch(&mut self, processes: &[Box<Tracked>], clocks: Clocks) {
        if self.is_refused {
            return;
        }
        self.watched.retain(|id, _| clocks.age_s(*id) < YOUNG_S);
        for one in processes.iter().filter(|one| !one.info.is_kernel && clocks.age_s(one.stat.id()) < YOUNG_S)
        {
            let id = one.stat.id();
            if let Some((_, known)) = self.watched.get_mut(&id) {
                // It may have executed a program since, and its parent may have ended.
                *known = event(one);
            } else if self.watched.len() < WATCHED_MAX
                && let Ok(watched) = Watched::open(id.pid)
            {
                self.watched.insert(id, (watched, event(one)));
            }
        }
    }

    /// Who of them has ended by now.
    pub(crate) fn read(&mut self, clocks: Clocks, into: &mut Vec<KernelEvent>, report: &mut Report) {
        let first = into.len();
        self.watched.retain(|id, (watched, known)| match watched.ended() {
            Ok(None) => true,
            Ok(Some((code, signal))) => {
                let what = Happened::Exit { code, signal, cpu_us: None, ran_s: clocks.age_s(*id) };
                into.push(KernelEvent { at: clocks.at, what, ..known.clone() });
                report.rows += 1;
                false
            }
            Err(error) => {
                self.is_refused = true;
                report.error = Some(error.to_string());
                false
            }
        });
        // Children before their parents, as they end.
        into[first..].sort_by_key(|one| std::cmp::Reverse(one.id.start_ticks));
    }
}

/// What is known of a process before it ends.
fn event(one: &Tracked) -> KernelEvent {
    KernelEvent {
        at: Timestamp::default(),
        id: one.stat.id(),
        ppid: one.stat.ppid,
        uid: Some(one.info.uid),
        name: one.info.name.clone(),
        program: one.info.exe.clone(),
        service: one.service().cloned(),
        what: Happened::Exec,
    }
}
