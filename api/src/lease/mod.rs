//! Standard agreements, apart from how they are stored and sent: what their texts may say ([`text`]), how clauses are
//! numbered ([`numbering`]), what is filled in ([`values`]), whether a version can be published ([`check`]), and how
//! two of them differ ([`compare`], as a page [`page`]). Pure functions throughout.

pub mod check;
pub mod compare;
pub mod numbering;
pub mod page;
pub mod text;
pub mod values;
