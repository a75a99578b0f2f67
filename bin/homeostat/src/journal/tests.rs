//! The journal across deaths, torn tails, strangers and full disks.
use super::*;
use vocab::ProcessId;
use vocab::kit;
use vocab::rows::ActionRow;
use vocab::rule::ActuatorKind;

const RESTART: ActuatorKind = ActuatorKind::RestartService;

/// A state folder, removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("homeostat-journal-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        Self(dir)
    }

    fn open(&self, ledger: &Ledger) -> (Journal, Past) {
        open(&self.0, ledger, Timestamp(0))
    }

    fn path(&self) -> PathBuf {
        self.0.join("intents.log")
    }

    fn append(&self, bytes: &[u8]) {
        let mut file = OpenOptions::new().append(true).open(self.path()).expect("there");
        file.write_all(bytes).expect("writable");
    }

    fn aside(&self) -> Vec<u8> {
        std::fs::read(self.0.join("intents.log.aside-1")).expect("set aside")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn intent(action_id: u64, process: Option<ProcessId>) -> Intent {
    Intent { process, ..kit::intent(action_id, action_id + 10, RESTART) }
}

fn effect(action_id: u64, state: ActionState) -> Effect {
    let (before, after, because, lease_until) = (None, None, None, None);
    let intent = intent(action_id, None);
    Effect { action_id, intent, at: Timestamp(0), state, before, after, because, lease_until }
}

fn row(id: u64, state: &str) -> ActionRow {
    kit::action_row(id, RESTART, state)
}

fn states(past: Past) -> Vec<(u64, ActionState)> {
    past.settle(&[]).iter().map(|effect| (effect.action_id, effect.state)).collect()
}

#[test]
fn what_was_cut_short_is_settled_by_the_machine() {
    let folder = Folder::new("cut");
    let (mut journal, _) = folder.open(&Ledger::default());
    let me = identity(std::process::id());
    let gone = Some(ProcessId { start_ticks: 1, ..me.expect("alive") });
    for (id, process) in [(1, me), (2, gone), (3, None)] {
        journal.intent(&intent(id, process)).expect("writable");
    }
    let (_, past) = folder.open(&Ledger::default());
    assert_eq!(past.beyond([7, 1, 1]), [7, 14, 4]);
    use ActionState::{Failed, Final};
    assert_eq!(states(past), [(1, Failed), (2, Final), (3, Final)]);
    // After another boot no process tells anything.
    let (_, mut past) = folder.open(&Ledger::default());
    past.boot = "another".into();
    assert_eq!(states(past), [(1, Final), (2, Final), (3, Final)]);
}

#[test]
fn what_the_ring_or_the_rows_know_is_not_told_again_and_is_forgotten() {
    let folder = Folder::new("known");
    let (mut journal, _) = folder.open(&Ledger::default());
    for id in [1, 2, 3] {
        journal.intent(&intent(id, None)).expect("writable");
    }
    journal.ended(&effect(2, ActionState::Refused));
    let rows = Ledger { actions: vec![row(1, "final"), row(9, "final")].into(), ..Ledger::default() };
    let (_, past) = folder.open(&rows);
    let told = past.settle(&[effect(3, ActionState::Final)]);
    assert_eq!(
        told.iter().map(|one| (one.action_id, one.state)).collect::<Vec<_>>(),
        [(2, ActionState::Refused)]
    );
    let text = std::fs::read_to_string(folder.path()).expect("there");
    assert!(!text.contains("\"action_id\":1,") && text.contains("\"action_id\":3,"), "{text}");
    let rows = Ledger { actions: vec![row(2, "refused"), row(3, "final")].into(), ..Ledger::default() };
    drop(folder.open(&rows));
    assert_eq!(std::fs::read_to_string(folder.path()).expect("there").lines().count(), 1);
}

#[test]
fn a_torn_tail_is_dropped_and_written_over() {
    let folder = Folder::new("torn");
    let (mut journal, _) = folder.open(&Ledger::default());
    journal.intent(&intent(1, None)).expect("writable");
    let whole = std::fs::read(folder.path()).expect("there");
    journal.intent(&intent(2, None)).expect("writable");
    let both = std::fs::read(folder.path()).expect("there");
    for cut in 0..both.len() {
        std::fs::write(folder.path(), &both[..cut]).expect("writable");
        let (mut journal, past) = folder.open(&Ledger::default());
        assert_eq!(past.notices, [""; 0], "cut at {cut}");
        let count = usize::from(cut >= whole.len());
        assert_eq!(past.settle(&[]).len(), count, "cut at {cut}");
        journal.intent(&intent(5, None)).expect("writable");
        let (_, past) = folder.open(&Ledger::default());
        assert_eq!((past.notices.len(), past.settle(&[]).len()), (0, count + 1), "cut at {cut}");
    }
}

#[test]
fn a_strangers_file_is_set_aside_whole() {
    let folder = Folder::new("foreign");
    std::fs::write(folder.path(), "dear diary\n").expect("writable");
    let (mut journal, past) = folder.open(&Ledger::default());
    assert!(past.notices[0].contains("intents.log.aside-1"), "{:?}", past.notices);
    assert_eq!(folder.aside(), b"dear diary\n");
    journal.intent(&intent(1, None)).expect("writable");
    assert_eq!(states(folder.open(&Ledger::default()).1), [(1, ActionState::Final)]);
}

#[test]
fn a_damaged_line_costs_itself_only() {
    let folder = Folder::new("damaged");
    let (mut journal, _) = folder.open(&Ledger::default());
    journal.intent(&intent(1, None)).expect("writable");
    folder.append(b"00000000 {}\n");
    let (mut journal, past) = folder.open(&Ledger::default());
    assert_eq!(past.notices.len(), 1);
    journal.intent(&intent(2, None)).expect("writable");
    let (_, past) = folder.open(&Ledger::default());
    assert_eq!(past.notices, [""; 0]);
    assert_eq!(states(past), [(1, ActionState::Final), (2, ActionState::Final)]);
}

#[test]
fn a_full_disk_refuses_and_leaves_no_half_line() {
    let folder = Folder::new("full");
    let (mut journal, _) = folder.open(&Ledger::default());
    journal.intent(&intent(1, None)).expect("writable");
    let before = std::fs::read(folder.path()).expect("there");
    journal.file = Some(OpenOptions::new().write(true).open("/dev/full").expect("every Linux has it"));
    let error = journal.intent(&intent(2, None)).expect_err("full");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    journal.file = None;
    journal.intent(&intent(3, None)).expect("writable");
    assert!(std::fs::read(folder.path()).expect("there").starts_with(&before));
    assert_eq!(folder.open(&Ledger::default()).1.settle(&[]).len(), 2);
}

#[test]
fn a_journal_that_is_no_file_refuses_in_words() {
    let folder = Folder::new("dir");
    std::fs::create_dir(folder.path()).expect("writable");
    let (mut journal, past) = folder.open(&Ledger::default());
    assert!(
        past.notices[0].contains("intents.log` cannot be used: it is no plain file"),
        "{:?}",
        past.notices
    );
    assert!(journal.intent(&intent(1, None)).is_err());
}

#[test]
fn a_journal_that_grew_keeps_its_newest() {
    let folder = Folder::new("large");
    let (mut journal, _) = folder.open(&Ledger::default());
    let mut last = 0;
    while std::fs::metadata(folder.path()).map_or(0, |file| file.len()) <= SIZE_MAX {
        last += 1;
        let record = Record::Intent { at: Timestamp(0), boot: "b".repeat(1_000), intent: intent(last, None) };
        journal.append(&record, false).expect("writable");
    }
    journal.intent(&intent(last + 1, None)).expect("writable");
    let told = folder.open(&Ledger::default()).1.settle(&[]);
    assert_eq!((told.len(), told.last().expect("some").action_id), (KEPT + 1, last + 1));
}
