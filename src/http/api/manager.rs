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
    request: HttpRequest,
    need: PhantomData<N>,
}

impl<N: Need> Manager<N> {
    /// The caller as stored at this moment. Must be called after the whole request has arrived.
    pub async fn asking(&self) -> Result<Asking, Problem> {
        let proof = self.presented().map(PresentedKey::of);
        let manager = self.site.auth.manager(self.bearer.id(), proof.as_ref(), &self.demand()).await?;
        let caller = manager.map_err(|refusal| Problem::refused(refusal, &[N::SCOPE]))?;
        let origin =
            Origin { actor: caller.actor(), authority: caller.authority(Some(N::SCOPE)), ..self.bearer.origin() };
        Ok(Asking { caller, origin })
    }

    /// Whether the key still has its scope, for a route that changes nothing. Must be called after the whole request has
    /// arrived.
    pub async fn must_still_hold(&self) -> Result<(), Problem> {
        let judged = self.site.auth.still_holds(&self.bearer.key, &self.demand()).await?;
        judged.map_err(|refusal| Problem::refused(refusal, &[N::SCOPE]))
    }

    pub fn id(&self) -> KeyId {
        self.bearer.id()
    }

    /// `Bearer` has refused any other credential.
    fn presented(&self) -> Option<&[u8]> {
        match credential(self.request.headers()) {
            Credential::Key(key) => Some(key),
            _ => None,
        }
    }

    fn demand(&self) -> Demand<'static> {
        Demand { scopes: &[N::SCOPE], address: Some(self.bearer.address), user_agent: b"" }
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
            Ok(Manager { site: site?, bearer, request, need: PhantomData })
        })
    }
}
