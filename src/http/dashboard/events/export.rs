//! `/events/export`: the filtered events as a file, written while it is read.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Bytes, Query};
use futures_util::stream;
use serde::Deserialize;

use super::filter::EventQuery;
use crate::auth::caller::Asking;
use crate::error::Error;
use crate::http::SiteRef;
use crate::http::dashboard::frame::{Admin, PageError};
use crate::model::event_export::EventFormat;
use crate::model::{EventFilter, EventStart};

/// Events per read. No read lasts long, so that the write-ahead log can be emptied meanwhile.
const READ_AT_ONCE: usize = 500;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ExportQuery {
    format: String,
}

struct Export {
    site: SiteRef,
    asking: Asking,
    filter: EventFilter,
    format: EventFormat,
}

pub async fn export(
    admin: Admin,
    query: Query<EventQuery>,
    chosen: Query<ExportQuery>,
) -> Result<HttpResponse, PageError> {
    let who = admin.0;
    let format = EventFormat::parse(&chosen.format)?;
    let filter = query.filter(READ_AT_ONCE)?;
    let (kind, name) = match format {
        EventFormat::Csv => ("text/csv; charset=utf-8", "events.csv"),
        EventFormat::JsonLines => ("application/jsonl; charset=utf-8", "events.jsonl"),
    };
    let export = Export { site: who.site.clone(), asking: who.asking(), filter, format };
    let begin = (export, Some(EventStart::Newest), format.header());
    let parts = stream::try_unfold(begin, |(export, start, header)| async move {
        let Some(start) = start else { return Ok::<_, Error>(None) };
        let filter = EventFilter { start, ..export.filter.clone() };
        let found = export.site.auth.events(&export.asking, filter).await?;
        let mut part = header;
        for event in &found.rows {
            part.push_str(&export.format.line(event)?);
        }
        Ok(Some((Bytes::from(part), (export, found.older.map(EventStart::Before), String::new()))))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, kind))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(parts))
}
