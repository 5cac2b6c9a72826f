//! One table from which the router, the OpenAPI document and the enforced scopes all come.
//!
//! A resource lists its handlers: `routes![list_products, create_product]`. Path, method, parameters, bodies and
//! `security` are read from each handler's `#[utoipa::path]`. One `web::resource` is made per path, so that a wrong
//! method is 405 with `Allow`, and HEAD and OPTIONS answer everywhere. What an operation's annotation says about
//! callers, parameters and bodies is what [`crate::contract`] holds requests to.

use std::collections::BTreeMap;
use std::rc::Rc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpResponse, Route, guard};
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, Operation as Documented};
use utoipa::openapi::{RefOr, Schema};

use crate::contract::{Contract, Gate};
use crate::problem::{METHOD_NOT_ALLOWED, Problem};

/// Where the major version is mounted; paths of the document are relative to it.
pub const BASE: &str = "/v1";

/// One operation.
pub struct Entry {
    /// Path in the document, such as `/products/{id}`.
    pub path: String,
    /// Method.
    pub method: HttpMethod,
    /// What its annotation says.
    pub operation: Documented,
    /// The schemas that it refers to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
    /// Its handler.
    pub route: fn() -> Route,
}

/// A table of operations.
#[derive(Default)]
pub struct Routes(Vec<Entry>);

impl Routes {
    /// A table of these operations.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// This table and another.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The operations.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The operations as `paths`, and the schemas as `components`, of an OpenAPI document.
    #[must_use]
    pub fn contract(&self) -> Contract {
        let mut paths: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
        let mut schemas = BTreeMap::new();
        for entry in &self.0 {
            let operation = serde_json::to_value(&entry.operation).unwrap_or_default();
            paths.entry(&entry.path).or_default().insert(method(&entry.method).as_str().to_lowercase(), operation);
            for (name, schema) in &entry.schemas {
                schemas.insert(name.clone(), serde_json::to_value(schema).unwrap_or_default());
            }
        }
        Contract::new(serde_json::to_value(paths).unwrap_or_default(), schemas)
    }

    /// Mounts every operation behind its gate. Fails, naming it, on one that cannot be enforced as documented.
    pub fn mount(&self, contract: &Contract) -> Result<Mounted, String> {
        let mut by_path: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
        for entry in &self.0 {
            let method = method(&entry.method);
            let gate = contract.gate(&entry.path, method.as_str())?;
            by_path.entry(format!("{BASE}{}", entry.path)).or_default().push(Operation {
                method,
                route: entry.route,
                gate,
            });
        }
        Ok(Mounted(by_path))
    }
}

/// Operations ready to be served; cheap to clone for each worker.
#[derive(Clone)]
pub struct Mounted(BTreeMap<String, Vec<Operation>>);

#[derive(Clone)]
struct Operation {
    method: Method,
    route: fn() -> Route,
    gate: Gate,
}

impl Mounted {
    /// Registers them with an application. Literal segments sort, and so register, before `{parameters}`; a parameter
    /// with an ending, such as `{id}.ics`, has to come before one without.
    pub fn configure(&self, app: &mut ServiceConfig) {
        let (ending, bare): (Vec<_>, Vec<_>) = self.0.iter().partition(|(path, _)| path.contains("}."));
        for (path, operations) in ending.into_iter().chain(bare) {
            let allow = allowed(operations.iter().map(|operation| &operation.method));
            let mut resource = web::resource(path);
            for operation in operations {
                resource = resource.route(guarded(operation.clone()));
            }
            app.service(answering_every_method(resource, allow));
        }
    }
}

/// A resource outside of the contract that only reads.
pub fn read_only<F, Args>(path: &str, handler: F) -> actix_web::Resource
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    let read = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
    answering_every_method(web::resource(path).route(read), allowed([&Method::GET].into_iter()))
}

/// A resource outside of the contract to which one posts.
pub fn post_only<F, Args>(path: &str, handler: F) -> actix_web::Resource
where
    F: actix_web::Handler<Args>,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    let post = web::route().method(Method::POST).to(handler);
    answering_every_method(web::resource(path).route(post), allowed([&Method::POST].into_iter()))
}

/// A resource outside of the contract, which answers to these methods and to OPTIONS, and says so.
#[must_use]
pub fn answering(resource: actix_web::Resource, methods: &[&'static str]) -> actix_web::Resource {
    let methods: Vec<Method> = methods.iter().filter_map(|name| name.parse().ok()).collect();
    answering_every_method(resource, allowed(methods.iter()))
}

fn answering_every_method(resource: actix_web::Resource, allow: HeaderValue) -> actix_web::Resource {
    let for_options = allow.clone();
    resource
        .route(web::route().method(Method::OPTIONS).to(move || {
            let allow = for_options.clone();
            async move { HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish() }
        }))
        .default_service(web::route().to(move || {
            let allow = allow.clone();
            async move {
                let detail = format!("Use one of {}.", allow.to_str().unwrap_or_default());
                Err::<HttpResponse, _>(Problem::new(&METHOD_NOT_ALLOWED, detail).with_header(header::ALLOW, allow))
            }
        }))
}

fn guarded(Operation { method, route, gate }: Operation) -> Route {
    let route = if method == Method::GET {
        route().guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        route().method(method)
    };
    let gate = Rc::new(gate);
    route.wrap(from_fn(move |request, next| pass(Rc::clone(&gate), request, next)))
}

/// Callers and parameters first: who may not call learns nothing from their body.
async fn pass<B: MessageBody + 'static>(
    gate: Rc<Gate>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<actix_web::body::BoxBody>, Error> {
    match gate.admit(&request) {
        Ok(()) => {
            let mut response = next.call(request).await?.map_into_boxed_body();
            gate.announce_retirement(response.headers_mut());
            Ok(response)
        }
        Err(problem) => Ok(request.into_response(actix_web::ResponseError::error_response(&problem))),
    }
}

fn allowed<'a>(methods: impl Iterator<Item = &'a Method>) -> HeaderValue {
    let mut names: Vec<&str> = methods.map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

fn method(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Trace => Method::TRACE,
    }
}

/// The table of the handlers named, each annotated with `#[utoipa::path]`.
#[macro_export]
macro_rules! routes {
    ($($handler:ident),+ $(,)?) => {
        $crate::routes::Routes::new([$( ::pastey::paste! {{
            type Doc = [<__path_ $handler>];
            let mut schemas = Vec::new();
            <Doc as utoipa::__dev::SchemaReferences>::schemas(&mut schemas);
            $crate::routes::Entry {
                path: <Doc as utoipa::Path>::path(),
                method: <Doc as utoipa::Path>::methods().remove(0),
                operation: {
                    let mut operation = <Doc as utoipa::Path>::operation();
                    let tags = <Doc as utoipa::__dev::Tags>::tags();
                    operation.tags = Some(tags.into_iter().map(String::from).collect());
                    operation
                },
                schemas,
                route: || actix_web::web::route().to($handler),
            }
        }} ),+])
    };
}
