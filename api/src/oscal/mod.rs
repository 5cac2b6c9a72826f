//! OSCAL (NIST, <https://pages.nist.gov/OSCAL>), as it comes in and goes out. What is not read for ourselves is kept as it
//! came, so that what goes out says all that came in.

pub mod catalog;
pub mod write;
