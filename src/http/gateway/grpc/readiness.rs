//! gRPC health (`grpc.health.v1.Health`): serving as long as keys can be checked.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::message::AUTHORIZATION;
use crate::http::SiteRef;

/// How often a watched status is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

pub struct GrpcHealth(pub SiteRef);

impl GrpcHealth {
    /// Unlike `/readyz`, this ignores failing writes, because no gRPC call needs a write.
    fn status(site: &SiteRef) -> ServingStatus {
        if site.cannot_judge().is_some() { ServingStatus::NotServing } else { ServingStatus::Serving }
    }
}

fn knows(service: &str) -> bool {
    service.is_empty() || service == AUTHORIZATION
}

#[tonic::async_trait]
impl Health for GrpcHealth {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !knows(&request.get_ref().service) {
            return Err(Status::not_found("no such service"));
        }
        Ok(Response::new(HealthCheckResponse { status: Self::status(&self.0) as i32 }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The status, and again whenever it changes; the stream ends when the server stops.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let is_known = knows(&request.get_ref().service);
        let changes = stream::unfold((self.0.clone(), None), move |(site, sent)| async move {
            loop {
                let stopping = site.stopping.load(Ordering::Acquire);
                let status = if is_known { Self::status(&site) } else { ServingStatus::ServiceUnknown };
                if sent != Some(status) {
                    return Some((Ok(HealthCheckResponse { status: status as i32 }), (site, Some(status))));
                }
                if stopping {
                    return None;
                }
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
        });
        Ok(Response::new(Box::pin(changes)))
    }
}
