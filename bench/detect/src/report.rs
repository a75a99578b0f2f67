//! Rows of the scoreboard: a table for people, an array of objects for programs.
use serde_json::{Value, json};

/// Our own name among the subjects.
pub const OURS: &str = "homeostat";

/// One figure.
pub struct Row {
    figure: &'static str,
    case: String,
    subject: String,
    value: f64,
    unit: &'static str,
}

/// All figures of one run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, figure: &'static str, case: &str, subject: &str, value: f64, unit: &'static str) {
        self.rows.push(Row { figure, case: case.into(), subject: subject.into(), value, unit });
    }

    /// The table, in the order in which the figures came.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut last = "";
        for row in &self.rows {
            if row.figure != last {
                out.push_str(&format!("\n{} [{}]\n", row.figure, row.unit));
                last = row.figure;
            }
            out.push_str(&format!("  {:>10.4}  {:<44} {}\n", row.value, row.subject, row.case));
        }
        out
    }

    /// The array of objects.
    pub fn json(&self) -> Value {
        let object = |r: &Row| json!({"bench": "detect", "figure": r.figure, "case": r.case, "subject": r.subject, "value": r.value, "unit": r.unit});
        Value::Array(self.rows.iter().map(object).collect())
    }
}

/// Published or earlier measured figures: figure, subject, case, value. Cases name the data they stand for, which is not
/// always the data of this run.
pub const PUBLISHED: &[(&str, &str, &str, f64)] = &[
    ("nab_standard", "ARTime", "published, full corpus, threshold tuned on it", 74.9),
    ("nab_standard", "ARTime", "published, dev part", 80.4),
    ("nab_standard", "Numenta HTM", "published, full corpus", 70.1),
    ("nab_standard", "CAD OSE", "published, full corpus", 69.9),
    ("nab_standard", "random cut forest + tail + refractory", "earlier run, dev part, 37 us", 68.9),
    ("nab_standard", "random cut forest", "published, full corpus", 51.7),
    ("nab_low_fp", "ARTime", "published, full corpus", 65.2),
    ("nab_low_fp", "CAD OSE", "published, full corpus", 67.0),
    ("nab_low_fn", "ARTime", "published, full corpus", 80.4),
    ("vus_pr", "POLY, off-line", "published, 22 series", 0.475),
    ("vus_pr", "half-space trees + moving average, causal", "earlier run, 22 series", 0.360),
    ("adfa_auc", "n-gram language model", "earlier run, whole set", 0.848),
    ("adfa_dr_at_5", "n-gram language model", "earlier run, whole set", 0.30),
    ("adfa_realised_at_5", "n-gram language model, fixed threshold", "earlier run, whole set", 0.134),
    ("mase_h1", "boosted trees", "earlier run, held-out days", 0.744),
    ("mase_h6", "boosted trees", "earlier run, held-out days", 0.729),
    ("hdfs_recall", "3-gram", "earlier run, 0.97 % false alarms", 0.935),
    ("openstack_f1", "count-vector distance", "earlier run", 0.982),
];

/// Adds the published rows of one figure.
pub fn add_published(report: &mut Report, figure: &'static str, unit: &'static str) {
    for (_, subject, case, value) in PUBLISHED.iter().filter(|p| p.0 == figure) {
        report.add(figure, case, subject, *value, unit);
    }
}
