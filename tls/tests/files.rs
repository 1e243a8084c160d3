//! Files that a configuration is made of.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};
use tls::{Error, Identity, Options, Verify, check_roots, client_config};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        files.write("good.pem", &certificate.pem());
        files.write("good.key", &key.serialize_pem());
        files.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
        files.write("empty.pem", "");
        files.write("cut.pem", &certificate.pem()[..200]);
        files.write("nonsense.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        files.write(
            "bundle.pem",
            &format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", certificate.pem()),
        );
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

/// The file and what is the matter with it.
fn problem(result: Result<impl Sized, Error>) -> (PathBuf, String) {
    match result {
        Err(Error::File { path, problem }) => (path, problem),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken"),
    }
}

#[test]
fn roots_that_cannot_be_used_are_named() {
    let files = Files::new();
    for name in ["good.pem", "bundle.pem"] {
        check_roots(&files.path(name)).unwrap();
    }
    for (name, told) in [
        ("missing.pem", "No such file"),
        ("empty.pem", "no certificate in it"),
        ("good.key", "no certificate in it"),
        ("cut.pem", "not a well-formed PEM file"),
        ("nonsense.pem", "no certificate in it that can be trusted"),
    ] {
        let path = files.path(name);
        for result in [
            check_roots(&path),
            client_config(&Options { roots: Some(path.clone()), ..Options::default() }).map(drop),
            client_config(&Options {
                roots: Some(files.path("good.pem")),
                extra_roots: vec![path.clone()],
                ..Options::default()
            })
            .map(drop),
        ] {
            let (named, problem) = problem(result);
            assert_eq!(named, path);
            assert!(problem.contains(told), "{name}: {problem}");
        }
    }
}

#[test]
fn a_certificate_of_ones_own_needs_its_key() {
    let files = Files::new();
    let identity = |key: &str| {
        let identity = Identity { certificate: files.path("good.pem"), key: files.path(key) };
        client_config(&Options { verify: Verify::None, identity: Some(identity), ..Options::default() })
    };
    assert!(identity("good.key").unwrap().client_auth_cert_resolver.has_certs());
    assert_eq!(problem(identity("missing.key")).0, files.path("missing.key"));
    assert_eq!(problem(identity("good.pem")).0, files.path("good.pem"));
    assert_eq!(problem(identity("other.key")).0, files.path("good.pem"), "the key of another certificate");
}

#[test]
fn each_way_of_checking_makes_a_configuration() {
    let files = Files::new();
    for verify in [Verify::Full, Verify::Chain, Verify::None] {
        let options = Options { verify, roots: Some(files.path("good.pem")), ..Options::default() };
        client_config(&options).unwrap();
    }
}
