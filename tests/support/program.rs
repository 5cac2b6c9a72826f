//! The program `loti` as an operator runs it: its commands that end by themselves.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::database::Database;
use super::server::{PUBLIC_URL, new_folder};

/// Where it was built.
pub fn binary() -> PathBuf {
    let binary = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("loti");
    assert!(binary.exists(), "{} is not built: run `make build`", binary.display());
    binary
}

/// What `loti serve` says on standard error until a line with `word`; then it is stopped.
pub fn serve_until(database: &Database, key: &Path, word: &str) -> String {
    serve_with(database, key, &[], word)
}

/// [`serve_until`], with some settings of its own.
pub fn serve_with(database: &Database, key: &Path, settings: &[(&str, &str)], word: &str) -> String {
    let mut child = service(database, key).envs(settings.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
        if line.contains(word) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    said
}

/// `loti serve`, for the caller to end.
pub fn serving(database: &Database, key: &Path) -> Child {
    service(database, key).stderr(Stdio::null()).spawn().unwrap()
}

fn service(database: &Database, key: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("serve")
        .env_clear()
        .env("DATABASE_URL", &database.url)
        .env("LOTI_LISTEN", "127.0.0.1:0")
        .env("LOTI_PUBLIC_URL", PUBLIC_URL)
        .env("LOTI_ENCRYPTION_KEY_FILE", key)
        .env("LOTI_WORKERS", "1");
    command
}

/// What a command left behind.
#[derive(Debug)]
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// Lines of standard output, each a JSON object.
    pub lines: Vec<Value>,
    /// Standard error.
    pub stderr: String,
}

/// Runs a command on a database, in a folder.
pub fn run(database: &Database, folder: &Path, arguments: &[&str]) -> Run {
    run_with(database, folder, arguments, &[])
}

/// [`run`], with some settings of its own.
pub fn run_with(database: &Database, folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Run {
    let output = Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("DATABASE_URL", &database.url)
        .env("LOTI_PUBLIC_URL", PUBLIC_URL)
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    Run {
        code: output.status.code().expect("it was killed"),
        lines: stdout.lines().map(line).collect(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Run {
    /// The last line of standard error, where the tally is.
    pub fn tally(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    /// The refused rows, one a line: line, then pointer, a space and code of each fault.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.lines.iter().filter(|line| line["outcome"] == "refused");
        refused
            .map(|line| {
                let errors = line["errors"].as_array().unwrap().iter();
                let faults = errors.map(|error| format!("{} {}", text(error, "pointer"), text(error, "code")));
                format!("{} {}", line["line"], faults.collect::<Vec<_>>().join(", "))
            })
            .collect()
    }

    /// The report on a line of a file.
    #[track_caller]
    pub fn on_line(&self, line: u64) -> &Value {
        self.lines.iter().find(|row| row["line"] == line).unwrap_or_else(|| panic!("nothing on line {line}: {self:?}"))
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is no text in {value}"))
}

/// A folder of files to import, which goes with its test.
pub struct Files(PathBuf);

impl Files {
    /// An empty one.
    pub fn new() -> Self {
        Self(new_folder())
    }

    /// Writes one.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), content).unwrap();
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
