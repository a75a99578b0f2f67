//! Thinks the scores of one entity again: its past goes through a model that knows nothing at first, an hour at a time.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vocab::rows::{IncidentRow, ScoreRow};
use vocab::table::Row as _;
use vocab::{Entity, Timestamp, Value};

use super::plan::{Equal, Wanted};
use super::walk::{Group, Walk, groups};
use super::{PAST, PastTable, Role, Shape};
use crate::engine::live::{Cells, Scorer, Scoring};
use crate::history::kept::Kept;
use crate::history::{Reader, cut_text};

/// How long before the first instant asked for the model begins to learn. Unit: ms.
const LEARNS_MS: i64 = 24 * HOUR_MS;
/// What memory holds at a time. Unit: ms.
const HOUR_MS: i64 = 3_600_000;
/// Without a tick for so long, a run has ended and another begun. Unit: ms.
const GAP_MS: i64 = 5_000;
/// Quantities of one entity at most.
const QUANTITIES_MAX: usize = 16;

/// Of a process the service it belongs to: it is told of with the service, not with its program.
const OF_SERVICES: &str = "service";

type Ticks = BTreeMap<i64, [Option<f64>; QUANTITIES_MAX]>;

/// The scores of one entity on their way.
pub struct Scores {
    reader: Reader,
    scoring: Box<dyn Scoring>,
    entity: Entity,
    parts: Vec<Part>,
    /// When it was in trouble, so that nothing was learnt of it: until the end, which is no more part of it. Unit: ns.
    troubles: Vec<(i64, i64)>,
    /// First and last instant asked for. Unit: ns.
    asked: (i64, i64),
    last_ms: Option<i64>,
    next_ms: i64,
    end_ms: i64,
}

/// Quantities that stand in one table of the past.
struct Part {
    table: &'static PastTable,
    kept: &'static Kept,
    equal: Vec<(usize, Equal)>,
    quantities: Vec<Quantity>,
}

/// One quantity.
struct Quantity {
    /// Its place among those of the entity.
    index: usize,
    /// Its column, and its place among the kept ones.
    column: usize,
    place: usize,
    /// Whether what is missing of a hundred is meant.
    is_rest: bool,
}

impl Scores {
    /// Begins a day before what is wanted.
    pub fn new(
        (reader, scorer): (Reader, Scorer),
        incidents: &[Arc<dyn Cells>],
        wanted: &Wanted,
    ) -> Result<Self, String> {
        let entity = wanted.equal.iter().find_map(|(_, equal)| match equal {
            Equal::Text(text) => Some(text.parse::<Entity>()),
            Equal::Int(_) => None,
        });
        let entity =
            entity.ok_or("whose scores: WHERE entity = 'machine', 'service:NAME', 'program:NAME', …")?;
        let entity = entity.map_err(|error| error.to_string())?;
        let scoring = scorer(&entity).ok_or_else(|| {
            format!("{entity} has no scores; machine, services, programs, cgroups, disks and interfaces have")
        })?;
        let parts = parts(&entity, &scoring.quantities());
        let (first, last) = reader.span_ms().unwrap_or((0, -1));
        let from_ms = wanted.at.0.div_euclid(1_000_000).saturating_sub(LEARNS_MS).max(first);
        let end_ms = wanted.at.1.div_euclid(1_000_000).min(last).saturating_add(1);
        let troubles = incidents.iter().flat_map(|rows| troubles(rows.as_ref(), &entity)).collect();
        Ok(Self {
            reader,
            scoring,
            entity,
            parts,
            troubles,
            asked: wanted.at,
            last_ms: None,
            next_ms: from_ms,
            end_ms,
        })
    }

    /// The next hour: what it cost, in samples, and its rows, none while the model only learns; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(usize, Vec<ScoreRow>)>, String> {
        if self.next_ms >= self.end_ms {
            return Ok(None);
        }
        let to_ms = self.next_ms.saturating_add(HOUR_MS).min(self.end_ms);
        let mut ticks = Ticks::new();
        for part in &self.parts {
            part.read(&self.reader, (self.next_ms, to_ms), &mut ticks)?;
        }
        self.next_ms = to_ms;
        let mut rows = Vec::new();
        for (at_ms, values) in &ticks {
            let begins = self.last_ms.is_none_or(|last_ms| at_ms - last_ms > GAP_MS);
            self.last_ms = Some(*at_ms);
            // The first turn of a run has no rates, and nobody is scored in it; the first quantity is one.
            if begins && values[0].is_none() {
                continue;
            }
            let at = Timestamp(at_ms.saturating_mul(1_000_000));
            let learns = !self.troubles.iter().any(|(from, to)| (*from..*to).contains(&at.0));
            let row = self.scoring.push(at, &self.entity, values, learns);
            if (self.asked.0..=self.asked.1).contains(&at.0) {
                rows.extend(row);
            }
        }
        Ok(Some((ticks.len() * QUANTITIES_MAX, rows)))
    }
}

/// When an entity was culprit or victim of an incident that is known; the machine is in trouble with anyone.
fn troubles(incidents: &dyn Cells, entity: &Entity) -> Vec<(i64, i64)> {
    let columns = ["culprit", "name", "victims", "opened_at", "closed_at"];
    let place = |name: &str| IncidentRow::SPEC.columns.iter().position(|column| column.name == name);
    let [culprit, name, victims, opened, closed] = columns.map(|one| place(one).unwrap_or(usize::MAX));
    let words = entity.to_string();
    let span = |row: usize| {
        let cell = |column: usize| incidents.cell(row, column);
        let text = |column: usize| cell(column).as_str().unwrap_or("").to_owned();
        let (who, others) = (text(culprit), text(victims));
        let own = |one: &str| {
            let is_program = matches!(entity, Entity::Program(program) if one.starts_with("process:") && text(name) == **program);
            let is_machine = *entity == Entity::Machine
                && !one.is_empty()
                && !one.starts_with("filesystem:")
                && !one.starts_with("collector:");
            one == words || is_program || is_machine
        };
        let instant = |column: usize| match cell(column) {
            Value::Int(at) => Some(at),
            _ => None,
        };
        let end = instant(closed).unwrap_or(i64::MAX);
        (own(&who) || others.split(' ').any(own)).then_some((instant(opened)?, end))
    };
    (0..incidents.len()).filter_map(span).collect()
}

/// Where the quantities of an entity stand. They are named like their columns, but for two kinds of the machine's.
fn parts(entity: &Entity, quantities: &[&str]) -> Vec<Part> {
    let (table, key, name) = match entity {
        Entity::Machine => {
            let resources = ["cpu", "memory", "io"];
            let pressure = resources.iter().filter_map(|resource| {
                let quantity = quantities.iter().position(|one| *one == format!("{resource}_some_pct"))?;
                let equal = [("entity", "machine"), ("resource", *resource)];
                Part::new("pressure_history", &equal, [(quantity, "some_pct", false)].into_iter())
            });
            let own = quantities.iter().enumerate().map(|(index, one)| match *one {
                "cpu_busy_pct" => (index, "cpu_idle_pct", true),
                name => (index, name, false),
            });
            return Part::new("machine_history", &[], own).into_iter().chain(pressure).collect();
        }
        Entity::Service(name) => ("services_history", "name", name),
        Entity::Program(name) => ("processes_history", "program", name),
        Entity::Cgroup(path) => ("cgroups_history", "path", path),
        Entity::Disk(name) => ("disks_history", "name", name),
        Entity::Interface(name) => ("interfaces_history", "name", name),
        Entity::Process(_) | Entity::Filesystem(_) | Entity::Collector(_) => return Vec::new(),
    };
    let own = quantities.iter().enumerate().map(|(index, one)| (index, *one, false));
    Part::new(table, &[(key, name)], own).into_iter().collect()
}

impl Part {
    fn new<'a>(
        table: &str,
        equal: &[(&str, &str)],
        quantities: impl Iterator<Item = (usize, &'a str, bool)>,
    ) -> Option<Self> {
        let table = PAST.iter().find(|one| one.name == table)?;
        let Shape::History(kept) = table.shape else { return None };
        let find = |name: &str| table.columns.iter().position(|column| column.name == name);
        let text = |text: &str| Equal::Text(text.to_owned());
        let equal = equal.iter().filter_map(|(name, value)| Some((find(name)?, text(value)))).collect();
        let quantity = |(index, name, is_rest): (usize, &str, bool)| {
            let column = find(name)?;
            let Role::Kept(place) = table.columns[column].role else { return None };
            Some(Quantity { index, column, place, is_rest })
        };
        Some(Self { table, kept, equal, quantities: quantities.filter_map(quantity).collect() })
    }

    /// Adds what stands in a span: the sum over the rows of an instant, as learn sums up the processes of a program.
    fn read(&self, reader: &Reader, (from_ms, to_ms): (i64, i64), ticks: &mut Ticks) -> Result<(), String> {
        let columns = self.quantities.iter().map(|one| one.column).chain(self.column(OF_SERVICES));
        let used = columns.fold(0, |used, column| used | 1 << column.min(63));
        let at = (from_ms.saturating_mul(1_000_000), to_ms.saturating_mul(1_000_000) - 1);
        let wanted = Wanted { used, at, hidden: None, equal: self.equal.clone(), is_void: false };
        let mut walk = Walk::new(self.table, reader.clone(), wanted)?;
        while let Some(series) = walk.next()? {
            groups(self.kept, series).iter().filter(|group| self.is_of(group)).for_each(|group| {
                self.add(group, ticks);
            });
        }
        Ok(())
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.table.columns.iter().position(|column| column.name == name)
    }

    /// Whether a row's key is the one wanted: the history finds all that begin so.
    fn is_of(&self, group: &Group) -> bool {
        let Some(cells) = self.kept.key_cells(&group.entity) else { return false };
        self.equal.iter().all(|(column, equal)| match (self.table.columns[*column].role, equal) {
            (Role::Key(place), Equal::Text(text)) => {
                cells.get(place).and_then(|cell| cell.as_str()) == Some(text)
            }
            _ => true,
        })
    }

    fn add(&self, group: &Group, ticks: &mut Ticks) {
        let stands = |column: usize, wanted: Option<&str>| {
            let Role::Kept(place) = self.table.columns[column].role else { return BTreeSet::new() };
            let own = group.columns.iter().filter(|one| one.0 == place);
            let own = own.filter(|one| wanted.is_none_or(|wanted| cut_text(wanted) == one.1));
            own.flat_map(|(_, _, points)| (0..points.len()).map(|n| points.at_ms(n))).collect()
        };
        let named =
            self.equal.iter().find_map(|(column, equal)| match (self.table.columns[*column].role, equal) {
                (Role::Kept(_), Equal::Text(text)) => Some(stands(*column, Some(text))),
                _ => None,
            });
        let serves = self.column(OF_SERVICES).map(|column| stands(column, None)).unwrap_or_default();
        for quantity in &self.quantities {
            for (_, _, points) in group.columns.iter().filter(|one| one.0 == quantity.place) {
                for n in 0..points.len() {
                    let at_ms = points.at_ms(n);
                    let is_other = named.as_ref().is_some_and(|named| !named.contains(&at_ms));
                    if !is_other && !serves.contains(&at_ms) {
                        quantity.add(points.value(n).as_f64(), ticks.entry(at_ms).or_default());
                    }
                }
            }
        }
    }
}

impl Quantity {
    fn add(&self, value: Option<f64>, to: &mut [Option<f64>; QUANTITIES_MAX]) {
        let value = if self.is_rest { value.map(|one| 100.0 - one) } else { value };
        if let (Some(sum), Some(value)) = (to.get_mut(self.index), value) {
            *sum = Some(sum.unwrap_or(0.0) + value);
        }
    }
}
