//! What is done to whom, and how to see from outside whether it was.
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use act::{Durable, ServiceStatus, Services};
use vocab::action::Intent;
use vocab::capability::Capability;
use vocab::rule::ActuatorKind;
use vocab::{Entity, ProcessId};

/// One actuator by one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    Nice,
    StopBySignal,
    FreezeV2,
    FreezeV1,
    SharesV1,
    Autogroup,
    DescriptorLimit,
    BackOffOwn,
    RestartOwn,
    Terminate,
}

/// How the target stands, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    Prior,
    New,
    Neither(String),
}

/// What all scenarios share: a folder on a tmpfs for rings and fake services, and what works here.
pub struct Workbench {
    pub folder: PathBuf,
    pub capabilities: Vec<Capability>,
}

impl Workbench {
    pub fn new() -> Self {
        let user = rustix::process::geteuid().as_raw();
        let folder = PathBuf::from(format!("/dev/shm/homeostat-kill-{user}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let ring = act::Ring::memfd().unwrap();
        let capabilities = act::capabilities(&ring, &mut act::NoServices, true);
        Self { folder, capabilities }
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Scenario {
    pub const ALL: &[Self] = &[
        Self::Nice,
        Self::StopBySignal,
        Self::FreezeV2,
        Self::FreezeV1,
        Self::SharesV1,
        Self::Autogroup,
        Self::DescriptorLimit,
        Self::BackOffOwn,
        Self::RestartOwn,
        Self::Terminate,
    ];

    pub const fn kind(self) -> ActuatorKind {
        match self {
            Self::Nice => ActuatorKind::SetNice,
            Self::StopBySignal | Self::FreezeV2 | Self::FreezeV1 => ActuatorKind::Freeze,
            Self::SharesV1 | Self::Autogroup => ActuatorKind::SetCpuWeight,
            Self::DescriptorLimit => ActuatorKind::RaiseDescriptorLimit,
            Self::BackOffOwn => ActuatorKind::BackOff,
            Self::RestartOwn => ActuatorKind::RestartService,
            Self::Terminate => ActuatorKind::Terminate,
        }
    }

    pub const fn is_final(self) -> bool {
        matches!(self, Self::RestartOwn | Self::Terminate)
    }

    /// Whether the kernel refuses a user what another user did a moment ago: each write of an autogroup by anybody,
    /// root too, keeps all without CAP_SYS_ADMIN from writing one for 100 ms. Source: kernel/sched/autogroup.c.
    pub const fn shares_a_rate(self) -> bool {
        matches!(self, Self::Autogroup)
    }

    /// Stops passed over after one at which nothing had changed. Setting an autogroup reads every process of the
    /// machine, some thousand stops of that kind; all others are taken one by one.
    pub const fn quiet_step(self) -> u32 {
        match self {
            Self::Autogroup => 16,
            _ => 1,
        }
    }

    /// The hierarchy in which the target gets a cgroup of its own, if it does.
    pub const fn hierarchy(self) -> Option<&'static str> {
        match self {
            Self::FreezeV2 => Some("/sys/fs/cgroup/unified"),
            Self::FreezeV1 => Some("/sys/fs/cgroup/freezer"),
            Self::SharesV1 => Some("/sys/fs/cgroup/cpu"),
            _ => None,
        }
    }

    pub fn intent(self, target: ProcessId) -> Intent {
        let (target, process) = match self {
            Self::BackOffOwn | Self::RestartOwn => (Entity::Service("web".to_owned()), None),
            _ => (Entity::Process(target), Some(target)),
        };
        // A grace of zero: the child ignores nothing, and the test need not wait.
        let amount = (self == Self::Terminate).then_some(0.5);
        let (action_id, decision_id, kind) = (1, 1, self.kind());
        Intent { action_id, decision_id, kind, target, process, amount, lease_s: 600.0, undo_on_death: false }
    }
}

/// One service in a file, as the keeper would have it in memory: it outlives the daemon.
pub struct FileServices(pub PathBuf);

impl FileServices {
    fn read(&self) -> (u64, f64) {
        let bytes = fs::read(&self.0).unwrap_or_default();
        let word = |at: usize| bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).unwrap_or([0; 8]);
        (u64::from_le_bytes(word(0)), f64::from_le_bytes(word(8)))
    }

    fn write(&self, at: u64, word: [u8; 8]) -> std::io::Result<()> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.0)?;
        file.write_all_at(&word, at)
    }

    pub fn starts(&self) -> u64 {
        self.read().0
    }

    pub fn back_off_min_s(&self) -> f64 {
        self.read().1
    }
}

impl Services for FileServices {
    fn status(&mut self, name: &str) -> std::io::Result<Option<ServiceStatus>> {
        let (starts, back_off_min_s) = self.read();
        Ok((name == "web").then_some(ServiceStatus { main: None, starts, back_off_min_s }))
    }

    fn restart(&mut self, _: &str) -> std::io::Result<()> {
        self.write(0, (self.starts() + 1).to_le_bytes())
    }

    fn set_back_off_min(&mut self, _: &str, seconds: f64) -> std::io::Result<()> {
        self.write(8, seconds.to_le_bytes())
    }
}

/// A journal in a file: as durable as this test needs it.
pub struct FileJournal(pub PathBuf);

impl Durable for FileJournal {
    fn intent(&mut self, intent: &Intent) -> std::io::Result<()> {
        fs::write(&self.0, intent.action_id.to_string())
    }
}
