//! Cuts the power of a real file system under the journal and the store, again and again (`bench/powercut`).
//!
//! `JOURNAL_POWER_CUTS` says how many rounds. Needs root; elsewhere it says so and ends.
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use powercut::{Disk, is_cut};
use tables::Store;
use vocab::kit;
use vocab::rule::ActuatorKind;

use super::*;

const TEST: &str = "journal::power_cut::no_intent_that_was_promised_is_lost_by_power_cuts";
const CHILD: &str = "JOURNAL_POWER_CHILD";
const RESTART: ActuatorKind = ActuatorKind::RestartService;

/// Writes intents until it is killed; each is printed once it was promised, and only while there was power.
fn child(mounted: &Path, disk: &Path) {
    let (mut journal, past) = open(mounted, &Ledger::default(), Timestamp(0));
    let mut store = Store::open(mounted).expect("unlocked");
    for id in past.beyond([1; 3])[2].. {
        let intent = kit::intent(id, id, RESTART);
        journal.intent(&intent).expect("room");
        if is_cut(disk) {
            return;
        }
        println!("intent {id}");
        let (before, after, because, lease_until) = (None, None, None, None);
        let (at, state) = (Timestamp(0), ActionState::Final);
        journal.ended(&Effect { action_id: id, intent, at, state, before, after, because, lease_until });
        let actions = vec![kit::action_row(id, RESTART, "final")].into();
        store.save(&Ledger { actions, ..Ledger::default() }, &[]).expect("room");
    }
}

/// Runs one child until the cut; the last intent it promised.
fn round(plugged: &mut powercut::Plugged, operations: u64) -> Option<u64> {
    let mut process = Command::new(std::env::current_exe().expect("this binary"))
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, &plugged.path)
        .env("JOURNAL_POWER_DISK", plugged.folder())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary");
    let out = BufReader::new(process.stdout.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let ids =
            out.lines().map_while(Result::ok).filter_map(|line| line.strip_prefix("intent ")?.parse().ok());
        ids.last()
    });
    plugged.cut_after(operations).expect("it writes");
    process.kill().expect("ours");
    process.wait().expect("ours");
    reader.join().expect("no panic")
}

#[test]
fn no_intent_that_was_promised_is_lost_by_power_cuts() {
    Disk::serve_if_asked();
    if let (Some(mounted), Some(disk)) = (std::env::var_os(CHILD), std::env::var_os("JOURNAL_POWER_DISK")) {
        return child(Path::new(&mounted), Path::new(&disk));
    }
    match powercut::alone(TEST) {
        None => {}
        Some(Ok(())) => return,
        Some(Err(why)) => return eprintln!("skipped: {why}"),
    }
    let rounds = std::env::var("JOURNAL_POWER_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let folder = PathBuf::from("/dev/shm").join(format!("journal-power-{}", std::process::id()));
    let disk = Disk::new(&folder, TEST).expect("a disk");
    let mut promised = None;
    for n in 0..=rounds {
        let mut plugged = disk.plug(n).expect("the file system is whole");
        {
            let (_, past) = open(&plugged.path, &Ledger::default(), Timestamp(0));
            assert_eq!(past.notices, [""; 0], "round {n}");
            let last = past.beyond([1; 3])[2] - 1;
            assert!(promised.is_none_or(|id| last >= id), "round {n}: {last} kept, {promised:?} promised");
            assert!(past.left.windows(2).all(|pair| pair[1].2.action_id == pair[0].2.action_id + 1));
            let store = Store::open(&plugged.path).expect("unlocked");
            assert!(store.notices().is_empty(), "round {n}: {:?}", store.notices());
        }
        if n < rounds {
            promised = promised.max(round(&mut plugged, 1 + n * 23 % 120));
        }
        plugged.unplug().expect("nobody uses it");
    }
    assert!(promised > Some(0), "nothing was promised");
    println!("{rounds} power cuts: intents promised up to {promised:?}, none lost");
    std::fs::remove_dir_all(&folder).expect("ours");
}
