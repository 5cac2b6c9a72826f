//! A lease as Office Open XML (ISO/IEC 29500, WordprocessingML): headings numbered by Word itself, lists and tables as such.
//!
//! A ZIP archive of XML parts, each written as a stream. Nothing is compressed and no time is kept, so that the same lease
//! is the same bytes on every machine: what a compressor makes depends on the processor.

mod body;

use std::fmt::Write as _;
use std::io::{self, Seek, Write};

use quick_xml::escape::escape;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::document::Document;
use super::render::{Failure, Schedule};
use body::Body;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml";
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
    let mut body = Body::new(&mut archive);
    body.document(document, schedule)?;
    let starts = body.into_starts();
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
