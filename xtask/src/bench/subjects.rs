//! Who is measured: ourselves, and each named peer with the command that runs it in the foreground, its files in a
//! folder of the bench. A peer that is not installed has no entry in the result.
use std::path::{Path, PathBuf};
use std::process::Command;

use super::http;
use super::started::Started;

/// How many figures a subject gathers is asked in this way.
pub(super) enum Count {
    /// Sample lines of `/metrics` a scrape, one scrape a second: the subject has to be scraped.
    Scraped(u16),
    /// Sample lines of `/api/v1/allmetrics`, each gathered every second.
    Netdata(u16),
    /// Numbers in the raw samples of the observer, counted by its example.
    Observer,
    /// It does not say.
    Unknown,
}

/// One that is measured.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// How often it looks, in words.
    pub(super) case: &'static str,
    pub(super) count: Count,
    pub(super) running: Started,
}

/// Starts one with its files in that folder; the error says why it is left out.
type Starter = fn(&Path) -> Result<Subject, String>;

/// Starts ourselves and every peer that is installed; the second list says who is not, and why.
pub(super) fn start(binary: &Path, dir: &Path) -> Result<(Vec<Subject>, Vec<String>), String> {
    let mut subjects = vec![ourselves(binary, dir)?];
    let mut missing = Vec::new();
    let peers: [(&str, Starter); 8] = [
        ("netdata", netdata),
        ("node_exporter", node_exporter),
        ("atop", atop),
        ("sadc", sadc),
        ("collectd", collectd),
        ("below", below),
        ("monit", monit),
        ("earlyoom", earlyoom),
    ];
    for (name, peer) in peers {
        match peer(dir) {
            Ok(subject) => subjects.push(subject),
            Err(why) => missing.push(format!("{name}: {why}")),
        }
    }
    Ok((subjects, missing))
}

fn ourselves(binary: &Path, dir: &Path) -> Result<Subject, String> {
    let mut command = Command::new(binary);
    command.arg("run").arg("--state-dir").arg(dir.join("homeostat"));
    subject("homeostat", "1 s", Count::Observer, &mut command, dir)
}

fn netdata(dir: &Path) -> Result<Subject, String> {
    let port = http::free_port()?;
    let own = folder(dir, "netdata")?;
    let path = own.display();
    let config = format!(
        "[global]\n update every = 1\n run as user = root\n\
         [directories]\n cache = {path}\n lib = {path}\n log = {path}\n\
         [web]\n bind to = 127.0.0.1:{port}\n"
    );
    let file = write(&own.join("netdata.conf"), &config)?;
    let mut command = Command::new(find("netdata")?);
    command.args(["-D", "-c"]).arg(file).arg("-P").arg(own.join("pid")).env("DO_NOT_TRACK", "1");
    subject("netdata", "1 s", Count::Netdata(port), &mut command, dir)
}

fn node_exporter(dir: &Path) -> Result<Subject, String> {
    let port = http::free_port()?;
    let program = find("prometheus-node-exporter").or_else(|_| find("node_exporter"))?;
    let mut command = Command::new(program);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    subject("node_exporter", "scraped every 1 s", Count::Scraped(port), &mut command, dir)
}

fn atop(dir: &Path) -> Result<Subject, String> {
    let mut command = Command::new(find("atop")?);
    command.arg("-w").arg(dir.join("atop.raw")).arg("1");
    subject("atop", "1 s", Count::Unknown, &mut command, dir)
}

fn sadc(dir: &Path) -> Result<Subject, String> {
    let program = find("sadc").or_else(|_| there("/usr/lib/sysstat/sadc"))?;
    let mut command = Command::new(program);
    command.arg("1").arg(dir.join("sadc.raw"));
    subject("sadc", "1 s, no processes", Count::Unknown, &mut command, dir)
}

fn collectd(dir: &Path) -> Result<Subject, String> {
    let own = folder(dir, "collectd")?;
    let plugins = ["cpu", "memory", "interface", "df", "disk", "load", "processes", "swap", "vmem", "csv"];
    let mut config =
        format!("BaseDir \"{}\"\nPIDFile \"{}\"\nInterval 1\n", own.display(), own.join("pid").display());
    plugins.iter().for_each(|plugin| config.push_str(&format!("LoadPlugin {plugin}\n")));
    config.push_str(&format!("<Plugin csv>\nDataDir \"{}\"\n</Plugin>\n", own.display()));
    let file = write(&own.join("collectd.conf"), &config)?;
    let mut command = Command::new(find("collectd")?);
    command.arg("-f").arg("-C").arg(file);
    subject("collectd", "1 s", Count::Unknown, &mut command, dir)
}

fn below(dir: &Path) -> Result<Subject, String> {
    let own = folder(dir, "below")?;
    let config = format!("log_dir = '{0}'\nstore_dir = '{0}'\n", own.display());
    let file = write(&own.join("below.conf"), &config)?;
    let mut command = Command::new(find("below")?);
    command.arg("--config").arg(file).args(["record", "--interval-s", "1"]);
    subject("below", "1 s", Count::Unknown, &mut command, dir)
}

fn monit(dir: &Path) -> Result<Subject, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let own = folder(dir, "monit")?;
    let path = own.display();
    let config = format!(
        "set daemon 5\nset pidfile {path}/pid\nset idfile {path}/id\nset statefile {path}/state\n\
         check system machine\n check filesystem root with path /\n"
    );
    let file = write(&own.join("monitrc"), &config)?;
    // It refuses a file that others may read.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| error.to_string())?;
    let mut command = Command::new(find("monit")?);
    command.arg("-I").arg("-c").arg(file);
    subject("monit", "5 s", Count::Unknown, &mut command, dir)
}

fn earlyoom(dir: &Path) -> Result<Subject, String> {
    let mut command = Command::new(find("earlyoom")?);
    // It only watches: nothing may be killed for a measurement.
    command.args(["--dryrun", "-r", "0"]);
    subject("earlyoom", "memory only", Count::Unknown, &mut command, dir)
}

fn subject(
    name: &'static str,
    case: &'static str,
    count: Count,
    command: &mut Command,
    dir: &Path,
) -> Result<Subject, String> {
    let running = Started::start(command.current_dir(dir), &dir.join(format!("{name}.log")))?;
    Ok(Subject { name, case, count, running })
}

fn find(program: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| "not installed".to_owned())
}

fn there(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    if path.is_file() { Ok(path) } else { Err("not installed".to_owned()) }
}

fn folder(dir: &Path, name: &str) -> Result<PathBuf, String> {
    let path = dir.join(name);
    std::fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> Result<PathBuf, String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path.to_owned())
}
