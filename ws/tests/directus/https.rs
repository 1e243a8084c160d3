//! A Directus behind TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use test_services::{Authority, Certificate};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use ws::authz::Decision;

use crate::people::NO_EVENT;
use crate::proxy::{Behaviour, Proxy};
use crate::support::{PATIENCE, askers_by, bearer, identity};

/// Ends TLS on a port of its own and passes what was in it on.
async fn terminate(shows: &Certificate, to: u16) -> u16 {
    let chain = CertificateDer::pem_file_iter(&shows.certificate).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&shows.key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not trust it leaves.
                let Ok(mut inside) = acceptor.accept(socket).await else { return };
                let mut outside = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_a_server_that_a_trusted_root_vouches_for_and_to_no_other() {
    let (ours, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let proxy = Proxy::start(1).unwrap();
    proxy.set(Behaviour::Answer(404, String::new()));
    let port = terminate(&ours.server(&["localhost"]).unwrap(), proxy.port()).await;
    let who = identity("u", bearer("t"));
    for (host, trusted, decision) in [
        ("localhost", &ours, Decision::NotFound),
        ("localhost", &other, Decision::Unavailable),
        ("127.0.0.1", &ours, Decision::Unavailable),
    ] {
        let tls = tls::Options { roots: Some(trusted.certificate_file()), ..tls::Options::default() };
        let (_, authorizer, _) = askers_by(&format!("https://{host}:{port}"), &tls, None, PATIENCE);
        assert_eq!(authorizer.decide(&who, NO_EVENT).await, decision, "{host}");
    }
    assert_eq!(proxy.requests().len(), 1, "only the first one sent anything");
}
