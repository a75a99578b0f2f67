//! Which request goes where: the whole public face in one list.
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};

use super::answer::Refusal;
use super::state::Shared;
use super::{change, events, guard, metrics, models, page, read, sql, status};

/// Largest body of a request. Unit: bytes.
const BODY_MAX: usize = 64 << 10;

/// The same of one that brings models, two digits a byte.
const MODELS_BODY_MAX: usize = 2 * cycle::models::PARCEL_BYTES_MAX + 1024;

/// The router; every request passes the guard first.
pub fn router(shared: Arc<Shared>) -> Router {
    let unknown = || async {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "there is no such address",
            "`/` is the page, `/api/status` the health",
        )
    };
    Router::new()
        .route("/", get(page::index))
        .route("/app.js", get(page::script))
        .route("/draw.js", get(page::draw))
        .route("/style.css", get(page::style))
        .route("/icon.svg", get(page::icon))
        .route("/healthz", get(metrics::healthz))
        .route("/metrics", get(metrics::metrics))
        .route("/api/status", get(status::get))
        .route("/api/events", get(events::get))
        .route("/api/incidents", get(read::incidents))
        .route("/api/incidents/{id}", get(read::incident))
        .route("/api/incidents/{id}/flame.svg", get(read::flame))
        .route("/api/actions", get(read::actions))
        .route("/api/services", get(read::services))
        .route("/api/capabilities", get(read::capabilities))
        .route("/api/tables", get(read::tables))
        .route("/api/sql", post(sql::post))
        .route("/api/undo", post(change::undo))
        .route("/api/mode", post(change::mode))
        .route("/api/mute", post(change::mute))
        .route("/api/feedback", post(change::feedback))
        .route("/api/service", post(change::service))
        .route("/api/model", post(models::post).layer(DefaultBodyLimit::max(MODELS_BODY_MAX)))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}
