//! Writes what a lease says, in each of the formats; its schedule goes through piece by piece and is never held as a whole.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use db::leases::documents::DocumentFormat;
use db::leases::premises::Scheduled;

use super::document::Document;
use super::{docx, html, markdown};
use crate::problem::Problem;

/// Goes through the schedule of a lease, a piece at a time.
pub type Schedule<'s> = dyn FnMut(&mut dyn FnMut(&[Scheduled]) -> Result<(), Failure>) -> Result<(), Failure> + 's;

/// Why a document cannot be written.
#[derive(Debug)]
pub enum Failure {
    /// Its schedule cannot be read.
    Read(db::Error),
    /// There is no room, as a rule.
    Write(io::Error),
}

impl From<db::Error> for Failure {
    fn from(error: db::Error) -> Self {
        Self::Read(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Read(error) => error.into(),
            Failure::Write(error) => Self::unavailable(format!("a document cannot be written: {error}")),
        }
    }
}

/// The media type of a format.
#[must_use]
pub fn media_type(format: DocumentFormat) -> &'static str {
    match format {
        DocumentFormat::Markdown => "text/markdown; charset=utf-8",
        DocumentFormat::Html => "text/html; charset=utf-8",
        DocumentFormat::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
}

/// Writes a document to a file that nobody else sees and that goes with its last holder; it is read from its beginning.
pub fn render(format: DocumentFormat, document: &Document, schedule: &mut Schedule<'_>) -> Result<File, Failure> {
    let mut out = BufWriter::new(tempfile::tempfile()?);
    match format {
        DocumentFormat::Markdown => markdown::write(document, schedule, &mut out)?,
        DocumentFormat::Html => html::write(document, schedule, &mut out)?,
        DocumentFormat::Docx => docx::write(document, schedule, &mut out)?,
    }
    out.flush()?;
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}
