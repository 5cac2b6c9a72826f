//! The part of the archive that has the text.

use std::io::{self, Seek, Write};

use pulldown_cmark::{Event, Tag, TagEnd};
use zip::ZipWriter;

use super::{BULLETS, FIRST_LIST, MAIN, OFFICE, xml};
use crate::lease::document::{COLUMNS, DRAFT, Document, PARTICULARS, SCHEDULE, Section, cells};
use crate::lease::render::{Failure, Schedule};

/// Widths of the columns of the schedule, in twentieths of a point.
const WIDTHS: [u32; 4] = [900, 1900, 1500, 5338];
/// Rows of the schedule in one table; behind them another begins. `LibreOffice` opens a table in the square of its rows: one
/// of 10,000 in minutes, four of a quarter in seconds.
const ROWS: usize = 2500;

/// How words look.
#[derive(Debug, Default, Clone)]
struct Run {
    bold: usize,
    italic: usize,
    struck: usize,
    code: bool,
    quotes: usize,
    links: Vec<String>,
}

/// A list that is open.
struct List {
    numbering: usize,
    /// Whether the next paragraph begins an item.
    begins: bool,
}

/// Writes the part that has the text.
pub(super) struct Body<'o, W: Write + Seek> {
    out: &'o mut ZipWriter<W>,
    lists: Vec<List>,
    run: Run,
    /// With what each numbered list begins.
    starts: Vec<u64>,
    /// Whether a paragraph is open.
    paragraph: bool,
}

impl<'o, W: Write + Seek> Body<'o, W> {
    /// Into the part of the archive that was begun.
    pub(super) fn new(out: &'o mut ZipWriter<W>) -> Self {
        Self { out, lists: Vec::new(), run: Run::default(), starts: Vec::new(), paragraph: false }
    }

    /// With what each of the numbered lists begins that were written.
    pub(super) fn into_starts(self) -> Vec<u64> {
        self.starts
    }
}

impl<W: Write + Seek> Body<'_, W> {
    pub(super) fn document(&mut self, document: &Document, schedule: &mut Schedule<'_>) -> Result<(), Failure> {
        let Document { title, origin, draft, notice, particulars, clauses, premises_count } = document;
        write!(self.out, "<w:document xmlns:w=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><w:body>")?;
        self.styled("Title", title)?;
        self.styled("Normal", origin)?;
        for line in draft.then_some(DRAFT).into_iter().chain(notice.as_deref()) {
            self.styled("Notice", line)?;
        }
        if !particulars.is_empty() {
            self.unnumbered(PARTICULARS)?;
            self.table(PARTICULARS, &[3200, 6438])?;
            for (label, value) in particulars {
                self.row(&[3200, 6438], &[label, value], false)?;
            }
            write!(self.out, "</w:tbl>")?;
        }
        for section in clauses {
            self.section(section)?;
        }
        if *premises_count > 0 {
            self.unnumbered(SCHEDULE)?;
            self.schedule(schedule)?;
        }
        write!(
            self.out,
            "<w:p/><w:sectPr><w:footerReference w:type=\"default\" r:id=\"rId3\"/><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar \
             w:top=\"1247\" w:right=\"1134\" w:bottom=\"1247\" w:left=\"1134\" w:header=\"567\" w:footer=\"567\" w:gutter=\"0\"/>\
             </w:sectPr></w:body></w:document>"
        )?;
        Ok(())
    }

    fn schedule(&mut self, schedule: &mut Schedule<'_>) -> Result<(), Failure> {
        let mut rows = 0;
        schedule(&mut |piece| {
            for scheduled in piece {
                if rows % ROWS == 0 {
                    let between = if rows > 0 { "</w:tbl><w:p/>" } else { "" };
                    write!(self.out, "{between}")?;
                    self.table(SCHEDULE, &WIDTHS)?;
                    self.row(&WIDTHS, &COLUMNS, true)?;
                }
                rows += 1;
                let [number, uprn, street, description] = cells(scheduled);
                self.row(&WIDTHS, &[&number, &uprn, &street, &description], false)?;
            }
            Ok(())
        })?;
        Ok(write!(self.out, "</w:tbl>")?)
    }

    fn styled(&mut self, style: &str, text: &str) -> io::Result<()> {
        write!(
            self.out,
            "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t xml:space=\"preserve\">{}</w:t></w:r></w:p>",
            xml(text)
        )
    }

    fn unnumbered(&mut self, heading: &str) -> io::Result<()> {
        write!(
            self.out,
            "<w:p><w:pPr><w:pStyle w:val=\"Heading1\"/><w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"0\"/></w:numPr></w:pPr>\
             <w:r><w:t>{heading}</w:t></w:r></w:p>"
        )
    }

    fn table(&mut self, caption: &str, widths: &[u32]) -> io::Result<()> {
        let columns = widths.iter().map(|width| format!("<w:gridCol w:w=\"{width}\"/>")).collect::<Vec<_>>().concat();
        write!(
            self.out,
            "<w:tbl><w:tblPr><w:tblStyle w:val=\"TableGrid\"/><w:tblW w:w=\"{}\" w:type=\"dxa\"/><w:tblLayout w:type=\"fixed\"/>\
             <w:tblCaption w:val=\"{}\"/></w:tblPr><w:tblGrid>{columns}</w:tblGrid>",
            widths.iter().sum::<u32>(),
            xml(caption),
        )
    }

    fn row(&mut self, widths: &[u32], cells: &[&str], header: bool) -> io::Result<()> {
        let (kind, bold) =
            if header { ("<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>", "<w:rPr><w:b/></w:rPr>") } else { ("", "") };
        write!(self.out, "<w:tr>{kind}")?;
        for (width, cell) in widths.iter().zip(cells) {
            write!(
                self.out,
                "<w:tc><w:tcPr><w:tcW w:w=\"{width}\" w:type=\"dxa\"/></w:tcPr><w:p><w:r>{bold}<w:t xml:space=\"preserve\">{}</w:t></w:r></w:p></w:tc>",
                xml(cell)
            )?;
        }
        write!(self.out, "</w:tr>")
    }

    fn section(&mut self, section: &Section) -> io::Result<()> {
        self.styled(&format!("Heading{}", section.level.min(6)), &section.heading)?;
        for event in &section.text {
            self.event(event)?;
        }
        self.close()
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(*tag),
            Event::Text(text) => self.words(text),
            Event::Code(text) => {
                self.run.code = true;
                self.words(text)?;
                self.run.code = false;
                Ok(())
            }
            Event::SoftBreak => self.words(" "),
            Event::HardBreak => {
                self.open()?;
                write!(self.out, "<w:r><w:br/></w:r>")
            }
            Event::Rule => self.close().and_then(|()| write!(self.out, "<w:p/>")),
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => Ok(()),
        }
    }

    fn start(&mut self, tag: &Tag<'_>) -> io::Result<()> {
        match tag {
            Tag::Strong | Tag::Heading { .. } | Tag::TableHead => self.run.bold += 1,
            Tag::Emphasis => self.run.italic += 1,
            Tag::Strikethrough => self.run.struck += 1,
            Tag::BlockQuote(_) => self.run.quotes += 1,
            Tag::CodeBlock(_) => self.run.code = true,
            Tag::Link { dest_url, .. } => self.run.links.push(dest_url.to_string()),
            Tag::List(first) => {
                self.close()?;
                let numbering = first.map_or(BULLETS, |first| {
                    self.starts.push(first);
                    FIRST_LIST + self.starts.len() - 1
                });
                self.lists.push(List { numbering, begins: false });
            }
            Tag::Item => {
                self.close()?;
                self.lists.last_mut().into_iter().for_each(|list| list.begins = true);
            }
            Tag::Table(columns) => {
                self.close()?;
                let count = u32::try_from(columns.len().max(1)).unwrap_or(1);
                self.table("", &vec![9638 / count; columns.len()])?;
            }
            _ => {}
        }
        match tag {
            Tag::TableHead | Tag::TableRow => write!(self.out, "<w:tr>"),
            Tag::TableCell => write!(self.out, "<w:tc>"),
            Tag::Paragraph | Tag::Heading { .. } => self.close(),
            _ => Ok(()),
        }
    }

    fn end(&mut self, tag: TagEnd) -> io::Result<()> {
        match tag {
            TagEnd::Link => {
                let target = self.run.links.pop().unwrap_or_default();
                self.words(&format!(" ({target})"))
            }
            TagEnd::TableCell => {
                self.open()?;
                self.close()?;
                write!(self.out, "</w:tc>")
            }
            TagEnd::TableHead => {
                self.run.bold -= 1;
                write!(self.out, "</w:tr>")
            }
            TagEnd::TableRow => write!(self.out, "</w:tr>"),
            TagEnd::Table => write!(self.out, "</w:tbl><w:p/>"),
            TagEnd::Strong => {
                self.run.bold -= 1;
                Ok(())
            }
            TagEnd::Emphasis => {
                self.run.italic -= 1;
                Ok(())
            }
            TagEnd::Strikethrough => {
                self.run.struck -= 1;
                Ok(())
            }
            TagEnd::Heading(_) => {
                self.run.bold -= 1;
                self.close()
            }
            TagEnd::BlockQuote(_) => {
                self.close()?;
                self.run.quotes -= 1;
                Ok(())
            }
            TagEnd::CodeBlock => {
                self.run.code = false;
                self.close()
            }
            TagEnd::List(_) => {
                self.close()?;
                self.lists.pop();
                Ok(())
            }
            TagEnd::Item => {
                self.open_if_item_is_empty()?;
                self.close()
            }
            _ => self.close(),
        }
    }

    fn open_if_item_is_empty(&mut self) -> io::Result<()> {
        if self.lists.last().is_some_and(|list| list.begins) { self.open() } else { Ok(()) }
    }

    /// Opens a paragraph unless one is open.
    fn open(&mut self) -> io::Result<()> {
        if self.paragraph {
            return Ok(());
        }
        self.paragraph = true;
        let depth = self.lists.len();
        // Nine levels are numbered; deeper ones stand with the last.
        let level = depth.saturating_sub(1).min(8);
        let properties = match self.lists.last_mut() {
            Some(list) if list.begins => {
                list.begins = false;
                format!(
                    "<w:pStyle w:val=\"ListParagraph\"/><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{}\"/></w:numPr>",
                    list.numbering
                )
            }
            Some(_) => format!("<w:pStyle w:val=\"ListParagraph\"/><w:ind w:left=\"{}\"/>", 720 + level * 360),
            None if self.run.quotes > 0 => "<w:pStyle w:val=\"Quote\"/>".to_owned(),
            None => String::new(),
        };
        write!(self.out, "<w:p><w:pPr>{properties}</w:pPr>")
    }

    fn close(&mut self) -> io::Result<()> {
        if self.paragraph {
            self.paragraph = false;
            write!(self.out, "</w:p>")?;
        }
        Ok(())
    }

    fn words(&mut self, text: &str) -> io::Result<()> {
        self.open()?;
        let Run { bold, italic, struck, code, .. } = &self.run;
        let looks = [
            (*code, "<w:rFonts w:ascii=\"Courier New\" w:hAnsi=\"Courier New\" w:cs=\"Courier New\"/>"),
            (*bold > 0, "<w:b/>"),
            (*italic > 0, "<w:i/>"),
            (*struck > 0, "<w:strike/>"),
        ];
        let looks: String = looks.into_iter().filter(|(so, _)| *so).map(|(_, xml)| xml).collect();
        for (index, line) in text.split('\n').enumerate() {
            let broken = if index > 0 { "<w:br/>" } else { "" };
            write!(
                self.out,
                "<w:r><w:rPr>{looks}</w:rPr>{broken}<w:t xml:space=\"preserve\">{}</w:t></w:r>",
                xml(line)
            )?;
        }
        Ok(())
    }
}
