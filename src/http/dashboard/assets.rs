//! Style sheet, script and icon: compiled in and served under URLs that change with their content.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;
use sha2::{Digest, Sha256};

use crate::http::SiteRef;
use crate::http::problem::Problem;

const CSS: &str = include_str!("../../../static/app.css");
const JS: &str = include_str!("../../../static/app.js");
const ICON: &str = include_str!("../../../static/icon.svg");

/// The URLs of the assets.
#[derive(Clone)]
pub struct Assets {
    pub css: String,
    pub js: String,
    pub icon: String,
}

impl Assets {
    pub fn new() -> Self {
        let url = |name: &str, end: &str, content: &str| {
            format!("/assets/{name}.{}.{end}", hex::encode(&Sha256::digest(content.as_bytes())[..8]))
        };
        Assets { css: url("app", "css", CSS), js: url("app", "js", JS), icon: url("icon", "svg", ICON) }
    }
}

pub async fn asset(site: SiteRef, name: Path<String>) -> Result<HttpResponse, Problem> {
    let url = format!("/assets/{name}");
    let (kind, content) = if url == site.assets.css {
        ("text/css; charset=utf-8", CSS)
    } else if url == site.assets.js {
        ("text/javascript; charset=utf-8", JS)
    } else if url == site.assets.icon {
        ("image/svg+xml", ICON)
    } else {
        return Err(Problem::not_found());
    };
    let forever = (header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, kind)).insert_header(forever).body(content))
}
