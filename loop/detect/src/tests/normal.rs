//! What was learnt beside what was found.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vocab::finding::{Finding, FindingKind, Severity};
use vocab::learnt::Learnt;
use vocab::rows::{AnomalyRow, FeedbackRow};
use vocab::{Entity, Timestamp, Value};

use crate::testkit::machine;
use crate::{Context, Detect, Detected, Detector, say};

/// Accuses two services of using the CPU, one at a value that the test sets.
#[derive(serde::Serialize, serde::Deserialize)]
struct Accuser(f64);

impl Detector for Accuser {
    fn kind(&self) -> FindingKind {
        FindingKind::CpuHog
    }

    fn run(&mut self, context: &Context<'_>, detected: &mut Detected) {
        for (name, cpu_pct) in [("backup", self.0), ("miner", 80.0)] {
            let culprit = Entity::Service(name.to_string());
            let cells = (Value::from(cpu_pct), None);
            let cell = say::cell("services", culprit.clone(), "cpu_pct", cells, "much".to_string());
            detected.findings.push(Finding {
                at: context.snapshot.at,
                kind: FindingKind::CpuHog,
                culprit,
                process: None,
                victims: Vec::new(),
                severity: Severity::Warning,
                confidence: 0.9,
                exhaustion_s: None,
                sentence: "hog".to_string(),
                evidence: Vec::from([cell]),
            });
        }
    }
}

fn dismissed(name: &str, kind: &str, tolerated: Option<f64>) -> Learnt {
    let row = FeedbackRow {
        incident_id: 4,
        at: Timestamp::from_secs(1),
        verdict: "dismiss".to_string(),
        kind: kind.to_string(),
        name: name.to_string(),
        source_column: Some("cpu_pct".to_string()),
        tolerated,
        dismissals: 1,
        sentence: String::new(),
    };
    Learnt { feedback: Vec::from([row]).into(), ..Learnt::default() }
}

fn accused(cpu_pct: f64, learnt: Learnt) -> Vec<Finding> {
    let mut detect = Detect::with(Vec::from([alloc::boxed::Box::new(Accuser(cpu_pct)) as _]));
    detect.know(learnt);
    detect.run(&machine(2), &Default::default(), &Default::default()).findings
}

fn names(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|one| one.culprit.to_string()).collect()
}

#[test]
fn a_false_alarm_is_learnt_away_and_the_true_one_beside_it_is_told() {
    let both = ["service:backup", "service:miner"];
    assert_eq!(names(&accused(80.0, Learnt::default())), both);
    assert_eq!(names(&accused(80.0, dismissed("backup", "cpu_hog", Some(100.0)))), ["service:miner"]);
    // Larger than what was dismissed, of another kind, or confirmed since: told.
    assert_eq!(names(&accused(140.0, dismissed("backup", "cpu_hog", Some(100.0)))), both);
    assert_eq!(names(&accused(80.0, dismissed("backup", "memory_leak", Some(100.0)))), both);
    assert_eq!(names(&accused(80.0, dismissed("backup", "cpu_hog", None))), both);
}

#[test]
fn an_anomaly_is_evidence_and_never_a_finding() {
    let row = |name: &str| AnomalyRow {
        entity: Entity::Service(name.to_string()),
        name: name.to_string(),
        metric: "descriptors".to_string(),
        value: 90.0,
        low: 3.0,
        high: 9.0,
        probability: 1e-4,
        samples: 20_000,
        since: Timestamp::from_secs(1),
        sentence: "service differs".to_string(),
    };
    let learnt = Learnt { anomalies: Vec::from([row("web"), row("miner")]).into(), ..Learnt::default() };
    let mut quiet = Detect::new();
    quiet.know(learnt.clone());
    assert!(quiet.run(&machine(2), &Default::default(), &Default::default()).findings.is_empty());
    let findings = accused(80.0, learnt);
    let seen: Vec<String> = findings[1].evidence.iter().skip(1).map(|one| one.entity.to_string()).collect();
    assert_eq!(seen, ["service:miner", "service:web"], "its own first");
    assert_eq!(findings[1].evidence[1].normal, Some(Value::from("3 to 9")));
}
