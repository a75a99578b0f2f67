//! Goes through all numbers of the past, slice by slice.
use std::error::Error;

use super::kept::column_of;
use super::{Ask, Points, Reader, Which, parts};

/// Longest slices. Unit: ms.
const HOUR_MS: i64 = 3_600_000;

/// What is wished for.
pub struct Wish<'a> {
    /// First instant. Unit: ms.
    pub from_ms: i64,
    /// Width of a step; 0 for the samples. Unit: ms.
    pub step_ms: u32,
    /// Only this entity.
    pub entity: Option<&'a str>,
    /// Only this series.
    pub series: Option<&'a str>,
}

/// The name of a series: its column, after what tells rows of one entity apart.
pub fn series_name(qualifier: Option<&str>, column: &str) -> String {
    qualifier.map_or_else(|| column.to_owned(), |qualifier| format!("{qualifier}_{column}"))
}

/// Hands out entity, series and points: a slice of time after the other, in each the series in order of their names.
///
/// # Errors
/// Files that cannot be read, in words; what `each` returns.
pub fn each_series(
    reader: &Reader,
    wish: &Wish<'_>,
    mut each: impl FnMut(&str, &str, &Points) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let Some((first, last)) = reader.span_ms() else { return Ok(()) };
    let step = i64::from(wish.step_ms.max(1));
    let from_ms = wish.from_ms.max(first);
    let mut from_ms = from_ms - from_ms.rem_euclid(step);
    let mut slice_ms = HOUR_MS.max(step) / step * step;
    let is_wanted = |key: &[u8]| {
        parts(key).is_some_and(|one| {
            let is_entity = wish.entity.is_none_or(|wanted| wanted == one.entity);
            let column = || column_of(one.id).map(|(_, column)| series_name(one.qualifier, column));
            one.text.is_empty()
                && is_entity
                && wish.series.is_none_or(|wanted| column().as_deref() == Some(wanted))
        })
    };
    let which = Which::Where(&is_wanted);
    while from_ms <= last {
        let to_ms = from_ms.saturating_add(slice_ms);
        let Some(series) = reader.read(&Ask { which: &which, from_ms, to_ms, step_ms: wish.step_ms })? else {
            let half = (slice_ms / 2 / step * step).max(step);
            if half == slice_ms {
                return Err(
                    "more series at once than memory should hold; name one with --entity or --series".into(),
                );
            }
            slice_ms = half;
            continue;
        };
        for one in &series {
            let Some(found) = parts(&one.key) else { continue };
            if let Some((_, column)) = column_of(found.id) {
                each(found.entity, &series_name(found.qualifier, column), &one.points)?;
            }
        }
        from_ms = to_ms;
    }
    Ok(())
}
