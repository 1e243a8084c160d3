//! The schema that is asked for, and what is said when it is another.

use storage::StoreError;
use storage::timescale::PostgresStore;

use crate::fixture::{Database, POSITIONS, commit, fix};
use storage::RowOutcome::{Conflict, Inserted};

async fn refusal(database: &Database) -> String {
    let error = PostgresStore::connect(database.server.config(&database.name)).await.unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    error.to_string()
}

#[tokio::test]
async fn all_that_is_wrong_is_one_error() {
    let database = Database::with(&[]).await;
    assert!(refusal(&database).await.ends_with("there is no table positions"));
    database.client.batch_execute(POSITIONS).await.unwrap();
    database.store().await;
    database
        .client
        .batch_execute(
            "DROP INDEX positions_device_ts; ALTER TABLE positions DROP COLUMN codec; \
             ALTER TABLE positions ALTER speed TYPE float8; ALTER TABLE positions ADD stage uuid NOT NULL; \
             ALTER TABLE positions ALTER faulty DROP DEFAULT; \
             CREATE UNIQUE INDEX half ON positions (device_id, ts) WHERE NOT faulty",
        )
        .await
        .unwrap();
    let said = refusal(&database).await;
    for problem in [
        "positions.codec is missing, text is needed",
        "positions.speed is double precision, real is needed",
        "positions.stage would have to be given",
        "positions.faulty has no default",
        "no valid unique index on (device_id, ts)",
    ] {
        assert!(said.contains(problem), "{problem:?} is not in {said:?}");
    }
}

#[tokio::test]
async fn other_keys_and_more_columns_will_do() {
    let database = Database::with(&[
        POSITIONS,
        "DROP INDEX positions_device_ts; ALTER TABLE positions ADD PRIMARY KEY (ts, device_id); \
         ALTER TABLE positions ADD note text; ALTER TABLE positions ADD seen timestamptz NOT NULL DEFAULT now()",
    ])
    .await;
    let store = database.store().await;
    assert_eq!(store.timescaledb(), None);
    assert_eq!(commit(&store, &[fix("a", 1)]).await, [Inserted]);
    let other = race::position::Position { speed: 1.0, ..fix("a", 1) };
    assert_eq!(commit(&store, &[other]).await, [Conflict], "without a table that keeps conflicts");
}

#[tokio::test]
async fn a_wrong_address_or_name_is_told_apart() {
    let database = Database::with(&[]).await;
    let mut nowhere = database.server.config(&database.name);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    nowhere = {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(free).user(nowhere.get_user().unwrap());
        config
    };
    let error = PostgresStore::connect(nowhere).await.unwrap_err();
    assert!(matches!(error, StoreError::Away { .. }), "{error}");
    let error = PostgresStore::connect(database.server.config("no_such_database")).await.unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("no_such_database"), "{error}");
}

#[tokio::test]
async fn commits_wait_for_the_disk_whatever_the_server_says() {
    let database = Database::with(&[POSITIONS]).await;
    let off = format!("ALTER DATABASE {} SET synchronous_commit = off", database.name);
    database.client.batch_execute(&off).await.unwrap();
    // The store's own session tells, by way of a trigger.
    let tell = "CREATE TABLE told (setting text); CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN INSERT INTO told VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$; \
        CREATE TRIGGER tell BEFORE INSERT ON positions FOR EACH ROW EXECUTE FUNCTION tell()";
    database.client.batch_execute(tell).await.unwrap();
    commit(&database.store().await, &[fix("a", 1)]).await;
    assert_eq!(database.count("told WHERE setting = 'on'").await, 1);
}
