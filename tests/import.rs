//! `loti import`: files of others, applied so that a second run changes nothing.

use serde_json::{Value, json};

use crate::support::program::{Files, Run, run};
use crate::support::{Answer, Server, council, organisation, product, supplier};

/// A service beside whose database the program runs, and the files it is given.
struct Place {
    server: Server,
    files: Files,
}

impl Place {
    fn new() -> Self {
        Self { server: Server::start(), files: Files::new() }
    }

    fn run(&self, arguments: &str) -> Run {
        let arguments: Vec<&str> = ["import"].into_iter().chain(arguments.split(' ')).collect();
        run(self.server.database(), self.files.path(), &arguments)
    }

    /// Writes a file and imports it; `arguments` are those before its name.
    fn import(&self, arguments: &str, name: &str, content: impl AsRef<[u8]>) -> Run {
        self.files.write(name, content);
        self.run(&format!("{arguments} {name}"))
    }

    fn organisations(&self, name: &str, content: impl AsRef<[u8]>) -> Run {
        self.import("organisations --format csv", name, content)
    }

    fn products(&self, content: &[Value]) -> Run {
        let lines: Vec<String> = content.iter().map(Value::to_string).collect();
        self.import("products --format jsonl", "catalogue.jsonl", lines.join("\n"))
    }

    fn get(&self, path: &str) -> Answer {
        self.server.anonymous().get(&format!("/v1{path}")).expect(200)
    }

    /// Slugs of those who are known by a spelling.
    fn known_as(&self, spelling: &str) -> Vec<String> {
        let found = self.get(&format!("/organisations?alias={}", spelling.replace('&', "%26").replace(' ', "%20")));
        found.each("slug").into_iter().map(ToOwned::to_owned).collect()
    }

    /// Everything that a write leaves behind, as a number.
    fn written(&self) -> i64 {
        self.server.database().number(
            "(select count(*) from audit_events) + (select coalesce(sum(version), 0) from organisations)
             + (select coalesce(sum(version), 0) from products) + (select coalesce(sum(version), 0) from citations)",
        )
    }
}

fn tally(created: usize, changed: usize, unchanged: usize, refused: usize) -> String {
    let rows = created + changed + unchanged + refused;
    format!("{rows} rows: {created} created, {changed} changed, {unchanged} unchanged, {refused} refused")
}

/// Bracknell and Slough were once Berkshire, which a later row says; Heston went into Hounslow.
const AUTHORITIES: &str = "\
local-authority-code,official-name,nice-name,gss-code,start-date,end-date,replaced-by,nation,region
HES,Heston Urban District Council,Heston,E07900001,1927-10-01,1965-03-31,HNS,England,London
BKS,Berkshire County Council,Berkshire,E10900002,1889-04-01,1998-03-31,\"BRC,SLG\",England,South East
BRC,Bracknell Forest Borough Council,Bracknell Forest,E06000036,1998-04-01,,,England,South East
SLG,Slough Borough Council,Slough,E06000039,1998-04-01,,,England,South East
HNS,London Borough of Hounslow,Hounslow,E09000018,1965-04-01,,,England,London
";

#[test]
fn a_register_is_applied_once() {
    let place = Place::new();
    let first = place.organisations("register.csv", AUTHORITIES);
    assert_eq!((first.code, first.tally()), (0, tally(5, 0, 0, 0).as_str()), "{first:?}");
    assert!(first.lines.is_empty(), "there is nothing to say of rows that land: {first:?}");
    assert!(first.stderr.contains("not used: nation."), "{}", first.stderr);
    let hounslow = place.get("/organisations?identifier=GB-LAC:E09000018").json["items"][0].clone();
    assert_eq!((&hounslow["kind"], &hounslow["region"]), (&json!("local_authority"), &json!("London")));
    assert_eq!((&hounslow["startsOn"], &hounslow["aliases"]), (&json!("1965-04-01"), &json!(["Hounslow"])));
    // What came before leads to what is there today, also where it stands on an earlier line, and where it was split.
    let today = |spelling: &str| place.get(&format!("/organisations?alias={spelling}&followReplacements=true"));
    assert_eq!(today("Heston").each("name"), ["London Borough of Hounslow"]);
    assert_eq!(today("Berkshire").each("name"), ["Bracknell Forest Borough Council", "Slough Borough Council"]);

    let before = place.written();
    let second = place.organisations("register.csv", AUTHORITIES);
    assert_eq!((second.code, second.tally()), (0, tally(0, 0, 5, 0).as_str()));
    assert_eq!(place.written(), before, "a second time writes nothing");

    let changed = AUTHORITIES.replace("Slough Borough Council,Slough,", "Slough Borough Council,Slough Town,");
    let third = place.organisations("register.csv", changed);
    assert_eq!(third.tally(), tally(0, 1, 4, 0));
    assert_eq!(place.known_as("slough town"), ["slough-borough-council"]);
    assert_eq!(place.known_as("SLOUGH"), ["slough-borough-council"], "spellings once used are kept");
    let events = "select count(*) from audit_events where operation = 'loti_import' and before is not null";
    let of_slough = format!("{events} and object_id = (select id from organisations where name like 'Slough%')");
    assert_eq!(place.server.database().number(&of_slough), 1);

    let all = place.run("organisations --format csv --verbose register.csv");
    let outcomes: Vec<&Value> = all.lines.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, vec![&json!("unchanged"); 5], "{all:?}");
    assert_eq!(all.on_line(4)["externalId"], "BRC");
}

#[test]
fn spellings_and_other_registers_join() {
    let place = Place::new();
    place.organisations("register.csv", AUTHORITIES);
    let aliases = "la-name,local-authority-code\nHounslow LBC,HNS\n\"Bracknell, Borough of\",BRC\nNowhere,XXX\n";
    let spelled = place.organisations("aliases.csv", aliases);
    assert_eq!((spelled.code, spelled.tally()), (1, tally(0, 2, 0, 1).as_str()));
    assert_eq!(spelled.refused(), ["4 # unknown_organisation"]);
    assert_eq!(place.known_as("hounslow  lbc."), ["london-borough-of-hounslow"]);
    assert_eq!(place.known_as("Bracknell Borough of"), ["bracknell-forest-borough-council"]);
    let before = place.written();
    assert_eq!(place.organisations("aliases.csv", aliases).tally(), tally(0, 0, 2, 1));
    assert_eq!(place.written(), before);

    let trusts = "ods_code,name,national_grouping,open_date,close_date\n\
                  R9X,WHITTINGTON TEST TRUST,Y56,20171001,\nR9Y,CLOSED TEST TRUST,Y56,20010401,20171001\n";
    let landed = place.organisations("trusts.csv", trusts);
    assert_eq!((landed.code, landed.tally()), (0, tally(2, 0, 0, 0).as_str()), "{landed:?}");
    let trust = place.get("/organisations?identifier=GB-NHS:R9X").json["items"][0].clone();
    assert_eq!((&trust["kind"], &trust["startsOn"]), (&json!("nhs"), &json!("2017-10-01")));
    assert_eq!(place.get("/organisations?kind=nhs&active=true").each("id").len(), 1);

    // Another data set knows Hounslow under the same code: it is one organisation, and what it has stands.
    let others = "id,name,kind,gss-code,swa-id,region,website,start-date\n\
                  7,Hounslow Council,local_authority,E09000018,5540,Middlesex,https://www.hounslow.gov.uk,1999-01-01\n\
                  8,Slough BC,local_authority,E06000039,,,,\n";
    let arguments = "organisations --format csv --source street-works";
    let joined = place.import(arguments, "others.csv", others);
    assert_eq!((joined.code, joined.tally()), (0, tally(0, 2, 0, 0).as_str()), "{joined:?}");
    let hounslow = place.get("/organisations/london-borough-of-hounslow");
    assert_eq!(hounslow["name"], "London Borough of Hounslow");
    assert_eq!((&hounslow["region"], &hounslow["startsOn"]), (&json!("London"), &json!("1965-04-01")));
    assert_eq!(hounslow["website"], "https://www.hounslow.gov.uk", "a gap is filled");
    assert_eq!(place.known_as("Hounslow Council"), ["london-borough-of-hounslow"]);
    assert_eq!(place.get("/organisations?identifier=SWA:5540").each("slug"), ["london-borough-of-hounslow"]);
    let before = place.written();
    assert_eq!(place.import(arguments, "others.csv", others).tally(), tally(0, 0, 2, 0));
    assert_eq!(place.written(), before);
}

#[test]
fn what_people_changed_stays() {
    let place = Place::new();
    let admin = place.server.as_(&place.server.admin());
    place.organisations("register.csv", AUTHORITIES);
    place.products(&[json!({ "externalId": "p1", "name": "Bins", "summary": "Imported." })]);
    for (path, field) in [("/v1/organisations/slough-borough-council", "name"), ("/v1/products/bins", "summary")] {
        admin.patch(path, json!({ field: "By hand." })).header("If-Match", "*").expect(200);
    }
    assert_eq!(place.run("organisations --format csv register.csv").tally(), tally(0, 0, 5, 0));
    assert_eq!(place.run("products --format jsonl catalogue.jsonl").tally(), tally(0, 0, 1, 0));
    assert_eq!(place.get("/organisations/slough-borough-council")["name"], "By hand.");
    assert_eq!(place.get("/products/bins")["summary"], "By hand.");
    // Only a row that says something else than last time is news.
    place.products(&[json!({ "externalId": "p1", "name": "Bins", "summary": "Imported.", "platforms": ["web"] })]);
    assert_eq!(place.get("/products/bins")["platforms"], json!(["web"]));
}

#[test]
fn suppliers_are_found_by_any_spelling() {
    let place = Place::new();
    let civica = place.server.add_organisation(supplier("Civica UK Limited").with("aliases", json!(["Civica"])));
    let former = supplier("Northgate").with("endsOn", "2020-01-01").with("replacedBy", json!([civica.text("id")]));
    place.server.add_organisation(former);
    let row = |id: &str, supplier: Value| json!({ "source": "list", "source_id": id, "name": format!("Product {id}"), "suppliers": supplier });
    let rows = [
        row("a", json!(["CIVICA"])),
        row("b", json!(["Northgate"])),
        row("c", json!(["Nobody & Sons"])),
        row("d", json!(["Civica", "Northgate"])),
        row("e", json!(["Nobody & Sons", "No One"])),
    ];
    let landed = place.products(&rows);
    assert_eq!((landed.code, landed.tally()), (0, tally(5, 0, 0, 0).as_str()), "{landed:?}");
    let supplier_of = |slug: &str| place.get(&format!("/products/{slug}"))["supplier"]["slug"].clone();
    assert_eq!(supplier_of("product-a"), "civica-uk-limited", "by an alias");
    assert_eq!(supplier_of("product-b"), "civica-uk-limited", "by a name that it took over");
    assert_eq!(supplier_of("product-d"), "civica-uk-limited", "two spellings of one");
    assert_eq!((supplier_of("product-c"), supplier_of("product-e")), (Value::Null, Value::Null));
    assert_eq!(landed.on_line(3)["notes"], json!(["suppliers: nobody is known as \"Nobody & Sons\""]));
    assert_eq!(landed.on_line(5)["notes"].as_array().unwrap().len(), 2);
    assert_eq!(place.run("products --format jsonl catalogue.jsonl").lines, Vec::<Value>::new(), "notes are news once");

    let adding = place.run("products --format jsonl --create-suppliers catalogue.jsonl");
    assert_eq!(adding.code, 0);
    assert_eq!(supplier_of("product-c"), "nobody-sons");
    assert_eq!(supplier_of("product-e"), "nobody-sons", "whom the row before it added");
    assert_eq!(place.get("/organisations/nobody-sons")["kind"], "supplier");
    let before = place.written();
    assert_eq!(place.run("products --format jsonl --create-suppliers catalogue.jsonl").tally(), tally(0, 0, 5, 0));
    assert_eq!(place.written(), before);
}

#[test]
fn rows_of_other_catalogues_become_products() {
    let place = Place::new();
    place.server.add_product(product("Forms"));
    let row = |id: &str, more: Value| {
        let mut row = json!({ "source": "list", "source_id": id, "name": "Forms", "url": "https://forms.example.org" });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let long = "Forms for residents who would rather not telephone. ".repeat(6);
    let landed = place.products(&[
        row("1", json!({ "licences": ["MIT", "Apache-2.0"], "source_code_url": "https://github.com/x/forms" })),
        row("2", json!({ "licences": ["⊘ Proprietary"], "summary": long.trim() })),
        row("3", json!({ "licences": ["Commons-Clause"], "archived": true, "categories": ["Data collection"] })),
    ]);
    assert_eq!((landed.code, landed.tally()), (0, tally(3, 0, 0, 0).as_str()), "{landed:?}");
    let open = place.get("/products/forms-2");
    assert_eq!((&open["licence"], &open["name"]), (&json!("Apache-2.0 OR MIT"), &json!("Forms")));
    assert_eq!(open["repository"], "https://github.com/x/forms");
    let closed = place.get("/products/forms-3");
    assert_eq!((&closed["licence"], &closed["website"]), (&Value::Null, &json!("https://forms.example.org")));
    assert_eq!(closed["description"], long.trim());
    assert!(closed.text("summary").chars().count() <= 150 && closed.text("summary").ends_with('…'));
    let archived = place.get("/products/forms-4");
    assert_eq!((&archived["phase"], &archived["categories"]), (&json!("retired"), &json!(["data-collection"])));
    assert!(landed.on_line(3)["notes"][0].as_str().unwrap().contains("Commons-Clause"));

    let twins = "id,name,kind\n1,Twin,supplier\n2,Twin,supplier\n";
    assert_eq!(place.organisations("twins.csv", twins).tally(), tally(2, 0, 0, 0));
    assert_eq!(place.known_as("twin"), ["twin", "twin-2"], "who has a name does not tell who they are");
}

#[test]
fn files_of_publiccode_are_products() {
    let place = Place::new();
    std::fs::create_dir(place.files.path().join("files")).unwrap();
    let file = crate::support::operations::PUBLICCODE;
    place.files.write("files/one.yml", file);
    place.files.write("files/two.yaml", file.replace("bins", "skips").replace("MIT", "Ours"));
    place.files.write("files/three.yml", "name: [open");
    place.files.write("files/README.md", "No product.");
    let landed = place.run("products --format publiccode files");
    assert_eq!((landed.code, landed.tally()), (1, tally(2, 0, 0, 1).as_str()), "{landed:?}");
    assert_eq!(landed.refused(), ["1 # malformed_yaml"]);
    assert_eq!(place.get("/products/bins")["repository"], "https://git.example.org/bins");
    assert_eq!(place.get("/products/bins-2")["licence"], Value::Null);
    let noted = landed.lines.iter().find(|line| line["outcome"] == "created").unwrap();
    assert!(noted["notes"][0].as_str().unwrap().starts_with("/legal/license "), "{noted}");
    assert_eq!(place.run("products --format publiccode files").tally(), tally(0, 0, 2, 1));
    assert_eq!(place.run("organisations --format publiccode files").code, 2);
}

#[test]
fn dirt_costs_the_row_that_it_is_in() {
    let place = Place::new();
    let mut register = b"id,name,kind,website,start-date\n".to_vec();
    let before = register.len() + b"ok1,Good One,supplier,,\nbad,B".len();
    register.extend_from_slice(b"ok1,Good One,supplier,,\nbad,B\xe9d,supplier,,\n");
    register.extend_from_slice(
        b"q,\"Two\n lines\",supplier,,\n\
          d,Bad Date,supplier,,31/12/2020\n\
          u,Bad Address,supplier,nowhere,\n\
          e,,supplier,,\n\
          ok1,Again,supplier,,\n\
          s,Short,supplier\n\
          n,N\0l,supplier,,\n\
          ,Keyless,supplier,,\n\
          k,Kind,spaceship,,\n\
          o,\"Open,supplier,,\n\
          ok2,Good Two,supplier,,\n",
    );
    let landed = place.organisations("suppliers.csv", &register);
    assert_eq!((landed.code, landed.tally()), (1, tally(2, 0, 0, 11).as_str()), "{landed:?}");
    insta::assert_snapshot!(landed.refused().join("\n"), @r"
    3 # not_utf8
    4 #/name wrong_form
    6 #/start-date wrong_format
    7 #/website wrong_format
    8 #/name required
    9 # repeated_key
    10 # wrong_length
    11 #/name wrong_form
    12 # required
    13 #/kind not_listed
    14 # open_quote
    ");
    let detail = landed.on_line(3)["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("byte {before} ")), "{detail}");
    assert_eq!(place.get("/organisations").each("name"), ["Good One", "Good Two"]);
    assert_eq!(place.organisations("suppliers.csv", &register).tally(), tally(0, 0, 2, 11));

    let catalogue = [
        json!({ "source_id": "1", "name": "Good" }).to_string(),
        "{\"source_id\": \"2\", \"name\": ".to_owned(),
        json!({ "source_id": "3", "name": "Long", "summary": "x".repeat(2000) }).to_string(),
        json!({ "source_id": "4", "name": "N\0l" }).to_string(),
        json!({ "source_id": "1", "name": "Again" }).to_string(),
        json!({ "externalId": "6", "name": "Own", "releaseDate": "soon", "colour": "red" }).to_string(),
        "[]".to_owned(),
        json!({ "externalId": "8", "name": "Code", "serviceCodes": ["99999"] }).to_string(),
        json!({ "source_id": "9", "name": "Address", "url": "nowhere" }).to_string(),
        String::new(),
        "{\"source_id\": \"11\", \"name\": \"\\ud800\"}".to_owned(),
        json!({ "source_id": "12", "name": "x".repeat(1024 * 1024) }).to_string(),
        json!({ "source_id": "13", "name": "Good too" }).to_string(),
    ];
    let landed = place.import("products --format jsonl", "dirt.jsonl", catalogue.join("\n"));
    assert_eq!((landed.code, landed.tally()), (1, tally(2, 0, 0, 10).as_str()), "{landed:?}");
    insta::assert_snapshot!(landed.refused().join("\n"), @r"
    2 # malformed_json
    3 #/summary too_long
    4 #/name wrong_form
    5 # repeated_key
    6 #/releaseDate wrong_format, #/colour unknown_field
    7 # wrong_type
    8 #/serviceCodes/0 unknown_service_code
    9 #/url wrong_format
    11 # malformed_json
    12 # too_long
    ");
    assert_eq!(place.get("/products").each("name"), ["Good", "Good too"]);
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_a_sentence() {
    let place = Place::new();
    place.files.write("good.csv", "id,name,kind\n1,Good,supplier\n");
    let unreadable: [(&str, &[u8], &str); 4] = [
        ("utf16.csv", b"\xff\xfei\0d\0,\0n\0a\0m\0e\0\n\0", "utf16.csv: it is in UTF-16; save it as UTF-8."),
        ("empty.csv", b"", "empty.csv: it is empty."),
        ("header.csv", b"id,n\xe9me\n1,A\n", "header.csv: its header cannot be read."),
        ("nameless.csv", b"id,colour\n1,red\n", "nameless.csv: no column has the name: "),
    ];
    for (name, content, sentence) in unreadable {
        let stopped = place.import("organisations --format csv good.csv", name, content);
        assert_eq!(stopped.code, 2, "{stopped:?}");
        assert!(stopped.tally().starts_with(sentence), "{stopped:?}");
    }
    assert_eq!(place.get("/organisations").each("name"), ["Good"], "the other file landed all the same");
    assert_eq!(place.run("organisations --format csv missing.csv").code, 2);
    assert_eq!(place.run("organisations --format xml good.csv").code, 2);
    assert_eq!(place.run("organisations --format csv").code, 2);

    let marked = place.organisations("marked.csv", "\u{feff}id,name,kind\r\n2,Marked,supplier\r\n");
    assert_eq!((marked.code, marked.tally()), (0, tally(1, 0, 0, 0).as_str()), "{marked:?}");
    place.server.add_organisation(council("Hackney"));
    place.server.database().execute("alter table organisations rename to away");
    let failed = place.organisations("more.csv", "id,name,kind\n3,More,supplier\n");
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(!failed.stderr.contains("panicked"), "{}", failed.stderr);
    place.server.database().execute("alter table away rename to organisations");
}

#[test]
fn citations_come_with_organisations_as_people_spell_them() {
    let place = Place::new();
    let hackney = council("London Borough of Hackney").with("aliases", json!(["Hackney Council"]));
    place.server.add_organisation(hackney);
    place.server.add_organisation(council("Ealing"));
    place.server.add_organisation(supplier("Ninian Solutions"));
    place.server.add_product(product("Huddle").with("supplier", "ninian-solutions"));
    let csv = "Organisation,Product,Supplier,Since,Until,Contract value,Contract end\n\
               HACKNEY COUNCIL,huddle,Ninian Solutions,2013-04,2013-11,\"£22,500.00\",31/12/2013\n\
               London Borough of Hackney,Huddle,,01/02/2024,,,2027-03-31\n\
               Nowhere Council,Huddle,,,,,\n\
               Ealing,Teapot,,,,,\n\
               Ealing,Huddle,,,,-5,\n\
               Ninian Solutions,Huddle,,,,,\n\
               Ealing,Huddle,,yesterday,,,\n";
    let first = place.import("citations --format csv", "register.csv", csv);
    assert_eq!(first.tally(), tally(2, 0, 0, 5), "{first:?}");
    assert_eq!(
        first.refused(),
        [
            "4 #/Organisation unknown_organisation",
            "5 #/Product unknown_product",
            "6 #/Contract%20value too_small",
            "7 #/Organisation no_public_body",
            "8 # repeated_key",
        ]
    );
    let cited = place.get("/citations?organisation=london-borough-of-hackney&sort=-updatedAt&count=true");
    assert_eq!(cited["total"], 2);
    let items = cited["items"].as_array().unwrap();
    let past = items.iter().find(|item| item["status"] == "ended").unwrap();
    assert_eq!((&past["since"], &past["until"]), (&json!("2013-04-01"), &json!("2013-11-30")));
    assert_eq!(past["contract"]["amountPence"], 2_250_000);
    assert_eq!(past["contract"]["endsOn"], "2013-12-31");
    assert_eq!(items.iter().find(|item| item["status"] == "active").unwrap()["since"], "2024-02-01");
    assert_eq!(past["source"], "register");

    let written = place.written();
    let again = place.import("citations --format csv", "register.csv", csv);
    assert_eq!((again.tally(), place.written()), (tally(0, 0, 2, 5).as_str(), written));
    let over = csv.replace("01/02/2024,,", "01/02/2024,2025-01-31,");
    assert_eq!(place.import("citations --format csv", "register.csv", over).tally(), tally(0, 1, 1, 5));
    assert_eq!(place.get("/products/huddle")["organisationCount"], 0, "what the register says has ended, has");

    let sale = json!({
        "source": "g-cloud-sales", "organisation": "Ealing", "supplier": "Teapots Ltd", "product": "Teapot",
        "lot": 3, "first_month": "2013-06-01", "last_month": "2013-06-01", "spend_gbp": 750.5,
    });
    let added =
        place.import("citations --format jsonl --create-products --create-suppliers", "sales.jsonl", sale.to_string());
    assert_eq!(added.tally(), tally(1, 0, 0, 0), "{added:?}");
    assert!(added.stderr.contains("not used: lot"), "{}", added.stderr);
    let teapot = place.get("/products/teapot");
    assert_eq!((&teapot["supplier"]["slug"], &teapot["citationCount"]), (&json!("teapots-ltd"), &json!(1)));
}

#[test]
fn who_is_spelled_nearly_so_is_meant_unless_several_are() {
    let place = Place::new();
    for body in [
        council("London Borough of Camden"),
        council("Royal Borough of Greenwich"),
        council("London Borough of Hammersmith & Fulham"),
        organisation("nhs", "Guy's and St Thomas' NHS Foundation Trust"),
        organisation("nhs", "University College London Hospitals NHS Foundation Trust"),
        council("Newcastle City Council"),
        council("Newcastle Borough Council"),
        supplier("Barnet Ltd"),
        supplier("The Access Group"),
    ] {
        place.server.add_organisation(body);
    }
    place.server.add_product(product("Power BI"));
    let names = [
        "LB Camden",
        "Royal Greenwich",
        "Hammersmith and Fulham Council",
        "Guys & St Thomas NHS Trust",
        "University College London",
        "Newcastle",
        "Barnet Council",
        "Borough",
    ];
    let rows: Vec<String> = names.iter().map(|name| format!("{name},Power BI")).collect();
    let told = place.import(
        "citations --verbose --format csv",
        "register.csv",
        format!("Council,Product\n{}", rows.join("\n")),
    );
    assert_eq!(told.tally(), tally(4, 0, 0, 4), "{told:?}");
    assert_eq!(
        told.refused(),
        [
            "6 #/Council unknown_organisation",
            "7 #/Council ambiguous",
            "8 #/Council unknown_organisation",
            "9 #/Council unknown_organisation",
        ]
    );
    let notes = told.lines[0]["notes"][0].as_str().unwrap();
    assert_eq!(notes, "organisation: \"LB Camden\" is read as \"London Borough of Camden\"");

    let sale = json!({ "council": "LB of Camden", "product": "Mosaic", "supplier": "Access UK Ltd" });
    place.import("citations --format jsonl --create-products --create-suppliers", "sales.jsonl", sale.to_string());
    assert_eq!(place.get("/products/mosaic")["supplier"]["slug"], "the-access-group", "no second one is added");
}
