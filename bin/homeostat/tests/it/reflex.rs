//! A reflex through the daemon: a rule, a signal, the effect in the kernel, its end, and the rows that account for it.
//!
//! Runs where programs may be loaded and cgroups made; elsewhere it prints why it skips.
use std::path::{Path, PathBuf};

use crate::kit::{Homeostat, kill, wait};

/// Where cgroups of version 2 lie.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

const RULE: &str = r#"
name = "still_upon_hup"
description = "Stands still for a moment when it is hung up on."

[reflex]
on = "signal"
service = "reflexive"
signal = 1
action = "freeze"
lease_s = 4
"#;

/// One process that no signal of ours ends: the guard refuses to strike whom it has not looked at, such as new children.
const COMMAND: &str = r#"["sh", "-c", "trap '' HUP; exec sleep 601"]"#;

/// What the kernel says of the cgroup: whether it is frozen.
fn is_frozen(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("cgroup.events")).is_ok_and(|text| text.contains("frozen 1"))
}

/// The cgroup of the service of our own, if one could be made; else why this test cannot run.
fn place(running: &Homeostat) -> Result<PathBuf, String> {
    let programs = "SELECT count(*) FROM bpf_programs WHERE name = 'signal_generate' AND is_attached";
    wait("the programs are listed", || {
        running.cell("SELECT count(*) FROM capabilities WHERE name = 'kernel_programs'").is_some()
    });
    if running.cell(programs).as_deref() != Some("1") {
        return Err("no program sees signals here".to_owned());
    }
    let cgroup = running.cell("SELECT cgroup FROM services WHERE name = 'reflexive'");
    let cgroup = cgroup.ok_or("the service has no cgroup of its own")?;
    let folder = ROOTS.iter().map(|root| Path::new(root).join(cgroup.trim_start_matches('/')));
    let mut folder = folder.filter(|folder| folder.join("cgroup.events").exists());
    folder.next().ok_or_else(|| "no cgroup of version 2 can be made here".to_owned())
}

#[test]
fn a_signal_freezes_its_service_the_lease_ends_it_and_a_decision_accounts_for_it() {
    let mut running = Homeostat::prepare("reflex", "heal");
    let rule = running.write("rules/still_upon_hup.toml", RULE);
    running.write("config.toml", &format!("policies = {:?}\n", rule.parent().expect("a folder")));
    running.launch();
    running.wait_until_it_answers();
    running.serve("reflexive", COMMAND);
    let main = "SELECT main_pid FROM services WHERE name = 'reflexive' AND up_s > 1";
    wait("the service runs, and is known since the last turn", || running.cell(main).is_some());
    let folder = match place(&running) {
        Ok(folder) => folder,
        Err(because) => return eprintln!("skipped: {because}"),
    };
    let pid = running.cell(main).expect("seen above").parse().expect("a pid");
    assert!(!is_frozen(&folder));
    kill(pid, libc::SIGHUP);
    wait("the kernel says that it stands still", || is_frozen(&folder));
    wait("at the end of the lease it runs again", || !is_frozen(&folder));

    let of_action = "FROM actions WHERE action = 'freeze' AND target = 'service:reflexive'";
    let is = |question: &str, word: &str| running.cell(question).as_deref() == Some(word);
    wait("its end is told", || is(&format!("SELECT state {of_action}"), "undone"));
    let decision = format!("FROM decisions WHERE id = (SELECT decision_id {of_action})");
    wait("a decision stands behind it", || is(&format!("SELECT rule {decision}"), "still_upon_hup"));
    assert_eq!(running.cell(&format!("SELECT verdict {decision}")).as_deref(), Some("act"));
    assert_eq!(running.cell(&format!("SELECT incident_id {decision}")), None, "it answers no incident");
    assert_eq!(running.cell(&format!("SELECT length(rule_version) {decision}")).as_deref(), Some("8"));
    let evidence = running.cell(&format!("SELECT evidence {decision}")).expect("it has evidence");
    assert!(evidence.starts_with(&format!("signals:process:{pid}@")), "{evidence}");
    let seen = running.cell(&format!("SELECT count(*) > 0 FROM signals WHERE pid = {pid} AND signal = 1"));
    assert_eq!(seen.as_deref(), Some("1"), "the evidence is a row");
}
