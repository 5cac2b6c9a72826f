//! Lines and CSV records of a file, within bounds, each with where it begins.
//!
//! Nothing is decoded lossily and nothing is guessed at: what cannot be read is a [`Trouble`] with its place, and
//! reading goes on behind it.

use std::collections::VecDeque;
use std::io::{self, BufRead};

/// Bytes that a line, or a CSV record of several lines, may have.
pub const MAX_LINE: usize = 1024 * 1024;

const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";
const UTF16_BOMS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Something of a file, and the number of the line on which it begins, from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct At<T> {
    /// Number of the line.
    pub line: u64,
    /// What is there.
    pub content: T,
}

/// Why something cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The byte at this offset of the file begins no character of UTF-8.
    NotUtf8(u64),
    /// More than [`MAX_LINE`] bytes.
    TooLong,
    /// A quoted cell is opened and never closed.
    OpenQuote,
}

impl Trouble {
    /// A stable word for programs, and a sentence without its subject for people.
    #[must_use]
    pub fn told(&self) -> (&'static str, String) {
        match self {
            Self::NotUtf8(offset) => ("not_utf8", format!("is not UTF-8 at byte {offset} of the file")),
            Self::TooLong => ("too_long", format!("has more than {MAX_LINE} bytes")),
            Self::OpenQuote => ("open_quote", "opens a quote that is never closed".to_owned()),
        }
    }
}

/// A line, if it can be read.
type Line = At<Result<String, Trouble>>;

/// A record, if it can be read.
type Record = At<Result<Vec<String>, Trouble>>;

/// The lines of a file, without their ends.
pub struct Lines<R> {
    file: R,
    line: u64,
    offset: u64,
}

impl<R: BufRead> Lines<R> {
    /// Skips the mark of UTF-8; a file in UTF-16 is an error, because every line of it would be one.
    pub fn new(mut file: R) -> io::Result<Self> {
        let start = file.fill_buf()?;
        if UTF16_BOMS.iter().any(|mark| start.starts_with(mark)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is in UTF-16; save it as UTF-8"));
        }
        let mark = if start.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
        file.consume(mark);
        Ok(Self { file, line: 0, offset: mark as u64 })
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        let begins = self.offset;
        let Some((mut bytes, whole)) = self.take_line()? else { return Ok(None) };
        self.line += 1;
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        let content = if whole {
            String::from_utf8(bytes).map_err(|error| Trouble::NotUtf8(begins + error.utf8_error().valid_up_to() as u64))
        } else {
            Err(Trouble::TooLong)
        };
        Ok(Some(At { line: self.line, content }))
    }

    /// The bytes up to the end of the line, and whether they are all of it. What is over the bound is read past.
    fn take_line(&mut self) -> io::Result<Option<(Vec<u8>, bool)>> {
        let (mut bytes, mut whole, mut any) = (Vec::new(), true, false);
        loop {
            let chunk = match self.file.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                return Ok(any.then_some((bytes, whole)));
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            if bytes.len() + part.len() > MAX_LINE {
                (bytes, whole) = (Vec::new(), false);
            } else if whole {
                bytes.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.file.consume(used);
            self.offset += used as u64;
            if end.is_some() {
                return Ok(Some((bytes, whole)));
            }
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

/// The records of a CSV file (RFC 4180); a quoted cell may go over several lines.
pub struct Records<R> {
    lines: Lines<R>,
    /// Lines that were read while looking for the end of a quoted cell that has none.
    waiting: VecDeque<Line>,
}

impl<R: BufRead> Records<R> {
    /// The records of these lines; the first is the header.
    pub fn new(lines: Lines<R>) -> Self {
        Self { lines, waiting: VecDeque::new() }
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        match self.waiting.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next_line(),
        }
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            let Some(At { line, content }) = self.line()? else { return Ok(None) };
            let content = match content {
                Ok(text) if text.trim().is_empty() => continue,
                Ok(text) => self.whole(text)?.map(|text| cells(&text)),
                Err(trouble) => Err(trouble),
            };
            return Ok(Some(At { line, content }));
        }
    }

    /// A record from its first line on. When a quote stays open, only that line is lost: the others are read anew.
    fn whole(&mut self, first: String) -> io::Result<Result<String, Trouble>> {
        let mut quotes = Quotes::default();
        quotes.read(&first);
        if !quotes.open() {
            return Ok(Ok(first));
        }
        let (mut text, mut taken) = (first, Vec::new());
        while let Some(next) = self.line()? {
            let more = next.content.as_ref().ok().filter(|more| text.len() + more.len() < MAX_LINE).cloned();
            taken.push(next);
            let Some(more) = more else { break };
            text.push('\n');
            text.push_str(&more);
            quotes.read(&more);
            if !quotes.open() {
                return Ok(Ok(text));
            }
        }
        for line in taken.into_iter().rev() {
            self.waiting.push_front(line);
        }
        Ok(Err(Trouble::OpenQuote))
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().transpose()
    }
}

/// Whether the end of a line is within a quoted cell. A quote inside a cell that does not begin with one is text.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Quotes {
    #[default]
    CellBegins,
    Plain,
    Quoted,
    /// Behind a quote in a quoted cell: its end, or one half of a doubled quote.
    Closing,
}

impl Quotes {
    fn read(&mut self, line: &str) {
        if *self != Self::Quoted {
            *self = Self::CellBegins;
        }
        for byte in line.bytes() {
            *self = match (*self, byte) {
                (Self::Quoted, b'"') => Self::Closing,
                (Self::CellBegins | Self::Closing, b'"') | (Self::Quoted, _) => Self::Quoted,
                (_, b',') => Self::CellBegins,
                _ => Self::Plain,
            };
        }
    }

    fn open(self) -> bool {
        self == Self::Quoted
    }
}

fn cells(record: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record.as_bytes());
    let read = reader.records().next().and_then(Result::ok);
    read.map(|record| record.iter().map(str::to_owned).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(u64, Result<String, Trouble>)> {
        Lines::new(io::Cursor::new(bytes)).unwrap().map(|line| line.unwrap()).map(|at| (at.line, at.content)).collect()
    }

    fn records(text: &str) -> Vec<(u64, Result<Vec<String>, Trouble>)> {
        let lines = Lines::new(io::Cursor::new(text.as_bytes())).unwrap();
        Records::new(lines).map(|record| record.unwrap()).map(|at| (at.line, at.content)).collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "compared with what is read")]
    fn row(cells: &[&str]) -> Result<Vec<String>, Trouble> {
        Ok(cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn lines_lose_their_ends_and_the_mark_of_utf8() {
        assert_eq!(
            lines(b"\xef\xbb\xbfa\r\nb\n\nc"),
            [(1, Ok("a".into())), (2, Ok("b".into())), (3, Ok(String::new())), (4, Ok("c".into()))]
        );
    }

    #[test]
    fn utf16_is_refused_as_a_whole() {
        assert!(Lines::new(io::Cursor::new(b"\xff\xfea\0")).is_err());
    }

    #[test]
    fn a_line_that_is_not_utf8_is_refused_with_its_byte_and_the_next_is_read() {
        assert_eq!(
            lines(b"good\nb\xe9d\ngood"),
            [(1, Ok("good".into())), (2, Err(Trouble::NotUtf8(6))), (3, Ok("good".into()))]
        );
    }

    #[test]
    fn a_line_over_the_bound_is_refused_and_the_next_is_read() {
        let mut bytes = vec![b'x'; MAX_LINE + 1];
        bytes.extend_from_slice(b"\nnext");
        assert_eq!(lines(&bytes), [(1, Err(Trouble::TooLong)), (2, Ok("next".into()))]);
        assert_eq!(lines(&vec![b'x'; MAX_LINE]).len(), 1);
    }

    #[test]
    fn a_record_begins_where_its_first_line_is() {
        assert_eq!(
            records("a,b\n\"one\ntwo\",\"say \"\"hi\"\"\"\n\nc,d"),
            [(1, row(&["a", "b"])), (2, row(&["one\ntwo", "say \"hi\""])), (5, row(&["c", "d"]))]
        );
    }

    #[test]
    fn a_quote_within_a_plain_cell_is_text() {
        assert_eq!(records("12\" pipe,x\ny,z"), [(1, row(&["12\" pipe", "x"])), (2, row(&["y", "z"]))]);
    }

    #[test]
    fn a_quote_that_stays_open_costs_its_own_line_only() {
        assert_eq!(
            records("\"open,x\na,b\nc,d"),
            [(1, Err(Trouble::OpenQuote)), (2, row(&["a", "b"])), (3, row(&["c", "d"]))]
        );
    }
}
