//! Checks of text that several resources share, and the schemas of the texts that lists hold.

use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, ObjectBuilder, Type};

/// One line: no control characters.
pub const LINE: &str = r"^[^\u0000-\u001f\u007f]*$";
/// Kebab-case.
pub const SLUG: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";

/// Whether text is a slug: kebab-case of at most 80 characters.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 80 && text.split('-').all(part)
}

/// Defines the schema of a text that lists hold.
macro_rules! text {
    ($(#[doc = $doc:literal])+ $name:ident, $least:literal to $most:literal, $pattern:expr, $example:literal) => {
        $(#[doc = $doc])+
        pub struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::text::text_schema(concat!($($doc),+), $least, $most, $pattern, $example).into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }
    };
}

pub(crate) use text;

pub(crate) fn text_schema(doc: &str, least: usize, most: usize, pattern: &str, example: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .description(Some(doc.trim()))
        .min_length(Some(least))
        .max_length(Some(most))
        .pattern(Some(pattern))
        .examples([example])
        .build()
}

text! {
    /// Spelling of an organisation's name.
    Spelling, 1 to 200, LINE, "Hackney Council"
}
text! {
    /// Internet domain, as it stands behind the @ of an address.
    Domain, 3 to 253, r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", "hackney.gov.uk"
}
text! {
    /// Code under which others know an organisation: list and code, with a colon between.
    IdentifierKey, 4 to 90, r"^[A-Z]{2,3}(-[A-Z0-9]{1,12})?:[^\u0000-\u0020\u007f]{1,64}$", "GB-LAC:E09000012"
}
text! {
    /// Id or slug of an organisation.
    OrganisationKey, 1 to 80, SLUG, "london-borough-of-hackney"
}
text! {
    /// Id or slug of a template of a lease.
    LeaseTemplateKey, 1 to 80, SLUG, "rooftop-wayleave"
}
text! {
    /// Id of a control of a framework.
    ControlKey, 1 to 400, r"^[^\u0000-\u0020\u007f]+$", "access-1"
}
text! {
    /// Id or slug of a checklist.
    ChecklistKey, 1 to 80, SLUG, "cyber-baseline"
}
text! {
    /// Id or slug of a framework.
    FrameworkKey, 1 to 80, SLUG, "cyber-baseline"
}
text! {
    /// Id or slug of a network.
    NetworkKey, 1 to 80, SLUG, "london-peer-group"
}
text! {
    /// What a room has, or a session needs.
    Equipment, 1 to 60, SLUG, "projector"
}
text! {
    /// Name of somebody who speaks.
    SpeakerName, 1 to 120, r"^[^\u0000-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$", "Sam Steward"
}
text! {
    /// Theme of a programme.
    Track, 1 to 60, LINE, "Data"
}
text! {
    /// Id of a series.
    SeriesId, 36 to 36, "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"
}
text! {
    /// Id of a session.
    SessionId, 36 to 36, "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"
}
text! {
    /// Id or slug of a product.
    ProductKey, 1 to 80, SLUG, "bin-day"
}
text! {
    /// Something that a product is connected with.
    Integration, 1 to 120, LINE, "The address gazetteer"
}
text! {
    /// Sort of object in the audit trail.
    ObjectType, 1 to 60, "^[a-z][a-z0-9_]*$", "products"
}
text! {
    /// `operationId`.
    OperationId, 1 to 60, "^[a-z][a-z0-9_]*$", "update_product"
}
text! {
    /// Id of an OAuth client.
    ClientIdentifier, 1 to 255, r"^[^\u0000-\u001f\u007f]+$", "loti-token"
}
text! {
    /// Id of a request.
    RequestIdentifier, 1 to 128, r"^[^\u0000-\u001f\u007f]+$", "0192f0c1-7c1e-7b43-8f6d-2b1f0d6a9c11"
}
text! {
    /// Scope of an access token.
    Scope, 1 to 60, "^[a-z]+(-[a-z]+)*(:[a-z]+)?$", "products:read"
}
text! {
    /// Region of the United Kingdom.
    Region, 1 to 80, LINE, "London"
}
text! {
    /// Category, in kebab-case; those of publiccode.yml where one fits.
    Category, 1 to 80, SLUG, "waste-management"
}
text! {
    /// Where software runs: `web`, `windows`, `linux` and so on.
    Platform, 1 to 40, r"^[^\u0000-\u001f\u007f]*$", "web"
}
text! {
    /// One thing that a product does.
    Feature, 1 to 200, LINE, "Reminds residents of their bin day"
}
text! {
    /// Standard that a product follows.
    Standard, 1 to 120, LINE, "WCAG 2.2"
}
text! {
    /// Code of the Local Government Services List.
    ServiceCode, 1 to 5, "^[0-9]{1,5}$", "524"
}
text! {
    /// Code of the Common Procurement Vocabulary, with or without its check digit.
    CpvCode, 8 to 10, "^[0-9]{8}(-[0-9])?$", "48000000-8"
}
text! {
    /// SPDX licence expression.
    Licence, 1 to 200, r"^[A-Za-z0-9.+() -]+$", "MIT"
}
