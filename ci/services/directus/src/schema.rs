//! What is in a server when it has started: tables, a role, events and users.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{ADMIN, Api, id_of, unexpected};
use crate::users::{Passwords, create_user};
use crate::{Directus, Result, User};

/// The business tables.
pub(crate) const TABLES: &str = include_str!("../../../../db-init/standalone/001_event_tables.sql");

const ORGANIZATIONS: [Uuid; 2] = [Uuid::from_u128(0xa1), Uuid::from_u128(0xa2)];
const EVENTS: [Uuid; 2] = [Uuid::from_u128(0xe1), Uuid::from_u128(0xe2)];

/// What was made.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) role: Uuid,
    pub(crate) events: [Uuid; 2],
    pub(crate) users: [User; 2],
}

pub(crate) fn set_up(api: &Api, passwords: &Passwords) -> Result<Schema> {
    for collection in ["organizations", "organization_users", "events"] {
        let body = json!({"meta": {"icon": "flag"}});
        api.data("PATCH", &format!("/collections/{collection}"), ADMIN, Some(&body))?;
    }
    // The way from an organization to its people, which the filter below goes.
    let members = json!({"field": "members", "type": "alias", "meta": {"special": ["o2m"]}});
    api.data("POST", "/fields/organizations", ADMIN, Some(&members))?;
    let (collection, field) = ("organization_users", "organization_id");
    // Without what the path says already, this version ends with a TypeError.
    let relation = json!({"collection": collection, "field": field, "related_collection": "organizations",
                          "meta": {"one_field": "members"}});
    api.data("PATCH", &format!("/relations/{collection}/{field}"), ADMIN, Some(&relation))?;

    let role = api.create("/roles", ADMIN, &json!({"name": "spectator"}))?;
    let policy = json!({"name": "events of one's organizations", "app_access": true, "admin_access": false});
    let policy = api.create("/policies", ADMIN, &policy)?;
    let filter = json!({"organization_id": {"members": {"user_id": {"_eq": "$CURRENT_USER"}}}});
    let permission = json!({"policy": policy, "collection": "events", "action": "read",
                            "fields": ["id", "name"], "permissions": filter});
    api.data("POST", "/permissions", ADMIN, Some(&permission))?;
    api.data("POST", "/access", ADMIN, Some(&json!({"role": role, "policy": policy})))?;

    let user = |name: &str| {
        create_user(api, passwords, &format!("{name}@example.com"), &format!("the password of {name}"), role)
    };
    let users = [user("ana")?, user("ben")?];
    for ((organization, event), user) in ORGANIZATIONS.iter().zip(EVENTS).zip(&users) {
        let rows: [(&str, Value); 2] = [
            ("organizations", json!({"id": organization, "name": "an organization"})),
            ("events", json!({"id": event, "organization_id": organization, "name": "an event"})),
        ];
        for (collection, row) in rows {
            api.data("POST", &format!("/items/{collection}"), ADMIN, Some(&row))?;
        }
        join(api, user, *organization)?;
    }
    Ok(Schema { role, events: EVENTS, users })
}

impl Directus {
    /// Lets a user see an event, as a member of its organization.
    ///
    /// # Errors
    /// They see it already, or it has no organization.
    pub fn join(&self, user: &User, event: Uuid) -> Result<()> {
        join(&self.api, user, self.organization_of(event)?)
    }

    /// Takes that away again.
    ///
    /// # Errors
    /// It has no organization.
    pub fn leave(&self, user: &User, event: Uuid) -> Result<()> {
        let organization = self.organization_of(event)?;
        let filter = json!({"organization_id": {"_eq": organization}, "user_id": {"_eq": user.id}});
        let query = json!({"query": {"filter": filter}});
        self.as_admin("DELETE", "/items/organization_users", Some(&query)).map(drop)
    }

    fn organization_of(&self, event: Uuid) -> Result<Uuid> {
        let path = format!("/items/events/{event}?fields=organization_id");
        let data = self.as_admin("GET", &path, None)?;
        id_of(&data["organization_id"]).ok_or_else(|| unexpected("GET", &path, "no organization"))
    }
}

fn join(api: &Api, user: &User, organization: Uuid) -> Result<()> {
    let row = json!({"organization_id": organization, "user_id": user.id, "role": "viewer"});
    api.data("POST", "/items/organization_users", ADMIN, Some(&row)).map(drop)
}
