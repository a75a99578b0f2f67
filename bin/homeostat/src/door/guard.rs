//! The guard at the door: lets a request in or not, bounds its time, adds the headers that protect the page.
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;
use super::entry::{Peer, token_in_query};
use super::state::Shared;

/// Longest time one request may take, a stream of turns excepted. Longer than the wait for an effect and
/// than the longest SQL statement.
const REQUEST_TIME: Duration = Duration::from_secs(15);

/// What a page may load: only what we serve ourselves.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
