//! The database goes away and comes back, and the service stays.

use serde_json::Value;

use crate::support::cluster::Cluster;
use crate::support::server::Person;
use crate::support::{Answer, Server, product};

fn is_away(server: &Server, admin: &Person) {
    let reads = server.anonymous().get("/v1/products").expect(503);
    assert_eq!(reads.header("retry-after"), Some("5"));
    server.as_(admin).post("/v1/products", product("Lost")).expect(503);
    server.anonymous().get("/livez").expect(200);
    let readiness = server.anonymous().call("GET", "/readyz").send();
    assert_eq!(readiness.status, 503);
    assert_eq!(database_of(&readiness), ("database", false));
    assert_eq!(readiness.header("retry-after"), Some("5"));
}

fn is_back(server: &Server, admin: &Person) {
    server.anonymous().get("/v1/products").expect(200);
    server.as_(admin).post("/v1/products", product("Kept")).expect(201);
    assert_eq!(database_of(&server.anonymous().get("/readyz").expect(200)), ("database", true));
}

fn database_of(readiness: &Answer) -> (&str, bool) {
    let components = readiness["components"].as_array().unwrap_or_else(|| panic!("no components: {}", readiness.json));
    let database = components.iter().find(|component| component["name"] == "database").unwrap();
    (database["name"].as_str().unwrap(), database["ready"] == Value::Bool(true))
}

#[test]
fn of_the_database_is_told_and_survived() {
    let cluster = Cluster::start();
    let wait = [("LOTI_DATABASE_WAIT_MS", "300"), ("LOTI_STATEMENT_TIMEOUT_MS", "300")];
    let server = Server::on(&cluster.url(), &wait);
    let admin = server.admin();
    is_back(&server, &admin);

    cluster.stop();
    is_away(&server, &admin);
    cluster.start_again();
    is_back(&server, &admin);

    let frozen = cluster.freeze();
    let started = std::time::Instant::now();
    is_away(&server, &admin);
    // Three calls to the database, each at most its wait and twice a statement's time.
    assert!(started.elapsed().as_millis() < 3 * 900 + 1500, "{:?}", started.elapsed());
    drop(frozen);
    is_back(&server, &admin);
    assert_eq!(server.anonymous().get("/v1/products?count=true").expect(200)["total"], 3);
}
