//! Reading publiccode.yml.
//!
//! What describes the software becomes fields of a product; what is not kept here (contacts, screenshots, national
//! extensions) is passed over. Every scalar is read as text, so that version 1.10 does not become 1.1.

use db::products::DevelopmentStatus;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::phase_of;
use crate::contract::body::Origins;
use crate::contract::faults::child;
use crate::contract::is_spdx;
use crate::problem::{Fault, Location};
use crate::words::{cut, kebab_case, one_line};

/// Keys of the standard, of every version; those of countries are two letters.
const KEYS: &[&str] = &[
    "applicationSuite",
    "categories",
    "dependsOn",
    "description",
    "developmentStatus",
    "fundedBy",
    "inputTypes",
    "intendedAudience",
    "isBasedOn",
    "landingURL",
    "legal",
    "localisation",
    "logo",
    "maintenance",
    "monochromeLogo",
    "name",
    "organisation",
    "outputTypes",
    "platforms",
    "publiccodeYmlVersion",
    "releaseDate",
    "roadmap",
    "softwareType",
    "softwareVersion",
    "supports",
    "url",
    "usedBy",
];

/// What a file says of a product.
#[derive(Debug)]
pub struct Reading {
    /// The fields of a product that publiccode.yml knows of, as in `CreateProduct`; those it does not mention as null
    /// or empty. Without `phase` when the file gives no status.
    pub fields: Map<String, Value>,
    /// Where in the file each field is.
    pub origins: Origins,
    /// What was passed over or shortened.
    pub notes: Vec<Fault>,
    /// What the file says and cannot be kept: faults for whoever wants all of it kept.
    pub unusable: Vec<Fault>,
}

impl Reading {
    /// `url`: the software's own key in the eyes of the standard.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.fields.get("repository").and_then(Value::as_str)
    }
}

/// Reads a file. What is not YAML, or not of the shape of the standard, is a fault that says on which line.
pub fn read(text: &str) -> Result<Reading, Vec<Fault>> {
    let options = || {
        // A snippet of the file would make a detail of many lines.
        serde_saphyr::options! { with_snippet: false }
    };
    let file: File = serde_saphyr::from_str_with_options(text, options()).map_err(|error| vec![malformed(&error)])?;
    let keys: Pairs<IgnoredAny> =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| vec![malformed(&error)])?;
    if keys.0.is_empty() {
        return Err(vec![fault("", "empty", "says nothing")]);
    }
    let mut reader = Reader::default();
    reader.unknown_keys(&keys);
    reader.file(file);
    Ok(Reading { fields: reader.fields, origins: reader.origins, notes: reader.notes, unusable: reader.unusable })
}

fn malformed(error: &serde_saphyr::Error) -> Fault {
    fault("", "malformed_yaml", format!("is not publiccode.yml: {}", cut(&one_line(&error.to_string()), 300)))
}

fn fault(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Fault {
    Fault { location: Location::Body(pointer.into().into()), code: code.into(), detail: detail.into().into() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: Option<String>,
    url: Option<String>,
    #[serde(rename = "landingURL")]
    landing_url: Option<String>,
    software_version: Option<String>,
    release_date: Option<String>,
    #[serde(default)]
    platforms: Texts,
    #[serde(default)]
    categories: Texts,
    development_status: Option<String>,
    #[serde(default)]
    description: Pairs<Option<Description>>,
    legal: Option<Legal>,
    depends_on: Option<DependsOn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "named after the keys of the standard")]
struct Description {
    short_description: Option<String>,
    long_description: Option<String>,
    #[serde(default)]
    features: Texts,
}

#[derive(Deserialize)]
struct Legal {
    license: Option<String>,
}

#[derive(Default, Deserialize)]
struct DependsOn {
    #[serde(default)]
    open: Option<Vec<Dependency>>,
    #[serde(default)]
    proprietary: Option<Vec<Dependency>>,
    #[serde(default)]
    hardware: Option<Vec<Dependency>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    name: Option<String>,
    version: Option<String>,
    version_min: Option<String>,
    version_max: Option<String>,
    optional: Option<String>,
}

#[derive(Default)]
struct Reader {
    fields: Map<String, Value>,
    origins: Origins,
    notes: Vec<Fault>,
    unusable: Vec<Fault>,
}

impl Reader {
    fn unknown_keys(&mut self, keys: &Pairs<IgnoredAny>) {
        let unknown = keys.0.iter().map(|(key, _)| key).filter(|key| !KEYS.contains(&key.as_str()) && key.len() != 2);
        self.notes.extend(
            unknown.map(|key| fault(child("", key), "unknown_key", "is no key of publiccode.yml; passed over")),
        );
    }

    fn file(&mut self, file: File) {
        // Never null: a product has a name, and that it is missing is then said in the same words as that it is empty.
        self.fields.insert("name".to_owned(), json!(one_line(&file.name.unwrap_or_default())));
        self.set("repository", "/url", file.url.map(trimmed));
        self.set("website", "/landingURL", file.landing_url.map(trimmed));
        self.set("softwareVersion", "/softwareVersion", file.software_version.map(trimmed));
        self.set("releaseDate", "/releaseDate", file.release_date.map(trimmed));
        self.list("platforms", "/platforms", file.platforms.0.iter().map(|text| one_line(text)));
        self.list("categories", "/categories", file.categories.0.iter().map(|text| kebab_case(text)));
        self.status(file.development_status);
        self.licence(file.legal.and_then(|legal| legal.license));
        self.description(file.description);
        self.depends_on(file.depends_on.unwrap_or_default());
    }

    /// A text that is empty says as little as one that is absent.
    fn set(&mut self, field: &str, origin: &str, text: Option<String>) {
        self.fields.insert(field.to_owned(), json!(text.filter(|text| !text.is_empty())));
        self.origins.note(format!("/{field}"), origin);
    }

    fn list(&mut self, field: &str, origin: &str, texts: impl Iterator<Item = String>) {
        let mut kept = Vec::new();
        for (index, text) in texts.enumerate().filter(|(_, text)| !text.is_empty()) {
            self.origins.note(format!("/{field}/{}", kept.len()), format!("{origin}/{index}"));
            kept.push(text);
        }
        self.origins.note(format!("/{field}"), origin);
        self.fields.insert(field.to_owned(), json!(kept));
    }

    fn status(&mut self, word: Option<String>) {
        const ORIGIN: &str = "/developmentStatus";
        for field in ["/developmentStatus", "/phase", "/phaseReason", "/phaseStartedOn"] {
            self.origins.note(field, ORIGIN);
        }
        let word = word.map(trimmed).filter(|word| !word.is_empty());
        let status = word.as_deref().and_then(|word| word.parse::<DevelopmentStatus>().ok());
        if let Some(word) = word.filter(|_| status.is_none()) {
            let detail =
                format!("must be one of concept, development, beta, stable, obsolete, and is {:?}", cut(&word, 40));
            self.unusable.push(fault(ORIGIN, "not_listed", detail));
        }
        self.fields.insert("developmentStatus".to_owned(), json!(status));
        if let Some(status) = status {
            self.fields.insert("phase".to_owned(), json!(phase_of(status)));
        }
    }

    fn licence(&mut self, licence: Option<String>) {
        let licence = licence.map(trimmed).filter(|licence| !licence.is_empty());
        let known = licence.clone().filter(|licence| is_spdx(licence));
        if let Some(licence) = licence.filter(|_| known.is_none()) {
            let detail = format!("must be an SPDX licence expression, and is {:?}", cut(&licence, 80));
            self.unusable.push(fault("/legal/license", "not_spdx", detail));
        }
        self.set("licence", "/legal/license", known);
    }

    /// English when there is any, British if need be, else what comes first.
    fn description(&mut self, descriptions: Pairs<Option<Description>>) {
        let rank = |language: &str| match language.to_ascii_lowercase().as_str() {
            "en" => 0,
            "en-gb" => 1,
            other if other.starts_with("en-") => 2,
            _ => 3,
        };
        let chosen = descriptions.0.into_iter().min_by_key(|(language, _)| rank(language));
        let (language, description) = chosen.unwrap_or_else(|| ("en".to_owned(), None));
        let (short, long, features) = description.map_or((None, None, Vec::new()), |description| {
            (description.short_description, description.long_description, description.features.0)
        });
        let at = |key: &str| format!("/description/{language}/{key}");
        let whole = short.map(|short| one_line(&short)).filter(|short| !short.is_empty());
        let summary = whole.as_deref().map(|whole| self.shortened(at("shortDescription"), whole, 150));
        let long = long.map(trimmed).filter(|long| !long.is_empty());
        let long = long.or_else(|| whole.filter(|whole| Some(whole) != summary.as_ref()));
        self.set("summary", &at("shortDescription"), summary);
        self.set("description", &at("longDescription"), long);
        let features: Vec<String> = features
            .iter()
            .enumerate()
            .map(|(index, feature)| self.shortened(format!("{}/{index}", at("features")), &one_line(feature), 200))
            .collect();
        self.list("features", &at("features"), features.into_iter());
    }

    fn shortened(&mut self, at: String, text: &str, most: usize) -> String {
        let short = cut(text, most);
        if short != text {
            self.notes.push(fault(at, "shortened", format!("has more than {most} characters; cut behind a word")));
        }
        short
    }

    fn depends_on(&mut self, depends_on: DependsOn) {
        let DependsOn { open, proprietary, hardware } = depends_on;
        let mut all = Vec::new();
        for (kind, dependencies) in [("open", open), ("proprietary", proprietary), ("hardware", hardware)] {
            for (index, dependency) in dependencies.into_iter().flatten().enumerate() {
                self.origins.note(format!("/dependsOn/{}", all.len()), format!("/dependsOn/{kind}/{index}"));
                all.push(dependency.into_field(kind));
            }
        }
        self.fields.insert("dependsOn".to_owned(), Value::Array(all));
    }
}

impl Dependency {
    fn into_field(self, kind: &str) -> Value {
        let text = |text: Option<String>| text.map(trimmed).filter(|text| !text.is_empty());
        let optional = self.optional.is_some_and(|word| matches!(word.trim(), "true" | "True" | "TRUE" | "yes" | "on"));
        json!({
            "name": one_line(&self.name.unwrap_or_default()),
            "kind": kind,
            "version": text(self.version),
            "versionMin": text(self.version_min),
            "versionMax": text(self.version_max),
            "optional": optional,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits `map` of what is owned")]
fn trimmed(text: String) -> String {
    text.trim().to_owned()
}

/// A list of texts; a single text, as files in the wild have it, is a list of one.
#[derive(Default)]
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Texts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_unit<E>(self) -> Result<Texts, E> {
                Ok(Texts::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = sequence.next_element::<Option<String>>()? {
                    texts.push(text.unwrap_or_default());
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// The entries of a mapping in the order of the file.
struct Pairs<T>(Vec<(String, T)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_unit<E>(self) -> Result<Pairs<T>, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "
publiccodeYmlVersion: 0.2
name: Bins
url: https://git.example.org/bins
landingUrl: https://bins.example.org
softwareVersion: 1.10
releaseDate: 2026-10-01
platforms: web
categories: [waste-management]
developmentStatus: stable
description:
  nl: {shortDescription: Vuilnis, features: [a]}
  en-GB:
    shortDescription: >
      Tells residents
      their bin day.
    longDescription: At length.
    features:
      - \"One: two\"
legal: {license: AGPL-3.0-only}
dependsOn:
  open:
    - {name: PostgreSQL, versionMin: 15, version: '', optional: yes}
  hardware:
    - name: Reader
";

    fn at(fault: &Fault) -> &str {
        match &fault.location {
            Location::Body(pointer) => pointer,
            Location::Parameter(name) => name,
        }
    }

    #[test]
    fn a_file_becomes_a_product() {
        let reading = read(WHOLE).unwrap();
        assert_eq!(
            Value::Object(reading.fields),
            json!({
                "name": "Bins", "repository": "https://git.example.org/bins", "website": null,
                "softwareVersion": "1.10", "releaseDate": "2026-10-01", "platforms": ["web"],
                "categories": ["waste-management"], "developmentStatus": "stable", "phase": "live",
                "licence": "AGPL-3.0-only", "summary": "Tells residents their bin day.",
                "description": "At length.", "features": ["One: two"],
                "dependsOn": [
                    { "name": "PostgreSQL", "kind": "open", "version": null, "versionMin": "15", "versionMax": null,
                      "optional": true },
                    { "name": "Reader", "kind": "hardware", "version": null, "versionMin": null, "versionMax": null,
                      "optional": false },
                ],
            })
        );
        assert_eq!(reading.notes.iter().map(at).collect::<Vec<_>>(), ["/landingUrl"]);
        assert!(reading.unusable.is_empty());
    }

    #[test]
    fn what_cannot_be_kept_is_named_where_it_stands() {
        let reading =
            read("name: X\ndevelopmentStatus: production\nlegal: {license: Do what you like}\nreleaseDate:\n").unwrap();
        assert_eq!(reading.unusable.iter().map(at).collect::<Vec<_>>(), ["/developmentStatus", "/legal/license"]);
        assert_eq!(reading.fields.get("licence"), Some(&Value::Null));
        assert_eq!(reading.fields.get("releaseDate"), Some(&Value::Null));
        assert!(!reading.fields.contains_key("phase"));
    }

    #[test]
    fn a_short_description_that_is_long_is_cut_and_kept_whole_as_description() {
        let long = "word ".repeat(60);
        let reading = read(&format!("description: {{it: {{shortDescription: {long}}}}}")).unwrap();
        assert_eq!(reading.notes.iter().map(at).collect::<Vec<_>>(), ["/description/it/shortDescription"]);
        assert!(reading.fields["summary"].as_str().unwrap().ends_with("word…"));
        assert_eq!(reading.fields["description"], long.trim());
    }

    #[test]
    fn what_is_no_yaml_is_a_fault_with_its_line() {
        let faults = read("name: [unclosed\nurl: x: y").unwrap_err();
        assert_eq!((at(&faults[0]), faults[0].code.as_ref()), ("", "malformed_yaml"));
        assert!(faults[0].detail.contains("line"), "{}", faults[0].detail);
        assert!(read("- a\n- b").is_err());
        assert!(read("name: {a: b}").is_err());
    }

    #[test]
    fn aliases_that_multiply_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{items}]\n");
        }
        assert!(read(&bomb).is_err());
    }
}
