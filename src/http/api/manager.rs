//! The extractors for management routes. `KeysManager` in a handler's signature proves that the request came with a
//! live key that has the scope `keybearer:keys`.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;

use crate::auth::caller::{Asking, PresentedKey};
use crate::http::SiteRef;
use crate::http::bearer::{Bearer, site};
use crate::http::credential::{Credential, credential};
use crate::http::problem::Problem;
use crate::model::verdict::Demand;
use crate::model::{KeyId, Origin, Scope};

/// The scope that a group of routes requires.
pub trait Need {
    const SCOPE: &'static str;
}

pub struct Keys;
impl Need for Keys {
    const SCOPE: &'static str = Scope::KEYS;
}

pub struct Verify;
impl Need for Verify {
    const SCOPE: &'static str = Scope::VERIFY;
}

pub struct Users;
impl Need for Users {
    const SCOPE: &'static str = Scope::USERS;
}

pub struct Events;
impl Need for Events {
    const SCOPE: &'static str = Scope::EVENTS;
}

pub type KeysManager = Manager<Keys>;
pub type UsersManager = Manager<Users>;
pub type EventsManager = Manager<Events>;
pub type Verifier = Manager<Verify>;

pub struct Manager<N> {
    pub site: SiteRef,
    bearer: Bearer,
    proof: Option<PresentedKey>,
    need: PhantomData<N>,
}

impl<N: Need> Manager<N> {
    /// The caller as stored at this moment. Must be called after the whole request has arrived.
    pub async fn asking(&self) -> Result<Asking, Problem> {
        let demand = Demand { scopes: &[N::SCOPE], address: Some(self.bearer.address), user_agent: b"" };
        let manager = self.site.auth.manager(self.bearer.id(), self.proof.as_ref(), &demand).await?;
        let caller = manager.map_err(|refusal| Problem::refused(refusal, &[N::SCOPE]))?;
        let origin =
            Origin { actor: caller.actor(), authority: caller.authority(Some(N::SCOPE)), ..self.bearer.origin() };
        Ok(Asking { caller, origin })
    }

    pub fn id(&self) -> KeyId {
        self.bearer.id()
    }
}

impl<N: Need + 'static> FromRequest for Manager<N> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (site, bearer) = (site(request), Bearer::from_request(request, payload));
        let request = request.clone();
        Box::pin(async move {
            let bearer = bearer.await?;
            bearer.needs(&[N::SCOPE])?;
            let proof = match credential(request.headers()) {
                Credential::Key(key) => Some(PresentedKey::of(key)),
                _ => None, // `Bearer` has refused any other credential
            };
            Ok(Manager { site: site?, bearer, proof, need: PhantomData })
        })
    }
}
