//! The background load of a soak: Homeostat is built from clean, again and again, in a folder of its own.
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A load that runs until it is dropped.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u32>>,
    target: PathBuf,
}

impl Load {
    /// Begins to build.
    pub(super) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let target = std::env::temp_dir().join(format!("homeostat-soak-load-{}", std::process::id()));
        let (stopped, folder) = (stop.clone(), target.clone());
        let thread = std::thread::spawn(move || {
            let mut builds = 0;
            while !stopped.load(Ordering::Relaxed) {
                let _ = std::fs::remove_dir_all(&folder);
                let Ok(child) = build(&folder) else { break };
                builds += u32::from(wait(child, &stopped));
            }
            builds
        });
        Self { stop, thread: Some(thread), target }
    }

    /// Ends it; builds that were finished.
    pub(super) fn end(mut self) -> u32 {
        self.join()
    }

    fn join(&mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        let builds = self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(0);
        let _ = std::fs::remove_dir_all(&self.target);
        builds
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.join();
    }
}

fn build(target: &std::path::Path) -> std::io::Result<Child> {
    Command::new("cargo")
        .args(["build", "--quiet", "-p", "homeostat", "--target-dir"])
        .arg(target)
        .current_dir(crate::root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Waits for a build, or asks it to end once the load is no longer wanted; whether it was finished.
fn wait(mut child: Child, stopped: &AtomicBool) -> bool {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if stopped.load(Ordering::Relaxed) => {
                crate::bench::end_tree(child.id());
                let _ = child.wait();
                return false;
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(200)),
            Err(_) => return false,
        }
    }
}
