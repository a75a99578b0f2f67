//! The smallest HTTP client that a scraper needs: one GET on loopback.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No answer is waited for longer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The body behind `http://127.0.0.1:PORT/PATH`; `None` if nobody answers with status 200.
pub(super) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.lines().next()?.contains(" 200").then(|| body.to_owned())
}

/// A port that nobody listens on at the moment.
pub(super) fn free_port() -> Result<u16, String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|one| one.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// Samples in a text of the Prometheus exposition format: its lines that are no comment.
pub(super) fn sample_lines(text: &str) -> usize {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_samples() {
        assert_eq!(sample_lines("# HELP a b\na 1\n\na{x=\"1\"} 2\n"), 2);
    }

    #[test]
    fn nobody_is_no_answer() {
        assert_eq!(get(free_port().unwrap(), "/"), None);
    }
}
