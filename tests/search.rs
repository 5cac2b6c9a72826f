//! `GET /v1/products`: search, filters, facets, and the plans behind them.

use serde_json::json;

use crate::support::builders::Body;
use crate::support::{Server, council, product, supplier};

/// Slugs in the order of the answer.
fn found(server: &Server, query: &str) -> Vec<String> {
    let page = server.anonymous().get(&format!("/v1/products?{query}")).expect(200);
    page.each("slug").into_iter().map(ToOwned::to_owned).collect()
}

fn add(server: &Server, bodies: impl IntoIterator<Item = Body>) {
    let admin = server.as_(&server.admin());
    for body in bodies {
        admin.post("/v1/products", body).expect(201);
    }
}

#[test]
fn weighs_name_over_summary_over_description_over_features() {
    let server = Server::start();
    add(
        &server,
        [
            product("D").with("features", json!(["potholes"])),
            product("C").with("description", "About potholes."),
            product("B").with("summary", "About potholes."),
            product("Potholes of every sort"),
            product("Potholes"),
            product("Other"),
        ],
    );
    assert_eq!(found(&server, "q=potholes"), ["potholes", "potholes-of-every-sort", "b", "c", "d"]);
}

#[test]
fn reads_words_as_people_type_them() {
    let server = Server::start();
    add(
        &server,
        [
            product("Parking permits"),
            product("Café licences"),
            product("Waste collection for Lambeth"),
            product("Collection of waste paper"),
            product("Library"),
        ],
    );
    for (q, expected) in [
        ("parked", vec!["parking-permits"]),
        ("permit", vec!["parking-permits"]),
        ("PARKING", vec!["parking-permits"]),
        ("cafe", vec!["cafe-licences"]),
        ("caf%C3%A9+licence", vec!["cafe-licences"]),
        ("libr", vec!["library"]),
        ("parking+perm", vec!["parking-permits"]),
        ("%22waste+collection%22", vec!["waste-collection-for-lambeth"]),
        ("library+or+parking", vec!["library", "parking-permits"]),
        ("waste+-paper", vec!["waste-collection-for-lambeth"]),
        ("the", vec![]),
    ] {
        let mut slugs = found(&server, &format!("q={q}"));
        slugs.sort();
        assert_eq!(slugs, expected, "{q}");
    }
}

#[test]
fn falls_back_to_names_that_look_alike() {
    let server = Server::start();
    add(&server, [product("Parking permits"), product("Library")]);
    assert_eq!(found(&server, "q=parking+permts"), ["parking-permits"]);
    assert_eq!(
        found(&server, "q=parking+-permits"),
        Vec::<String>::new(),
        "what is excluded does not come back as alike"
    );
}

#[test]
fn ranks_what_is_fresh_and_cited_higher() {
    let server = Server::start();
    let names = ["Plain", "Fresh", "Cited"];
    add(&server, names.map(|name| product(&format!("{name} bins"))));
    let organisations = ["One", "Two", "Three"].map(|name| server.add_organisation(council(name)).id());
    server
        .database()
        .execute("update products set confirmed_at = now() - interval '5 years' where slug <> 'fresh-bins'");
    for organisation in organisations {
        server.database().execute(&format!(
            "insert into citations (id, product_id, organisation_id, status)
             select gen_random_uuid(), id, '{organisation}', 'active' from products where slug = 'cited-bins'"
        ));
    }
    assert_eq!(found(&server, "q=bins"), ["cited-bins", "fresh-bins", "plain-bins"]);
    assert_eq!(found(&server, "q=bins&freshness=fresh"), ["fresh-bins"]);
    assert_eq!(found(&server, "freshness=stale"), ["cited-bins", "plain-bins"]);
    assert_eq!(found(&server, "organisation=two"), ["cited-bins"]);
    let page = server.anonymous().get("/v1/products?q=bins").expect(200);
    assert_eq!(page["items"][0]["organisationCount"], 3);
}

#[test]
fn filters_by_every_field() {
    let server = Server::start();
    server.add_organisation(council("Ealing"));
    server.add_organisation(supplier("Civica"));
    let full = product("Full")
        .with("kind", "product")
        .with("phase", "live")
        .with("categories", json!(["waste-management"]))
        .with("platforms", json!(["web", "ios"]))
        .with("licence", "MIT")
        .with("serviceCodes", json!(["524"]))
        .with("cpvCodes", json!(["48000000-8"]))
        .with("supplier", "civica")
        .with("owner", "ealing")
        .with("developmentStatus", "stable")
        .with("collaborationLevel", "share_funding")
        .with("budgetBand", "over_1m");
    add(&server, [full, product("Empty")]);
    for filter in [
        "kind=product",
        "phase=live",
        "category=waste-management",
        "platform=ios",
        "licence=MIT",
        "serviceCode=524",
        "cpvCode=48000000-8",
        "supplier=civica",
        "owner=ealing",
        "developmentStatus=stable",
        "collaborationLevel=share_funding",
        "budgetBand=over_1m",
    ] {
        assert_eq!(found(&server, filter), ["full"], "{filter}");
        assert_eq!(found(&server, &format!("{filter}&q=full")), ["full"], "{filter}");
        assert!(found(&server, &format!("{filter}&q=empty")).is_empty(), "{filter}");
        assert!(found(&server, &format!("{filter}&updatedSince=2999-01-01T00:00:00Z")).is_empty(), "{filter}");
    }
    assert_eq!(found(&server, "phase=live&phase=beta"), ["empty", "full"], "several values mean any of them");
    assert_eq!(found(&server, "platform=web&platform=android"), ["full"]);
    assert!(found(&server, "supplier=nobody").is_empty());
    assert!(found(&server, "updatedSince=2999-01-01T00:00:00Z").is_empty());
    assert_eq!(found(&server, "updatedSince=2020-01-01T00:00:00Z").len(), 2);
}

#[test]
fn counts_facets_over_what_is_listed() {
    let server = Server::start();
    server.add_organisation(supplier("Civica"));
    add(
        &server,
        [
            product("Red bins")
                .with("phase", "live")
                .with("categories", json!(["waste", "colour"]))
                .with("supplier", "civica"),
            product("Blue bins").with("phase", "live").with("categories", json!(["waste"])),
            product("Green bins").with("categories", json!(["waste"])).with("licence", "MIT"),
            product("Library").with("phase", "live"),
        ],
    );
    let every = "kind,phase,category,platform,licence,serviceCode,supplier,developmentStatus";
    for list in ["phase=live&phase=beta&category=waste", "q=bins"] {
        let page =
            server.anonymous().get(&format!("/v1/products?{list}&facets={every}&limit=1&count=true")).expect(200);
        assert_eq!((&page["total"], &page["complete"]), (&json!(3), &json!(true)), "{list}");
        let told: Vec<String> = page["facets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|facet| {
                let values = facet["values"].as_array().unwrap().iter();
                let values: Vec<String> =
                    values.map(|v| format!("{}={}", v["value"].as_str().unwrap(), v["count"])).collect();
                [facet["field"].as_str().unwrap().to_owned()].into_iter().chain(values).collect::<Vec<_>>().join(" ")
            })
            .collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(told.join("\n"), @"
            kind service=3
            phase live=2 beta=1
            category waste=3 colour=1
            platform
            licence MIT=1
            serviceCode
            supplier civica=1
            developmentStatus
            ");
        }
    }
    let filtered = server.anonymous().get("/v1/products?q=bins&phase=live&facets=category").expect(200);
    assert_eq!(
        filtered["facets"][0]["values"],
        json!([{ "value": "waste", "count": 2 }, { "value": "colour", "count": 1 }])
    );
    assert_eq!(server.anonymous().get("/v1/products?facets=phase,nothing").expect(400).faults().len(), 1);
}

/// Adds rows as many as no test would by HTTP; `name`, `summary` and `age` (days) are SQL with `n` from 1.
fn fill(server: &Server, rows: u32, name: &str, summary: &str, age: &str) {
    server.database().execute(&format!(
        "insert into products (id, slug, name, summary, kind, phase, created_at, confirmed_at)
         select gen_random_uuid(), 'filled-' || md5({name} || n), {name}, {summary}, 'service', 'beta',
           now() - interval '1 day', now() - make_interval(days => {age})
         from generate_series(1, {rows}) as n"
    ));
    server.database().execute("vacuum analyze products");
}

#[test]
fn ranks_a_bounded_set_and_never_loses_a_name() {
    let server = Server::start();
    // Those with it in the name were confirmed longest ago, where the bound would cut them off.
    fill(&server, 3000, "'Filler ' || n", "'Something about zebras.'", "1");
    add(&server, [product("Zebra crossings")]);
    server
        .database()
        .execute("update products set confirmed_at = now() - interval '2 years' where slug = 'zebra-crossings'");
    let page = server.anonymous().get("/v1/products?q=zebra&count=true&facets=kind&limit=5").expect(200);
    assert_eq!(page["complete"], false);
    assert_eq!(page["items"][0]["slug"], "zebra-crossings");
    assert_eq!(page["total"], db::search::CANDIDATES + 1);
    assert_eq!(page["facets"][0]["values"][0]["count"], page["total"], "facets are of what is ranked");
    let narrow = server.anonymous().get("/v1/products?q=filler+17&count=true").expect(200);
    assert_eq!(narrow["complete"], true);
}

/// The query of candidates as `db::search` makes it, explained.
fn plan(server: &Server, word: &str) -> String {
    let query = format!(
        "select id from products where true and search @@ catalogue_query('{word}')
           and created_at <= now() order by confirmed_at desc, id desc limit {}",
        db::search::CANDIDATES
    );
    server.database().plan(&[], &query)
}

#[test]
fn reads_no_more_than_it_has_to() {
    let server = Server::start();
    fill(
        &server,
        20_000,
        "'Filler ' || n",
        "case when n % 4000 = 0 then 'A rarity.' else 'Something common.' end",
        "n % 900",
    );
    insta::assert_snapshot!(plan(&server, "rarity"), @"
    Limit
      ->  Sort
            Sort Key: confirmed_at DESC, id DESC
            ->  Bitmap Heap Scan on products
                  Recheck Cond: (search @@ '''rariti'' | ''rarity'':*'::tsquery)
                  Filter: (created_at <= now())
                  ->  Bitmap Index Scan on products_search_idx
                        Index Cond: (search @@ '''rariti'' | ''rarity'':*'::tsquery)
    ");
    insta::assert_snapshot!(plan(&server, "common"), @"
    Limit
      ->  Index Scan using products_confirmed_at_idx on products
            Filter: ((search @@ '''common'' | ''common'':*'::tsquery) AND (created_at <= now()))
    ");

    // The same of the service itself, whatever its queries are: what it read is counted when its sessions end.
    let scans = "coalesce((select seq_scan from pg_stat_user_tables where relname = 'products'), 0)";
    let counted = |path: &str, found: usize| {
        let before = server.database().number(scans);
        let searcher = Server::on(&server.database().url, &[]);
        assert_eq!(searcher.anonymous().get(path).expect(200).each("id").len(), found, "{path}");
        drop(searcher);
        server.database().number(scans) - before
    };
    assert_eq!(counted("/v1/products?q=rarity&limit=100", 5), 0, "a rare word made it read the whole table");
    assert!(counted("/v1/products?budgetBand=over_1m&count=true", 0) > 0, "nothing is counted, so nothing is shown");
}
