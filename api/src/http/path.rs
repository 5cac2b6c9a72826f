//! The part of a path that says which: something that cannot be an id is not found, like an id that does not exist.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header::LOCATION;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use db::organisations::Key;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::problem::Problem;

/// Reads the parameters of a path in their order.
pub trait FromPath: Sized {
    /// From the decoded segments.
    fn from_segments(segments: &[String]) -> Option<Self>;
}

/// The parameters of a path.
pub struct Path<T>(pub T);

impl<T: FromPath> FromRequest for Path<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let segments: Option<Vec<String>> = request
            .match_info()
            .iter()
            .map(|(_, segment)| percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned))
            .collect();
        ready(segments.and_then(|segments| T::from_segments(&segments)).map(Self).ok_or_else(Problem::not_found))
    }
}

impl FromPath for Key {
    fn from_segments(segments: &[String]) -> Option<Self> {
        let [key] = segments else { return None };
        read_key(key)
    }
}

impl FromPath for Uuid {
    fn from_segments(segments: &[String]) -> Option<Self> {
        let [id] = segments else { return None };
        id.parse().ok()
    }
}

impl FromPath for String {
    fn from_segments(segments: &[String]) -> Option<Self> {
        let [text] = segments else { return None };
        Some(text.clone())
    }
}

impl FromPath for i64 {
    fn from_segments(segments: &[String]) -> Option<Self> {
        let [id] = segments else { return None };
        id.parse().ok()
    }
}

impl<T: FromStr> FromPath for (Uuid, T) {
    fn from_segments(segments: &[String]) -> Option<Self> {
        let [id, second] = segments else { return None };
        Some((id.parse().ok()?, second.parse().ok()?))
    }
}

impl<T: FromStr> FromPath for (Key, T) {
    fn from_segments(segments: &[String]) -> Option<Self> {
        let [key, second] = segments else { return None };
        Some((read_key(key)?, second.parse().ok()?))
    }
}

/// The redirect for somebody who asked by an earlier slug: what it named has another today.
#[must_use]
pub fn moved(asked: &Key, collection: &str, slug: &str) -> Option<HttpResponse> {
    let location = format!("/v1/{collection}/{slug}");
    match asked {
        Key::Slug(earlier) if earlier != slug => {
            Some(HttpResponse::MovedPermanently().insert_header((LOCATION, location)).finish())
        }
        _ => None,
    }
}

/// An id or a slug; nothing else is looked up.
#[must_use]
pub fn read_key(text: &str) -> Option<Key> {
    match Key::from(text) {
        Key::Slug(slug) if !super::text::is_slug(&slug) => None,
        key => Some(key),
    }
}
