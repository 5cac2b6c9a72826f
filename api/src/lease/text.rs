//! The text of a clause: Markdown with `{{ variable }}`, and with `{{ clause("id") }}` for the number of another clause.
//!
//! Both are written as in Jinja, so that editors know them, and are read by its parser. Nothing else of Jinja is let
//! through, and nothing is run: a text becomes a list of parts, so no text can loop, grow, look into values or load
//! anything. What a lease says only sometimes is a clause with conditions.

use minijinja::machinery::ast::{CallArg, Expr, Stmt};
use minijinja::machinery::{Span, WhitespaceConfig, parse};
use minijinja::syntax::SyntaxConfig;

/// Part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Words as they stand.
    Words(String),
    /// The value of a variable.
    Variable {
        /// Its name.
        name: String,
        /// Where it is named.
        at: Place,
    },
    /// The number of another clause.
    Reference {
        /// Its id.
        clause: String,
        /// Where it is named.
        at: Place,
    },
}

/// Place in a text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Character in it.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, character {}", self.line, self.column)
    }
}

/// Names that Jinja keeps for itself, which no variable can have.
pub const RESERVED: &[&str] =
    &["and", "clause", "else", "false", "if", "in", "is", "loop", "none", "not", "or", "self", "true", "recursive"];

/// The parts of a text; else a sentence that says where it is wrong, and what would be right.
pub fn read(text: &str) -> Result<Vec<Part>, String> {
    let whitespace = WhitespaceConfig { keep_trailing_newline: true, ..WhitespaceConfig::default() };
    let parsed = parse(text, "text", SyntaxConfig, whitespace);
    let parsed = parsed.map_err(|error| {
        let why = error.detail().unwrap_or("cannot be read");
        format!("line {}: {why}; {ONLY}", error.line().unwrap_or(1))
    })?;
    let Stmt::Template(template) = parsed else { return Err(format!("cannot be read; {ONLY}")) };
    template.children.iter().map(|statement| part(text, statement)).collect()
}

const ONLY: &str = "a text holds only {{ variable }} and {{ clause(\"id\") }}, and what is said only sometimes is a \
                    clause of its own, with conditions";

fn part(text: &str, statement: &Stmt<'_>) -> Result<Part, String> {
    let refused = |span: Span| Err(format!("{}: is not for texts of clauses; {ONLY}", place(text, span)));
    match statement {
        Stmt::EmitRaw(raw) => Ok(Part::Words(raw.raw.to_owned())),
        Stmt::EmitExpr(emitted) => match &emitted.expr {
            Expr::Var(variable) => {
                Ok(Part::Variable { name: variable.id.to_owned(), at: place(text, variable.span()) })
            }
            Expr::Call(call) => match (&call.expr, call.args.as_slice()) {
                (Expr::Var(function), [CallArg::Pos(Expr::Const(id))]) if function.id == "clause" => {
                    let Some(id) = id.value.as_str() else { return refused(emitted.span()) };
                    Ok(Part::Reference { clause: id.to_owned(), at: place(text, call.span()) })
                }
                _ => refused(emitted.span()),
            },
            _ => refused(emitted.span()),
        },
        Stmt::Template(found) => refused(found.span()),
        Stmt::ForLoop(found) => refused(found.span()),
        Stmt::IfCond(found) => refused(found.span()),
        Stmt::WithBlock(found) => refused(found.span()),
        Stmt::Set(found) => refused(found.span()),
        Stmt::SetBlock(found) => refused(found.span()),
        Stmt::AutoEscape(found) => refused(found.span()),
        Stmt::FilterBlock(found) => refused(found.span()),
        Stmt::Do(found) => refused(found.span()),
    }
}

/// Characters rather than bytes; the parser counts lines only up to a point, its offset is exact.
fn place(text: &str, span: Span) -> Place {
    let before = text.get(..span.start_offset as usize).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count();
    Place { line: before.matches('\n').count() + 1, column: column + 1 }
}
