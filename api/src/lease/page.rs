//! How two versions differ, as a page to read: deletions and insertions are `del` and `ins`, which browsers and screen
//! readers tell apart without a style sheet.

use std::fmt::Write as _;

use ammonia::clean_text;

use super::compare::{ClauseDifference, Edit, Fate, Run, VariableDifference};

/// The page.
#[must_use]
pub fn comparison(
    title: &str,
    from: &str,
    to: &str,
    clauses: &[ClauseDifference<'_>],
    variables: &[VariableDifference<'_>],
) -> String {
    let heading = format!("{}: {from} compared with {to}", clean_text(title));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{heading}</title>\n</head>\n<body>\n<main>\n<h1>{heading}</h1>\n\
         <p>What was <del>taken out</del> and what was <ins>put in</ins>.</p>\n<h2>Clauses</h2>\n"
    );
    for difference in clauses {
        clause(&mut page, difference);
    }
    page.push_str("<h2>Variables</h2>\n<ul>\n");
    for VariableDifference { fate, name, fields } in variables {
        let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
        let _ = writeln!(page, "<li><code>{}</code> {}{fields}</li>", clean_text(name), word(*fate));
    }
    page.push_str("</ul>\n</main>\n</body>\n</html>\n");
    page
}

fn clause(page: &mut String, difference: &ClauseDifference<'_>) {
    let number = |side: &Option<(_, String)>| side.as_ref().map(|(_, number)| number.clone());
    let numbers = match (number(&difference.before), number(&difference.after)) {
        (Some(before), Some(after)) if before != after => format!("<del>{before}</del> <ins>{after}</ins>"),
        (before, after) => after.or(before).unwrap_or_default(),
    };
    let heading = marked(&difference.heading);
    let _ = write!(page, "<section>\n<h3>{numbers} {heading}</h3>\n<p>{}</p>\n", capital(word(difference.fate)));
    for text in [&difference.body, &difference.note].into_iter().filter(|text| !text.is_empty()) {
        let _ = writeln!(page, "<p>{}</p>", marked(text));
    }
    page.push_str("</section>\n");
}

fn marked(runs: &[Run]) -> String {
    runs.iter().fold(String::new(), |mut html, Run { edit, text }| {
        let text = clean_text(text).replace("&#10;", "\n").replace('\n', "<br>\n").replace("&#32;", " ");
        let _ = match edit {
            Edit::Equal => write!(html, "{text}"),
            Edit::Insert => write!(html, "<ins>{text}</ins>"),
            Edit::Delete => write!(html, "<del>{text}</del>"),
        };
        html
    })
}

fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Added => "added",
        Fate::Removed => "removed",
        Fate::Changed => "changed",
        Fate::Unchanged => "unchanged",
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
