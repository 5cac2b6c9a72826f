//! A catalog as it goes out, written as its groups and controls are read.

use std::io::{self, Write};

use db::frameworks::items::{Item, ItemKind};
use serde_json::{Map, Value};

/// Writes a catalog piece by piece: what it has beside groups and controls, then these in their order.
pub struct Writer<W> {
    out: W,
    /// What is open, the outermost first.
    open: Vec<Open>,
}

/// A catalog, a group or a control that is being written.
struct Open {
    /// None for the catalog.
    position: Option<i32>,
    /// Which list of it is open.
    list: Option<ItemKind>,
}

impl<W: Write> Writer<W> {
    /// Begins a catalog.
    pub fn new(mut out: W, envelope: &Map<String, Value>) -> io::Result<Self> {
        out.write_all(b"{\"catalog\":{")?;
        members(&mut out, envelope, true)?;
        Ok(Self { out, open: vec![Open { position: None, list: None }] })
    }

    /// Writes the next group or control.
    pub fn item(&mut self, item: &Item) -> io::Result<()> {
        while self.open.len() > 1 && self.open.last().is_some_and(|open| open.position != item.parent_position) {
            self.close()?;
        }
        if let Some(above) = self.open.last_mut() {
            match above.list {
                Some(kind) if kind == item.kind => self.out.write_all(b",")?,
                earlier => {
                    let end = if earlier.is_some() { "]" } else { "" };
                    let name = match item.kind {
                        ItemKind::Group => "groups",
                        ItemKind::Control => "controls",
                    };
                    write!(self.out, "{end},\"{name}\":[")?;
                    above.list = Some(item.kind);
                }
            }
        }
        self.out.write_all(b"{")?;
        // An id may be qualified; where there is no title there was none.
        let id = item.item_id.iter().map(|id| ("id", id));
        let title = Some(&item.title).into_iter().filter(|title| !title.is_empty()).map(|title| ("title", title));
        let mut first = true;
        for (name, text) in id.chain(title) {
            let comma = if first { "" } else { "," };
            write!(self.out, "{comma}\"{name}\":")?;
            serde_json::to_writer(&mut self.out, text)?;
            first = false;
        }
        members(&mut self.out, &item.content.0, first)?;
        self.open.push(Open { position: Some(item.position), list: None });
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let end = match self.open.pop() {
            Some(Open { list: Some(_), .. }) => "]}",
            Some(Open { list: None, .. }) => "}",
            None => "",
        };
        self.out.write_all(end.as_bytes())
    }

    /// Ends the catalog.
    pub fn finish(mut self) -> io::Result<W> {
        while !self.open.is_empty() {
            self.close()?;
        }
        self.out.write_all(b"}\n")?;
        Ok(self.out)
    }
}

fn members(out: &mut impl Write, object: &Map<String, Value>, mut first: bool) -> io::Result<()> {
    for (name, value) in object {
        if !first {
            out.write_all(b",")?;
        }
        first = false;
        serde_json::to_writer(&mut *out, name)?;
        out.write_all(b":")?;
        serde_json::to_writer(&mut *out, value)?;
    }
    Ok(())
}
