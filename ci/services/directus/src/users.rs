//! Users, and the ways in which they show who they are.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use uuid::Uuid;

use crate::api::{ADMIN, Api, Credentials, unexpected};
use crate::{Directus, Error, Result};

/// Passwords by address, of the users that were made here.
pub(crate) type Passwords = Mutex<HashMap<String, String>>;

/// Somebody whom Directus knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their key.
    pub id: Uuid,
    /// What they log in with.
    pub email: String,
}

/// What a login by `mode: json` gives.
#[derive(Clone)]
pub struct Login {
    /// A JWT that says who it is, until it expires.
    pub access_token: String,
    /// What a further access token is had for, and what a logout needs.
    pub refresh_token: String,
}

/// What a login by `mode: session` sets.
#[derive(Clone)]
pub struct Cookie {
    /// `directus_session_token`.
    pub name: String,
    /// A JWT with the key of the session among its claims.
    pub value: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Cookie {
    const NAME: &str = "directus_session_token";

    /// As a browser sends it: the value of a header `Cookie`.
    pub fn header(&self) -> String {
        format!("{}={}", self.name, self.value)
    }

    /// The session cookie of a `Set-Cookie`, if it is that.
    pub(crate) fn from_header(header: &str) -> Option<Self> {
        let (name, value) = header.split(';').next()?.split_once('=')?;
        (name == Self::NAME && !value.is_empty()).then(|| Self { name: name.into(), value: value.into() })
    }
}

impl Directus {
    /// Makes an active user.
    ///
    /// # Errors
    /// The address is taken, or the role does not exist.
    pub fn create_user(&self, email: &str, password: &str, role: Uuid) -> Result<User> {
        create_user(&self.api, &self.passwords, email, password, role)
    }

    /// Logs a user in by `mode: json`.
    ///
    /// # Errors
    /// They are suspended, or were not made here.
    pub fn login(&self, email: &str) -> Result<Login> {
        let body = self.credentials_of(email, "json")?;
        let data = self.api.data("POST", "/auth/login", Credentials::None, Some(&body))?;
        let token = |name: &str| {
            let token = data[name].as_str().map(str::to_owned);
            token.ok_or_else(|| unexpected("POST", "/auth/login", &format!("no {name}")))
        };
        Ok(Login { access_token: token("access_token")?, refresh_token: token("refresh_token")? })
    }

    /// Logs a user in by `mode: session`, as the page does.
    ///
    /// # Errors
    /// As [`Directus::login`].
    pub fn login_session(&self, email: &str) -> Result<Cookie> {
        let body = self.credentials_of(email, "session")?;
        let answered = self.api.send("POST", "/auth/login", Credentials::None, Some(&body))?;
        answered.answer.accepted("POST", "/auth/login")?;
        answered.cookie.ok_or_else(|| unexpected("POST", "/auth/login", "no session cookie"))
    }

    fn credentials_of(&self, email: &str, mode: &str) -> Result<serde_json::Value> {
        let passwords = self.passwords.lock().unwrap_or_else(PoisonError::into_inner);
        let password = passwords.get(email).ok_or_else(|| Error::Stranger(email.to_owned()))?;
        Ok(json!({"email": email, "password": password, "mode": mode}))
    }

    /// Ends the session of a login; its access token stays good until it expires.
    ///
    /// # Errors
    /// Directus refuses.
    pub fn logout(&self, login: &Login) -> Result<()> {
        let body = json!({"refresh_token": login.refresh_token, "mode": "json"});
        self.api.data("POST", "/auth/logout", Credentials::None, Some(&body)).map(drop)
    }

    /// Ends the session of a cookie.
    ///
    /// # Errors
    /// Directus refuses.
    pub fn logout_session(&self, cookie: &Cookie) -> Result<()> {
        let body = json!({"mode": "session"});
        self.api.data("POST", "/auth/logout", Credentials::Cookie(cookie), Some(&body)).map(drop)
    }

    /// A cookie with the next key of the session, as the page asks for before the old one expires.
    ///
    /// # Errors
    /// The session has ended.
    pub fn refresh_session(&self, cookie: &Cookie) -> Result<Cookie> {
        let body = json!({"mode": "session"});
        let (path, credentials) = ("/auth/refresh", Credentials::Cookie(cookie));
        let answered = self.api.send("POST", path, credentials, Some(&body))?;
        answered.answer.accepted("POST", path)?;
        answered.cookie.ok_or_else(|| unexpected("POST", path, "no session cookie"))
    }

    /// Suspends a user: `status` becomes `suspended`.
    ///
    /// # Errors
    /// There is no such user.
    pub fn suspend(&self, user: &User) -> Result<()> {
        self.change_user(user, &json!({"status": "suspended"}))
    }

    /// Takes a suspension back.
    ///
    /// # Errors
    /// There is no such user.
    pub fn activate(&self, user: &User) -> Result<()> {
        self.change_user(user, &json!({"status": "active"}))
    }

    /// Gives a user a static token, which is no JWT and does not expire.
    ///
    /// # Errors
    /// There is no such user.
    pub fn static_token(&self, user: &User) -> Result<String> {
        let token = format!("static-token-of-{}", user.id.simple());
        self.change_user(user, &json!({"token": token}))?;
        Ok(token)
    }

    /// Changes fields of a user, as an administrator does.
    ///
    /// # Errors
    /// There is no such user or field.
    pub fn change_user(&self, user: &User, fields: &serde_json::Value) -> Result<()> {
        self.api.data("PATCH", &format!("/users/{}", user.id), ADMIN, Some(fields)).map(drop)
    }
}

pub(crate) fn create_user(
    api: &Api,
    passwords: &Passwords,
    email: &str,
    password: &str,
    role: Uuid,
) -> Result<User> {
    let body = json!({"email": email, "password": password, "role": role, "status": "active"});
    let id = api.create("/users", ADMIN, &body)?;
    passwords.lock().unwrap_or_else(PoisonError::into_inner).insert(email.to_owned(), password.to_owned());
    Ok(User { id, email: email.to_owned() })
}
