//! Answers that come in as a table (CSV, RFC 4180): a row a control, for those who work in spreadsheets. What comes in has the columns of
//! what went out; others are passed over, and a cell that is blank clears what was said.

use std::io::BufRead;

use db::Fault;
use serde_json::{Map, Value, json};

use crate::http::spreadsheet::armed;
use crate::import::lines::{At, Lines, Records};
use crate::words::kebab_case;

/// How many rows are read.
pub const MOST: usize = 2000;
/// How many faults are told.
const MOST_FAULTS: usize = 100;
/// Columns that are read, as they are compared, with the fields that they are.
const COLUMNS: [(&str, &str); 8] = [
    ("control", "control"),
    ("version", "version"),
    ("status", "status"),
    ("statement", "statement"),
    ("justification", "justification"),
    ("evidence", "evidence"),
    ("indicatorsmet", "indicators"),
    ("assignee", "assignee"),
];

/// Reads a table, as the body in JSON that says the same; else everything that is wrong with its form.
pub fn read(file: impl BufRead) -> Result<Value, Vec<Fault>> {
    let unusable = |detail: String| vec![Fault::new("", "unusable_file", format!("cannot be read: {detail}"))];
    let mut records = Records::new(Lines::new(file).map_err(|error| unusable(error.to_string()))?);
    let header = match records.next().transpose().map_err(|error| unusable(error.to_string()))? {
        Some(At { content: Ok(header), .. }) => {
            header.iter().map(|name| kebab_case(name).replace('-', "")).collect::<Vec<_>>()
        }
        Some(_) => return Err(unusable("its header is damaged".to_owned())),
        None => return Err(unusable("it is empty".to_owned())),
    };
    let columns: Vec<(usize, &str)> = COLUMNS
        .iter()
        .filter_map(|(column, field)| Some((header.iter().position(|name| name == column)?, *field)))
        .collect();
    if !columns.iter().any(|(_, field)| *field == "control") {
        return Err(unusable("no column is called control".to_owned()));
    }
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for record in records {
        let At { line, content } = record.map_err(|error| unusable(error.to_string()))?;
        let index = rows.len();
        if index == MOST {
            return Err(vec![Fault::new("/answers", "too_many", format!("must be at most {MOST}"))]);
        }
        let at = format!("/answers/{index}");
        match content {
            Ok(cells) if cells.len() == header.len() => {
                let fields = columns.iter().map(|(column, field)| {
                    let text = cells.get(*column).map(|text| armed(text)).unwrap_or_default();
                    ((*field).to_owned(), value(field, text))
                });
                rows.push(Value::Object(fields.collect::<Map<_, _>>()));
            }
            Ok(cells) => {
                let detail = format!("line {line}: has {} cells where the header has {}", cells.len(), header.len());
                faults.push(Fault::new(at, "wrong_length", detail));
                rows.push(Value::Null);
            }
            Err(trouble) => {
                let (code, detail) = trouble.told();
                faults.push(Fault::new(at, code, format!("line {line}: {detail}")));
                rows.push(Value::Null);
            }
        }
        if faults.len() >= MOST_FAULTS {
            break;
        }
    }
    if faults.is_empty() { Ok(json!({ "answers": rows })) } else { Err(faults) }
}

/// What a cell says of a field.
fn value(field: &str, cell: &str) -> Value {
    let text = cell.trim();
    match field {
        "version" => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        "evidence" => text.split_whitespace().map(Value::from).collect(),
        "indicators" => text.split_whitespace().map(|id| json!({ "id": id, "met": true })).collect(),
        "control" => text.into(),
        _ if text.is_empty() => Value::Null,
        // As people write it.
        "status" => text.to_lowercase().replace([' ', '-'], "_").into(),
        "assignee" => text.into(),
        _ => cell.into(),
    }
}
