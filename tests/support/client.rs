//! Calls that read like sentences: `server.as_(&admin).post("/v1/products", product("Bins")).expect(201)`.
//!
//! Every answer is held to the OpenAPI document before a test sees it.

use serde_json::Value;
use uuid::Uuid;

use super::contract;
use super::server::{Server, TRUSTED_ORIGIN};

/// One caller.
#[derive(Clone)]
pub struct Client<'s> {
    server: &'s Server,
    authorization: Option<String>,
}

/// A call that has not been made yet.
#[must_use]
pub struct Call<'s> {
    client: Client<'s>,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The body as JSON; null when it is none.
    pub json: Value,
}

pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .timeout_global(Some(std::time::Duration::from_secs(60)))
        .build()
        .into()
}

impl<'s> Client<'s> {
    pub(super) fn new(server: &'s Server, token: Option<String>) -> Self {
        Self { server, authorization: token.map(|token| format!("Bearer {token}")) }
    }

    pub(super) fn authorised(self, value: &str) -> Self {
        Self { authorization: Some(value.to_owned()), ..self }
    }

    /// Any method, without a body.
    pub fn call(&self, method: &str, path: &str) -> Call<'s> {
        let (method, path) = (method.to_owned(), path.to_owned());
        Call { client: self.clone(), method, path, headers: Vec::new(), body: Vec::new() }
    }

    /// GET
    pub fn get(&self, path: &str) -> Call<'s> {
        self.call("GET", path)
    }

    /// POST of JSON
    pub fn post(&self, path: &str, body: impl Into<Value>) -> Call<'s> {
        self.call("POST", path).body("application/json", body.into().to_string())
    }

    /// PATCH with a merge patch
    pub fn patch(&self, path: &str, body: impl Into<Value>) -> Call<'s> {
        self.call("PATCH", path).body("application/merge-patch+json", body.into().to_string())
    }

    /// DELETE
    pub fn delete(&self, path: &str) -> Call<'s> {
        self.call("DELETE", path)
    }
}

impl Call<'_> {
    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.headers.retain(|(name, _)| name != "Content-Type");
        self.header("Content-Type", media_type)
    }

    /// Only when it is still as in an earlier answer.
    pub fn if_match(self, read: &Answer) -> Self {
        let tag = read.header("etag").expect("no ETag").to_owned();
        self.header("If-Match", &tag)
    }

    /// Makes it, and holds the answer to the document.
    pub fn send(mut self) -> Answer {
        if let Some(authorization) = self.client.authorization.clone() {
            self.headers.push(("Authorization".to_owned(), authorization));
        }
        // As a page would, so that what browsers need is checked with everything else.
        if !self.headers.iter().any(|(name, _)| name == "Origin") {
            self.headers.push(("Origin".to_owned(), TRUSTED_ORIGIN.to_owned()));
        }
        let answer = self.transfer();
        contract::check(&self.method, &self.path, &answer);
        answer
    }

    fn transfer(&self) -> Answer {
        let url = format!("http://{}{}", self.client.server.address, self.path);
        let mut request = ureq::http::Request::builder().method(self.method.as_str()).uri(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let agent = &self.client.server.agent;
        let sent = if self.body.is_empty() {
            agent.run(request.body(()).unwrap())
        } else {
            agent.run(request.body(self.body.as_slice()).unwrap())
        };
        let mut response = sent.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path));
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Answer::new(response.status().as_u16(), headers.collect(), response.body_mut().read_to_vec().unwrap())
    }

    /// Makes it; anything but this status fails the test.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        let answer = self.send();
        let body = String::from_utf8_lossy(&answer.bytes);
        assert_eq!(answer.status, status, "{what} answered {} and not {status}: {body}", answer.status);
        answer
    }
}

impl Answer {
    pub(super) fn new(status: u16, headers: Vec<(String, String)>, bytes: Vec<u8>) -> Self {
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Self { status, headers, bytes, json }
    }

    /// The first header of a name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Its entity tag.
    pub fn etag(&self) -> &str {
        self.header("etag").expect("no ETag")
    }

    /// Its `id`.
    pub fn id(&self) -> Uuid {
        self["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id in {}", self.json))
    }

    /// A field as text.
    pub fn text(&self, field: &str) -> &str {
        self[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {}", self.json))
    }

    /// One field of each item of a page.
    pub fn each(&self, field: &str) -> Vec<&str> {
        self["items"].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap()).collect()
    }

    /// The faults of a problem, in order: pointer or parameter, a space, code.
    pub fn faults(&self) -> Vec<String> {
        let errors = self["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: &Value| error["pointer"].as_str().or(error["parameter"].as_str()).unwrap().to_owned();
        let mut faults: Vec<String> =
            errors.iter().map(|error| format!("{} {}", place(error), error["code"].as_str().unwrap())).collect();
        faults.sort();
        faults
    }

    /// Path and query of the next page.
    pub fn next(&self) -> Option<String> {
        let link = self.headers.iter().find(|(name, value)| name == "link" && value.ends_with("rel=\"next\""))?;
        let target = link.1.strip_prefix('<')?.split_once('>')?.0;
        Some(target.to_owned())
    }
}

impl std::ops::Index<&str> for Answer {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.json[field]
    }
}
