//! Where things lie: state, socket, configuration. Reads the environment once; makes nothing.
use std::env;
use std::path::{Path, PathBuf};

use crate::error::UserError;

/// The folders of one Homeostat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Store, learnt state, intent ring where there is no tmpfs.
    pub state_dir: PathBuf,
    /// Socket; a folder on a tmpfs where there is one.
    pub runtime_dir: PathBuf,
}

/// What the places depend on.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Whether the effective user is root.
    pub is_root: bool,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg_state: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            is_root: rustix::process::geteuid().is_root(),
            home: absolute("HOME"),
            xdg_state: absolute("XDG_STATE_HOME"),
            xdg_runtime: absolute("XDG_RUNTIME_DIR").filter(|path| path.is_dir()),
            xdg_config: absolute("XDG_CONFIG_HOME"),
        }
    }

    /// The folder of the user's configuration.
    pub fn config_dir(&self) -> Option<PathBuf> {
        let home = || self.home.as_ref().map(|home| home.join(".config"));
        self.xdg_config.clone().or_else(home).map(|dir| dir.join("homeostat"))
    }
}

impl Paths {
    /// The places: below `state_dir` if one is named, else as the surroundings say.
    ///
    /// # Errors
    /// An ordinary user without a home folder, and no folder named.
    pub fn find(state_dir: Option<&Path>, around: &Surroundings) -> Result<Self, UserError> {
        if let Some(dir) = state_dir {
            let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
            return Ok(Self { runtime_dir: dir.clone(), state_dir: dir });
        }
        if around.is_root {
            let state_dir = "/var/lib/homeostat".into();
            return Ok(Self { state_dir, runtime_dir: "/run/homeostat".into() });
        }
        let home = || around.home.as_ref().map(|home| home.join(".local/state"));
        let state = around.xdg_state.clone().or_else(home).ok_or_else(|| {
            UserError::new(
                "there is no place for the state: neither `HOME` nor `XDG_STATE_HOME` is set",
                "name a folder: `homeostat run --state-dir DIR`",
            )
        })?;
        let state_dir = state.join("homeostat");
        let runtime_dir =
            around.xdg_runtime.as_ref().map_or_else(|| state_dir.clone(), |dir| dir.join("homeostat"));
        Ok(Self { state_dir, runtime_dir })
    }

    /// Name of the intent ring: one a state folder, so that a second Homeostat has its own.
    pub fn ring_name(&self) -> String {
        // FNV-1a: tells folders apart, protects nothing.
        let bytes = self.state_dir.as_os_str().as_encoded_bytes();
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    /// The Unix socket of the daemon.
    pub fn socket(&self) -> PathBuf {
        self.runtime_dir.join("homeostat.sock")
    }
}

/// The socket of the daemon that root runs for everyone.
pub const SYSTEM_SOCKET: &str = "/run/homeostat/homeostat.sock";

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Surroundings {
        Surroundings { home: Some("/home/ada".into()), ..Surroundings::default() }
    }

    #[test]
    fn a_named_folder_holds_everything() {
        let paths = Paths::find(Some(Path::new("/tmp/x")), &user()).expect("named");
        assert_eq!(paths.socket(), Path::new("/tmp/x/homeostat.sock"));
        assert_eq!(paths.state_dir, Path::new("/tmp/x"));
    }

    #[test]
    fn a_user_has_the_xdg_folders_and_root_has_var() {
        let paths = Paths::find(None, &user()).expect("home");
        assert_eq!(paths.state_dir, Path::new("/home/ada/.local/state/homeostat"));
        assert_eq!(paths.runtime_dir, paths.state_dir);
        let around = Surroundings { xdg_runtime: Some("/run/user/7".into()), ..user() };
        let paths = Paths::find(None, &around).expect("home");
        assert_eq!(paths.socket(), Path::new("/run/user/7/homeostat/homeostat.sock"));
        let root = Surroundings { is_root: true, ..user() };
        assert_eq!(Paths::find(None, &root).expect("root").state_dir, Path::new("/var/lib/homeostat"));
    }

    #[test]
    fn without_a_home_the_way_out_is_named() {
        let error = Paths::find(None, &Surroundings::default()).expect_err("homeless");
        assert!(error.hint.contains("--state-dir"), "{error}");
    }
}
