//! gRPC health, and its status while verdicts are unavailable.

use std::time::Duration;

use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::envoy::{CheckResponseExt, DeniedExt, Envoy, Question, Verdict};
use super::start;
use crate::harness::eventually;

const SERVICE: &str = "envoy.service.auth.v3.Authorization";

async fn status(envoy: &Envoy, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer: Result<HealthCheckResponse, _> = envoy.calls("/grpc.health.v1.Health/Check", request).await;
    answer.map(|answer| answer.status()).map_err(|status| status.code())
}

#[tokio::test]
async fn the_health_check_fails_while_verdicts_are_unavailable() {
    let server = start();
    let envoy = Envoy::at(server.grpc.unwrap());
    let (_, key) = server.key(&[]).await;
    for service in ["", SERVICE] {
        assert_eq!(status(&envoy, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    assert_eq!(status(&envoy, "none.such").await, Err(Code::NotFound));
    let watching = HealthCheckRequest { service: SERVICE.to_owned() };
    let mut watch = HealthClient::new(envoy.0.clone()).watch(watching).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    server.home.take_database_away();
    eventually(Duration::from_secs(10), "it is not healthy", async || {
        status(&envoy, SERVICE).await == Ok(ServingStatus::NotServing)
    })
    .await;
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    for policy in ["any-key", "orders-read"] {
        let Verdict::Refused(denied) = envoy.asks(Question::of(policy).key(&key).request()).await.verdict() else {
            panic!("it passes")
        };
        assert_eq!(
            (denied.status.clone().unwrap().code, denied.problem()["code"].as_str()),
            (503, Some("unavailable"))
        );
        assert_eq!(denied.header("retry-after"), Some("1"));
        assert_eq!(denied.header("www-authenticate"), None, "no key is called bad");
    }
    server.home.bring_database_back();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(envoy.verdict(Question::of("any-key").key(&key)).await.0, 200);
}
