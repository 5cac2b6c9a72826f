//! publiccode.yml of a product: `/products/{id}/publiccode`.
//!
//! What the standard says and how files of it are read and written is in [`crate::publiccode`].

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use db::organisations::Key;
use db::products::{self, Note, Phase};
use db::{Tx, reference};
use serde_json::{Map, Value};

use super::wire::{CreateProduct, Product};
use super::{ProductPath, answer};
use crate::app::App;
use crate::auth::{Caller, rules};
use crate::contract::body::Body;
use crate::http::etag::{IfMatchHeader, IfNoneMatchHeader, digest, tagged};
use crate::http::json::checked_bytes;
use crate::http::{IfMatch, Path, text::text};
use crate::problem::{CONFLICT, Problem};
use crate::publiccode::read::{Reading, read};
use crate::publiccode::status_of;
use crate::publiccode::write::{long_description, write};
use crate::routes::Routes;

/// The operations here.
#[must_use]
pub fn routes() -> Routes {
    routes![get_product_publiccode, put_product_publiccode]
}

text! {
    /// File of publiccode.yml (<https://yml.publiccode.tools>), the standard by which public software describes itself.
    PubliccodeFile, 1 to 1_048_576, r"^[^\u0000]*$", "publiccodeYmlVersion: \"0.5\"\nname: Bin collection skill\nurl: https://git.example.org/bins/skill\nplatforms:\n- web\ndevelopmentStatus: stable\nsoftwareType: standalone/web\ndescription:\n  en:\n    shortDescription: Tells residents through a voice assistant which bin goes out when.\n    longDescription: Residents ask their voice assistant which bin goes out next. The skill looks their address up by UPRN, asks the collection service of their council, and answers in one sentence.\n    features:\n    - Reminds residents of their bin day\nlegal:\n  license: MIT\nmaintenance:\n  type: none\nlocalisation:\n  localisationReady: false\n  availableLanguages:\n  - en\n"
}

/// A body of YAML, as text.
struct Yaml(String);

impl FromRequest for Yaml {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (_, bytes) = checked_bytes(&request, payload).await?;
            let text = String::from_utf8(bytes.to_vec());
            text.map(Self).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                Problem::invalid([db::Fault::new("", "not_utf8", format!("is not UTF-8 at byte {at}"))])
            })
        })
    }
}

/// Read a product as publiccode.yml
///
/// A file of version 0.5 of the standard, to begin the one in the software's repository with. What the standard asks
/// for and is not recorded here (who maintains it, its languages) has the most careful value that it permits, and a
/// comment says so. A product that lacks what must be true of the software itself, such as its repository or licence,
/// has no such file: 409 names what is missing.
#[utoipa::path(
    get, path = "/products/{id}/publiccode", tag = "products",
    params(ProductPath, IfNoneMatchHeader),
    security((), ("oauth2" = ["products:read"]), ("bearer" = [])),
    responses(
        (status = 200, body = PubliccodeFile, content_type = "application/yaml", description = "The file."),
        (status = 409, description = "The product lacks what the standard requires; `errors` names the fields."),
    ),
)]
async fn get_product_publiccode(app: Data<App>, key: Path<Key>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Path(key) = key;
    let (product, categories) = app
        .db
        .read(move |conn| {
            let product = products::get(conn, &key)?;
            let categories = reference::publiccode_categories_among(conn, &product.row.state.categories.0)?;
            Ok::<_, db::Error>((product, categories))
        })
        .await
        .map_err(Problem::from)?;
    let file = write(&product, &categories).map_err(|missing| {
        Problem::new(&CONFLICT, "The product lacks what publiccode.yml requires; add it, then read again.")
            .with_faults(missing)
    })?;
    let tag = format!("\"{}-{}\"", product.row.version, digest(file.as_bytes()));
    Ok(tagged(&request, StatusCode::OK, "application/yaml", file.into_bytes(), &tag))
}

/// Change a product by its publiccode.yml
///
/// Sets what publiccode.yml (version 0.2 to 0.5) says of a product: name, summary, description and features (in English
/// when there is any, else in the first language), repository, website, licence, status, version, platforms, categories,
/// dependencies; what it leaves out is emptied. What the standard does not know of stays, as does what is sent back just as it was read. A status other than the
/// present one sets the phase as well; a step back needs a reason, which only a merge patch can give. For those who may change the product; each change is a new version.
#[utoipa::path(
    put, path = "/products/{id}/publiccode", tag = "products",
    params(ProductPath, IfMatchHeader),
    request_body(
        content = PubliccodeFile, content_type = "application/yaml",
        description = "The file, at most 1 MiB. Faults have pointers into its structure; keys that the standard does not know are passed over.",
    ),
    security(("oauth2" = ["products:write"]), ("bearer" = [])),
    responses(
        (status = 200, body = Product, description = "The product, as changed."),
        (status = 409, description = "The status is an earlier one than the present, which needs a reason."),
    ),
)]
async fn put_product_publiccode(
    app: Data<App>,
    caller: Caller,
    key: Path<Key>,
    if_match: IfMatch,
    body: Yaml,
) -> Result<impl Responder, Problem> {
    let (Path(key), Yaml(text)) = (key, body);
    let reading = read(&text).map_err(Problem::invalid)?;
    let inner = app.clone();
    let changed = app
        .db
        .write(caller.actor()?, move |tx| {
            let current = products::lock(tx, &key)?;
            rules::may_curate_product(tx.roles(), &current.row.state)?;
            if_match.check(current.row.version)?;
            change(tx, &inner.rules.product, &current, &reading).map_err(|problem| reading.origins.relocate(problem))
        })
        .await?;
    Ok(answer(app.clock, changed))
}

fn change(
    tx: &mut Tx<'_>,
    rules: &Body,
    current: &products::Product,
    reading: &Reading,
) -> Result<products::Product, Problem> {
    let before = &current.row.state;
    let base = serde_json::to_value(CreateProduct::from(before.clone()));
    let mut body = base.map_err(|error| Problem::internal(error.to_string()))?;
    let fields = said(tx, current, reading.fields.clone())?;
    if let Some(body) = body.as_object_mut() {
        body.extend(fields);
    }
    let wanted = all_kept(rules.read::<CreateProduct>(body), reading)?;
    let state = wanted.state(tx, before.slug.clone())?;
    rules::may_update_product(tx.roles(), before, &state)?;
    Ok(products::update(tx, current, &state, &Note::default())?)
}

/// Every fault at once: what breaks the rules, and what the file says that cannot be kept at all.
fn all_kept(read: Result<CreateProduct, Problem>, reading: &Reading) -> Result<CreateProduct, Problem> {
    let unusable = reading.unusable.iter().cloned();
    match read {
        Ok(wanted) if reading.unusable.is_empty() => Ok(wanted),
        Ok(_) => Err(Problem::invalid(unusable)),
        Err(problem) => {
            let broken = &reading.origins.relocate(problem).faults;
            Err(Problem::invalid(unusable.chain(broken.iter().cloned())))
        }
    }
}

/// What a file says that it did not say when it was read from here: the standard knows fewer phases and categories
/// than the catalogue and wants longer descriptions, and none of that is a change that somebody meant.
fn said(
    tx: &mut Tx<'_>,
    current: &products::Product,
    mut fields: Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let before = &current.row.state;
    if fields.get("description").and_then(Value::as_str) == Some(long_description(current).as_str()) {
        fields.remove("description");
    }
    let status = fields.get("developmentStatus").and_then(Value::as_str).map(str::to_owned);
    if status.is_none() || status.as_deref() == Some(status_of(before).as_str()) {
        fields.remove("developmentStatus");
        fields.remove("phase");
    }
    let phase = fields.get("phase").and_then(Value::as_str).and_then(|phase| phase.parse::<Phase>().ok());
    if phase == Some(before.phase) {
        fields.remove("phase");
    } else if phase.is_some() {
        // First day and reason of a phase do not carry over to another.
        fields.insert("phaseStartedOn".to_owned(), Value::Null);
        fields.insert("phaseReason".to_owned(), Value::Null);
    }
    let known = reference::publiccode_categories_among(&mut tx.conn(), &before.categories.0)?;
    let ours = before.categories.0.iter().filter(|category| !known.contains(category));
    if let Some(categories) = fields.get_mut("categories").and_then(Value::as_array_mut) {
        categories.extend(ours.map(|category| Value::from(category.as_str())));
    }
    Ok(fields)
}
