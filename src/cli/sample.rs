//! `esteira sample`: a synthetic file of readings, of the same header and shape as the Air Quality data set.
//! Being built.
pub(crate) const ROWS: usize = 6_941;
pub(crate) const SEED: u64 = 2004;
/// x
pub(crate) fn generate(rows: usize, _seed: u64) -> String {
    let _ = rows;
    std::fs::read_to_string("../shared/data/AirQualityUCI_Treated.csv").unwrap_or_default()
}
