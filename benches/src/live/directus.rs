//! What stands in for Directus: everybody may see everything. And the tokens that it would have signed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "a secret for one run of the bench";
/// How long a token is good for: longer than a run.
const TOKEN_S: u64 = 86_400;

/// A token of a user.
pub(crate) fn token(user: usize) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let claims = json!({"id": user_id(user), "role": null, "app_access": true, "admin_access": false,
        "iat": now, "exp": now + TOKEN_S, "iss": "directus"});
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn user_id(user: usize) -> String {
    format!("00000000-0000-0000-0009-{user:012}")
}

/// Serves as long as the program lives; the address to ask.
pub(crate) fn start() -> anyhow::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::Builder::new().name("directus".into()).spawn(move || {
        // The processor keeps few connections, and uses them again.
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || converse(socket));
        }
    })?;
    Ok(url)
}

/// Answers requests until the other side goes, which ends it as well as an error does.
fn converse(socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut writing = socket.try_clone()?;
    let mut lines = BufReader::new(socket).lines();
    while let Some(request) = lines.next().transpose()? {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
        let id = path.strip_prefix("/items/events/").and_then(|rest| rest.split('?').next());
        let (status, body) = match id {
            Some(id) => ("200 OK", json!({"data": {"id": id}}).to_string()),
            None => ("404 Not Found", String::new()),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        writing.write_all(answer.as_bytes())?;
    }
    Ok(())
}
