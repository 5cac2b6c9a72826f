//! Standard agreements, apart from how they are stored and sent.
//!
//! Of templates: what their texts may say ([`text`]), how clauses are numbered ([`numbering`]), what is filled in
//! ([`values`]), and whether a version can be published ([`check`]). Of leases: what is filled in and what follows from it
//! ([`terms`]), their premises as they come in ([`schedule`]), what they say ([`document`]) and how that is written
//! ([`render`]: [`markdown`], [`html`], [`docx`]). Of both how two of them differ ([`compare`], as a page [`page`]). Pure
//! functions throughout, but that documents are written to files and premises read from one.

pub mod check;
pub mod compare;
pub mod document;
pub mod docx;
pub mod html;
pub mod markdown;
pub mod numbering;
pub mod page;
pub mod render;
pub mod schedule;
pub mod terms;
pub mod text;
pub mod values;
