//! Talks to the daemon: HTTP/1.1 over its Unix socket, one request a connection, every wait bounded.
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value as Json};

use crate::error::{Exit, UserError, words};
use crate::paths::{Paths, SYSTEM_SOCKET};

/// Longest wait for an answer: longer than the daemon waits for anything.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Largest answer that is read. Unit: bytes.
const ANSWER_MAX: u64 = 64 << 20;

/// The daemon, found.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The daemon of these folders, else, unless they were named, the one that root runs for everyone.
    ///
    /// # Errors
    /// Nobody answers, or one may not ask.
    pub fn find(paths: &Paths, are_named: bool) -> Result<Self, UserError> {
        let own = paths.socket();
        let system = (!are_named).then(|| PathBuf::from(SYSTEM_SOCKET)).filter(|system| *system != own);
        let mut refused = None;
        for socket in core::iter::once(own.clone()).chain(system) {
            match UnixStream::connect(&socket) {
                Ok(_) => return Ok(Self { socket }),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    refused = Some((socket, error))
                }
                Err(_) => {}
            }
        }
        Err(match refused {
            Some((socket, error)) => {
                let what = format!("the daemon at `{}` cannot be asked: {}", socket.display(), words(&error));
                UserError::new(what, "run the same command as the user who runs the daemon")
            }
            None => UserError::new(
                format!("no daemon answers at `{}`", own.display()),
                "start one with `homeostat run`; `sql`, `tables`, `doctor`, `demo` and `undo --all` work without",
            ),
        }
        .exit(Exit::Unreachable))
    }

    /// Where it was found.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks.
    ///
    /// # Errors
    /// What the daemon says is wrong, or no answer in time.
    pub fn get(&self, path: &str) -> Result<Json, UserError> {
        self.request("GET", path, "")
    }

    /// Orders.
    ///
    /// # Errors
    /// What the daemon says is wrong, or no answer in time.
    pub fn post(&self, path: &str, body: &Json) -> Result<Json, UserError> {
        self.request("POST", path, &body.to_string())
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Result<Json, UserError> {
        let lost = |error: &io::Error| {
            let what = format!("the daemon at `{}` does not answer: {}", self.socket.display(), words(error));
            UserError::new(what, "`homeostat status` tells whether it still runs").exit(Exit::Unreachable)
        };
        let answer = self.exchange(method, path, body).map_err(|error| lost(&error))?;
        let (status, body) =
            split(&answer).ok_or_else(|| lost(&io::Error::other("its answer makes no sense")))?;
        let json: Json =
            serde_json::from_slice(body).map_err(|_| lost(&io::Error::other("its answer is no JSON")))?;
        if status == 200 { Ok(without_schema(json)) } else { Err(refusal(status, &json)) }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(ANSWER_TIME))?;
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Status and body of an answer.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, &answer[end + 4..]))
}

/// Our own printers add the number of the schema again.
fn without_schema(json: Json) -> Json {
    match json {
        Json::Object(fields) => {
            Json::Object(fields.into_iter().filter(|(name, _)| name != "schema").collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn refusal(status: u16, json: &Json) -> UserError {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let exit = match status {
        403 | 409 => Exit::Refused,
        _ => Exit::Error,
    };
    UserError::new(text("error"), text("hint")).exit(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_and_a_torn_one_is_not() {
        let (status, body) = split(b"HTTP/1.1 404 Not Found\r\nx: y\r\n\r\n{}").expect("whole");
        assert_eq!((status, body), (404, b"{}".as_slice()));
        assert!(split(b"HTTP/1.1 200 OK\r\n").is_none());
        assert!(split(b"\r\n\r\n").is_none());
    }

    #[test]
    fn a_guard_ends_with_four_and_an_error_with_two() {
        let json = serde_json::json!({"error": "e", "hint": "h"});
        assert_eq!(refusal(409, &json).exit, Exit::Refused);
        assert_eq!(refusal(403, &json).exit, Exit::Refused);
        assert_eq!(refusal(404, &json).exit, Exit::Error);
    }
}
