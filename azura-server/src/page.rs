//! The page at `/`, and its parts.

use poem::{IntoResponse as _, Route, endpoint::make_sync, get};

const PARTS: [(&str, &str, &str); 7] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/favicon.ico", "image/svg+xml", include_str!("page/icon.svg")),
    ("/app.js", "text/javascript; charset=utf-8", include_str!("page/app.js")),
    ("/chart.js", "text/javascript; charset=utf-8", include_str!("page/chart.js")),
    ("/server.js", "text/javascript; charset=utf-8", include_str!("page/server.js")),
];

/// Adds the page to the routes.
pub(crate) fn add(routes: Route) -> Route {
    PARTS.iter().fold(routes, |routes, &(path, kind, text)| {
        routes.at(path, get(make_sync(move |_| text.with_content_type(kind))))
    })
}
