//! What a person configured, from files, environment and flags. Start at [`Config::load`].
//!
//! Precedence, strongest first: flags, environment, the user's file, the system's file. Beside each
//! `config.toml` a folder `config.d` may hold further files; they are read in order of name, the last one wins.
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vocab::rule::Mode;

use crate::error::{UserError, nearest, words};
use crate::paths::Surroundings;

/// Environment variables and what they mean: the one table, also shown by `homeostat help`.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("HOMEOSTAT_CONFIG", "configuration file, instead of the system's and the user's"),
    ("HOMEOSTAT_EBPF", "off: load no programs into the kernel"),
    ("HOMEOSTAT_MODE", "observe, advise or heal"),
    ("HOMEOSTAT_POLICIES", "folder of your own rules"),
    ("HOMEOSTAT_PORT", "port of the page on 127.0.0.1"),
    ("HOMEOSTAT_STATE_DIR", "folder of the store, and of the socket"),
    ("NO_COLOR", "no colour, whatever the terminal can do"),
];

const SYSTEM_FILE: &str = "/etc/homeostat/config.toml";
const KEYS: [&str; 7] = ["mode", "port", "protected", "on_incident", "policies", "state_dir", "ebpf"];

/// The configuration as it holds after everything was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How far Homeostat may go when it starts; absent: advise.
    pub mode: Option<Mode>,
    /// Port of the page, asked for: one that is taken is an error. Absent: 7007 or the next that is free.
    pub port: Option<u16>,
    /// Services, programs and user-visible names that are never touched, besides the built-in list.
    #[serde(default)]
    pub protected: Vec<String>,
    /// Command called once for each incident opened, escalated and closed.
    #[serde(default)]
    pub on_incident: Vec<String>,
    /// Folder of the user's own rules.
    pub policies: Option<PathBuf>,
    /// Folder of the store.
    pub state_dir: Option<PathBuf>,
    /// Whether programs are loaded into the kernel where that is possible; absent: they are.
    pub ebpf: Option<bool>,
    /// Files that were read, in order: the last one wins.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Reads `named` or, if none is named, the system's and the user's files, then the environment.
    ///
    /// # Errors
    /// A named file that cannot be read, a file that is not TOML, an unknown key, a value of the wrong kind.
    pub fn load(
        named: Option<&Path>,
        around: &Surroundings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, UserError> {
        let named = named.map(Path::to_owned).or_else(|| variable("HOMEOSTAT_CONFIG").map(PathBuf::from));
        let mut table = toml::Table::new();
        let mut files = Vec::new();
        for file in files_to_read(named.as_deref(), around) {
            if let Some(read) = read(&file, named.is_some())? {
                table.extend(read);
                files.push(file);
            }
        }
        // Each file was checked when it was read; what they add up to has the same keys.
        let checked = Self::deserialize(table).map_err(|error| broken(&files, error.message()))?;
        Self { files, ..checked }.with_environment(variable)
    }

    fn with_environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Self, UserError> {
        if let Some(word) = variable("HOMEOSTAT_MODE") {
            self.mode = Some(mode(&word, "HOMEOSTAT_MODE")?);
        }
        if let Some(word) = variable("HOMEOSTAT_PORT") {
            let port = word.parse().map_err(|_| {
                let what = format!("`HOMEOSTAT_PORT` is `{word}`, which is no port");
                UserError::new(what, "set a number from 1 to 65535, or unset it")
            })?;
            self.port = Some(port);
        }
        if let Some(word) = variable("HOMEOSTAT_EBPF") {
            self.ebpf = Some(!matches!(word.as_str(), "off" | "0" | "false"));
        }
        self.policies = variable("HOMEOSTAT_POLICIES").map(PathBuf::from).or(self.policies);
        self.state_dir = variable("HOMEOSTAT_STATE_DIR").map(PathBuf::from).or(self.state_dir);
        Ok(self)
    }
}

/// The mode of that word; `source` says where the word stands.
///
/// # Errors
/// It is none of the three.
pub fn mode(word: &str, source: &str) -> Result<Mode, UserError> {
    word.parse().map_err(|()| {
        let known = Mode::ALL.iter().map(|one| one.as_str());
        let meant = nearest(word, known).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        UserError::new(
            format!("`{source}` is `{word}`, which is no mode"),
            format!("{meant}the modes are `observe`, `advise` and `heal`"),
        )
    })
}

fn files_to_read(named: Option<&Path>, around: &Surroundings) -> Vec<PathBuf> {
    if let Some(file) = named {
        return vec![file.to_owned()];
    }
    let user = around.config_dir().map(|dir| dir.join("config.toml"));
    let mains = core::iter::once(PathBuf::from(SYSTEM_FILE)).chain(user);
    mains.flat_map(|main| core::iter::once(main.clone()).chain(drop_ins(&main))).collect()
}

fn drop_ins(main: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(main.with_file_name("config.d")) else { return Vec::new() };
    let mut files = entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

fn read(file: &Path, must_exist: bool) -> Result<Option<toml::Table>, UserError> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(None),
        Err(error) => {
            let what = format!("cannot read configuration `{}`: {}", file.display(), words(&error));
            let hint = match must_exist {
                true => "check the path, or leave out `--config`",
                false => "make it readable, or name another file with `--config`",
            };
            return Err(UserError::new(what, hint));
        }
    };
    let at = |message: &str| broken(&[file.to_owned()], message);
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        at(&format!("line {line}: {}", error.message().replace('\n', ", ")))
    })?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let what = format!("configuration `{}` has an unknown key `{key}`", file.display());
        let known = || format!("the keys are {}", KEYS.map(|key| format!("`{key}`")).join(", "));
        let hint = nearest(key, KEYS).map_or_else(known, |near| format!("did you mean `{near}`?"));
        return Err(UserError::new(what, hint));
    }
    for (key, value) in &table {
        let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
        Config::deserialize(alone)
            .map_err(|error| at(&format!("`{key}`: {}", error.message().replace('\n', ", "))))?;
    }
    Ok(Some(table))
}

fn broken(files: &[PathBuf], message: &str) -> UserError {
    let file = files.last().map(|file| file.display().to_string()).unwrap_or_default();
    UserError::new(
        format!("configuration `{file}` cannot be used: {message}"),
        "correct the file; `homeostat doctor` lists the files that are read",
    )
}

#[cfg(test)]
mod tests;
