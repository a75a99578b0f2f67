//! Who may come in, and what they may do: token or peer credentials, Host, Origin. Start at [`Entry`].
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};

use super::answer::Refusal;

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
    pub fn cookie(&self) -> String {
        format!("homeostat_{}", self.port.unwrap_or_default())
    }

    /// Whom a request comes from.
    ///
    /// # Errors
    /// It may not come in.
    pub fn admit(&self, peer: Peer, request: &Request) -> Result<Caller, Refusal> {
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

/// The secret, as the printed address brings it.
pub fn token_in_query(request: &Request) -> Option<&str> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == "token").map(|(_, value)| value).next()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
