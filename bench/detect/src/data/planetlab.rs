//! PlanetLab: host CPU per cent every five minutes (`planetlab/DAY/HOST`, one integer a line).
use std::path::Path;

use super::{DataError, base_name, children, read};

/// One virtual machine's day.
pub struct Day {
    /// Folder name, `YYYYMMDD`.
    pub day: String,
    /// CPU use in per cent, one value per five minutes.
    pub values: Vec<f64>,
}

/// Every host of every day below `dir/planetlab`, sorted.
pub fn load(dir: &Path) -> Result<Vec<Day>, DataError> {
    let mut out = Vec::new();
    for folder in children(&dir.join("planetlab"))?.into_iter().filter(|f| f.is_dir()) {
        for file in children(&folder)? {
            let values: Vec<f64> = read(&file)?.lines().filter_map(|l| l.trim().parse().ok()).collect();
            out.push(Day { day: base_name(&folder), values });
        }
    }
    Ok(out)
}
