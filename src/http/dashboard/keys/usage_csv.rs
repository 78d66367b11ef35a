//! `GET /keys/{id}/usage.csv`: the numbers of the chart.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Path, Query};

use super::show::find;
use super::usage::UsageQuery;
use crate::http::dashboard::frame::{PageError, SignedIn};
use crate::model::usage_report::UsageSpan;

pub async fn download(who: SignedIn, id: Path<String>, query: Query<UsageQuery>) -> Result<HttpResponse, PageError> {
    let record = find(&who, &id).await?;
    let (chosen, _, by, number) = query.choice();
    let usage = who.site.auth.usage_of(&record, UsageSpan::last(number, by, who.site.auth.now())).await?;
    let name = format!("attachment; filename=\"usage-{}-{chosen}.csv\"", record.id);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, name))
        .body(usage.report.csv()))
}
