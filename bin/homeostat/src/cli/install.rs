//! `homeostat install` and `uninstall`: one binary, one systemd unit, every step said before it is done.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::json;

use super::context::Context;
use crate::error::{Exit, UserError, words};

/// Install Homeostat as a systemd unit.
#[derive(Args)]
pub struct Install {
    /// Say what would be done, and do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Folder that stands for `/`, to prepare an image; systemd is not called then
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Remove what `install` made, after undoing what can be undone.
#[derive(Args)]
pub struct Uninstall {
    /// Also remove configuration, store and everything learnt
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    how: Install,
}

const BINARY: &str = "usr/local/bin/homeostat";
const MANUAL: &str = "usr/local/share/man/man1/homeostat.1";
const UNIT: &str = "etc/systemd/system/homeostat.service";

/// The unit. The keeper is its main process and restarts the daemon itself; services that the keeper runs end
/// with it, so a stop is a stop of everything. Delegate gives them cgroups of their own.
const UNIT_TEXT: &str = "\
[Unit]
Description=Homeostat keeps this machine healthy
Documentation=man:homeostat(1)
After=local-fs.target

[Service]
ExecStart=/usr/local/bin/homeostat run
Restart=always
RestartSec=1
Delegate=yes
OOMScoreAdjust=-900
TasksMax=1024
StateDirectory=homeostat
StateDirectoryMode=0700
RuntimeDirectory=homeostat
RuntimeDirectoryMode=0755

[Install]
WantedBy=multi-user.target
";

/// One step of an installation or its reverse.
enum Step {
    Copy { from: PathBuf, to: PathBuf },
    Write { to: PathBuf, text: String },
    Run(&'static [&'static str]),
    Remove(PathBuf),
    UndoAll,
}

impl Step {
    fn say(&self) -> String {
        match self {
            Self::Copy { from, to } => format!("copy {} to {}", from.display(), to.display()),
            Self::Write { to, .. } => format!("write {}", to.display()),
            Self::Run(words) => words.join(" "),
            Self::Remove(path) => format!("remove {}", path.display()),
            Self::UndoAll => "undo every action that stands".to_owned(),
        }
    }

    fn carry_out(&self, context: &Context) -> Result<(), UserError> {
        let wrong = |error: &std::io::Error| {
            let what = format!("cannot {}: {}", self.say(), words(error));
            UserError::new(what, "run the same command with `sudo`, or look at it with `--dry-run`")
        };
        match self {
            Self::Copy { from, to } => {
                put(to, &fs::read(from).map_err(|e| wrong(&e))?, 0o755).map_err(|e| wrong(&e))
            }
            Self::Write { to, text } => put(to, text.as_bytes(), 0o644).map_err(|error| wrong(&error)),
            Self::Remove(path) => remove(path).map_err(|error| wrong(&error)),
            Self::Run(words) => {
                let status =
                    Command::new(words[0]).args(&words[1..]).status().map_err(|error| wrong(&error))?;
                let failed = || {
                    UserError::new(
                        format!("`{}` failed", words.join(" ")),
                        "`systemctl status homeostat` says why",
                    )
                };
                if status.success() { Ok(()) } else { Err(failed()) }
            }
            // Without a daemon nothing of ours is leased for long: the keeper undoes it when it ends.
            Self::UndoAll => match context.daemon() {
                Ok(daemon) => daemon.post("/api/undo", &json!({"all": true})).map(drop),
                Err(_) => Ok(()),
            },
        }
    }
}

/// Writes a file beside its place and moves it there: a running binary is replaced, not overwritten.
fn put(to: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir)?;
    }
    let beside = to.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
    fs::rename(&beside, to)
}

fn remove(path: &Path) -> std::io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Installs, or says how.
///
/// # Errors
/// No systemd, or a step fails: those before it stand, and the same command goes on from there.
pub fn install(args: &Install, context: &mut Context) -> Result<Exit, UserError> {
    let from = std::env::current_exe()?;
    let is_here = args.root == Path::new("/");
    let mut steps = vec![
        Step::Copy { from, to: args.root.join(BINARY) },
        Step::Write { to: args.root.join(UNIT), text: UNIT_TEXT.to_owned() },
        Step::Write { to: args.root.join(MANUAL), text: super::man::page() },
    ];
    if is_here {
        steps.push(Step::Run(&["systemctl", "daemon-reload"]));
        steps.push(Step::Run(&["systemctl", "enable", "--now", "homeostat.service"]));
    }
    if is_here && !args.dry_run && !Path::new("/run/systemd/system").is_dir() {
        let hint = "start it yourself with `homeostat run`, or look at the steps with `--dry-run`";
        return Err(UserError::new("this machine does not run systemd", hint));
    }
    walk(&steps, args.dry_run, context)?;
    context.remark(if args.dry_run {
        "nothing was done"
    } else {
        "remove it again with `homeostat uninstall`"
    });
    Ok(Exit::Ok)
}

/// Uninstalls, or says how.
///
/// # Errors
/// A step fails: the same command goes on from there.
pub fn uninstall(args: &Uninstall, context: &mut Context) -> Result<Exit, UserError> {
    let root = &args.how.root;
    let mut steps = vec![];
    if root == Path::new("/") {
        steps.push(Step::UndoAll);
        if root.join(UNIT).exists() {
            steps.push(Step::Run(&["systemctl", "disable", "--now", "homeostat.service"]));
        }
    }
    steps.extend([UNIT, MANUAL, BINARY].map(|path| Step::Remove(root.join(path))));
    if args.purge {
        steps.extend(
            ["var/lib/homeostat", "run/homeostat", "etc/homeostat"].map(|path| Step::Remove(root.join(path))),
        );
    }
    walk(&steps, args.how.dry_run, context)?;
    context.remark(if args.how.dry_run { "nothing was done" } else { "Homeostat is gone" });
    Ok(Exit::Ok)
}

fn walk(steps: &[Step], is_dry: bool, context: &mut Context) -> Result<(), UserError> {
    for step in steps {
        context.out.line(&step.say())?;
        context.out.finish()?;
        if !is_dry {
            step.carry_out(context)?;
        }
    }
    Ok(())
}
