//! Query parameters, as the gate of the operation read and checked them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;

use crate::contract::Parameters;
use crate::problem::{Fault, Problem};

/// The parameters of an operation.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parameters = request.extensions().get::<Parameters>().map(|parameters| parameters.0.clone());
        let read = parameters.ok_or_else(|| Problem::internal("an operation without a gate asks for parameters"));
        ready(read.and_then(|parameters| {
            serde_json::from_value(parameters)
                .map(Self)
                .map_err(|error| Problem::invalid([Fault::parameter("", "invalid", error.to_string())]))
        }))
    }
}
