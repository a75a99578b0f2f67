//! Turn summaries as they happen: server-sent events, one a turn.
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;

use super::answer::Refusal;
use super::state::Shared;
use super::status;

/// `GET /api/events`: the summary of the last turn, then of each further one; slow readers miss some.
pub async fn get(
    State(shared): State<Arc<Shared>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
        let hint = "close a page that you do not need";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many pages follow the turns", hint)
    })?;
    let mut turns = shared.last.subscribe();
    turns.mark_changed();
    let stream = unfold((turns, permit), async |(mut turns, permit)| {
        loop {
            turns.changed().await.ok()?;
            let now = turns.borrow_and_update().clone();
            if let Some(now) = now {
                let event = Event::default().event("turn").data(status::summary(&now).to_string());
                return Some((Ok(event), (turns, permit)));
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}
