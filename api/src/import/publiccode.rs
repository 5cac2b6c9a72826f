//! Files of publiccode.yml as rows: one product each.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::lines::{MAX_LINE, Trouble};
use super::products::ProductRow;
use super::rows::unreadable;
use super::{Content, Row};
use crate::problem::{Fault, Location};
use crate::publiccode::read::{Reading, read};

/// The file, or those of a directory that end in `.yml` or `.yaml`, by name.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
    let mut files: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).filter(is_yaml).collect();
    files.sort();
    if files.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "holds no .yml or .yaml file"));
    }
    Ok(files)
}

/// A file as a row; its key is the `url`, which the standard holds to be the software's own, or else its name.
pub(super) fn row(path: &Path, source: &str) -> io::Result<Row> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_LINE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_LINE {
        return Ok(unreadable(1, &Trouble::TooLong));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => match read(&text) {
            Ok(reading) => of_reading(path, source, reading),
            Err(faults) => Row { faults, ..Row::new(1, source, &file_name(path), Content::Unreadable, &Value::Null) },
        },
        Err(error) => unreadable(1, &Trouble::NotUtf8(error.utf8_error().valid_up_to() as u64)),
    })
}

fn of_reading(path: &Path, source: &str, reading: Reading) -> Row {
    let url = reading.url().filter(|url| url.chars().count() <= 200).map(str::to_owned);
    let key = url.unwrap_or_else(|| file_name(path));
    let passed_over = reading.unusable.iter().map(|fault| format!("{}; passed over", note(fault)));
    let notes = reading.notes.iter().map(note).chain(passed_over).collect();
    let hashed = json!(reading.fields);
    let product = ProductRow::of_fields(reading.fields);
    let row = Row::new(1, source, &key, Content::Product(Box::new(product)), &hashed);
    Row { notes, origins: reading.origins, ..row }
}

fn note(fault: &Fault) -> String {
    let pointer = match &fault.location {
        Location::Body(pointer) => pointer.as_ref(),
        Location::Parameter(name) => name,
    };
    format!("{pointer} {}", fault.detail)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
