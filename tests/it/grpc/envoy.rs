//! The client side, and its check requests.

use std::net::SocketAddr;

use keybearer::testing::grpc::{
    Address, AppendAction, AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderMap, HeaderValue,
    HeaderValueOption, HttpRequest, HttpResponse, OkHttpResponse, Peer, Request, SocketAddress,
};
use serde_json::Value;
use tonic::Status;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

pub struct Envoy(pub Channel);

impl Envoy {
    pub fn at(address: SocketAddr) -> Self {
        Envoy(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy())
    }

    /// The response; there always is one.
    pub async fn asks(&self, request: CheckRequest) -> CheckResponse {
        self.tries(request).await.unwrap()
    }

    pub async fn tries(&self, request: CheckRequest) -> Result<CheckResponse, Status> {
        self.calls("/envoy.service.auth.v3.Authorization/Check", request).await
    }

    pub async fn calls<Q, A>(&self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = ProstCodec::<Q, A>::default();
        grpc.unary(tonic::Request::new(request), PathAndQuery::from_static(path), codec)
            .await
            .map(tonic::Response::into_inner)
    }

    /// The status for the client and the problem's code; 200 and no code if it passes.
    pub async fn verdict(&self, question: Question) -> (i32, String) {
        match self.asks(question.request()).await.verdict() {
            Verdict::Passes(_) => (200, String::new()),
            Verdict::Refused(denied) => {
                (denied.status.clone().unwrap().code, denied.problem()["code"].as_str().unwrap().into())
            }
        }
    }
}

pub enum Verdict {
    Passes(OkHttpResponse),
    Refused(DeniedHttpResponse),
}

pub trait CheckResponseExt {
    fn verdict(self) -> Verdict;
}

impl CheckResponseExt for CheckResponse {
    /// Asserts that status and response agree.
    fn verdict(self) -> Verdict {
        let code = self.status.unwrap().code;
        match self.http_response.unwrap() {
            HttpResponse::Ok(ok) => {
                assert_eq!(code, 0);
                Verdict::Passes(ok)
            }
            HttpResponse::Denied(denied) => {
                assert_ne!(code, 0);
                assert_eq!(self.dynamic_metadata, None);
                Verdict::Refused(denied)
            }
        }
    }
}

pub trait DeniedExt {
    fn problem(&self) -> Value;
    fn header(&self, name: &str) -> Option<&str>;
}

impl DeniedExt for DeniedHttpResponse {
    fn problem(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        named(&self.headers, name)
    }
}

/// The value that replaces any previous one.
pub fn named<'a>(headers: &'a [HeaderValueOption], name: &str) -> Option<&'a str> {
    let option = headers.iter().find(|option| option.header.as_ref().unwrap().key == name)?;
    assert_eq!(option.append_action(), AppendAction::OverwriteIfExistsOrAdd, "{name}");
    option.header.as_ref().map(|header| header.value.as_str())
}

/// A check request: by default without a credential, from 192.0.2.7.
#[derive(Clone, Default)]
pub struct Question {
    attributes: AttributeContext,
}

impl Question {
    pub fn of(policy: &str) -> Self {
        Question::default().extension("policy", policy).from("192.0.2.7")
    }

    pub fn extension(mut self, name: &str, value: &str) -> Self {
        self.attributes.context_extensions.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn from(mut self, address: &str) -> Self {
        let socket_address = Some(SocketAddress { address: address.to_owned() });
        self.attributes.source = Some(Peer { address: Some(Address { socket_address }) });
        self
    }

    pub fn method(mut self, method: &str) -> Self {
        self.http().method = method.to_owned();
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.http().headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Encodes the headers as Envoy does with `encode_raw_headers`.
    pub fn raw(mut self, name: &str, value: &[u8]) -> Self {
        let line = HeaderValue { key: name.to_owned(), value: String::new(), raw_value: value.to_vec() };
        self.http().header_map.get_or_insert_with(HeaderMap::default).headers.push(line);
        self
    }

    pub fn request(self) -> CheckRequest {
        CheckRequest { attributes: Some(self.attributes) }
    }

    fn http(&mut self) -> &mut HttpRequest {
        self.attributes.request.get_or_insert_with(Request::default).http.get_or_insert_with(HttpRequest::default)
    }
}
