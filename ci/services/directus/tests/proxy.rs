//! The proxy does to a server that answers at once what its modes say.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use test_directus::{Mode, Proxy};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that answers every request with its method, path and body, and closes. It ends with the process.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut request = vec![0; 4096];
            let read = socket.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let told = request.contains("x-told: yes") || request.contains("X-Told: yes");
            let body = format!("{} told={told}", request.split(" HTTP/1.1").next().unwrap());
            let head = format!(
                "HTTP/1.1 207 X\r\nx-answer: yes\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            // The client may have given up.
            let _ = socket.write_all((head + &body).as_bytes());
        }
    });
    url
}

/// Sends a GET on a connection of its own.
fn send(proxy: &Proxy, path: &str) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(proxy.url().strip_prefix("http://").unwrap())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\nx-told: yes\r\nconnection: close\r\n\r\n")?;
    Ok(socket)
}

/// The whole answer; empty, where the connection was closed without one.
fn ask(proxy: &Proxy, path: &str) -> std::io::Result<String> {
    let mut answer = Vec::new();
    send(proxy, path)?.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_passes_is_as_it_was_and_is_written_down_without_its_headers() {
    let proxy = Proxy::start(&echo()).unwrap();
    let answer = ask(&proxy, "/users/me?fields=id").unwrap();
    assert!(answer.starts_with("HTTP/1.1 207") && answer.contains("x-answer: yes"), "{answer}");
    assert!(answer.ends_with("GET /users/me?fields=id told=true"), "{answer}");
    ask(&proxy, "/second").unwrap();
    assert_eq!(proxy.requests(), ["GET /users/me?fields=id", "GET /second"]);
    assert_eq!((proxy.in_flight(), proxy.most_in_flight()), (0, 1));
    proxy.forget();
    assert_eq!((proxy.requests().len(), proxy.most_in_flight()), (0, 0));
}

#[test]
fn a_delay_is_waited_for_and_those_who_wait_are_counted() {
    let proxy = Proxy::start(&echo()).unwrap();
    proxy.set(Mode::Delay(Duration::from_millis(300))).unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(ask(&proxy, "/slow").unwrap().starts_with("HTTP/1.1 207")));
        }
        until("three are in flight", || proxy.in_flight() == 3);
    });
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!((proxy.in_flight(), proxy.most_in_flight()), (0, 3));
}

#[test]
fn an_answer_may_be_any_status_or_no_json() {
    let proxy = Proxy::start(&echo()).unwrap();
    for status in [401, 403, 404, 500, 503] {
        proxy.set(Mode::Status(status)).unwrap();
        let answer = ask(&proxy, "/").unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["errors"].is_array());
    }
    proxy.set(Mode::Garbage).unwrap();
    let answer = ask(&proxy, "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("application/json"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert!(!body.is_empty() && serde_json::from_str::<serde_json::Value>(body).is_err());
}

#[test]
fn who_hangs_is_in_flight_until_they_give_up() {
    let proxy = Proxy::start(&echo()).unwrap();
    proxy.set(Mode::Hang).unwrap();
    let mut socket = send(&proxy, "/hang").unwrap();
    until("it is in flight", || proxy.in_flight() == 1);
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(socket.read(&mut [0]).is_err(), "nothing comes");
    // Others are answered meanwhile, as the mode then is.
    proxy.set(Mode::Pass).unwrap();
    assert!(ask(&proxy, "/").unwrap().starts_with("HTTP/1.1 207"));
    assert_eq!(proxy.in_flight(), 1);
    drop(socket);
    until("it has given up", || proxy.in_flight() == 0);
}

#[test]
fn a_cut_is_the_end_of_the_connection_and_a_refusal_there_is_none() {
    let proxy = Proxy::start(&echo()).unwrap();
    proxy.set(Mode::Hang).unwrap();
    let mut hanging = send(&proxy, "/").unwrap();
    until("it is in flight", || proxy.in_flight() == 1);

    proxy.set(Mode::Cut).unwrap();
    assert_eq!(ask(&proxy, "/cut").unwrap(), "");

    proxy.set(Mode::Refuse).unwrap();
    let refused = ask(&proxy, "/refused").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    // What was open is closed.
    assert_eq!(hanging.read(&mut [0]).unwrap(), 0);
    assert_eq!(proxy.requests(), ["GET /", "GET /cut"]);

    proxy.set(Mode::Pass).unwrap();
    assert!(ask(&proxy, "/again").unwrap().starts_with("HTTP/1.1 207"));
    let address = proxy.url();
    drop(proxy);
    let address = address.strip_prefix("http://").unwrap();
    until("it is gone", || TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn it_may_be_used_from_inside_a_runtime() {
    let proxy = Proxy::start(&echo()).unwrap();
    proxy.set(Mode::Status(503)).unwrap();
    let answer = ask(&proxy, "/").unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}
