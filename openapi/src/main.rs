//! Prints the document, as `make openapi` commits it.

fn main() {
    print!("{}", openapi::render());
}
