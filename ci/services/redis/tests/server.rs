//! What was written is there after a crash and after a stop, and nothing is left running.

use std::io::{Read, Write};
use std::net::TcpStream;

use test_redis::{Options, Server};

fn said(server: &Server, command: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", server.port()))?;
    socket.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer.trim_end_matches("+OK\r\n").to_owned())
}

#[test]
fn an_append_only_server_keeps_what_it_was_told() -> std::io::Result<()> {
    let mut server = Server::start(Options { append_only: true, ..Options::default() })?;
    let port = server.port();
    said(&server, "INCRBY kept 40")?;
    server.kill9()?;
    assert!(said(&server, "PING").is_err());
    server.restart()?;
    assert_eq!(said(&server, "INCRBY kept 2")?, ":42\r\n");
    server.stop()?;
    assert!(said(&server, "PING").is_err());
    server.restart()?;
    assert_eq!((said(&server, "GET kept")?.as_str(), server.port()), ("$2\r\n42\r\n", port));
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    Ok(())
}
