//! What of a turn goes to the store at once, and what may wait: every turn moves the figures of every open incident.
use std::collections::BTreeMap;
use std::sync::Arc;

use vocab::Timestamp;
use vocab::ledger::Ledger;
use vocab::rows::{EvidenceRow, IncidentRow};

/// An incident that only goes on is written this often. Unit: s.
const EVERY_S: f64 = 10.0;

/// Rows that wait for the store.
#[derive(Default)]
pub struct Saving {
    /// Open incidents as they were written last, and when.
    written: BTreeMap<u64, (Arc<IncidentRow>, Timestamp)>,
    waiting: BTreeMap<u64, (Arc<IncidentRow>, Vec<Arc<EvidenceRow>>)>,
}

impl Saving {
    /// What is to be written now: all that is news, and of every open incident, every few seconds, how it goes on.
    pub fn due(&mut self, rows: &Ledger, at: Timestamp) -> Ledger {
        for row in rows.incidents.iter() {
            let evidence = rows.evidence.iter().filter(|one| one.incident_id == row.id);
            let evidence = evidence.cloned().collect::<Vec<_>>();
            let place = self.waiting.entry(row.id).or_insert_with(|| (row.clone(), Vec::new()));
            place.0 = row.clone();
            // A row that only a person changed comes without.
            if !evidence.is_empty() {
                place.1 = evidence;
            }
        }
        let waits = |row: &IncidentRow| {
            let written = self.written.get(&row.id);
            written.is_some_and(|(before, then)| at.seconds_since(*then) < EVERY_S && goes_on(before, row))
        };
        let due = self.waiting.values().filter(|(row, _)| !waits(row)).map(|(row, _)| row.id);
        let due = due.collect::<Vec<_>>();
        self.take(&due, at, rows)
    }

    /// What still waits, at the end.
    pub fn rest(&mut self) -> Ledger {
        let all = self.waiting.keys().copied().collect::<Vec<_>>();
        self.take(&all, Timestamp::default(), &Ledger::default())
    }

    fn take(&mut self, due: &[u64], at: Timestamp, others: &Ledger) -> Ledger {
        let (mut incidents, mut evidence) = (Vec::new(), Vec::new());
        for (row, its) in due.iter().filter_map(|id| self.waiting.remove(id)) {
            match row.closed_at {
                Some(_) => drop(self.written.remove(&row.id)),
                None => drop(self.written.insert(row.id, (row.clone(), at))),
            }
            incidents.push(row);
            evidence.extend(its);
        }
        Ledger { incidents: incidents.into(), evidence: evidence.into(), ..others.clone() }
    }
}

/// Whether nothing about an incident is news but figures and the time.
fn goes_on(before: &IncidentRow, now: &IncidentRow) -> bool {
    fn of(row: &IncidentRow) -> impl PartialEq + '_ {
        (&row.kind, &row.state, &row.culprit, &row.severity, row.muted_until, row.closed_at)
    }
    of(before) == of(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::Entity;

    fn rows(id: u64, severity: &str, second: i64, is_closed: bool) -> Ledger {
        let at = Timestamp::from_secs(second);
        let row = IncidentRow {
            severity: severity.to_owned(),
            last_seen_at: at,
            closed_at: is_closed.then_some(at),
            sentence: format!("at {second}"),
            ..vocab::kit::incident_row(id)
        };
        let evidence = EvidenceRow {
            incident_id: id,
            position: 0,
            role: "cell".to_owned(),
            parent: None,
            entity: Entity::Machine,
            source_table: None,
            source_column: None,
            value: Some(second.to_string()),
            normal: None,
            weight: None,
            sentence: String::new(),
        };
        Ledger {
            incidents: vec![row.into()].into(),
            evidence: vec![evidence.into()].into(),
            ..Ledger::default()
        }
    }

    #[test]
    fn what_is_news_is_written_at_once_and_the_rest_as_it_stands_every_few_seconds() {
        let mut saving = Saving::default();
        let mut turn = |second: i64, rows: Ledger| {
            let due = saving.due(&rows, Timestamp::from_secs(second));
            due.incidents.iter().map(|row| row.sentence.clone()).collect::<Vec<_>>()
        };
        assert_eq!(turn(1_000, rows(1, "warning", 1_000, false)), ["at 1000"], "it opened");
        for second in 1_001..1_010 {
            assert_eq!(turn(second, rows(1, "warning", second, false)), [] as [&str; 0], "it goes on");
        }
        assert_eq!(turn(1_010, Ledger::default()), ["at 1009"]);
        assert_eq!(turn(1_020, Ledger::default()), [] as [&str; 0], "nothing new of it");
        assert_eq!(turn(1_021, rows(1, "critical", 1_021, false)), ["at 1021"], "it got worse");
        assert_eq!(turn(1_022, rows(1, "critical", 1_022, true)), ["at 1022"], "it closed");
        assert_eq!(turn(1_023, rows(2, "warning", 1_023, false)), ["at 1023"], "another one");
        assert_eq!(turn(1_024, rows(2, "warning", 1_024, false)), [] as [&str; 0]);
        let rest = saving.rest();
        let ends = (rest.incidents[0].sentence.as_str(), rest.evidence[0].value.as_deref());
        assert_eq!(ends, ("at 1024", Some("1024")), "the newest, with its evidence");
        assert_eq!(saving.rest(), Ledger::default());
    }
}
