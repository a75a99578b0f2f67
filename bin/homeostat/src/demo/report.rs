//! What the demo tells: line by line while it runs, and as one table or one object at its end.
use std::time::Instant;

use serde_json::{Value as Json, json};

use super::plan::{Plan, Victim};
use super::watch::{Case, News, Watch, seconds};

/// The end of a demo.
#[derive(Debug)]
pub(crate) struct Report {
    seed: u64,
    faults: Vec<Json>,
    accused: Vec<String>,
    left_behind: Vec<String>,
    is_healed: bool,
}

impl Report {
    pub(crate) fn new(seed: u64, watch: &Watch, left_behind: Vec<String>) -> Self {
        let is_healed = watch.cases.iter().all(|case| case.verified.is_some() && case.culprit_right);
        let faults = watch.cases.iter().map(fault).collect();
        Self { seed, faults, accused: watch.accused.clone(), left_behind, is_healed }
    }

    /// Whether everything was healed, nobody accused, nothing left.
    pub(crate) fn is_good(&self) -> bool {
        self.is_healed && self.accused.is_empty() && self.left_behind.is_empty()
    }

    fn json(&self) -> Json {
        json!({
            "seed": self.seed,
            "faults": self.faults,
            "innocents_accused": self.accused.len(),
            "left_behind": self.left_behind,
        })
    }
}

fn fault(case: &Case) -> Json {
    let round = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 10.0).round() / 10.0);
    json!({
        "kind": case.fault.word(),
        "injected": case.injected.is_some(),
        "detected": case.detected.is_some(),
        "culprit_right": case.culprit_right,
        "repaired": case.repaired.is_some(),
        "verified": case.verified.is_some(),
        "seconds_to_detect": round(seconds(case.injected, case.detected)),
        "seconds_to_verified": round(seconds(case.injected, case.verified)),
    })
}

/// Tells the person who watches; with `--json`, on standard error only.
#[derive(Debug)]
pub(crate) struct Teller {
    is_json: bool,
    start: Instant,
}

impl Teller {
    pub(crate) fn new(is_json: bool) -> Self {
        Self { is_json, start: Instant::now() }
    }

    fn say(&self, text: &str) {
        let line = format!("{:>6.1} s  {text}", self.start.elapsed().as_secs_f64());
        if self.is_json { eprintln!("{line}") } else { println!("{line}") }
    }

    pub(crate) fn begin(&self, plan: &Plan, url: &str) {
        self.say(&format!("watch it in the browser: {url}"));
        let names = plan.victims.iter().map(|victim| victim.name.as_str()).collect::<Vec<_>>();
        let (bystander, neighbour) = (&plan.bystander, &plan.neighbour);
        self.say(&format!(
            "seven services start: {}, {bystander} and the noisy {neighbour}",
            names.join(", ")
        ));
        self.say("they run healthy for a while, so that it is known what is normal");
    }

    pub(crate) fn injected(&self, victim: &Victim) {
        let amount = match victim.fault.word() {
            "memory_leak" => format!(" of {:.1} MB/s", victim.amount / 1e6),
            "descriptor_leak" => format!(" of {:.1} a second", victim.amount),
            "cpu_hog" => format!(" of {} threads", victim.amount),
            _ => String::new(),
        };
        self.say(&format!(
            "{:<14} ✗ {}{amount} begins ({:?})",
            victim.name,
            victim.fault.word(),
            victim.runtime
        ));
    }

    pub(crate) fn news(&self, news: &News) {
        self.say(&format!("{:<14} · {}", news.who, news.what));
    }

    pub(crate) fn end(&self, report: &Report) {
        if self.is_json {
            println!("{}", report.json());
            return;
        }
        println!();
        println!(
            "{:<16} {:>9} {:>8} {:>9} {:>9} {:>12} {:>12}",
            "fault", "detected", "culprit", "repaired", "verified", "to detect", "to verified"
        );
        for fault in &report.faults {
            let word = |name: &str| if fault[name] == json!(true) { "yes" } else { "NO" };
            let time = |name: &str| {
                fault[name].as_f64().map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
            };
            let kind = fault["kind"].as_str().unwrap_or_default();
            let culprit = if fault["culprit_right"] == json!(true) { "right" } else { "WRONG" };
            println!(
                "{kind:<16} {:>9} {culprit:>8} {:>9} {:>9} {:>12} {:>12}",
                word("detected"),
                word("repaired"),
                word("verified"),
                time("seconds_to_detect"),
                time("seconds_to_verified")
            );
        }
        println!("innocents accused: {}", report.accused.len());
        for accused in &report.accused {
            println!("  {accused}");
        }
        println!(
            "left behind: {}",
            if report.left_behind.is_empty() { "nothing".to_owned() } else { report.left_behind.join("; ") }
        );
        println!("the same again: homeostat demo --seed {}", report.seed);
    }
}
