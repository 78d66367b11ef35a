//! Replaces `grpc/` in a build without that feature: `--grpc-listen` is refused, not ignored.

use std::convert::Infallible;

use crate::error::{Error, Kind, Result};
use crate::http::SiteRef;
use crate::http::listener::{BoundAddress, Listener};

/// Cannot exist.
pub struct NoGrpcListener(Infallible);

pub use self::NoGrpcListener as GrpcListener;

impl NoGrpcListener {
    pub fn start(_: Vec<Listener>, _: SiteRef) -> Result<Self> {
        Err(Error::new(
            Kind::Invalid,
            "--grpc-listen: this build has no gRPC. Build it with the cargo feature grpc, which is on by default.",
        ))
    }

    pub fn addresses(&self) -> &[BoundAddress] {
        match self.0 {}
    }

    pub async fn stop(self) {
        match self.0 {}
    }
}
