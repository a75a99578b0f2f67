//! The cause graph: which finding leads to which, and the trees that remain.
//!
//! Edges are given, not learnt: what the kernel and the supervisor say of who belongs to whom and who is
//! hurt by whom. On public data a given dependency graph beats every learnt one.
use alloc::string::ToString;
use alloc::vec::Vec;

use vocab::Entity;
use vocab::finding::{Evidence, Finding, FindingKind, Severity};
use vocab::incident::{Alternative, CauseNode};

/// Evidence rows kept of one incident.
const EVIDENCE_MAX: usize = 32;

/// A finding that nothing else explains, with all it explains.
#[derive(Debug)]
pub(crate) struct Root<'a> {
    /// The cause.
    pub finding: &'a Finding,
    /// What it leads to: each with the index of its cause in the same list, 0 being the root.
    pub effects: Vec<(usize, &'a Finding)>,
    /// Findings about other culprits that could explain the same victims.
    pub rivals: Vec<&'a Finding>,
}

/// The roots among the findings, in the order given; every finding belongs to exactly one of them.
pub(crate) fn roots(findings: &[Finding]) -> Vec<Root<'_>> {
    let causes = findings.iter().map(|effect| best_cause(findings, effect)).collect::<Vec<_>>();
    let mut roots = Vec::new();
    for (index, finding) in findings.iter().enumerate() {
        if causes.get(index).is_some_and(Option::is_none) {
            let effects = descend(findings, &causes, index);
            let rivals = rivals(findings, finding, &effects);
            roots.push(Root { finding, effects, rivals });
        }
    }
    roots
}

/// The finding that best explains `effect`: the strongest edge, the earlier finding where two are equal.
fn best_cause(findings: &[Finding], effect: &Finding) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, cause) in findings.iter().enumerate() {
        let weight = edge(cause, effect) * cause.confidence;
        if weight > 0.0 && best.is_none_or(|(_, highest)| weight > highest) {
            best = Some((index, weight));
        }
    }
    best.map(|(index, _)| index)
}

/// How strongly `cause` explains `effect`, 0 to 1. Acyclic: [`rank`] falls along every edge.
fn edge(cause: &Finding, effect: &Finding) -> f64 {
    use FindingKind::{CrashLoop, DeviceFailure, IoThrash, MemoryLeak, MemoryThrash};
    if rank(cause.kind) <= rank(effect.kind) {
        return 0.0;
    }
    let same_culprit = cause.culprit == effect.culprit;
    let is_hurt = cause.victims.contains(&effect.culprit);
    match (cause.kind, effect.kind) {
        _ if same_culprit => 0.9,
        (MemoryLeak, MemoryThrash | IoThrash) | (MemoryThrash, IoThrash) => 0.8,
        // A request that is repeated until it fails keeps the disk from others.
        (DeviceFailure, IoThrash) => 0.5,
        (MemoryLeak | MemoryThrash, CrashLoop) if is_hurt => 0.6,
        _ if is_hurt => 0.7,
        _ => 0.0,
    }
}

/// How close to a cause a kind stands: what a program does wrong comes before what the machine suffers, and
/// what is proven before what is merely seen.
const fn rank(kind: FindingKind) -> u8 {
    match kind {
        FindingKind::DeviceFailure => 7,
        FindingKind::MemoryLeak | FindingKind::DescriptorLeak | FindingKind::Deadlock => 6,
        FindingKind::CpuHog => 5,
        FindingKind::MemoryThrash => 4,
        FindingKind::IoThrash => 3,
        FindingKind::Stalled => 2,
        FindingKind::CrashLoop => 1,
        FindingKind::DiskFull | FindingKind::CollectorStalled | FindingKind::OwnTrouble => 0,
    }
}

/// Whether an incident of the first kind may turn into one of the second when both accuse the same culprit:
/// a stall that proves to be a deadlock, a crash loop that proves to come from a leak.
pub(crate) const fn is_same_trouble(earlier: FindingKind, later: FindingKind) -> bool {
    match earlier {
        FindingKind::Stalled => matches!(later, FindingKind::Deadlock | FindingKind::DescriptorLeak),
        FindingKind::Deadlock => matches!(later, FindingKind::Stalled),
        _ => false,
    }
}

/// All that the finding at `start` leads to, with parents before children.
fn descend<'a>(findings: &'a [Finding], causes: &[Option<usize>], start: usize) -> Vec<(usize, &'a Finding)> {
    let mut found = Vec::new();
    let mut indexes = alloc::vec![start];
    let mut next = 0;
    while let Some(&parent) = indexes.get(next) {
        for (index, finding) in findings.iter().enumerate() {
            if causes.get(index) == Some(&Some(parent)) {
                found.push((next, finding));
                indexes.push(index);
            }
        }
        next += 1;
    }
    found
}

/// Findings outside the tree that name one of its victims.
fn rivals<'a>(findings: &'a [Finding], root: &Finding, effects: &[(usize, &Finding)]) -> Vec<&'a Finding> {
    let is_inside = |other: &Finding| other == root || effects.iter().any(|(_, effect)| *effect == other);
    findings
        .iter()
        .filter(|other| !is_inside(other) && other.culprit != root.culprit)
        .filter(|other| other.victims.iter().any(|victim| root.victims.contains(victim)))
        .collect()
}

impl<'a> Root<'a> {
    /// The cause and all it leads to.
    pub fn findings(&self) -> impl Iterator<Item = &'a Finding> {
        core::iter::once(self.finding).chain(self.effects.iter().map(|(_, effect)| *effect))
    }

    /// The worst in the tree.
    pub fn severity(&self) -> Severity {
        self.findings().map(|finding| finding.severity).max().unwrap_or(self.finding.severity)
    }

    /// Everyone hurt, in order, once each.
    pub fn victims(&self) -> Vec<Entity> {
        let mut victims =
            self.findings().flat_map(|finding| finding.victims.iter().cloned()).collect::<Vec<_>>();
        victims.sort();
        victims.dedup();
        victims
    }

    /// The cells that support the tree, those of the cause first.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.findings().flat_map(|finding| finding.evidence.iter().cloned()).take(EVIDENCE_MAX).collect()
    }

    /// The fault tree: the cause, what it leads to, and who is hurt in the end.
    pub fn tree(&self) -> Vec<CauseNode> {
        let node = |parent: Option<usize>, finding: &Finding| CauseNode {
            parent: parent.map(|index| index as u32),
            entity: finding.culprit.clone(),
            sentence: finding.sentence.clone(),
            weight: finding.confidence,
        };
        let mut tree = alloc::vec![node(None, self.finding)];
        tree.extend(self.effects.iter().map(|(parent, effect)| node(Some(*parent), effect)));
        for victim in self.victims() {
            if tree.iter().all(|one| one.entity != victim) {
                let sentence = alloc::format!("{victim} is hurt");
                tree.push(CauseNode {
                    parent: Some(0),
                    entity: victim,
                    sentence,
                    weight: self.finding.confidence,
                });
            }
        }
        tree
    }

    /// What else it could be. The weights, that of the chosen explanation included, add up to 1.
    pub fn alternatives(&self) -> Vec<Alternative> {
        let unknown = 1.0 - self.finding.confidence;
        let rivals_sum = self.rivals.iter().map(|rival| rival.confidence).sum::<f64>();
        let mut rest = unknown;
        let mut alternatives = Vec::new();
        for rival in &self.rivals {
            let weight = unknown * rival.confidence / (rivals_sum + 1.0);
            rest -= weight;
            let sentence = rival.sentence.clone();
            alternatives.push(Alternative { culprit: rival.culprit.clone(), sentence, weight });
        }
        if rest > 0.0 {
            let sentence = "a cause that Homeostat does not know".to_string();
            alternatives.push(Alternative { culprit: Entity::Machine, sentence, weight: rest });
        }
        alternatives.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        alternatives
    }
}
