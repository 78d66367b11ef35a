//! The two gRPC services of the listener, by path: Envoy's authorization and health.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_prost::ProstCodec;

use super::checker::Checker;
use super::message::{CheckRequest, CheckResponse};
use super::readiness::GrpcHealth;
use crate::http::SiteRef;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/";
/// Enough for the 60 KiB of headers that Envoy accepts from a client; it need not send the body.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

#[derive(Clone)]
pub struct Services {
    checker: Arc<Checker>,
    health: HealthServer<GrpcHealth>,
}

impl Services {
    pub fn new(site: SiteRef) -> Self {
        let health = HealthServer::new(GrpcHealth(site.clone())).max_decoding_message_size(1024);
        Services { checker: Arc::new(Checker::new(site)), health }
    }
}

impl Service<http::Request<Body>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if path == CHECK {
            let check = Check(Arc::clone(&self.checker));
            return Box::pin(async move {
                let grpc = Grpc::new(ProstCodec::default());
                let mut grpc = grpc.apply_max_message_size_config(Some(MAX_MESSAGE_BYTES), None);
                Ok(grpc.unary(check, request).await)
            });
        }
        if path.starts_with(HEALTH) {
            return self.health.call(request);
        }
        let unknown = Status::unimplemented("This server supports only envoy.service.auth.v3 and grpc.health.v1.");
        Box::pin(std::future::ready(Ok(unknown.into_http())))
    }
}

struct Check(Arc<Checker>);

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = BoxFuture<Response<CheckResponse>, Status>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let checker = Arc::clone(&self.0);
        Box::pin(async move { Ok(Response::new(checker.check(request.into_inner()).await)) })
    }
}
