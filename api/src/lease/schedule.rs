//! Premises as they come in: a table in CSV, or a list in JSON. Read one after the other, so that a file is never held as a
//! whole; every row that is wrong is told, with what is wrong with it.

use std::collections::HashMap;
use std::fmt;
use std::io::BufRead;

use db::Fault;
use db::leases::premises::{MOST, Premises};
use serde::Deserializer;
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::terms::line;
use super::values::uprn;
use crate::contract::faults::child;
use crate::import::lines::{At, Lines, Records};
use crate::words::kebab_case;

/// How many faults are looked for; behind them rows are only counted.
const MOST_FAULTS: usize = 100;
/// Names of columns, in the form in which they are compared.
const DESCRIPTIONS: [&str; 4] = ["description", "address", "premises", "name"];

/// Reads premises; else everything that is wrong with them.
pub fn read(media_type: &str, file: impl BufRead) -> Result<Vec<Premises>, Vec<Fault>> {
    let mut rows = Rows::default();
    let whole = if media_type == "text/csv" { csv(file, &mut rows) } else { json(file, &mut rows) };
    if let Err(fault) = whole {
        rows.faults.push(fault);
    }
    if rows.faults.is_empty() { Ok(rows.premises) } else { Err(rows.faults) }
}

/// The rows so far.
#[derive(Default)]
struct Rows {
    premises: Vec<Premises>,
    faults: Vec<Fault>,
    count: usize,
    /// On which row a number was met first.
    met: HashMap<(bool, i64), usize>,
}

/// A row, as it stands in the file.
#[derive(Default)]
struct Row {
    uprn: Option<String>,
    usrn: Option<String>,
    description: Option<String>,
    /// Fields that are none of these.
    unknown: Vec<String>,
    /// Fields that are of another type.
    mistyped: Vec<&'static str>,
    /// Why it cannot be read at all.
    unreadable: Option<(&'static str, String)>,
    /// What it is called in a sentence.
    place: String,
}

impl Rows {
    /// Takes a row; false when no more are taken.
    fn take(&mut self, row: Row) -> bool {
        let index = self.count;
        self.count += 1;
        if index == MOST {
            // Before what is wrong with single rows, of which not all may be told.
            self.faults.insert(0, Fault::new("/premises", "too_many", format!("must be at most {MOST}")));
            return false;
        }
        if self.faults.len() >= MOST_FAULTS {
            return true;
        }
        let before = self.faults.len();
        let at = |field: &str| format!("/premises/{index}{field}");
        let Row { uprn: property, usrn: street, description, unknown, mistyped, unreadable, place } = row;
        let mut fault = |field: &str, code: &'static str, detail: String| {
            self.faults.push(Fault::new(at(field), code, format!("{place}: {detail}")));
        };
        if let Some((code, detail)) = unreadable {
            fault("", code, detail);
        }
        for name in unknown {
            fault(&child("", &name), "unknown_field", "is not known".to_owned());
        }
        for name in mistyped {
            fault(&format!("/{name}"), "wrong_type", "must be of another type".to_owned());
        }
        let property_number = property.as_deref().and_then(|text| {
            let read = uprn(text).and_then(|number| i64::try_from(number).ok());
            if read.is_none() {
                fault("/uprn", "wrong_form", format!("`{}` is no UPRN, which has 1 to 12 digits", short(text)));
            }
            read
        });
        let street_number = street.as_deref().and_then(|text| {
            let digits = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            let read = text.parse::<i32>().ok().filter(|number| digits && *number > 0);
            if read.is_none() {
                fault("/usrn", "wrong_form", format!("`{}` is no USRN, which has 1 to 8 digits", short(text)));
            }
            read
        });
        let fits = |text: &String| (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !description.as_ref().is_none_or(fits) {
            fault("/description", "wrong_form", "must be one line of 1 to 200 characters".to_owned());
        }
        if property.is_none() && street.is_none() && self.faults.len() == before {
            self.faults.push(Fault::new(at(""), "nowhere", format!("{place}: has neither a UPRN nor a USRN")));
        }
        // A street by itself is told by its USRN; with a UPRN that only says where it is.
        let known_by = property_number.map(|number| (true, number));
        let known_by =
            known_by.or(street_number.filter(|_| property.is_none()).map(|number| (false, i64::from(number))));
        if let Some(first) = known_by.and_then(|key| self.met.get(&key)) {
            let field = if property_number.is_some() { "/uprn" } else { "/usrn" };
            let detail = format!("{place}: stands already on row {}", first + 1);
            self.faults.push(Fault::new(at(field), "repeated", detail));
        } else if let Some(key) = known_by {
            self.met.insert(key, index);
        }
        if self.faults.is_empty() {
            self.premises.push(Premises { uprn: property_number, usrn: street_number, description });
        }
        true
    }
}

/// As much of a text as helps to find it.
fn short(text: &str) -> String {
    line(&text.chars().take(80).collect::<String>())
}

/// What there is in a cell: nothing where it is blank.
fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn csv(file: impl BufRead, rows: &mut Rows) -> Result<(), Fault> {
    let unusable = |detail: String| Fault::new("", "unusable_file", format!("cannot be read: {detail}"));
    let mut records = Records::new(Lines::new(file).map_err(|error| unusable(error.to_string()))?);
    let header = match records.next().transpose().map_err(|error| unusable(error.to_string()))? {
        Some(At { content: Ok(header), .. }) => header.iter().map(|name| kebab_case(name)).collect::<Vec<_>>(),
        Some(_) => return Err(unusable("its header is damaged".to_owned())),
        None => return Err(unusable("it is empty".to_owned())),
    };
    let column = |names: &[&str]| header.iter().position(|name| names.contains(&name.as_str()));
    let (properties, streets, descriptions) = (column(&["uprn"]), column(&["usrn"]), column(&DESCRIPTIONS));
    if properties.is_none() && streets.is_none() {
        return Err(unusable("no column is called uprn or usrn".to_owned()));
    }
    for record in records {
        let At { line, content } = record.map_err(|error| unusable(error.to_string()))?;
        let mut row = Row { place: format!("row {}, line {line}", rows.count + 1), ..Row::default() };
        match content {
            Ok(cells) if cells.len() == header.len() => {
                let cell =
                    |column: Option<usize>| column.and_then(|column| cells.get(column)).and_then(|cell| given(cell));
                (row.uprn, row.usrn, row.description) = (cell(properties), cell(streets), cell(descriptions));
            }
            Ok(cells) => {
                let detail = format!("has {} cells where the header has {}", cells.len(), header.len());
                row.unreadable = Some(("wrong_length", detail));
            }
            Err(trouble) => row.unreadable = Some(trouble.told()),
        }
        if !rows.take(row) {
            break;
        }
    }
    Ok(())
}

/// Ends the reading of a file of which enough was read.
const ENOUGH: &str = "enough";

fn json(file: impl BufRead, rows: &mut Rows) -> Result<(), Fault> {
    let mut reader = serde_json::Deserializer::from_reader(file);
    let read = reader.deserialize_any(Whole(rows)).and_then(|()| reader.end());
    match read {
        Err(error) if error.to_string().starts_with(ENOUGH) => Ok(()),
        Err(error) if error.is_data() => {
            Err(Fault::new("", "wrong_type", format!("must be otherwise: {}", short(&error.to_string()))))
        }
        Err(error) => Err(Fault::new("", "malformed_json", format!("is not JSON: {}", short(&error.to_string())))),
        Ok(()) => Ok(()),
    }
}

/// An object with `premises`, or the list itself.
struct Whole<'r>(&'r mut Rows);

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the list `premises`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(mut row) = list.next_element::<Row>()? {
            row.place = format!("row {}", self.0.count + 1);
            if !self.0.take(row) {
                return Err(A::Error::custom(ENOUGH));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = object.next_key::<String>()? {
            if name == "premises" && !found {
                found = true;
                object.next_value_seed(List(self.0))?;
            } else {
                let code = if name == "premises" { "repeated" } else { "unknown_field" };
                if self.0.faults.len() < MOST_FAULTS {
                    self.0.faults.push(Fault::new(child("", &short(&name)), code, "must not be given"));
                }
                object.next_value::<IgnoredAny>()?;
            }
        }
        if !found {
            self.0.faults.push(Fault::new("/premises", "required", "must be given"));
        }
        Ok(())
    }
}

/// The list itself; what is none is told.
struct List<'r>(&'r mut Rows);

impl List<'_> {
    fn refuse(self) {
        self.0.faults.push(Fault::new("/premises", "wrong_type", "must be a list"));
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Whole(self.0).visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.refuse();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.refuse();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.refuse();
        Ok(())
    }
}

impl<'de> serde::Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Object)
    }
}

/// One row; whatever it is, what comes behind it is read.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Row, A::Error> {
        let mut row = Row::default();
        while let Some(name) = object.next_key::<String>()? {
            let field = match name.as_str() {
                "uprn" => ("uprn", &mut row.uprn),
                "usrn" => ("usrn", &mut row.usrn),
                "description" => ("description", &mut row.description),
                // What only we send is passed over, as long as it could be ours.
                "position" => {
                    let fits = match object.next_value::<Cell>()? {
                        Cell::Number(text) => text.parse().is_ok_and(|place: usize| (1..=MOST).contains(&place)),
                        Cell::Nothing => true,
                        Cell::Text(_) | Cell::Other => false,
                    };
                    row.mistyped.extend((!fits).then_some("position"));
                    continue;
                }
                other => {
                    if row.unknown.len() < MOST_FAULTS {
                        row.unknown.push(short(other));
                    }
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            match object.next_value::<Cell>()? {
                Cell::Text(text) | Cell::Number(text) => *field.1 = Some(text),
                Cell::Nothing => {}
                Cell::Other => row.mistyped.push(field.0),
            }
        }
        Ok(row)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Row, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(no_object())
    }

    fn visit_str<E>(self, _: &str) -> Result<Row, E> {
        Ok(no_object())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Row, E> {
        Ok(no_object())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Row, E> {
        Ok(no_object())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Row, E> {
        Ok(no_object())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Row, E> {
        Ok(no_object())
    }

    fn visit_unit<E>(self) -> Result<Row, E> {
        Ok(no_object())
    }
}

fn no_object() -> Row {
    Row { unreadable: Some(("wrong_type", "must be an object".to_owned())), ..Row::default() }
}

/// Value of a member.
enum Cell {
    Text(String),
    Number(String),
    Nothing,
    Other,
}

impl<'de> serde::Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyCell)
    }
}

struct AnyCell;

impl<'de> Visitor<'de> for AnyCell {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell, E> {
        Ok(Cell::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Cell, E> {
        Ok(Cell::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Cell, E> {
        Ok(Cell::Number(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Cell, E> {
        Ok(Cell::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cell, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Cell, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }
}
