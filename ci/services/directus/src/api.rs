//! Requests, as Directus takes them.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use uuid::Uuid;

use crate::{Cookie, Error, Result};

/// On a busy machine; a request costs Directus milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
pub(crate) const ADMIN_TOKEN: &str = "static-token-of-the-administrator";
pub(crate) const ADMIN: Credentials<'static> = Credentials::Bearer(ADMIN_TOKEN);

/// Who asks.
#[derive(Clone, Copy)]
pub enum Credentials<'a> {
    /// Nobody that Directus knows.
    None,
    /// An access token or a static token, as `Authorization: Bearer`.
    Bearer(&'a str),
    /// A session cookie.
    Cookie(&'a Cookie),
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Bearer(_) => "Bearer(…)",
            Credentials::Cookie(_) => "Cookie(…)",
        })
    }
}

/// What Directus answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; a string where it is no JSON.
    pub body: Value,
}

/// A client of one server. Its connections are kept.
#[derive(Debug)]
pub(crate) struct Api {
    agent: Agent,
    url: String,
}

/// An answer with the session cookie that it sets.
pub(crate) struct WithCookie {
    pub(crate) answer: Answer,
    pub(crate) cookie: Option<Cookie>,
}

impl Api {
    pub(crate) fn new(url: String) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(ANSWER_WITHIN));
        Self { agent: config.build().into(), url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        credentials: Credentials<'_>,
        body: Option<&Value>,
    ) -> Result<WithCookie> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = match credentials {
            Credentials::None => request,
            Credentials::Bearer(token) => request.header("authorization", format!("Bearer {token}")),
            Credentials::Cookie(cookie) => request.header("cookie", cookie.header()),
        };
        let failed = |error: ureq::Error| Error::Http(Box::new(error));
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.agent.run(request.map_err(|error| failed(error.into()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| failed(error.into()))?),
        };
        let mut response = response.map_err(failed)?;
        let status = response.status().as_u16();
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookie = cookies.filter_map(|cookie| Cookie::from_header(cookie.to_str().ok()?)).next();
        let text = response.body_mut().read_to_string().map_err(failed)?;
        // Not all answers are JSON: a ping is not, nor is nothing.
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(WithCookie { answer: Answer { status, body }, cookie })
    }

    /// Sends a request that must succeed, and takes what stands under `data`, or null.
    pub(crate) fn data(
        &self,
        method: &str,
        path: &str,
        credentials: Credentials<'_>,
        body: Option<&Value>,
    ) -> Result<Value> {
        let answer = self.send(method, path, credentials, body)?.answer;
        // A body that is no object has none.
        Ok(answer.accepted(method, path)?["data"].clone())
    }

    /// Makes something and takes its id.
    pub(crate) fn create(&self, path: &str, credentials: Credentials<'_>, body: &Value) -> Result<Uuid> {
        let data = self.data("POST", path, credentials, Some(body))?;
        id_of(&data["id"]).ok_or_else(|| unexpected("POST", path, "no id"))
    }
}

impl Answer {
    /// The body of a success.
    pub(crate) fn accepted(self, method: &str, path: &str) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let (request, body) = (format!("{method} {path}"), self.body["errors"].to_string());
        Err(Error::Answer { request, status: self.status, body })
    }
}

/// The error of a success without what it should have.
pub(crate) fn unexpected(method: &str, path: &str, what: &str) -> Error {
    Error::Answer { request: format!("{method} {path}"), status: 200, body: what.to_owned() }
}

pub(crate) fn id_of(value: &Value) -> Option<Uuid> {
    value.as_str()?.parse().ok()
}
