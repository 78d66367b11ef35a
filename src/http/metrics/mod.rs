//! `/metrics` for Prometheus, in the format that it asks for. Every label has a few fixed values; no input becomes a
//! label.

mod format;
mod text;

use std::fmt;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::SiteRef;
use super::bearer::Bearer;
use super::health::GROUP;
use super::problem::Problem;
use super::schema::{Operation, field};
use crate::ambient::histogram::Snapshot;
use crate::ambient::log;
use crate::auth::{ChainState, RecordCacheState};
use crate::error::Error;
use crate::model::{ChainReport, NodeFigures, Scope, Time};
use format::Format;

pub fn operation() -> Operation {
    let kinds =
        ["application/openmetrics-text; version=1.0.0; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8"];
    Operation::new(GROUP, "getMetrics", "Metrics in the OpenMetrics or the Prometheus text format").answers_as(
        200,
        "All metrics.",
        &kinds,
        field::any_text(),
    )
}

/// `/metrics` on the main listener, for a key that can verify keys.
pub async fn protected(site: SiteRef, bearer: Bearer, request: HttpRequest) -> Result<HttpResponse, Problem> {
    bearer.needs(&[Scope::VERIFY])?;
    scrape(site, request).await
}

/// `/metrics` on the metrics listener, for anyone who can reach it.
pub async fn scrape(site: SiteRef, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let figures = Figures::take(&site).await?;
    let mut registry = Registry::with_prefix("keybearer");
    registry.register_collector(Box::new(figures));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).map_err(Error::internal)?;
    let format = Format::wanted(request.headers());
    if let Format::Text { .. } = format {
        text = text::from_openmetrics(&text);
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, format.content_type()))
        .insert_header((header::VARY, "Accept"))
        .body(text))
}

/// All metrics at one moment.
#[derive(Debug)]
struct Figures {
    verdicts: Vec<(&'static str, u64)>,
    latency: Snapshot,
    commits: Snapshot,
    batches: Snapshot,
    index: Vec<(&'static str, &'static str, u64)>,
    records: RecordCacheState,
    log_lines_dropped: u64,
    /// When the certificate expires, in seconds since 1970, if the server uses TLS.
    certificate_expires: Option<i64>,
    /// `None` until the audit log was checked for the first time.
    chain: Option<ChainState>,
    /// `None` with SQLite.
    node: Option<NodeFigures>,
    /// The database's engine and its version.
    engine: String,
}

impl Figures {
    async fn take(site: &SiteRef) -> Result<Self, Problem> {
        let (database, usage) = (site.auth.database_state().await, site.auth.usage_state());
        let records = site.auth.record_cache_state();
        Ok(Figures {
            verdicts: site.auth.verdicts(),
            latency: site
                .latency
                .all()
                .map(|own| own.snapshot())
                .reduce(|sum, own| sum.plus(&own))
                .unwrap_or(Snapshot { buckets: Vec::new(), sum: 0 }),
            commits: database.commits,
            batches: database.batches,
            index: vec![
                ("index_keys", "Keys in the index", database.keys),
                ("index_revision", "Revision that the index has reached", database.revision),
                ("index_full", "1 when every key is in the index", u64::from(database.index_is_full)),
                ("writes_failing", "1 while writes fail", u64::from(database.writes_are_failing)),
                ("usage_pending_rows", "Keys and hours with uses that are not in the database yet", usage.pending_rows),
                ("record_cache_records", "Records of keys in memory", records.records),
                ("record_cache_bytes", "Estimated size of the records of keys in memory", records.bytes),
                ("usage_lost", "Uses that were not counted because too many were waiting in memory", usage.lost),
                ("refusals_lost", "Refusals of keys that were not counted for the same reason", usage.lost_refusals),
                (
                    "usage_unnamed",
                    "Uses that were counted for no client, because their key had too many",
                    usage.unnamed,
                ),
            ]
            .into_iter()
            .chain(database.sessions.map(|sessions| ("sessions", "Dashboard sessions", sessions)))
            .chain(database.wal_bytes.map(|bytes| ("wal_bytes", "Size of the write-ahead log", bytes)))
            .collect(),
            records,
            log_lines_dropped: log::dropped(),
            certificate_expires: site.certificates.as_ref().and_then(|it| it.expires_at()).map(Time::seconds),
            chain: site.auth.chain_state(),
            node: database.node,
            engine: site.auth.engine(),
        })
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut verdicts =
            encoder.encode_descriptor("verdicts", "Verifications by verdict", None, MetricType::Counter)?;
        for (code, count) in &self.verdicts {
            verdicts.encode_family(&[("code", *code)])?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        let help = "Time in the server of one in 16 forward-auth requests";
        histogram(&mut encoder, "verification_duration", help, Some(Unit::Seconds), &self.latency, 1e9)?;
        histogram(&mut encoder, "commit_duration", "Durable commits", Some(Unit::Seconds), &self.commits, 1e6)?;
        histogram(&mut encoder, "commit_verbs", "Writes that shared a commit", None, &self.batches, 1.0)?;
        for (name, help, value) in &self.index {
            let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            gauge.encode_gauge(&i64::try_from(*value).unwrap_or(i64::MAX))?;
        }
        let help = "Records of keys that were read from the database for an API check, because they were not in memory";
        encoder
            .encode_descriptor("record_cache_reads", help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&self.records.reads, None)?;
        if let Some(node) = &self.node {
            encode_node(&mut encoder, node)?;
        }
        let help = "Log lines that were dropped because nobody read them or there was no room";
        encoder
            .encode_descriptor("log_lines_dropped", help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&self.log_lines_dropped, None)?;
        if let Some(expires) = self.certificate_expires {
            let help = "When the certificate in use expires, in seconds since 1970";
            encoder
                .encode_descriptor("tls_certificate_expiry_timestamp_seconds", help, None, MetricType::Gauge)?
                .encode_gauge(&expires)?;
        }
        if let Some(chain) = &self.chain {
            let is_whole = matches!(chain.report, ChainReport::Whole { .. });
            for (name, help, value) in [
                (
                    "audit_chain_intact",
                    "1 if the last check of the audit log found every line unchanged",
                    i64::from(is_whole),
                ),
                (
                    "audit_chain_checked_timestamp_seconds",
                    "When the audit log was last checked, in seconds since 1970",
                    chain.at.seconds(),
                ),
            ] {
                encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
            }
        }
        let mut build = encoder.encode_descriptor("build", "This build", None, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION").to_owned()), ("store", self.engine.clone())])
    }
}

fn encode_node(encoder: &mut DescriptorEncoder<'_>, node: &NodeFigures) -> fmt::Result {
    encoder
        .encode_descriptor(
            "node_lease_left",
            "What is left of this node's lease",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?
        .encode_gauge(&node.lease_left.as_secs_f64())?;
    encoder
        .encode_descriptor("node_synchronous_standby", "1 if commits wait for a standby", None, MetricType::Gauge)?
        .encode_gauge(&i64::from(node.has_synchronous_standby))?;
    for (name, help, count) in [
        ("node_heartbeats", "Heartbeats of this node that the database accepted", node.heartbeats),
        ("node_joins", "How often this node joined; more than once means that its heartbeats had stopped", node.joins),
        ("node_reloads", "How often all keys were read again, because the database had lost changes", node.reloads),
        (
            "node_evictions",
            "Rows of other nodes that this node marked, because their heartbeats had stopped",
            node.evictions,
        ),
    ] {
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}

fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    figures: &Snapshot,
    unit_of: f64,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Histogram)?;
    let bound = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| bound as f64 / unit_of);
    let buckets: Vec<(f64, u64)> = figures.buckets.iter().map(|(upper, count)| (bound(*upper), *count)).collect();
    metric.encode_histogram::<NoLabelSet>(figures.sum as f64 / unit_of, figures.count(), &buckets, None)
}
