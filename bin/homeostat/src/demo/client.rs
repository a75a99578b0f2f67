//! The client that measures a service from outside: the only judge of "verified".
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests a second.
const RATE: f64 = 5.0;

/// An answer later than this is none.
const TIMEOUT: Duration = Duration::from_millis(1_000);

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// When it was asked.
    pub at: Instant,
    /// How long the answer took; `None` if there was none in time.
    pub took: Option<Duration>,
}

/// A client of one service, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Client {
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Begins to ask the service on `port`.
    pub(crate) fn start(port: u16) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (to, stopped) = (answers.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let at = Instant::now();
                let took = ask(port).then(|| at.elapsed());
                if let Ok(mut answers) = to.lock() {
                    answers.push(Answer { at, took });
                }
                let next = at + Duration::from_secs_f64(1.0 / RATE);
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        Self { answers, stop, thread: Some(thread) }
    }

    /// All answers since `from`.
    pub(crate) fn since(&self, from: Instant) -> Vec<Answer> {
        let answers = self.answers.lock().map(|answers| answers.clone()).unwrap_or_default();
        answers.into_iter().filter(|answer| answer.at >= from).collect()
    }

    /// The slowest of the usual answers between two instants: its 90th percentile.
    pub(crate) fn usual(&self, from: Instant, to: Instant) -> Option<Duration> {
        let mut took =
            self.since(from).iter().filter(|one| one.at < to).filter_map(|one| one.took).collect::<Vec<_>>();
        took.sort_unstable();
        took.get(took.len() * 9 / 10).copied()
    }

    /// The instant from which on the service has served without a break until now, if that is at least
    /// `span` ago. Serving: an answer within `limit`, at most one in ten later than that.
    pub(crate) fn serves_since(&self, from: Instant, span: Duration, limit: Duration) -> Option<Instant> {
        let answers = self.since(from);
        let first = answers.first()?.at;
        let good = |answer: &Answer| answer.took.is_some_and(|took| took <= limit);
        let mut start = first;
        let mut late = 0;
        let mut seen = 0;
        for answer in &answers {
            seen += 1;
            late += usize::from(!good(answer));
            if answer.took.is_none() || late * 10 > seen + 9 {
                (start, late, seen) = (answer.at + Duration::from_nanos(1), 0, 0);
            }
        }
        (seen > 0 && answers.last()?.at.saturating_duration_since(start) >= span).then_some(start)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A client thread that panicked has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

/// Asks once: whether the service answered in time.
fn ask(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let exchange = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"get\n")?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer)?;
        Ok(answer[..length].starts_with(b"ok"))
    };
    exchange().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(answers: &[(u64, Option<u64>)], start: Instant) -> Client {
        let answer = |(at_ms, took_ms): &(u64, Option<u64>)| Answer {
            at: start + Duration::from_millis(*at_ms),
            took: took_ms.map(Duration::from_millis),
        };
        let answers = Arc::new(Mutex::new(answers.iter().map(answer).collect()));
        Client { answers, stop: Arc::default(), thread: None }
    }

    const SPAN: Duration = Duration::from_millis(1_000);
    const LIMIT: Duration = Duration::from_millis(50);

    #[test]
    fn a_service_that_answers_serves() {
        let start = Instant::now();
        let answers = (0..10).map(|index| (index * 200, Some(1))).collect::<Vec<_>>();
        assert_eq!(client(&answers, start).serves_since(start, SPAN, LIMIT), Some(start));
    }

    #[test]
    fn silence_slowness_and_gaps_are_not_serving() {
        let start = Instant::now();
        for bad in [None, Some(500)] {
            let answers = (0..10).map(|index| (index * 200, bad)).collect::<Vec<_>>();
            assert_eq!(client(&answers, start).serves_since(start, SPAN, LIMIT), None);
        }
        let mut answers = (0..10).map(|index| (index * 200, Some(1))).collect::<Vec<_>>();
        answers[8].1 = None;
        assert_eq!(client(&answers, start).serves_since(start, SPAN, LIMIT), None);
        assert_eq!(client(&[], start).serves_since(start, SPAN, LIMIT), None);
    }
}
