//! What configuration files may say, and what happens when they say something else.
use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("homeostat-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("config.d")).expect("temporary folders can be made");
        Self(dir)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).expect("temporary files can be written");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load(text: &str, name: &str) -> Result<Config, UserError> {
    let folder = Folder::new(name);
    let file = folder.write("config.toml", text);
    Config::load(Some(&file), &Surroundings::default(), |_| None)
}

#[test]
fn every_key_is_understood() {
    let text = "mode = 'heal'\nport = 7010\nprotected = ['db']\non_incident = ['notify', '-u']\n\
                policies = '/etc/homeostat/policies'\nstate_dir = '/srv/homeostat'\nebpf = false\n";
    let config = load(text, "every").expect("valid");
    assert_eq!((config.mode, config.port), (Some(Mode::Heal), Some(7010)));
    assert_eq!(config.protected, ["db"]);
    assert_eq!(config.ebpf, Some(false));
    assert_eq!(config.on_incident, ["notify", "-u"]);
    assert_eq!(config.files.len(), 1);
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let error = load("protect = []", "unknown").expect_err("unknown");
    assert!(error.what.contains("unknown key `protect`"), "{error}");
    assert_eq!(error.hint, "did you mean `protected`?");
}

#[test]
fn a_syntax_error_names_its_line_and_a_wrong_kind_its_key() {
    let error = load("mode = 'heal'\nport = = 3\n", "syntax").expect_err("broken");
    assert!(error.what.contains("line 2"), "{error}");
    let error = load("port = 'x'", "kind").expect_err("broken");
    assert!(error.what.contains("config.toml") && error.what.contains("`port`"), "{error}");
    assert!(load("mode = 'cure'", "mode").is_err());
}

#[test]
fn the_environment_wins_over_files_and_drop_ins_over_their_file() {
    let folder = Folder::new("drop");
    let around = Surroundings { xdg_config: Some(folder.0.clone()), ..Surroundings::default() };
    std::fs::create_dir_all(folder.0.join("homeostat/config.d")).expect("made");
    folder.write("homeostat/config.toml", "port = 1\nmode = 'observe'\n");
    folder.write("homeostat/config.d/10.toml", "port = 2\n");
    folder.write("homeostat/config.d/20.toml", "port = 3\n");
    let config = Config::load(None, &around, |_| None).expect("valid");
    assert_eq!((config.port, config.mode), (Some(3), Some(Mode::Observe)));
    let heal = |name: &str| (name == "HOMEOSTAT_MODE").then(|| "heal".to_owned());
    let config = Config::load(None, &around, heal).expect("valid");
    assert_eq!((config.port, config.mode), (Some(3), Some(Mode::Heal)));
}

#[test]
fn a_wrong_word_in_the_environment_is_named() {
    let set = |name: &str| (name == "HOMEOSTAT_MODE").then(|| "heel".to_owned());
    let error = Config::load(None, &Surroundings::default(), set).expect_err("no mode");
    assert!(error.hint.contains("did you mean `heal`"), "{error}");
    let set = |name: &str| (name == "HOMEOSTAT_PORT").then(|| "http".to_owned());
    assert!(Config::load(None, &Surroundings::default(), set).is_err());
}
