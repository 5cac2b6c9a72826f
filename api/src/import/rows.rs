//! The rows of a file, one after the other, whatever it is written in.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::lines::{At, Lines, Records, Trouble};
use super::{Content, Format, Options, Resource, Row, citations, csv, fault, organisations, products};

/// The rows of a file. What is wrong with a row is told in it; an error is one of reading.
pub struct Rows<R> {
    reading: Reading<R>,
    resource: Resource,
    options: Options,
    /// Name of the data set when neither the options nor the row have one.
    default_source: String,
    /// Keys met, shortened to 16 bytes of their digests, and their lines.
    met: HashMap<[u8; 16], u64>,
    /// Columns and fields that nothing is taken from.
    unused: BTreeSet<String>,
}

enum Reading<R> {
    Csv(csv::Table, Records<R>),
    Jsonl(Lines<R>),
}

impl<R: BufRead> Rows<R> {
    /// The rows of a file that is named `stem`. Fails with a sentence when nothing could be made of any row.
    pub fn new(resource: Resource, format: Format, options: &Options, stem: &str, file: R) -> Result<Self, String> {
        let lines = Lines::new(file).map_err(|error| error.to_string())?;
        let mut unused = BTreeSet::new();
        let reading = if format == Format::Csv {
            let mut records = Records::new(lines);
            let header = match records.next().transpose().map_err(|error| error.to_string())? {
                Some(At { content: Ok(header), .. }) => header,
                Some(_) => return Err("its header cannot be read".to_owned()),
                None => return Err("it is empty".to_owned()),
            };
            let table = csv::Table::new(resource, &header, stem, options)?;
            unused.extend(table.unused());
            Reading::Csv(table, records)
        } else {
            Reading::Jsonl(lines)
        };
        let (options, default_source) = (options.clone(), stem.to_owned());
        Ok(Self { reading, resource, options, default_source, met: HashMap::new(), unused })
    }

    /// Columns and fields of the rows so far that nothing is taken from.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.unused.iter().map(String::as_str)
    }

    fn next_row(&mut self) -> io::Result<Option<Row>> {
        let row = match &mut self.reading {
            Reading::Csv(table, records) => {
                let Some(At { line, content }) = records.next().transpose()? else { return Ok(None) };
                match content {
                    Ok(cells) => table.row(line, &cells, &self.options),
                    Err(trouble) => unreadable(line, &trouble),
                }
            }
            Reading::Jsonl(lines) => loop {
                let Some(At { line, content }) = lines.next().transpose()? else { return Ok(None) };
                match content {
                    Ok(text) if text.trim().is_empty() => {}
                    Ok(text) => break json_row(self.resource, line, &text, &self.options, &self.default_source),
                    Err(trouble) => break unreadable(line, &trouble),
                }
            },
        };
        Ok(Some(self.noted(row)))
    }

    fn noted(&mut self, mut row: Row) -> Row {
        if let Some(first) = self.met_before(&row) {
            let detail = format!("stands already on line {first} of this file, with the same key");
            row.faults.push(fault("", "repeated_key", detail));
        }
        self.unused.extend(row.unused.drain(..));
        row
    }

    fn met_before(&mut self, row: &Row) -> Option<u64> {
        // The key of a spelling is its own, so that a second one only says the same again.
        if matches!(row.content, Content::Unreadable | Content::Alias(..)) || row.external_id.is_empty() {
            return None;
        }
        let digest = Sha256::digest(format!("{}\n{}", row.source, row.external_id).as_bytes());
        let key: [u8; 16] = digest.first_chunk().copied().unwrap_or_default();
        match self.met.entry(key) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(row.line);
                None
            }
        }
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}

fn json_row(resource: Resource, line: u64, text: &str, options: &Options, default_source: &str) -> Row {
    let object = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Row::unreadable(line, fault("", "wrong_type", "must be a JSON object")),
        Err(error) => {
            // Its own count of lines begins with this one.
            let cause = error.to_string().replace("at line 1 column", "at column");
            return Row::unreadable(line, fault("", "malformed_json", format!("is not JSON: {cause}")));
        }
    };
    match resource {
        Resource::Products => products::row(line, object, options, default_source),
        Resource::Organisations => organisations::json_row(line, object, options, default_source),
        Resource::Citations => citations::row(line, &object, options, default_source),
    }
}

/// Why a line is no row.
pub(super) fn unreadable(line: u64, trouble: &Trouble) -> Row {
    let (code, detail) = trouble.told();
    Row::unreadable(line, fault("", code, detail))
}
