//! A lease as a page that stands alone: headings, tables with headers, and a style sheet that is made for paper as well.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::escape::escape;
use sha2::{Digest, Sha256};

use super::document::{COLUMNS, DRAFT, Document, PARTICULARS, SCHEDULE, cells};
use super::render::{Failure, Schedule};
use crate::markdown::to_html;

const STYLE: &str = "
body { font: 1rem/1.5 Georgia, serif; color: #111; background: #fff; margin: 0 auto; padding: 1rem; max-width: 44rem; }
h1, h2, h3, h4, h5, h6 { line-height: 1.25; font-family: Arial, sans-serif; }
h3, h4, h5, h6 { font-size: 1rem; }
.number { margin-right: 0.5em; }
.notice { border-left: 0.3rem solid #111; padding-left: 0.75rem; font-weight: bold; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #555; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
caption { text-align: left; font-weight: bold; padding: 0.25rem 0; }
@page { size: A4; margin: 22mm 20mm; }
@media print {
  body { font-size: 10.5pt; max-width: none; padding: 0; }
  h1, h2, h3, h4, h5, h6 { break-after: avoid; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  #premises { break-before: page; }
}
";

/// The policy under which a browser shows the page: its own style sheet and nothing else.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

pub(super) fn write(document: &Document, schedule: &mut Schedule<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let Document { title, origin, draft, notice, particulars, clauses, premises_count } = document;
    let (title, origin) = (escape(title), escape(origin));
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<h1>{title}</h1>\n<p>{origin}</p>\n"
    )?;
    for line in draft.then_some(DRAFT).into_iter().chain(notice.as_deref()) {
        writeln!(out, "<p class=\"notice\">{}</p>", escape(line))?;
    }
    if !particulars.is_empty() {
        let rows = particulars.iter().fold(String::new(), |mut rows, (label, value)| {
            let _ = writeln!(rows, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(label), escape(value));
            rows
        });
        write!(
            out,
            "<section id=\"particulars\">\n<h2>{PARTICULARS}</h2>\n<table>\n<tbody>\n{rows}</tbody>\n</table>\n</section>\n"
        )?;
    }
    for section in clauses {
        let (level, id, number) = ((section.level + 1).min(6), escape(&section.id), escape(&section.number));
        let text = to_html(section.text.iter().cloned(), 0);
        write!(
            out,
            "<section id=\"clause-{id}\">\n<h{level}><span class=\"number\">{number}</span> {}</h{level}>\n{text}</section>\n",
            escape(&section.heading)
        )?;
    }
    if *premises_count > 0 {
        let header = COLUMNS.map(|column| format!("<th scope=\"col\">{column}</th>")).concat();
        write!(
            out,
            "<section id=\"premises\">\n<h2>{SCHEDULE}</h2>\n<table>\n<caption>{premises_count} premises</caption>\n\
             <thead>\n<tr>{header}</tr>\n</thead>\n<tbody>\n"
        )?;
        schedule(&mut |piece| {
            for scheduled in piece {
                let [number, uprn, street, description] = cells(scheduled);
                let description = escape(&description);
                writeln!(
                    out,
                    "<tr><th scope=\"row\">{number}</th><td>{uprn}</td><td>{street}</td><td>{description}</td></tr>"
                )?;
            }
            Ok(())
        })?;
        out.write_all(b"</tbody>\n</table>\n</section>\n")?;
    }
    out.write_all(b"</main>\n</body>\n</html>\n")?;
    Ok(())
}
