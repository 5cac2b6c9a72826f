//! Tables that go out to be opened by a spreadsheet, as CSV (RFC 4180).

use crate::problem::Problem;

/// With what a cell begins that a spreadsheet takes for a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// What a spreadsheet would take for a formula, as the text that it is (OWASP, CSV injection).
fn defused(cell: String) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell }
}

/// The text that was [`defused`].
#[must_use]
pub fn armed(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(FORMULA)).unwrap_or(cell)
}

/// The rows as a file, behind a header.
pub fn write<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Result<Vec<u8>, Problem> {
    let mut file = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let unwritten = |error: &dyn std::fmt::Display| Problem::internal(format!("a table cannot be written: {error}"));
    file.write_record(header).map_err(|error| unwritten(&error))?;
    for cells in rows {
        file.write_record(cells.map(defused)).map_err(|error| unwritten(&error))?;
    }
    file.into_inner().map_err(|error| unwritten(&error))
}
