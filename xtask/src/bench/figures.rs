//! What a bench found: a table for people, an array of objects for programs.
use serde_json::{Value, json};

/// One figure of one subject.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// What was measured, such as `cpu_percent`.
    pub(crate) figure: &'static str,
    /// Under which condition.
    pub(crate) case: String,
    /// Who was measured.
    pub(crate) subject: String,
    /// How much.
    pub(crate) value: f64,
    /// In which unit.
    pub(crate) unit: &'static str,
}

/// Prints the figures of a bench and, if a file is named, writes them there as a JSON array.
pub(crate) fn report(bench: &str, figures: &[Figure], json: Option<&str>) -> Result<(), String> {
    for line in table(figures) {
        println!("{line}");
    }
    let Some(path) = json else { return Ok(()) };
    let rows: Vec<Value> = figures.iter().map(|one| row(bench, one)).collect();
    let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
    std::fs::write(path, text + "\n").map_err(|error| format!("cannot write {path}: {error}"))
}

fn row(bench: &str, one: &Figure) -> Value {
    json!({
        "bench": bench,
        "figure": one.figure,
        "case": one.case,
        "subject": one.subject,
        "value": one.value,
        "unit": one.unit,
    })
}

fn table(figures: &[Figure]) -> Vec<String> {
    let width = |cell: fn(&Figure) -> &str, head: &str| {
        figures.iter().map(|one| cell(one).len()).chain([head.len()]).max().unwrap_or(0)
    };
    let subject = width(|one| &one.subject, "subject");
    let case = width(|one| &one.case, "case");
    let figure = width(|one| one.figure, "figure");
    let head =
        format!("{:subject$}  {:case$}  {:figure$}  {:>12}  unit", "subject", "case", "figure", "value");
    let lines = figures.iter().map(|one| {
        let Figure { figure: name, case: when, subject: who, value, unit } = one;
        format!("{who:subject$}  {when:case$}  {name:figure$}  {:>12}  {unit}", number(*value))
    });
    [head].into_iter().chain(lines).collect()
}

/// Three significant digits or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || size == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle one; the mean of the two in the middle of an even number. `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_figure_is_a_line_and_an_object() {
        let (case, subject) = ("1 s".to_owned(), "homeostat".to_owned());
        let one = Figure { figure: "cpu_percent", case, subject, value: 0.4321, unit: "% of a core" };
        assert!(table(std::slice::from_ref(&one))[1].contains("0.432  % of a core"));
        let row = row("peers", &one);
        assert_eq!(row["value"], 0.4321);
        assert_eq!(row.as_object().unwrap().len(), 6);
    }
}
