//! Being built.
/// x
pub struct Engine;
/// x
pub struct EngineError;
/// x
pub struct Options;
