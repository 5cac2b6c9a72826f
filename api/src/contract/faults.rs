//! What a value does wrong by its schema, in our words, with where and a stable code.

use std::borrow::Cow;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::problem::{Fault, Location};

/// Every fault of a body.
#[must_use]
pub fn of_body(validator: &Validator, body: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    validator.iter_errors(body).for_each(|error| describe(&error, &mut found));
    without_echoes(found)
        .into_iter()
        .map(|(pointer, code, detail)| Fault { location: Location::Body(pointer.into()), code: code.into(), detail })
        .collect()
}

/// Every fault of the parameters, which are the properties of one object.
#[must_use]
pub fn of_parameters(validator: &Validator, parameters: &Value) -> Vec<Fault> {
    let mut found = Vec::new();
    validator.iter_errors(parameters).for_each(|error| describe(&error, &mut found));
    without_echoes(found)
        .into_iter()
        .map(|(pointer, code, detail)| {
            let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
            Fault::parameter(name, code, detail)
        })
        .collect()
}

type Description = (String, &'static str, Cow<'static, str>);

/// One mistake, one fault: what is empty, or no URL at all, need not be told also that it has the wrong form.
fn without_echoes(mut found: Vec<Description>) -> Vec<Description> {
    let told: Vec<String> = found.iter().filter(|f| f.1 != "wrong_form").map(|f| f.0.clone()).collect();
    found.retain(|(pointer, code, _)| *code != "wrong_form" || !told.contains(pointer));
    found
}

fn describe(error: &ValidationError<'_>, found: &mut Vec<Description>) {
    let at = error.instance_path().as_str().to_owned();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            for name in unexpected {
                found.push((child(&at, name), "unknown_field", "is no field of this resource".into()));
            }
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            found.push((child(&at, name), "required", "must be given".into()));
        }
        // `oneOf` with null is how an optional object or word comes: what matters is what is wrong with the other.
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
            let alternatives: Vec<_> =
                context.iter().filter(|errors| !errors.iter().any(|e| is_null_expected(e))).collect();
            match alternatives.as_slice() {
                [only] => only.iter().for_each(|error| describe_within(&at, error, found)),
                _ => found.push((at, "no_alternative", "matches none of the alternatives".into())),
            }
        }
        kind => {
            let (code, detail) = plain(kind, error.instance());
            found.push((at, code, detail));
        }
    }
}

/// Errors of an alternative may locate themselves from the alternative's root or from the whole; both are covered.
fn describe_within(at: &str, error: &ValidationError<'_>, found: &mut Vec<Description>) {
    let first = found.len();
    describe(error, found);
    for (pointer, ..) in found.iter_mut().skip(first) {
        if !pointer.starts_with(at) {
            *pointer = format!("{at}{pointer}");
        }
    }
}

fn is_null_expected(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(only) } if only.to_string() == "null")
}

fn plain(kind: &ValidationErrorKind, instance: &Value) -> (&'static str, Cow<'static, str>) {
    match kind {
        ValidationErrorKind::Type { kind } => ("wrong_type", format!("must be {}", type_names(kind)).into()),
        ValidationErrorKind::MaxLength { limit } => {
            ("too_long", format!("must have at most {limit} characters, and has {}", length(instance)).into())
        }
        ValidationErrorKind::MinLength { limit: 1 } => ("too_short", "must not be empty".into()),
        ValidationErrorKind::MinLength { limit } => {
            ("too_short", format!("must have at least {limit} characters").into())
        }
        ValidationErrorKind::MaxItems { limit } => ("too_many", format!("must have at most {limit} items").into()),
        ValidationErrorKind::MinItems { limit } => ("too_few", format!("must have at least {limit} items").into()),
        ValidationErrorKind::UniqueItems => ("repeated_item", "must not hold an item twice".into()),
        ValidationErrorKind::MinProperties { .. } => ("empty", "must have at least one field".into()),
        ValidationErrorKind::Maximum { limit } => ("too_large", format!("must be at most {limit}").into()),
        ValidationErrorKind::Minimum { limit } => ("too_small", format!("must be at least {limit}").into()),
        ValidationErrorKind::Enum { options } => ("not_listed", format!("must be one of {}", words(options)).into()),
        ValidationErrorKind::Format { format } => ("wrong_format", format!("must be {}", format_name(format)).into()),
        ValidationErrorKind::Pattern { pattern } => ("wrong_form", form(pattern)),
        other => ("invalid", format!("breaks the rule `{}` of the document", other.keyword()).into()),
    }
}

/// The pointer of a member of what another points at (RFC 6901).
#[must_use]
pub fn child(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn length(instance: &Value) -> usize {
    instance.as_str().map_or(0, |text| text.chars().count())
}

fn type_names(kind: &TypeKind) -> String {
    let named = |name: String| match name.as_str() {
        "integer" => "a whole number".to_owned(),
        "array" => "an array".to_owned(),
        "object" => "an object".to_owned(),
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        other => format!("a {other}"),
    };
    match kind {
        TypeKind::Single(only) => named(only.to_string()),
        TypeKind::Multiple(several) => several.iter().map(|t| named(t.to_string())).collect::<Vec<_>>().join(" or "),
    }
}

fn words(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options
        .iter()
        .map(|option| option.as_str().map_or_else(|| option.to_string(), Into::into))
        .collect::<Vec<_>>()
        .join(", ")
}

fn format_name(format: &str) -> &'static str {
    match format {
        "date" => "a date as YYYY-MM-DD",
        "date-time" => "a time as RFC 3339 has it, such as 2026-11-23T09:30:00Z",
        "uuid" => "a UUID",
        "uri" => "a URL",
        "email" => "an e-mail address",
        "spdx" => "an SPDX licence expression, such as MIT or AGPL-3.0-or-later",
        _ => "a value of the documented format",
    }
}

/// Patterns that people meet often have words of their own.
fn form(pattern: &str) -> Cow<'static, str> {
    match pattern {
        r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$" => {
            "must be one line with something on it, without control characters".into()
        }
        r"^[^\u0000]*[^\s\u0000][^\u0000]*$" => "must say something, and not hold the NUL character".into(),
        r"^[^\u0000]*$" => "must not hold the NUL character".into(),
        r"^[^\u0000-\u001f\u007f]*$" => "must be one line, without control characters".into(),
        "^[a-z0-9]+(-[a-z0-9]+)*$" => "must be lower-case letters, digits and single hyphens, such as bin-day".into(),
        r"^https?://[^\s\u0000-\u001f\u007f]+$" => "must be a URL that begins with http:// or https://".into(),
        "^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$" => "must be a date from 1000-01-01 to 9999-12-31".into(),
        other => format!("must match {other}").into(),
    }
}
