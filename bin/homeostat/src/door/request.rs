//! What every handler needs of a request: its JSON, and a thread for work that takes its time.
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// The bytes of a request, or why they did not come.
pub type Body = Result<Bytes, BytesRejection>;

/// Reads the JSON of a request.
pub fn parse<T: DeserializeOwned>(body: Body) -> Result<T, Refusal> {
    let bytes = body.map_err(|rejection| {
        Refusal::new(rejection.status(), rejection.body_text().to_lowercase(), "send less")
    })?;
    let hint = "`homeostat help` shows the command that makes this request";
    serde_json::from_slice(&bytes).map_err(|error| Refusal::wrong(format!("the request: {error}"), hint))
}

/// Runs what may take its time in a thread of its own.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Refusal::new(status, "the request failed inside Homeostat", "`homeostat doctor` tells what is wrong")
    };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
