//! A Directus, a proxy before it, and what asks them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use test_directus::Directus;
use tokio::runtime::Handle;
use uuid::Uuid;
use ws::LiveMetrics;
use ws::auth::{Authenticator, Credentials, Identity};
use ws::authz::Authorizer;
use ws::secret::Secret;

use crate::people::{People as _, Person};
use crate::proxy::Proxy;

/// For an answer that is to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) directus: Arc<Directus>,
    pub(crate) proxy: Proxy,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) metrics: LiveMetrics,
}

/// What asks at `url`, with the secret or without, and gives up after `within`.
pub(crate) fn askers(
    url: &str,
    secret: Option<&str>,
    within: Duration,
) -> (Arc<Authenticator>, Arc<Authorizer>, LiveMetrics) {
    askers_by(url, &tls::Options::default(), secret, within)
}

pub(crate) fn askers_by(
    url: &str,
    tls: &tls::Options,
    secret: Option<&str>,
    within: Duration,
) -> (Arc<Authenticator>, Arc<Authorizer>, LiveMetrics) {
    let metrics = LiveMetrics::default();
    let client = ws::directus::Directus::new(url, tls, Handle::current()).unwrap();
    let secret = secret.map(Secret::new);
    let authenticator = Authenticator::new(secret.as_ref(), client.clone(), within, metrics.clone());
    let authorizer = Authorizer::new(client, within, metrics.clone());
    (authenticator.into(), authorizer.into(), metrics)
}

impl World {
    /// `None`: there is no Directus here, and that has been said.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(Some(Directus::SECRET), PATIENCE)
    }

    pub(crate) fn start_with(secret: Option<&str>, within: Duration) -> Option<Self> {
        if !Directus::is_installed() {
            return None;
        }
        let directus = Directus::shared().unwrap();
        let proxy = Proxy::start(port_of(directus.url())).unwrap();
        let (authenticator, authorizer, metrics) = askers(&proxy.url(), secret, within);
        Some(Self { directus, proxy, authenticator, authorizer, metrics })
    }

    /// The event that those see who see one.
    pub(crate) fn seen(&self) -> Uuid {
        self.directus.events()[0]
    }

    /// The one that only administrators see.
    pub(crate) fn hidden(&self) -> Uuid {
        self.directus.events()[1]
    }

    /// Somebody by a token of a login.
    pub(crate) async fn logged_in(&self, user: &Person) -> Identity {
        let token = self.directus.log_in(user);
        self.authenticator.authenticate(&bearer(&token)).await.unwrap()
    }

    /// How often credentials met with `result`.
    pub(crate) fn attempts(&self, result: &str) -> f64 {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = format!("processor_live_auth_attempts_total{{result=\"{result}\"}} ");
        let value = text.lines().find_map(|own| own.strip_prefix(&line));
        value.unwrap_or_else(|| panic!("{line} in {text}")).parse().unwrap()
    }
}

/// The port in a URL that ends with it.
pub(crate) fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

pub(crate) fn bearer(token: &str) -> Arc<Credentials> {
    Arc::new(Credentials::Bearer(Secret::new(token)))
}

pub(crate) fn cookies(header: &str) -> Arc<Credentials> {
    Arc::new(Credentials::Cookies(Secret::new(header)))
}

/// Somebody who was never looked at.
pub(crate) fn identity(user: &str, credentials: Arc<Credentials>) -> Identity {
    Identity { user: user.into(), is_admin: false, expires_at: None, credentials }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A token that says this, signed with the secret of the real Directus.
pub(crate) fn signed(more: &Value) -> String {
    let mut claims = json!({"id": "u1", "role": null, "app_access": true, "admin_access": false,
                            "iat": now(), "exp": now() + 900, "iss": "directus"});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    sign(&json!({"alg": "HS256", "typ": "JWT"}), &claims, hmac::HMAC_SHA256, Directus::SECRET)
}

pub(crate) fn sign(header: &Value, claims: &Value, algorithm: hmac::Algorithm, secret: &str) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), text.as_bytes());
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
