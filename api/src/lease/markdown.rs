//! A lease in Markdown, as of `CommonMark`. Each clause is written anew from what it says, so that what one leaves open, such as a code
//! block, does not take in the next.

use std::io::{self, Write};

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};
use pulldown_cmark_to_cmark::{Options, cmark_with_options};

use super::document::{COLUMNS, DRAFT, Document, PARTICULARS, SCHEDULE, cells};
use super::render::{Failure, Schedule};
use super::terms::line;
use crate::markdown::SYNTAX;

pub(super) fn write(document: &Document, schedule: &mut Schedule<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let Document { title, origin, draft, notice, particulars, clauses, premises_count } = document;
    write!(out, "{}\n\n{}\n\n", heading(1, title)?, inline(origin)?)?;
    for line in draft.then_some(DRAFT).into_iter().chain(notice.as_deref()) {
        write!(out, "> {}\n\n", inline(line)?)?;
    }
    if !particulars.is_empty() {
        write!(out, "## {PARTICULARS}\n\n| | |\n|---|---|\n")?;
        for (label, value) in particulars {
            writeln!(out, "| {} | {} |", cell(label)?, cell(value)?)?;
        }
        writeln!(out)?;
    }
    for section in clauses {
        write!(out, "{}\n\n", heading(section.level + 1, &format!("{} {}", section.number, section.heading))?)?;
        // Some things cannot be written, such as bold nothing, which is what is left when only HTML was bold. Then the
        // words are written by themselves.
        let text = match written(section.text.iter().cloned()) {
            Ok(text) if ends(&text) => text,
            _ => plain(&section.text)?,
        };
        if !text.is_empty() {
            write!(out, "{text}\n\n")?;
        }
    }
    if *premises_count > 0 {
        write!(out, "## {SCHEDULE}\n\n| {} |\n|--:|--:|--:|---|\n", COLUMNS.join(" | "))?;
        schedule(&mut |piece| {
            for scheduled in piece {
                let [number, uprn, street, description] = cells(scheduled);
                writeln!(out, "| {number} | {uprn} | {street} | {} |", cell(&description)?)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn written<'t>(events: impl Iterator<Item = Event<'t>>) -> io::Result<String> {
    let mut text = String::new();
    let options = Options { list_token: '-', increment_ordered_list_bullets: true, ..Options::default() };
    cmark_with_options(events, &mut text, SYNTAX, options).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

/// Whether what comes behind a text stands by itself.
fn ends(text: &str) -> bool {
    let behind = format!("{text}\n\n# behind\n");
    let mut depth = 0_usize;
    let at_the_top = |event| {
        let outermost = depth == 0;
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
        (outermost, event)
    };
    let last = Parser::new_ext(&behind, SYNTAX).map(at_the_top).filter(|(outermost, _)| *outermost).last();
    matches!(last, Some((_, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }))))
}

/// The words of a text, a paragraph for each of its blocks.
fn plain(text: &[Event<'_>]) -> io::Result<String> {
    let (mut blocks, mut words) = (Vec::new(), String::new());
    for event in text {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(text),
            Event::SoftBreak | Event::HardBreak => words.push(' '),
            Event::Start(tag) if !is_inline(tag.to_end()) => blocks.push(std::mem::take(&mut words)),
            Event::End(tag) if !is_inline(*tag) => blocks.push(std::mem::take(&mut words)),
            _ => {}
        }
    }
    let lines = blocks.iter().map(|block| line(block)).filter(|block| !block.is_empty());
    Ok(lines.map(|block| inline(&block)).collect::<io::Result<Vec<_>>>()?.join("\n\n"))
}

fn is_inline(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link)
}

fn heading(level: usize, text: &str) -> io::Result<String> {
    let level = match level {
        1 => HeadingLevel::H1,
        2 => HeadingLevel::H2,
        3 => HeadingLevel::H3,
        4 => HeadingLevel::H4,
        5 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    };
    let start = Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() };
    let events = [Event::Start(start), Event::Text(text.into()), Event::End(TagEnd::Heading(level))];
    written(events.into_iter())
}

/// Words as they are, whatever they look like.
fn inline(text: &str) -> io::Result<String> {
    let events = [Event::Start(Tag::Paragraph), Event::Text(text.into()), Event::End(TagEnd::Paragraph)];
    written(events.into_iter())
}

/// The same in a cell of a table, whose end is a bar.
fn cell(text: &str) -> io::Result<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    Ok(inline(text)?.replace("\\|", "|").replace('|', "\\|"))
}
