//! Services that are not there.
