//! A Homeostat of its own with the demo's services under it, and the proof that nothing is left of it.
use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::SERVICE_WORD;
use super::client::Client;
use super::plan::{Plan, Runtime, Victim};
use crate::client::Client as Door;
use crate::error::{UserError, cannot};
use crate::paths::{Paths, Surroundings};

/// Open descriptors a service may have, softly: what a cautious unit file sets.
const DESCRIPTORS: u64 = 1_024;

/// Its folder, with the process id of the demo behind.
const FOLDER: &str = "homeostat-demo-";

/// A file that says that a person wants to look into the folder after the demo.
const KEPT: &str = "kept";

/// The sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    folder: PathBuf,
    keeper: Option<Child>,
    door: Option<Door>,
    services: Vec<Service>,
}

/// One service of the demo.
#[derive(Debug)]
struct Service {
    name: String,
    port: u16,
    folder: PathBuf,
}

impl Sandbox {
    /// Makes the folder, with a copy of this program under each service's name.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) fn open(plan: &Plan) -> Result<Self, UserError> {
        sweep(&std::env::temp_dir());
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
        let mut sandbox = Self { folder: folder.clone(), keeper: None, door: None, services: Vec::new() };
        let names = plan.victims.iter().map(|victim| &victim.name);
        let names = names.chain([&plan.bystander, &plan.neighbour]);
        let made = sandbox.make(names).map_err(|error| cannot(&format!("make {}", folder.display()), &error));
        if let Err(error) = made {
            sandbox.close();
            return Err(error);
        }
        Ok(sandbox)
    }

    fn make<'a>(&mut self, names: impl Iterator<Item = &'a String>) -> std::io::Result<()> {
        fs::create_dir(&self.folder)?;
        fs::create_dir(self.folder.join("bin"))?;
        if is_kept() {
            fs::write(self.folder.join(KEPT), "")?;
        }
        let program = self.folder.join("bin/service");
        fs::copy("/proc/self/exe", &program)?;
        for name in names {
            let folder = self.folder.join(name);
            fs::create_dir(&folder)?;
            fs::hard_link(&program, self.folder.join("bin").join(name))?;
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            self.services.push(Service { name: name.clone(), port, folder });
        }
        Ok(())
    }

    /// Starts Homeostat and, under it, the services.
    ///
    /// # Errors
    /// It does not come up.
    pub(crate) fn start(&mut self, plan: &Plan) -> Result<(), UserError> {
        self.start_keeper().map_err(|error| cannot("start a Homeostat for the demo", &error))?;
        let door = self.wait_for_door()?;
        let files = self.services.iter().map(|service| {
            let file = self.folder.join(format!("{}.toml", service.name));
            json!({"path": file, "text": self.describe(service, plan)})
        });
        door.post("/api/service", &json!({"op": "start", "files": files.collect::<Vec<_>>()}))?;
        self.door = Some(door);
        Ok(())
    }

    fn start_keeper(&mut self) -> std::io::Result<()> {
        let log = fs::File::create(self.folder.join("homeostat.log"))?;
        let config = self.folder.join("config.toml");
        fs::write(&config, "")?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["run", "--mode", "heal", "--own-services-only"])
            .arg("--state-dir")
            .arg(self.folder.join("state"))
            .arg("--config")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        // SAFETY: prctl(2) with plain integers, async-signal-safe: a demo that is killed takes its Homeostat along.
        unsafe {
            command.pre_exec(|| {
                crate::signals::unblock();
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong, 0, 0, 0);
                Ok(())
            });
        }
        self.keeper = Some(command.spawn()?);
        Ok(())
    }

    fn wait_for_door(&mut self) -> Result<Door, UserError> {
        let state = self.folder.join("state");
        let paths = Paths::find(Some(&state), &Surroundings::of_this_process())?;
        let end = Instant::now() + Duration::from_secs(15);
        loop {
            if let Ok(door) = Door::find(&paths, true)
                && door.get("/api/status").is_ok()
            {
                return Ok(door);
            }
            if Instant::now() > end {
                let said = fs::read_to_string(self.folder.join("homeostat.log")).unwrap_or_default();
                return Err(cannot("start a Homeostat for the demo", &said.trim()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The service file of one service: no detector learns more from it than from any other.
    fn describe(&self, service: &Service, plan: &Plan) -> String {
        let victim = plan.victims.iter().find(|victim| victim.name == service.name);
        let runtime = match victim.map(|victim| victim.runtime) {
            _ if service.name == plan.neighbour => "noisy",
            Some(Runtime::C) => "c",
            Some(Runtime::Rust) | None => "rust",
        };
        let program = self.folder.join("bin").join(&service.name);
        let command = [
            program.to_string_lossy().into_owned(),
            SERVICE_WORD.to_owned(),
            runtime.to_owned(),
            service.port.to_string(),
            service.folder.to_string_lossy().into_owned(),
        ];
        format!(
            "name = {:?}\ncommand = {command:?}\nrestart = \"on_failure\"\nlimits = {{ descriptors = {DESCRIPTORS} }}\n\
             back_off = {{ start_s = 0.2, max_s = 1.5, reset_after_s = 20 }}\n",
            service.name
        )
    }

    /// Switches a fault on.
    ///
    /// # Errors
    /// The service does not take orders.
    pub(crate) fn inject(&self, victim: &Victim) -> Result<(), UserError> {
        let service = self.services.iter().find(|service| service.name == victim.name);
        let control = service.map(|service| service.folder.join("control")).unwrap_or_default();
        let order = format!("{} {}", victim.fault.word(), victim.amount);
        UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(order.as_bytes(), control))
            .map_err(|error| cannot(&format!("inject a fault into {}", victim.name), &error))?;
        Ok(())
    }

    /// A client for each service but the noisy one.
    pub(crate) fn clients(&self) -> Vec<(String, Client)> {
        self.services.iter().map(|service| (service.name.clone(), Client::start(service.port))).collect()
    }

    /// Address of the page of the demo's Homeostat.
    pub(crate) fn url(&self) -> String {
        let said = fs::read_to_string(self.folder.join("homeostat.log")).unwrap_or_default();
        let line = said.lines().find_map(|line| line.strip_prefix("page"));
        line.map(|url| url.trim().to_owned()).unwrap_or_default()
    }

    /// Rows of a statement, as objects.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Json> {
        let Some(door) = &self.door else { return Vec::new() };
        let Ok(answer) = door.post("/api/sql", &json!({ "sql": sql })) else { return Vec::new() };
        let columns = answer["columns"].as_array().cloned().unwrap_or_default();
        let object = |row: &Json| {
            let cells = columns.iter().zip(row.as_array().into_iter().flatten());
            cells
                .map(|(column, cell)| (column.as_str().unwrap_or_default().to_owned(), cell.clone()))
                .collect()
        };
        answer["rows"].as_array().into_iter().flatten().map(object).collect()
    }

    /// Ends everything and removes it; what is left all the same, in words.
    pub(crate) fn close(&mut self) -> Vec<String> {
        self.door = None;
        let mut left = Vec::new();
        if let Some(mut keeper) = self.keeper.take() {
            let pid = keeper.id();
            end(&mut keeper);
            left.extend(cgroups_of(pid));
        }
        if !is_kept()
            && let Err(error) = fs::remove_dir_all(&self.folder)
            && self.folder.exists()
        {
            left.push(format!("{}: {error}", self.folder.display()));
        }
        left.extend(processes_of(&self.folder));
        left
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.close();
    }
}

fn is_kept() -> bool {
    std::env::var_os("HOMEOSTAT_DEMO_KEEP").is_some()
}

/// Removes the folders of demos that were killed before they could do it.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.parse::<u32>().ok());
        let is_over = pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists());
        if is_over && !entry.path().join(KEPT).exists() {
            // Another user's folder is not ours to remove.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Asks the keeper to end, which ends its daemon and services; kills it after a while.
fn end(keeper: &mut Child) {
    if let Ok(pid) = i32::try_from(keeper.id()) {
        // SAFETY: kill(2) takes plain integers; the child is not reaped, so its pid is its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
    let until = Instant::now() + Duration::from_secs(15);
    while Instant::now() < until {
        if matches!(keeper.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = keeper.kill();
    let _ = keeper.wait();
}

/// Cgroups that bear the keeper's mark.
fn cgroups_of(keeper: u32) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let roots = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup").then(|| Path::new(path).join(format!("homeostat-{keeper}")))
    });
    roots.filter(|path| path.exists()).map(|path| format!("cgroup {}", path.display())).collect()
}

/// Processes whose program lies in the folder, zombies aside.
fn processes_of(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let is_ours = |path: &Path| {
        let mut command = String::new();
        let read =
            fs::File::open(path.join("cmdline")).and_then(|mut file| file.read_to_string(&mut command));
        read.is_ok() && command.contains(&*folder.to_string_lossy())
    };
    let ours = entries.filter(|entry| is_ours(&entry.path()));
    ours.map(|entry| format!("process {}", entry.file_name().to_string_lossy())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_dead_demos_that_nobody_keeps_are_swept() {
        let parent = std::env::temp_dir().join(format!("homeostat-sweep-{}", std::process::id()));
        let dead = u32::MAX;
        let folder = |name: String| {
            let path = parent.join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let alive = folder(format!("{FOLDER}{}", std::process::id()));
        let (gone, other) = (folder(format!("{FOLDER}{dead}")), folder("something-else".to_owned()));
        let kept = folder(format!("{FOLDER}{}", dead - 1));
        fs::write(kept.join(KEPT), "").unwrap();
        sweep(&parent);
        assert!(alive.exists() && other.exists() && kept.exists() && !gone.exists());
        fs::remove_dir_all(parent).unwrap();
    }
}
