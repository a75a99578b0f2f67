//! Installs peers from the distribution without letting their services start.
use std::path::Path;
use std::process::Command;

/// Tells the package scripts not to start services; see invoke-rc.d(8).
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// What `--install` brings.
const PACKAGES: [&str; 2] = ["netdata", "prometheus-node-exporter"];

/// Installs what is missing. Services are neither started now nor enabled for the next start of the machine.
pub(super) fn install() -> Result<(), String> {
    let had_policy = Path::new(POLICY).exists();
    if !had_policy {
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .map_err(|error| format!("cannot write {POLICY}: {error}"))?;
        run("chmod", &["755", POLICY])?;
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(PACKAGES);
    let installed = run("apt-get", &["update"]).and_then(|()| run("apt-get", &arguments));
    if !had_policy {
        std::fs::remove_file(POLICY).map_err(|error| format!("cannot remove {POLICY}: {error}"))?;
    }
    installed?;
    // It works on links in /etc, also where systemd does not run.
    if Path::new("/usr/bin/systemctl").exists() {
        for package in PACKAGES {
            run("systemctl", &["disable", package])?;
        }
    }
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program} {}` failed: {status}", arguments.join(" "))),
        Err(error) => Err(format!("{program} cannot be run: {error}")),
    }
}
