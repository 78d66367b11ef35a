//! Compares secrets in time that does not depend on where they differ.

/// Compares secrets of any length; the time can reveal only their lengths.
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}
