//! Who may come in, and what they may do: token or peer credentials, Host, Origin, headers, time.
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;
use super::state::Shared;

/// Longest time one request may take, a stream of turns excepted. Longer than the wait for an effect and
/// than the longest SQL statement.
const REQUEST_TIME: Duration = Duration::from_secs(15);

/// What a page may load: only what we serve ourselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How people come in.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Secret of the page, new with every start; 64 hexadecimal digits.
    pub token: String,
    /// Port of the page; `None` without a page.
    pub port: Option<u16>,
    /// Effective user of the daemon.
    pub daemon_uid: u32,
    /// Whether /proc hides the processes of other users (hidepid).
    pub proc_hides: bool,
}

/// Through which door someone came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Loopback TCP; nothing is known but what the request says.
    Tcp,
    /// The Unix socket, with the user whom the kernel vouches for.
    Unix {
        /// That user.
        uid: u32,
    },
}

/// Whom a request comes from, once let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// May see and change everything: knows the token, or is root or the daemon's own user.
    Owner,
    /// Sees what /proc would show, changes nothing.
    Stranger {
        /// Which user.
        uid: u32,
    },
}

impl Caller {
    /// Nothing for an owner.
    ///
    /// # Errors
    /// A stranger wants to change something.
    pub fn may_change(self) -> Result<(), Refusal> {
        match self {
            Self::Owner => Ok(()),
            Self::Stranger { .. } => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "only root and the user who runs the daemon may change something",
                "run the same command with `sudo`",
            )),
        }
    }
}

impl Entry {
    /// The address of the page, secret included.
    pub fn url(&self) -> Option<String> {
        self.port.map(|port| format!("http://127.0.0.1:{port}/?token={}", self.token))
    }

    /// Name of the cookie; cookies do not know ports, so it does.
    fn cookie(&self) -> String {
        format!("homeostat_{}", self.port.unwrap_or_default())
    }

    fn admit(&self, peer: Peer, request: &Request) -> Result<Caller, Refusal> {
        match peer {
            Peer::Unix { uid } if uid == 0 || uid == self.daemon_uid => Ok(Caller::Owner),
            Peer::Unix { uid } => Ok(Caller::Stranger { uid }),
            Peer::Tcp => {
                self.check_origin(request)?;
                if request.uri().path() == "/healthz" || self.knows_token(request) {
                    return Ok(Caller::Owner);
                }
                Err(Refusal::new(
                    StatusCode::UNAUTHORIZED,
                    "this page needs the token of the address that Homeostat printed when it started",
                    "run `homeostat status` to see the address",
                ))
            }
        }
    }

    /// A page of another site must not reach us, whatever name it gave to our address.
    fn check_origin(&self, request: &Request) -> Result<(), Refusal> {
        let port = self.port.unwrap_or_default();
        let own = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
        let headers = request.headers();
        let forbidden = |what: &str| {
            Refusal::new(
                StatusCode::FORBIDDEN,
                what,
                "open the address that Homeostat printed when it started",
            )
        };
        if !text(headers, "host").is_some_and(|host| own.iter().any(|one| one == host)) {
            return Err(forbidden("this host name is not ours"));
        }
        let is_ours = |origin: &str| own.iter().any(|one| origin.strip_prefix("http://") == Some(one));
        if headers.contains_key("origin") && !text(headers, "origin").is_some_and(is_ours) {
            return Err(forbidden("requests from other sites are refused"));
        }
        if text(headers, "sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
            && request.uri().path() != "/"
        {
            return Err(forbidden("requests from other sites are refused"));
        }
        let is_json = text(headers, "content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if request.method() == Method::POST && !is_json {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a request that may change something must be JSON",
                "send `Content-Type: application/json`",
            ));
        }
        Ok(())
    }

    fn knows_token(&self, request: &Request) -> bool {
        let headers = request.headers();
        let bearer = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        let name = self.cookie();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
        let mut cookies = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let secrets = [bearer, token_in_query(request)];
        secrets.into_iter().flatten().any(|one| self.is_token(one)) || cookies.any(|one| self.is_token(one))
    }

    /// Compares without telling by its time how much was right.
    fn is_token(&self, word: &str) -> bool {
        let pairs = word.bytes().zip(self.token.bytes());
        word.len() == self.token.len() && pairs.fold(0, |all, (one, other)| all | (one ^ other)) == 0
    }
}

fn token_in_query(request: &Request) -> Option<&str> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == "token").map(|(_, value)| value).next()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Lets a request in or not, bounds its time and adds the headers that protect the page.
pub async fn guard(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let entry = &shared.entry;
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Tcp);
    let brings_token = peer == Peer::Tcp && token_in_query(&request).is_some() && request.uri().path() == "/";
    let is_stream = request.uri().path() == "/api/events";
    let mut response = match entry.admit(peer, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let mut response = if is_stream { next.run(request).await } else { timely(request, next).await };
            if brings_token {
                let (name, token) = (entry.cookie(), &entry.token);
                let cookie = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict");
                if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                    response.headers_mut().insert(header::SET_COOKIE, cookie);
                }
            }
            response
        }
    };
    protect(response.headers_mut());
    response
}

async fn timely(request: Request, next: Next) -> Response {
    let late = || {
        let hint = "ask for less, or try again when the machine is less busy";
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long", hint).into_response()
    };
    tokio::time::timeout(REQUEST_TIME, next.run(request)).await.unwrap_or_else(|_| late())
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        // A drawing brings a policy of its own, which is stricter but for its colours.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
