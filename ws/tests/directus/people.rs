//! Users of a Directus that others use too.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use test_directus::{Cookie, Directus, User};
use uuid::Uuid;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    Nothing,
    /// Read the first event, as a member of its organization.
    OneEvent,
    Admin,
}

/// A user of one test.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) static_token: String,
    user: User,
}

/// What a test does to them.
pub(crate) trait People {
    /// A new user, who is active.
    fn add_user(&self, rights: Rights) -> Person;
    /// An access token.
    fn log_in(&self, person: &Person) -> String;
    /// A session, as a `Cookie` header shows it.
    fn log_in_session(&self, person: &Person) -> String;
    fn log_out_session(&self, cookie: &str);
    fn suspend_person(&self, person: &Person);
    /// They are no member any more.
    fn take_rights(&self, person: &Person);
    /// Their role is what lets members see anything. A token keeps the role that its user had.
    fn take_role(&self, person: &Person);
}

impl People for Directus {
    fn add_user(&self, rights: Rights) -> Person {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let email = format!("ws-{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed));
        let user = self.create_user(&email, "a password", self.role()).unwrap();
        match rights {
            Rights::Nothing => {}
            Rights::OneEvent => self.join(&user, self.events()[0]).unwrap(),
            Rights::Admin => {
                let filter = "/policies?filter[admin_access][_eq]=true&fields=id&limit=1";
                let found = self.as_admin("GET", filter, None).unwrap();
                let policies = json!([{"policy": found[0]["id"]}]);
                self.change_user(&user, &json!({"policies": policies})).unwrap();
            }
        }
        let static_token = self.static_token(&user).unwrap();
        Person { id: user.id.to_string(), static_token, user }
    }

    fn log_in(&self, person: &Person) -> String {
        self.login(&person.user.email).unwrap().access_token
    }

    fn log_in_session(&self, person: &Person) -> String {
        self.login_session(&person.user.email).unwrap().header()
    }

    fn log_out_session(&self, cookie: &str) {
        let (name, value) = cookie.split_once('=').unwrap();
        self.logout_session(&Cookie { name: name.into(), value: value.into() }).unwrap();
    }

    fn suspend_person(&self, person: &Person) {
        self.suspend(&person.user).unwrap();
    }

    fn take_rights(&self, person: &Person) {
        self.leave(&person.user, self.events()[0]).unwrap();
    }

    fn take_role(&self, person: &Person) {
        self.change_user(&person.user, &json!({"role": Value::Null})).unwrap();
    }
}

/// An event that is there for nobody.
pub(crate) const NO_EVENT: Uuid = Uuid::from_u128(3);
