//! What the clients of a service see: every question, and whether it was answered.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::case::Clients;
use super::client::{ask, connect};

/// Between two questions of one client.
const PAUSE: Duration = Duration::from_millis(250);
/// A service serves if all that was asked in so long was answered. Unit: s.
const LATELY_S: f64 = 10.0;

/// When each question was put, in seconds from the first answer on, and whether an answer came.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Vec<(f64, bool)>);

/// Clients that ask until they are ended.
pub(super) struct Watcher {
    ended: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<(Instant, bool)>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Watcher {
    /// Lets them come; those who hold connections open ask like others.
    pub(super) fn start(clients: Clients, port: u16) -> Self {
        let (count, keeps) = match clients {
            Clients::None => (0, false),
            Clients::Short(count) | Clients::Hold(count) => (count, false),
            Clients::Long(count) => (count, true),
        };
        let (ended, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let thread = |_| {
            let (ended, answers) = (ended.clone(), answers.clone());
            spawn(move || ask_on(address, keeps, &ended, &answers))
        };
        Self { threads: (0..count).map(thread).collect(), ended, answers }
    }

    /// Ends them; what they saw.
    pub(super) fn end(self) -> Answers {
        self.ended.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
        let mut all = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        all.sort_by_key(|(at, _)| *at);
        let first = all.iter().position(|(_, is_answered)| *is_answered).unwrap_or(all.len());
        let begin = all.get(first).map(|(at, _)| *at);
        let since = |at: Instant| begin.map_or(0.0, |begin| at.duration_since(begin).as_secs_f64());
        Answers(all[first..].iter().map(|(at, is_answered)| (since(*at), *is_answered)).collect())
    }
}

fn ask_on(address: SocketAddr, keeps: bool, ended: &AtomicBool, answers: &Mutex<Vec<(Instant, bool)>>) {
    let mut kept = None;
    while !ended.load(Ordering::Relaxed) {
        let at = Instant::now();
        let stream = kept.take().or_else(|| connect(address)).filter(|stream| ask(stream).is_some());
        answers.lock().unwrap_or_else(PoisonError::into_inner).push((at, stream.is_some()));
        kept = stream.filter(|_| keeps);
        sleep(PAUSE.saturating_sub(at.elapsed()));
    }
}

impl Answers {
    /// Time in which nobody was answered: from a question that was not to the next that was, or to the last. Unit: s.
    pub(super) fn unserved_s(&self) -> f64 {
        let (mut sum, mut since) = (0.0, None);
        for (at, is_answered) in &self.0 {
            match (is_answered, since) {
                (false, None) => since = Some(*at),
                (true, Some(from)) => {
                    sum += at - from;
                    since = None;
                }
                _ => {}
            }
        }
        let open = since.zip(self.0.last()).map_or(0.0, |(from, (last, _))| last - from);
        sum + open
    }

    /// Whether all of the last questions were answered.
    pub(super) fn serves_at_end(&self) -> bool {
        let last = self.0.last().map_or(0.0, |(at, _)| *at);
        let mut lately = self.0.iter().filter(|(at, _)| *at > last - LATELY_S).peekable();
        lately.peek().is_some() && lately.all(|(_, is_answered)| *is_answered)
    }

    pub(super) fn asked(&self) -> usize {
        self.0.len()
    }

    pub(super) fn answered(&self) -> usize {
        self.0.iter().filter(|(_, is_answered)| *is_answered).count()
    }

    #[cfg(test)]
    pub(super) fn made(answers: &[(f64, bool)]) -> Self {
        Self(answers.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unserved_is_from_a_silence_to_the_next_answer() {
        let answers =
            Answers::made(&[(0.0, true), (1.0, false), (2.0, false), (4.0, true), (5.0, false), (5.5, true)]);
        assert!((answers.unserved_s() - 3.5).abs() < 1e-9);
        assert_eq!((answers.asked(), answers.answered()), (6, 3));
        let silent = Answers::made(&[(0.0, true), (3.0, false), (9.0, false)]);
        assert!((silent.unserved_s() - 6.0).abs() < 1e-9);
    }

    #[test]
    fn it_serves_when_all_of_late_were_answered() {
        assert!(Answers::made(&[(0.0, false), (30.0, true), (39.0, true)]).serves_at_end());
        assert!(!Answers::made(&[(0.0, true), (35.0, false), (39.0, true)]).serves_at_end());
        assert!(!Answers::default().serves_at_end());
    }

    #[test]
    fn a_service_that_stops_answering_is_seen_by_its_clients() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (said, heard) = std::sync::mpsc::channel();
        let server = spawn(move || {
            use std::io::{Read, Write};
            for stream in listener.incoming().take(3) {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 16]);
                let _ = stream.write_all(b"pong\n");
            }
            drop(listener);
            let _ = said.send(());
        });
        let watcher = Watcher::start(Clients::Short(1), port);
        heard.recv().unwrap();
        let is_refused =
            || watcher.answers.lock().unwrap().last().is_some_and(|(_, is_answered)| !is_answered);
        while !is_refused() {
            sleep(Duration::from_millis(5));
        }
        let answers = watcher.end();
        server.join().unwrap();
        assert_eq!(answers.answered(), 3);
        assert!(!answers.serves_at_end());
    }
}
