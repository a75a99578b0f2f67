//! The page and what it loads: three files, embedded, served as they are.
use axum::http::header;
use axum::response::{IntoResponse, Response};

const INDEX: &str = include_str!("../../../../web/index.html");
const SCRIPT: &str = include_str!("../../../../web/app.js");
const DRAW: &str = include_str!("../../../../web/draw.js");
const STYLE: &str = include_str!("../../../../web/style.css");
const ICON: &str = include_str!("../../../../web/icon.svg");

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// `GET /`.
pub async fn index() -> Response {
    asset("text/html; charset=utf-8", INDEX)
}

/// `GET /app.js`.
pub async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /draw.js`.
pub async fn draw() -> Response {
    asset("text/javascript; charset=utf-8", DRAW)
}

/// `GET /style.css`.
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// `GET /icon.svg`.
pub async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}
