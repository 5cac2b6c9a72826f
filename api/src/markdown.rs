//! What people write in Markdown, as HTML that is safe to show on any page.
//!
//! Two walls. First, of what the Markdown says only what is listed here is passed on: raw HTML and images are dropped,
//! links go to absolute http, https and mailto addresses or are plain text. Then the HTML that comes of it is read as a
//! browser reads it, and whatever is not on the list of elements and attributes goes.

use db::comments::Body;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};
use url::Url;

/// The edition of what is made here: raised when the same text gives other HTML, so that what was kept is made anew.
pub const RENDERER: i16 = 1;

/// Elements that are left.
pub const ELEMENTS: &[&str] = &[
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Where links may go.
pub const SCHEMES: &[&str] = &["http", "https", "mailto"];

/// What every link says of where it goes: nothing that we vouch for.
pub const RELATION: &str = "nofollow noopener noreferrer ugc";

/// How deep elements are nested at most. What is nested deeper keeps its words: reading very deep HTML takes time with
/// the square of its depth.
const DEPTH: usize = 24;

/// Characters of HTML at most; a text that would give more is shown as it was typed.
pub const LONGEST: usize = 200_000;

/// What is understood beside `CommonMark`.
pub const SYNTAX: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(ELEMENTS.iter().copied().collect())
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"])), ("ol", HashSet::from(["start"]))]))
        .url_schemes(SCHEMES.iter().copied().collect())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some(RELATION));
    builder
});

/// A text with its HTML, as it is kept.
#[must_use]
pub fn body(markdown: String) -> Body {
    Body { html: render(&markdown), renderer: RENDERER, markdown }
}

/// The HTML of a text.
#[must_use]
pub fn render(markdown: &str) -> String {
    let clean = to_html(allowed_of(Parser::new_ext(markdown, SYNTAX)), markdown.len());
    if clean.chars().count() <= LONGEST { clean } else { format!("<p>{}</p>", ammonia::clean_text(markdown)) }
}

/// What is allowed of what a text says: the first wall.
pub fn allowed_of<'t>(events: impl Iterator<Item = Event<'t>>) -> impl Iterator<Item = Event<'t>> {
    Sieve::default().pass(events)
}

/// What is allowed as HTML, of a text of some length: the second wall.
pub fn to_html<'t>(allowed: impl Iterator<Item = Event<'t>>, length: usize) -> String {
    let mut made = String::with_capacity(length * 3 / 2);
    html::push_html(&mut made, allowed);
    CLEANER.clean(&made).to_string()
}

/// Passes on what is allowed.
#[derive(Default)]
struct Sieve {
    /// Of each element that is open, whether it was passed on, and for a link that it was.
    open: Vec<bool>,
    /// How many of those were.
    depth: usize,
}

impl Sieve {
    fn pass<'t>(mut self, events: impl Iterator<Item = Event<'t>>) -> impl Iterator<Item = Event<'t>> {
        events.filter_map(move |event| match event {
            Event::Html(_) | Event::InlineHtml(_) => None,
            Event::Start(tag) => self.start(tag).map(Event::Start),
            Event::End(tag) => self.end(tag).map(Event::End),
            other => Some(other),
        })
    }

    fn start<'t>(&mut self, tag: Tag<'t>) -> Option<Tag<'t>> {
        let tag = if self.depth < DEPTH { allowed(tag) } else { None };
        self.open.push(tag.is_some());
        self.depth += usize::from(tag.is_some());
        tag
    }

    fn end(&mut self, tag: TagEnd) -> Option<TagEnd> {
        let passed = self.open.pop().unwrap_or_default();
        self.depth -= usize::from(passed);
        let tag = if let TagEnd::Heading(level) = tag { TagEnd::Heading(below_page(level)) } else { tag };
        passed.then_some(tag)
    }
}

fn allowed(tag: Tag<'_>) -> Option<Tag<'_>> {
    match tag {
        Tag::Image { .. } | Tag::HtmlBlock => None,
        Tag::Link { link_type, dest_url, .. } => Some(Tag::Link {
            link_type: LinkType::Inline,
            dest_url: CowStr::from(destination(link_type, &dest_url)?),
            title: CowStr::from(""),
            id: CowStr::from(""),
        }),
        Tag::Heading { level, .. } => {
            Some(Tag::Heading { level: below_page(level), id: None, classes: Vec::new(), attrs: Vec::new() })
        }
        other => Some(other),
    }
}

/// Where a link goes, as a browser would understand it, when it may go there.
fn destination(link_type: LinkType, written: &str) -> Option<String> {
    let url = match link_type {
        LinkType::Email => Url::parse(&format!("mailto:{written}")),
        _ => Url::parse(written),
    };
    url.ok().filter(|url| SCHEMES.contains(&url.scheme())).map(Into::into)
}

/// A page has its own first and second heading.
fn below_page(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_what_people_expect() {
        let cases = [
            ("We *do* use **it**.", "<p>We <em>do</em> use <strong>it</strong>.</p>\n"),
            ("# Title", "<h3>Title</h3>\n"),
            ("3. three\n4. four", "<ol start=\"3\">\n<li>three</li>\n<li>four</li>\n</ol>\n"),
            ("~~gone~~ `a < b`", "<p><del>gone</del> <code>a &lt; b</code></p>\n"),
            ("a <b>bold</b> word", "<p>a bold word</p>\n"),
            ("![a bin](https://x.example/bin.png)", "<p>a bin</p>\n"),
            ("[go](/v1/me)", "<p>go</p>\n"),
            (
                "[go](https://x.example/a?b=c&d=e \"title\")",
                "<p><a href=\"https://x.example/a?b=c&amp;d=e\" rel=\"nofollow noopener noreferrer ugc\">go</a></p>\n",
            ),
            (
                "<sam@hackney.example>",
                "<p><a href=\"mailto:sam@hackney.example\" rel=\"nofollow noopener noreferrer ugc\">sam@hackney.example</a></p>\n",
            ),
            (
                "| a | b |\n|:-:|---|\n| 1 | 2 |",
                "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>\n<tr><td>1</td><td>2</td></tr>\n</tbody></table>\n",
            ),
        ];
        for (markdown, html) in cases {
            assert_eq!(render(markdown), html, "{markdown}");
        }
    }

    #[test]
    fn what_is_long_or_deep_takes_no_long_time_and_no_large_room() {
        let definition = format!("[a]: https://x.example/{}\n\n", "y".repeat(4000));
        let costly = [
            ">".repeat(10_000),
            "- ".repeat(5_000),
            "*a ".repeat(3_333),
            "[".repeat(10_000),
            "![a](".repeat(2_000),
            "<a@b.c>".repeat(1_400),
            "<http:a>".repeat(1_250),
            definition + &"[a]".repeat(1_900),
            "|".repeat(5_000) + "\n" + &"|-".repeat(2_400) + "\n",
            "`".repeat(10_000),
            "&".repeat(10_000),
        ];
        for markdown in costly {
            let html = render(&markdown);
            assert!(html.chars().count() <= LONGEST, "{}: {}", markdown.get(..20).unwrap_or_default(), html.len());
            assert!(html.matches("<blockquote>").count() <= DEPTH);
        }
    }
}
