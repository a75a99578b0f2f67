//! NAB: univariate series with labelled windows (`nab/data/GROUP/NAME.csv`, `nab/combined_windows.json`).
use std::collections::BTreeMap;
use std::path::Path;

use super::{DataError, read};

/// One univariate series with its labelled windows.
pub struct Series {
    /// `GROUP/NAME.csv`, the key of the label file.
    pub name: String,
    /// The metric, one value a row, in file order.
    pub values: Vec<f64>,
    /// Inclusive row ranges labelled anomalous, in order.
    pub windows: Vec<(usize, usize)>,
}

impl Series {
    /// One label a row: true inside a window.
    pub fn labels(&self) -> Vec<bool> {
        let mut out = vec![false; self.values.len()];
        for &(left, right) in &self.windows {
            out[left..=right].fill(true);
        }
        out
    }
}

/// Every series below `dir/nab`, sorted by name; a series without an entry in the label file has no window.
pub fn load(dir: &Path) -> Result<Vec<Series>, DataError> {
    let root = dir.join("nab");
    let labels: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_str(&read(&root.join("combined_windows.json"))?)
            .map_err(|e| DataError::Format("combined_windows.json".into(), e.to_string()))?;
    let mut out = Vec::new();
    for group in super::children(&root.join("data"))? {
        for file in super::children(&group)?.into_iter().filter(|f| f.extension().is_some_and(|e| e == "csv"))
        {
            let name = format!("{}/{}", super::base_name(&group), super::base_name(&file));
            let windows = labels.get(&name).map_or(&[][..], |w| &w[..]);
            out.push(parse(name.clone(), &read(&file)?, windows));
        }
    }
    Ok(out)
}

/// Rows whose value does not parse are dropped, as pandas would carry NaN there.
fn parse(name: String, text: &str, windows: &[[String; 2]]) -> Series {
    let rows: Vec<(&str, f64)> = text
        .lines()
        .filter_map(|line| {
            line.split_once(',').and_then(|(t, v)| Some((t.get(..19)?, v.trim().parse().ok()?)))
        })
        .collect();
    let windows = windows.iter().filter_map(|w| to_rows(&rows, w)).collect();
    Series { name, values: rows.into_iter().map(|r| r.1).collect(), windows }
}

/// Time stamps of one layout compare as text, so no calendar is needed.
fn to_rows(rows: &[(&str, f64)], window: &[String; 2]) -> Option<(usize, usize)> {
    let (start, end) = (window[0].get(..19)?, window[1].get(..19)?);
    let left = rows.iter().position(|r| r.0 >= start && r.0 <= end)?;
    let right = rows.iter().rposition(|r| r.0 >= start && r.0 <= end)?;
    Some((left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_covers_the_rows_between_its_stamps() {
        let text = "timestamp,value\n2014-04-10 00:00:00,1\n2014-04-10 00:05:00,2.5\n2014-04-10 00:10:00,3\n";
        let window = ["2014-04-10 00:05:00.000000".to_string(), "2014-04-10 00:10:00.000000".to_string()];
        let series = parse("x".into(), text, &[window]);
        assert_eq!(series.values, [1.0, 2.5, 3.0]);
        assert_eq!(series.windows, [(1, 2)]);
        assert_eq!(series.labels(), [false, true, true]);
    }
}
