//! What a lease says, whatever it is written as. Nothing of it depends on when or where it is made: what is the same lease
//! is the same document, to the byte.

use std::collections::HashMap;

use db::lease_templates::content::{Content, Variable};
use db::leases::premises::{Premises, Scheduled};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Parser, Tag, TagEnd};

use super::numbering::numbers;
use super::terms::{Terms, Wording, line};
use super::text::{self, Part};
use crate::markdown::{LONGEST, SYNTAX, allowed_of};

/// What a lease says.
#[derive(Debug)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What it is made from.
    pub origin: String,
    /// Whether it is a draft, which says so.
    pub draft: bool,
    /// What readers have to know before they use it.
    pub notice: Option<String>,
    /// What is filled in: label and value.
    pub particulars: Vec<(String, String)>,
    /// Its clauses, in their order.
    pub clauses: Vec<Section>,
    /// How many premises its schedule has.
    pub premises_count: usize,
}

/// What a draft says of itself.
pub const DRAFT: &str = "Draft. It has not been issued.";
/// The heading of what is filled in.
pub const PARTICULARS: &str = "Particulars";
/// The heading of the schedule.
pub const SCHEDULE: &str = "Schedule of premises";
/// The columns of the schedule.
pub const COLUMNS: [&str; 4] = ["No.", "UPRN", "USRN", "Description"];
/// The cells of a row of the schedule.
#[must_use]
pub fn cells(scheduled: &Scheduled) -> [String; 4] {
    let Scheduled { position, premises: Premises { uprn, usrn, description } } = scheduled;
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    [position.to_string(), number(*uprn), number(usrn.map(i64::from)), description.clone().unwrap_or_default()]
}

/// What stands for the number of a clause that the lease does not have.
const NOT_USED: &str = "[not used]";

/// A clause of a lease.
#[derive(Debug)]
pub struct Section {
    /// Its id.
    pub id: String,
    /// Its number.
    pub number: String,
    /// How deep it is, from 1.
    pub level: usize,
    /// What it is about.
    pub heading: String,
    /// What it says, as Markdown understands it.
    pub text: Vec<Event<'static>>,
    /// Whether it would be longer than is written, and stands as it was typed.
    pub too_long: bool,
}

/// What a document is made of, beside clauses and values.
#[derive(Debug)]
pub struct Cover {
    /// Title of the lease.
    pub title: String,
    /// Title of the template, and number of the version.
    pub origin: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Notice of the template.
    pub notice: Option<String>,
    /// What the lease says of itself: label and value.
    pub facts: Vec<(String, String)>,
    /// How many premises its schedule has.
    pub premises_count: usize,
}

impl Document {
    /// The document of a lease with a wording and values.
    #[must_use]
    pub fn new(cover: Cover, content: &Content, wording: &Wording, terms: &Terms) -> Self {
        let places = wording.clauses.iter().map(|clause| (clause.clause_id.as_str(), clause.parent_id.as_deref()));
        let numbers = numbers(places);
        let clauses = wording.clauses.iter().map(|clause| {
            let number = numbers.get(clause.clause_id.as_str()).cloned().unwrap_or_default();
            let (text, too_long) = match filled(&clause.body, &content.variables, terms, &numbers) {
                Some(text) => (text, false),
                None => (as_typed(&clause.body), true),
            };
            Section {
                id: clause.clause_id.clone(),
                level: number.split('.').count(),
                number,
                heading: line(&clause.heading),
                text,
                too_long,
            }
        });
        let values = content.variables.iter().filter_map(|variable| {
            let shown = terms.particular(&variable.name)?;
            Some((line(&variable.label), shown.to_owned()))
        });
        let Cover { title, origin, draft, notice, facts, premises_count } = cover;
        Self {
            title: line(&title),
            origin: line(&origin),
            draft,
            notice: notice.as_deref().map(line),
            particulars: facts.into_iter().map(|(label, value)| (line(&label), line(&value))).chain(values).collect(),
            clauses: clauses.collect(),
            premises_count,
        }
    }
}

/// Stands, while Markdown is read, for what is filled in: a value is words, whatever it looks like.
const FIRST_MARK: u32 = 0xF_0000;
const LAST_MARK: u32 = 0xF_FFFD;

fn mark(index: usize) -> Option<char> {
    let mark = u32::try_from(index).ok()?.checked_add(FIRST_MARK)?;
    char::from_u32(mark).filter(|_| mark <= LAST_MARK)
}

fn index(mark: char) -> Option<usize> {
    usize::try_from(u32::from(mark).checked_sub(FIRST_MARK)?).ok().filter(|_| u32::from(mark) <= LAST_MARK)
}

/// A text as it was typed, in one paragraph.
fn as_typed(body: &str) -> Vec<Event<'static>> {
    vec![Event::Start(Tag::Paragraph), Event::Text(line(body).into()), Event::End(TagEnd::Paragraph)]
}

/// A text with its values; none when that is too long, as short words can name long values and links many times.
fn filled(
    body: &str,
    variables: &[Variable],
    terms: &Terms,
    numbers: &HashMap<&str, String>,
) -> Option<Vec<Event<'static>>> {
    let (mut markdown, mut values) = (String::with_capacity(body.len()), Vec::new());
    for part in text::read(body).unwrap_or_default() {
        let value = match part {
            Part::Words(words) => {
                markdown.extend(
                    words.chars().filter(|c| index(*c).is_none() && (!c.is_control() || matches!(c, '\n' | '\t'))),
                );
                continue;
            }
            Part::Variable { name, .. } => {
                terms.shown(&name).map_or_else(|| blank(variables, &name), ToOwned::to_owned)
            }
            Part::Reference { clause, .. } => {
                numbers.get(clause.as_str()).cloned().unwrap_or_else(|| NOT_USED.to_owned())
            }
        };
        markdown.extend(mark(values.len()));
        values.push(value);
    }
    let (mut text, mut length) = (Vec::new(), 0);
    for event in allowed_of(Parser::new_ext(&markdown, SYNTAX).map(|event| with_values(event, &values))) {
        length += length_of(&event);
        if length > LONGEST {
            return None;
        }
        // One that is left open may end without a line end, and could then not be closed behind it.
        let within = matches!(text.last(), Some(Event::Text(code)) if !code.ends_with('\n'));
        if within && matches!(event, Event::End(TagEnd::CodeBlock)) {
            text.push(Event::Text("\n".into()));
        }
        text.push(event.into_static());
    }
    Some(text)
}

/// What stands where nothing is filled in yet.
fn blank(variables: &[Variable], name: &str) -> String {
    let label = variables.iter().find(|variable| variable.name == name).map_or(name, |variable| &variable.label);
    format!("[{}]", line(label))
}

fn length_of(event: &Event<'_>) -> usize {
    match event {
        Event::Text(text) | Event::Code(text) => text.len(),
        Event::Start(Tag::Link { dest_url, .. }) => dest_url.len(),
        _ => 1,
    }
}

fn with_values<'t>(event: Event<'t>, values: &[String]) -> Event<'t> {
    let put =
        |text: CowStr<'t>| if text.chars().any(|c| index(c).is_some()) { put(&text, values).into() } else { text };
    match event {
        Event::Text(text) => Event::Text(put(text)),
        Event::Code(text) => Event::Code(put(text)),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: put(dest_url), title, id })
        }
        // In which language a block of code is says nothing here.
        Event::Start(Tag::CodeBlock(_)) => Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced("".into()))),
        other => other,
    }
}

fn put(text: &str, values: &[String]) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut put, c| {
        match index(c).and_then(|index| values.get(index)) {
            Some(value) => put.push_str(value),
            None => put.push(c),
        }
        put
    })
}
