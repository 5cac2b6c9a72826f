//! A lease as Office Open XML (ISO/IEC 29500, WordprocessingML): headings numbered by Word itself, lists and tables as such.
//!
//! A ZIP archive of XML parts, each written as a stream. Nothing is compressed and no time is kept, so that the same lease
//! is the same bytes on every machine: what a compressor makes depends on the processor.

use std::fmt::Write as _;
use std::io::{self, Seek, Write};

use pulldown_cmark::{Event, Tag, TagEnd};
use quick_xml::escape::escape;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::document::{COLUMNS, DRAFT, Document, PARTICULARS, SCHEDULE, Section, cells};
use super::render::{Failure, Schedule};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml";
/// Widths of the columns of the schedule, in twentieths of a point.
const WIDTHS: [u32; 4] = [900, 1900, 1500, 5338];
/// Numberings of headings and of lists with bullets; those of numbered lists come behind.
const HEADINGS: usize = 1;
const BULLETS: usize = 2;
const FIRST_LIST: usize = 3;

pub(super) fn write(
    document: &Document,
    schedule: &mut Schedule<'_>,
    out: &mut (impl Write + Seek),
) -> Result<(), Failure> {
    let mut archive = ZipWriter::new(out);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    let part = |archive: &mut ZipWriter<_>, name: &str, xml: &str| -> Result<(), Failure> {
        archive.start_file(name, options).map_err(io::Error::from)?;
        Ok(write!(archive, "{HEAD}{xml}")?)
    };
    part(&mut archive, "[Content_Types].xml", &content_types())?;
    part(&mut archive, "_rels/.rels", &relationships(&[("officeDocument", "word/document.xml")], true))?;
    let parts = [("styles", "styles.xml"), ("numbering", "numbering.xml"), ("footer", "footer1.xml")];
    part(&mut archive, "word/_rels/document.xml.rels", &relationships(&parts, false))?;
    part(&mut archive, "docProps/core.xml", &core(&document.title))?;
    part(&mut archive, "word/styles.xml", &styles())?;
    part(&mut archive, "word/footer1.xml", &footer(&document.title))?;
    part(&mut archive, "word/document.xml", "")?;
    let mut body =
        Body { out: &mut archive, lists: Vec::new(), run: Run::default(), starts: Vec::new(), paragraph: false };
    body.document(document, schedule)?;
    let starts = body.starts;
    part(&mut archive, "word/numbering.xml", &numbering(&starts))?;
    archive.finish().map_err(io::Error::from)?;
    Ok(())
}

/// Text as XML 1.0 can hold it.
fn xml(text: &str) -> String {
    let possible =
        |c: &char| !matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    escape(text.chars().filter(possible).collect::<String>()).into_owned()
}

fn content_types() -> String {
    let of =
        |name: &str, kind: &str| format!("<Override PartName=\"/word/{name}.xml\" ContentType=\"{WORD}.{kind}+xml\"/>");
    format!(
        "<Types xmlns=\"{PACKAGE}/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" \
         ContentType=\"application/xml\"/>{}{}{}{}<Override PartName=\"/docProps/core.xml\" \
         ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/></Types>",
        of("document", "document.main"),
        of("styles", "styles"),
        of("numbering", "numbering"),
        of("footer1", "footer"),
    )
}

fn relationships(parts: &[(&str, &str)], of_package: bool) -> String {
    let mut xml = format!("<Relationships xmlns=\"{PACKAGE}/relationships\">");
    for (number, (kind, target)) in (1..).zip(parts) {
        let _ = write!(xml, "<Relationship Id=\"rId{number}\" Type=\"{OFFICE}/{kind}\" Target=\"{target}\"/>");
    }
    if of_package {
        let _ = write!(
            xml,
            "<Relationship Id=\"rIdCore\" Type=\"{PACKAGE}/relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/>"
        );
    }
    xml + "</Relationships>"
}

fn core(title: &str) -> String {
    format!(
        "<cp:coreProperties xmlns:cp=\"{PACKAGE}/metadata/core-properties\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
         <dc:title>{}</dc:title><dc:language>en-GB</dc:language></cp:coreProperties>",
        xml(title)
    )
}

fn footer(title: &str) -> String {
    let field = |name: &str| format!("<w:fldSimple w:instr=\"{name}\"><w:r><w:t>1</w:t></w:r></w:fldSimple>");
    format!(
        "<w:ftr xmlns:w=\"{MAIN}\"><w:p><w:pPr><w:pStyle w:val=\"Footer\"/></w:pPr><w:r><w:t xml:space=\"preserve\">{}, page </w:t>\
         </w:r>{}<w:r><w:t xml:space=\"preserve\"> of </w:t></w:r>{}</w:p></w:ftr>",
        xml(title),
        field("PAGE"),
        field("NUMPAGES"),
    )
}

fn styles() -> String {
    let style = |id: &str, name: &str, rest: &str| {
        format!(
            "<w:style w:type=\"paragraph\" w:styleId=\"{id}\"><w:name w:val=\"{name}\"/><w:basedOn w:val=\"Normal\"/>{rest}</w:style>"
        )
    };
    let mut xml = format!(
        "<w:styles xmlns:w=\"{MAIN}\"><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii=\"Arial\" w:hAnsi=\"Arial\" w:cs=\"Arial\"/>\
         <w:sz w:val=\"22\"/><w:lang w:val=\"en-GB\"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after=\"120\" w:line=\"264\" \
         w:lineRule=\"auto\"/></w:pPr></w:pPrDefault></w:docDefaults><w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\">\
         <w:name w:val=\"Normal\"/></w:style>"
    );
    xml += &style(
        "Title",
        "Title",
        "<w:pPr><w:spacing w:after=\"240\"/></w:pPr><w:rPr><w:b/><w:sz w:val=\"40\"/></w:rPr>",
    );
    xml += &style("Notice", "Notice", "<w:pPr><w:ind w:left=\"360\"/></w:pPr><w:rPr><w:b/></w:rPr>");
    xml += &style("Quote", "Quote", "<w:pPr><w:ind w:left=\"720\"/></w:pPr><w:rPr><w:i/></w:rPr>");
    xml += &style("Footer", "footer", "<w:rPr><w:sz w:val=\"18\"/></w:rPr>");
    xml += &style("ListParagraph", "List Paragraph", "");
    for level in 0..6 {
        let (id, size) = (level + 1, if level == 0 { 26 } else { 22 });
        let rest = format!(
            "<w:next w:val=\"Normal\"/><w:pPr><w:keepNext/><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{HEADINGS}\"/></w:numPr>\
             <w:spacing w:before=\"240\"/><w:outlineLvl w:val=\"{level}\"/></w:pPr><w:rPr><w:b/><w:sz w:val=\"{size}\"/></w:rPr>"
        );
        xml += &style(&format!("Heading{id}"), &format!("heading {id}"), &rest);
    }
    let border = |side: &str| format!("<w:{side} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"555555\"/>");
    let borders: String = ["top", "left", "bottom", "right", "insideH", "insideV"].map(border).concat();
    let _ = write!(
        xml,
        "<w:style w:type=\"table\" w:styleId=\"TableGrid\"><w:name w:val=\"Table Grid\"/><w:pPr><w:spacing w:after=\"0\"/></w:pPr>\
         <w:tblPr><w:tblBorders>{borders}</w:tblBorders></w:tblPr></w:style>"
    );
    xml + "</w:styles>"
}

/// The numberings: that of headings, that of bullets, and one for each numbered list, which begins as it says.
fn numbering(starts: &[u64]) -> String {
    let mut xml = format!("<w:numbering xmlns:w=\"{MAIN}\">");
    let mut many = |id: usize, level: &dyn Fn(usize) -> String| {
        let levels: String = (0..9).map(level).collect();
        let _ = write!(
            xml,
            "<w:abstractNum w:abstractNumId=\"{id}\"><w:multiLevelType w:val=\"multilevel\"/>{levels}</w:abstractNum>"
        );
    };
    let level = |level: usize, format: &str, style: &str, text: &str, indent: usize| {
        format!(
            "<w:lvl w:ilvl=\"{level}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{format}\"/>{style}<w:lvlText w:val=\"{text}\"/>\
             <w:lvlJc w:val=\"left\"/><w:pPr><w:ind w:left=\"{indent}\" w:hanging=\"{hanging}\"/></w:pPr></w:lvl>",
            hanging = if style.is_empty() { 360 } else { indent },
        )
    };
    many(0, &|at| {
        let text: Vec<String> = (1..=at + 1).map(|above| format!("%{above}")).collect();
        let style = if at < 6 { format!("<w:pStyle w:val=\"Heading{}\"/>", at + 1) } else { String::new() };
        level(at, "decimal", &style, &text.join("."), 720 + at * 144)
    });
    many(1, &|at| level(at, "bullet", "", "•", 720 + at * 360));
    many(2, &|at| level(at, "decimal", "", &format!("%{}.", at + 1), 720 + at * 360));
    for (id, kind) in [(HEADINGS, 0), (BULLETS, 1)] {
        let _ = write!(xml, "<w:num w:numId=\"{id}\"><w:abstractNumId w:val=\"{kind}\"/></w:num>");
    }
    for (id, start) in (FIRST_LIST..).zip(starts) {
        let begins =
            |at| format!("<w:lvlOverride w:ilvl=\"{at}\"><w:startOverride w:val=\"{start}\"/></w:lvlOverride>");
        let begins = (0..9).map(begins).collect::<Vec<_>>().concat();
        let _ = write!(xml, "<w:num w:numId=\"{id}\"><w:abstractNumId w:val=\"2\"/>{begins}</w:num>");
    }
    xml + "</w:numbering>"
}

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
struct Body<'o, W: Write + Seek> {
    out: &'o mut ZipWriter<W>,
    lists: Vec<List>,
    run: Run,
    /// With what each numbered list begins.
    starts: Vec<u64>,
    /// Whether a paragraph is open.
    paragraph: bool,
}

impl<W: Write + Seek> Body<'_, W> {
    fn document(&mut self, document: &Document, schedule: &mut Schedule<'_>) -> Result<(), Failure> {
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
            self.table(SCHEDULE, &WIDTHS)?;
            self.row(&WIDTHS, &COLUMNS, true)?;
            schedule(&mut |piece| {
                for scheduled in piece {
                    let [number, uprn, street, description] = cells(scheduled);
                    self.row(&WIDTHS, &[&number, &uprn, &street, &description], false)?;
                }
                Ok(())
            })?;
            write!(self.out, "</w:tbl>")?;
        }
        write!(
            self.out,
            "<w:p/><w:sectPr><w:footerReference w:type=\"default\" r:id=\"rId3\"/><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar \
             w:top=\"1247\" w:right=\"1134\" w:bottom=\"1247\" w:left=\"1134\" w:header=\"567\" w:footer=\"567\" w:gutter=\"0\"/>\
             </w:sectPr></w:body></w:document>"
        )?;
        Ok(())
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
