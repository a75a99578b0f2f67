//! What is offered was tried, and what was tried leaves nothing behind.
use crate::Ring;
use crate::services::NoServices;
use vocab::rule::ActuatorKind;

#[test]
fn every_actuator_has_a_row_and_what_is_missing_says_why() {
    let ring = Ring::memfd().unwrap();
    let rows = super::capabilities(&ring, &mut NoServices, true);
    for kind in ActuatorKind::ALL {
        let row = rows.iter().find(|row| row.name == kind.as_str()).unwrap();
        assert_eq!(row.is_available, row.can_apply == Some(true) && row.can_undo != Some(false), "{row:?}");
        assert_eq!(row.is_available, row.lost.is_none() && row.remedy.is_none(), "{row:?}");
        assert!(row.is_available || row.reason.is_some(), "{row:?}");
        assert_eq!(row.can_undo.is_none(), crate::actuators::is_final(*kind), "{row:?}");
    }
    let offers = |name: &str| rows.iter().any(|row| row.name == name && row.is_available);
    // A child of our own can be stopped, limited and ended by anybody.
    for name in ["freeze", "raise_descriptor_limit", "terminate", "restart_service", "back_off"] {
        assert!(offers(name), "{rows:#?}");
    }
    let nice = rows.iter().find(|row| row.name == "set_nice").unwrap();
    assert_eq!(nice.is_available, crate::probe_child::can_lower_any_nice(), "{nice:?}");
}

#[test]
fn without_supervisor_and_systemd_services_are_not_offered() {
    if crate::systemd::is_running() {
        return println!("skipped: systemd runs here");
    }
    let rows = super::capabilities(&Ring::memfd().unwrap(), &mut NoServices, false);
    let row = rows.iter().find(|row| row.name == "restart_service").unwrap();
    assert!(!row.is_available);
    assert!(row.reason.as_ref().unwrap().contains("systemd"));
}
