//! What a door answers: a JSON object with a schema number, or an error with its hint.
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};

use super::json::SCHEMA;

/// A good answer.
pub struct Answer(pub Json);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut body = json!({"schema": SCHEMA});
        if let (Json::Object(all), Json::Object(fields)) = (&mut body, self.0) {
            all.extend(fields);
        }
        respond(StatusCode::OK, &body)
    }
}

/// A bad one.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    what: String,
    hint: String,
}

impl Refusal {
    /// An error of that HTTP status, in words, with the way out.
    pub fn new(status: StatusCode, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, what: what.into(), hint: hint.into() }
    }

    /// The request makes no sense.
    pub fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, hint)
    }

    /// The loop has not turned yet.
    pub fn too_early() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the first turn is not over yet", "try again in a second")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        respond(self.status, &json!({"schema": SCHEMA, "error": self.what, "hint": self.hint}))
    }
}

fn respond(status: StatusCode, body: &Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// What every handler gives.
pub type Result = core::result::Result<Answer, Refusal>;
