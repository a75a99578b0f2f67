//! A false alarm is learnt away, and the true one beside it is not.
use alloc::string::ToString;

use vocab::Timestamp;

use crate::feedback::{Feedback, Judgement, Opinion, ROWS_MAX};

fn judgement(incident_id: u64, opinion: Opinion, name: &str, value: f64) -> Judgement {
    Judgement {
        incident_id,
        at: Timestamp::from_secs(9),
        opinion,
        kind: "cpu_hog".to_string(),
        name: name.to_string(),
        cell: Some(("cpu_pct".to_string(), value)),
    }
}

#[test]
fn a_dismissal_tolerates_a_quarter_more_of_this_culprit_and_is_counted() {
    let mut feedback = Feedback::default();
    feedback.take(&judgement(1, Opinion::Dismiss, "backup", 80.0));
    feedback.take(&judgement(2, Opinion::Dismiss, "backup", 96.0));
    let rows = feedback.rows();
    assert_eq!((rows[0].tolerated, rows[1].tolerated, rows[1].dismissals), (Some(100.0), Some(120.0), 2));
    assert!(
        rows[0].sentence.contains("backup is not told again while cpu_pct stays below 100 %"),
        "{}",
        rows[0].sentence
    );
    assert!(rows.iter().all(|row| row.name == "backup"));
}

#[test]
fn a_confirmation_takes_tolerance_back_and_later_words_replace_earlier_ones() {
    let mut feedback = Feedback::default();
    feedback.take(&judgement(1, Opinion::Dismiss, "backup", 80.0));
    feedback.take(&judgement(2, Opinion::Dismiss, "other", 80.0));
    feedback.take(&judgement(3, Opinion::Confirm, "backup", 90.0));
    let tolerated =
        |id| feedback.rows().iter().find(|row| row.incident_id == id).and_then(|row| row.tolerated);
    assert_eq!((tolerated(1), tolerated(2), tolerated(3)), (None, Some(100.0), None));
    feedback.take(&judgement(3, Opinion::Dismiss, "backup", 90.0));
    assert_eq!(feedback.rows().iter().filter(|row| row.incident_id == 3).count(), 1);
}

#[test]
fn evidence_without_a_number_tolerates_nothing_and_rows_are_bounded() {
    let mut feedback = Feedback::default();
    feedback.take(&Judgement { cell: None, ..judgement(1, Opinion::Dismiss, "web", 0.0) });
    assert_eq!(feedback.rows()[0].tolerated, None);
    (2..2_000).for_each(|id| feedback.take(&judgement(id, Opinion::Confirm, "web", 1.0)));
    assert_eq!(feedback.rows().len(), ROWS_MAX);
}
