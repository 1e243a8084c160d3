//! What cannot be done is said, with exit code 2.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod support;

use support::told;
use tempfile::TempDir;

#[test]
fn a_course_without_gates_and_other_slips_are_named() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let event = "00000000-0000-0000-0000-000000000001";
    std::fs::write(path("bare.json"), format!(r#"{{"events":[{{"id":"{event}","name":"Bare"}}]}}"#)).unwrap();
    let cases: [(&[&str], &str); 6] = [
        (
            &["simulate", "--course", &path("bare.json"), "--entries", "2", "-o", &path("out")],
            "the course has no gates",
        ),
        (&["simulate", "--course", &path("none.json"), "-o", &path("out")], "none.json"),
        (&["simulate", "--generated", "--profile", "storm", "-o", &path("out")], "no profile \"storm\""),
        (&["simulate", "-o", &path("out")], "--course <FILE>"),
        (&["verify", "--store", "sqlite:none.db", &path("out")], "out"),
        (&["verify", "--store", "mysql:u:secret@h", &path("out")], "that is no store"),
    ];
    for (args, words) in cases {
        let (code, said) = told(args);
        assert_eq!(code, 2, "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn a_race_day_is_not_written_over() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let args = ["simulate", "--generated", "--entries", "1", "-q", "-o", out];
    assert_eq!(told(&args), (0, String::new()));
    let (code, said) = told(&args);
    assert!(code == 2 && said.contains("--force"), "{said}");
    assert_eq!(told(&[&args[..], &["--force"]].concat()).0, 0);
    let none = format!("sqlite:{out}/none.db");
    let (code, said) = told(&["verify", "--store", &none, out]);
    assert!(code == 2 && said.contains("there is no store"), "{said}");
}
