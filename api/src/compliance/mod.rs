//! What checklists and assessments come to, without a database: which controls a selection means, how answers are graded and
//! scored, and how they come in and go out as tables.

pub mod caf;
pub mod score;
pub mod selection;
pub mod table;
