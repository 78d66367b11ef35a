//! `/find`: one field for everything that the dashboard knows. A whole key is found by its digest and is never repeated.

mod destinations;
pub mod show;
