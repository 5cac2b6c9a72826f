//! The log of everything that runs in the test binary, held to one rule as it is written: it has no personal data and no
//! secret in it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

static LINES: AtomicUsize = AtomicUsize::new(0);
static VIOLATIONS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Sends the log of this process to the scanner; more than once does nothing.
pub fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // ureq is what the tests call with: it tells of what they send.
        let filter = EnvFilter::new("debug,ureq=off,ureq_proto=off");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(Scanner).json().init();
    });
}

/// How many lines there were.
pub fn lines() -> usize {
    LINES.load(Ordering::Relaxed)
}

/// The lines that break the rule, which are forgotten then.
pub fn take_violations() -> Vec<String> {
    std::mem::take(&mut VIOLATIONS.lock().unwrap_or_else(PoisonError::into_inner))
}

struct Scanner;

impl<'w> MakeWriter<'w> for Scanner {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line
    }
}

/// Takes a whole line at once, as the formatter writes it.
struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.fetch_add(1, Ordering::Relaxed);
        let line = String::from_utf8_lossy(bytes);
        if let Some(what) = violation(&line) {
            let told = format!("{what}: {line}");
            VIOLATIONS.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a line of a log must not have, and has.
#[must_use]
pub fn violation(line: &str) -> Option<&'static str> {
    type Rule = (&'static str, fn(&str) -> bool);
    let found: [Rule; 6] = [
        ("a token", |line| line.contains("eyJ")),
        ("a header", |line| line.to_ascii_lowercase().contains("bearer ")),
        ("a secret of a client", |line| line.split("loti_").skip(1).any(|rest| hexadecimal(rest) >= 32)),
        ("a secret or its digest", |line| words(line).any(|word| word.len() == 64 && hexadecimal(word) == 64)),
        ("a password", |line| line.split("://").skip(1).any(has_password)),
        ("an address", has_address),
    ];
    found.into_iter().find(|(_, breaks)| breaks(line)).map(|(what, _)| what)
}

/// Hexadecimal digits at the start.
fn hexadecimal(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_hexdigit).count()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric())
}

/// `user:password@host`, after `://`.
fn has_password(rest: &str) -> bool {
    let authority = rest.split(['/', '"', ' ', '\\']).next().unwrap_or_default();
    authority.split_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// Something of an address on both sides of an `@`, and a dot in the domain.
fn has_address(line: &str) -> bool {
    let parts: Vec<&str> = line.split('@').collect();
    let of_address = |c: char| c.is_ascii_alphanumeric() || "._%+-".contains(c);
    parts.windows(2).any(|pair| {
        let (local, domain) = (pair[0], pair[1]);
        let domain: &str =
            &domain[..domain.find(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c)).unwrap_or(domain.len())];
        local.ends_with(of_address) && domain.trim_end_matches('.').contains('.')
    })
}
