//! The live server in front of it all: who was let in is put out again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;
use ws::fix::AuthzChange;
use ws::{Hub, LiveConfig, LiveServer};

use crate::people::{People as _, Rights};
use crate::support::{PATIENCE, World};

/// What a change of rights may take to be felt.
const FELT_WITHIN: Duration = Duration::from_secs(5);

async fn serve(world: &World) -> (LiveServer, Hub) {
    let config = LiveConfig { host: "127.0.0.1".into(), port: 0, ..LiveConfig::default() };
    let (authenticator, authorizer) = (Arc::clone(&world.authenticator), Arc::clone(&world.authorizer));
    LiveServer::start(config, authenticator, authorizer, world.metrics.clone()).await.unwrap()
}

type Client = WebSocketStream<TcpStream>;

/// A client, or the status of the refusal.
async fn connect(server: &LiveServer, name: &'static str, value: &str) -> Result<Client, u16> {
    let address = server.address();
    let mut request = format!("ws://{address}/ws-live").into_client_request().unwrap();
    request.headers_mut().insert(name, value.parse().unwrap());
    request.headers_mut().insert("origin", format!("http://{address}").parse().unwrap());
    match client_async(request, TcpStream::connect(address).await.unwrap()).await {
        Ok((client, _)) => Ok(client),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

/// Subscribes, and gives `subscribed` or the code of the error.
async fn subscribe(client: &mut Client, event: Uuid) -> String {
    let message = json!({"type": "subscribe", "topic": format!("event:{event}")});
    client.send(Message::text(message.to_string())).await.unwrap();
    let answer = next(client).await.unwrap();
    answer["code"].as_str().or(answer["type"].as_str()).unwrap().to_owned()
}

/// The next message, or the code that the server closes with.
async fn next(client: &mut Client) -> Result<Value, u16> {
    loop {
        match timeout(PATIENCE, client.next()).await.expect("a message in time").expect("one before the end")
        {
            Ok(Message::Text(text)) => return Ok(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(frame)) => return Err(frame.unwrap().code.into()),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_logout_the_cookie_opens_nothing() {
    let Some(world) = World::start() else { return };
    let (server, _hub) = serve(&world).await;
    let session = world.directus.log_in_session(&world.directus.add_user(Rights::OneEvent));
    let mut client = connect(&server, "cookie", &session).await.unwrap();
    assert_eq!(subscribe(&mut client, world.seen()).await, "subscribed");
    assert_eq!(subscribe(&mut client, world.hidden()).await, "forbidden");
    world.directus.log_out_session(&session);
    assert_eq!(connect(&server, "cookie", &session).await.err(), Some(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_user_is_out_whatever_they_came_with() {
    let Some(world) = World::start() else { return };
    let (server, hub) = serve(&world).await;
    for way in ["token", "session", "static"] {
        let user = world.directus.add_user(Rights::OneEvent);
        let (name, value) = match way {
            "token" => ("authorization", format!("Bearer {}", world.directus.log_in(&user))),
            "session" => ("cookie", world.directus.log_in_session(&user)),
            _ => ("authorization", format!("Bearer {}", user.static_token)),
        };
        let mut client = connect(&server, name, &value).await.unwrap();
        assert_eq!(subscribe(&mut client, world.seen()).await, "subscribed", "{way}");
        world.directus.suspend_person(&user);
        let begun = Instant::now();
        hub.rights_changed(AuthzChange { user: Some(user.id.into()), event: None }).await;
        let code = loop {
            if let Err(code) = next(&mut client).await {
                break code;
            }
        };
        assert_eq!(code, 4401, "{way}");
        assert!(begun.elapsed() < FELT_WITHIN, "{way}: {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_any_more_loses_the_event_and_stays_connected() {
    let Some(world) = World::start() else { return };
    let (server, hub) = serve(&world).await;
    let user = world.directus.add_user(Rights::OneEvent);
    let bearer = format!("Bearer {}", world.directus.log_in(&user));
    let mut client = connect(&server, "authorization", &bearer).await.unwrap();
    assert_eq!(subscribe(&mut client, world.seen()).await, "subscribed");
    world.directus.take_rights(&user);
    let begun = Instant::now();
    hub.rights_changed(AuthzChange { user: None, event: Some(world.seen()) }).await;
    assert_eq!(next(&mut client).await.unwrap()["code"], "forbidden");
    assert!(begun.elapsed() < FELT_WITHIN, "{:?}", begun.elapsed());
    assert_eq!(next(&mut client).await.unwrap()["type"], "unsubscribed");
    assert_eq!(subscribe(&mut client, world.seen()).await, "forbidden");
}
