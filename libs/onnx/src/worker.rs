//! The daemon's side: starts the process of the models, asks it, and ends it when it takes too long.
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::wire::{Answer, Request, receive, send};

/// How long the library may take to load, and a model.
const LOAD: Duration = Duration::from_secs(20);
/// How long an answer may take, on a machine on which others go first.
const ANSWER: Duration = Duration::from_secs(5);
/// CPU time that an answer may take. Unit: us.
const CPU_US_MAX: u32 = 20_000;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The model is at fault.
    Refused(String),
    /// The process is gone, with all its models; the model that was asked is at fault.
    Ended(String),
}

/// A process that runs models; it is ended when this is dropped.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Worker {
    /// Starts `command`, which must come to [`crate::serve`] on its standard streams.
    ///
    /// # Errors
    /// It cannot be started, or there is no library, in words.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("its process cannot be started: {error}");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(cannot)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("its process has no streams".to_owned());
        };
        let mut worker = Self { child, input, output };
        match worker.answer(LOAD) {
            Ok(Answer::Ready) => Ok(worker),
            Ok(Answer::Refused(why)) => Err(why),
            Ok(_) => Err("its process speaks otherwise".to_owned()),
            Err(why) => Err(format!("the library cannot be used: {why}")),
        }
    }

    /// Loads a model under a number; the values it takes.
    ///
    /// # Errors
    /// It is refused, or took the process with it.
    pub fn load(&mut self, number: u32, model: Vec<u8>) -> Result<usize, Failure> {
        match self.ask(&Request::Load(number, model), LOAD)? {
            Answer::Loaded(window) => Ok(window as usize),
            other => Err(refusal(other)),
        }
    }

    /// What the model of that number says of a window.
    ///
    /// # Errors
    /// It says nothing that can be used, takes too long, or took the process with it.
    pub fn score(&mut self, number: u32, values: Vec<f32>) -> Result<f32, Failure> {
        match self.ask(&Request::Score(number, values), ANSWER)? {
            Answer::Score(_, cpu_us @ CPU_US_MAX..) => {
                Err(Failure::Refused(format!("an answer took {} ms of a CPU", cpu_us / 1_000)))
            }
            Answer::Score(said, _) => Ok(said),
            other => Err(refusal(other)),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ask(&mut self, request: &Request, patience: Duration) -> Result<Answer, Failure> {
        send(&mut self.input, request).map_err(|error| Failure::Ended(error.to_string()))?;
        self.answer(patience).map_err(Failure::Ended)
    }

    /// The next answer; without one the process is ended.
    fn answer(&mut self, patience: Duration) -> Result<Answer, String> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let _ = self.child.kill();
                return Err(format!("it took longer than {} s", patience.as_secs()));
            }
            let wait = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let mut fds = [PollFd::from_borrowed_fd(self.output.as_fd(), PollFlags::IN)];
            // An interruption is no news.
            if poll(&mut fds, Some(&wait)).is_ok_and(|ready| ready > 0) {
                // What is sent is sent at once, and short.
                return receive(&mut self.output).map_err(|_| self.end());
            }
        }
    }

    /// How it ended.
    fn end(&mut self) -> String {
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => format!("the process that ran it ended: {status}"),
            Err(error) => format!("the process that ran it is gone: {error}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refusal(answer: Answer) -> Failure {
    match answer {
        Answer::Refused(why) => Failure::Refused(why),
        _ => Failure::Ended("its process speaks otherwise".to_owned()),
    }
}
